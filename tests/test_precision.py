"""Laws of the precision that is chosen."""

import pytest
import tensorflow as tf

from scn_tf import precision


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
        ("fpu avx512_bf16 sse", "bfloat16"),
        ("fpu amx_bf16", "bfloat16"),
        ("fpu avx512f avx512_fp16", "float32"),
        ("", "float32"),
    ],
)
def test_auto_asks_the_processor(processor, flags, expected):
    processor.write_text(f"model name\t: any\nflags\t\t: {flags}\nbugs: none\n")
    assert precision.resolved_precision("auto") == expected


def test_an_unknown_processor_gets_float32(processor):
    assert precision.resolved_precision("auto") == "float32"


@pytest.mark.parametrize(
    "details, expected",
    [
        ({"compute_capability": (9, 0)}, "bfloat16"),
        ({"compute_capability": (8, 0)}, "bfloat16"),
        ({"compute_capability": (7, 5)}, "float16"),
        ({"compute_capability": (6, 1)}, "float32"),
        ({}, "float32"),
    ],
)
def test_auto_asks_the_gpu_where_there_is_one(monkeypatch, details, expected):
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: ["a GPU"]
    )
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: details
    )
    assert precision.resolved_precision("auto") == expected


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_what_is_asked_for_is_taken(name):
    assert precision.resolved_precision(name) == name


def test_another_precision_is_refused():
    with pytest.raises(ValueError, match="Received: 'half'"):
        precision.resolved_precision("half")
