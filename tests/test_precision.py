"""Laws of the precision that is chosen."""

import gc
import logging
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_backbone

from scn_tf import precision
from scn_tf.backbones import build_backbone


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """A processor without GPU, its flags to be written."""
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(precision, "_PROCESSOR", path)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    return path


@pytest.mark.parametrize(
    "flags, expected",
    [
        ("fpu avx512_bf16 sse", ("bfloat16",)),
        ("fpu amx_bf16", ("bfloat16",)),
        ("fpu avx512f avx512_fp16", ()),
        ("", ()),
    ],
)
def test_the_processor_is_asked(processor, flags, expected):
    processor.write_text(f"model name\t: any\nflags\t\t: {flags}\nbugs: none\n")
    assert precision.fast_precisions() == expected


def test_an_unknown_processor_is_fast_in_float32_only(processor):
    assert precision.fast_precisions() == ()


@pytest.mark.parametrize(
    "details, expected",
    [
        ({"compute_capability": (9, 0)}, ("bfloat16", "float16")),
        ({"compute_capability": (8, 0)}, ("bfloat16", "float16")),
        ({"compute_capability": (7, 5)}, ("float16",)),
        ({"compute_capability": (6, 1)}, ()),
        ({}, ()),
    ],
)
def test_the_gpu_is_asked_where_there_is_one(monkeypatch, details, expected):
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: ["a GPU"]
    )
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: details
    )
    assert precision.fast_precisions() == expected


def networks() -> tuple[keras.Model, keras.Model]:
    backbone = tiny_backbone()
    return backbone.trunk, backbone.neck


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_what_is_asked_for_is_taken(name):
    assert precision.chosen_precision(name, *networks()) == name


def test_no_network_is_kept_for_the_answer(processor):
    """An experiment makes new ones for every row."""
    trunk, neck = networks()
    assert precision.chosen_precision("auto", trunk, neck) == "float32"
    left = [weakref.ref(model) for model in (trunk, neck)]
    del trunk, neck
    gc.collect()
    assert [model() for model in left] == [None, None]


def test_another_precision_is_refused():
    with pytest.raises(ValueError, match="Received: 'half'"):
        precision.chosen_precision("half", *networks())


@pytest.mark.parametrize(
    "errors, expected",
    [
        ({"bfloat16": 0.01, "float16": 0.001}, "bfloat16"),
        ({"bfloat16": 0.3, "float16": 0.015}, "float16"),
        ({"bfloat16": 0.3, "float16": np.inf}, "float32"),
        ({}, "float32"),
    ],
)
def test_auto_takes_the_first_that_keeps_the_features(
    monkeypatch, errors, expected
):
    monkeypatch.setattr(precision, "fast_precisions", lambda: tuple(errors))
    monkeypatch.setattr(
        precision, "rounding_error", lambda name, *networks: errors[name]
    )
    assert precision.chosen_precision("auto", *networks()) == expected


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (
            {"bfloat16": 0.009},
            [
                "The frozen networks work in bfloat16: it changes their "
                "features by 0.9 %."
            ],
        ),
        (
            {"bfloat16": 0.061},
            [
                "The frozen networks stay in float32: bfloat16 would change "
                "their features by 6.1 %, more than 2 %."
            ],
        ),
        (
            {"bfloat16": 0.061, "float16": 0.008},
            [
                "The frozen networks do not work in bfloat16: it would change "
                "their features by 6.1 %, more than 2 %.",
                "The frozen networks work in float16: it changes their "
                "features by 0.8 %.",
            ],
        ),
    ],
)
def test_it_is_said_why_a_precision_is_taken(monkeypatch, caplog, errors, said):
    monkeypatch.setattr(precision, "fast_precisions", lambda: tuple(errors))
    monkeypatch.setattr(
        precision, "rounding_error", lambda name, *networks: errors[name]
    )
    with caplog.at_level(logging.INFO, "absl"):
        precision.chosen_precision("auto", *networks())
    assert caplog.messages == said


def test_rounding_grows_with_the_bits_left_out():
    backbone = build_backbone("small_cnn")
    error = [
        precision.rounding_error(name, backbone.trunk, backbone.neck)
        for name in ("float32", "float16", "bfloat16")
    ]
    assert error[0] < 1e-5
    # 11 and 8 bits of mantissa.
    assert error[1] == pytest.approx(error[2] / 8, rel=0.5)
    assert error[2] < 0.02


def test_numbers_too_large_are_an_infinite_error():
    trunk, neck = networks()
    kernel = trunk.weights[0]
    kernel.assign(1e6 * tf.ones_like(kernel))
    assert precision.rounding_error("float16", trunk, neck) == np.inf


def test_delicate_weights_are_not_given_to_bfloat16(scn_data):
    weights = scn_data / "weights" / "mobilenet_v2_imagenet.weights.h5"
    backbone = build_backbone("mobilenet_v2", "", str(weights))
    error = precision.rounding_error("bfloat16", backbone.trunk, backbone.neck)
    # With its depthwise convolutions in bfloat16 as well it is over 0.1.
    assert 0.02 < error < 0.1
