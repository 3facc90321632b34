import dataclasses
import functools
import hashlib

import pytest
from absl import flags

from tfrecords import options
from tfrecords.errors import InputError
from tfrecords.options import BuildOptions
from tfrecords.options import define_flags
from tfrecords.options import options_from_flags
from tfrecords.options import runner_from_flags
from tfrecords.options import RunnerOptions
from tfrecords.proposals.proposals import ProposalOptions

OPTIONS = BuildOptions("auto", "there", "uniform", ProposalOptions(), 5, 7, 3)


@pytest.fixture
def values(monkeypatch):
    own = flags.FlagValues()
    for kind in ("enum", "string", "integer", "float", "list", "bool"):
        define = getattr(flags, f"DEFINE_{kind}")

        def on_own(*arguments, define=define, **keywords):
            return define(*arguments, flag_values=own, **keywords)

        monkeypatch.setattr(flags, f"DEFINE_{kind}", on_own)
    on_own = functools.partial(options.define_path, flag_values=own)
    monkeypatch.setattr(options, "define_path", on_own)
    define_flags()
    return own


def test_without_flags_the_options_are_the_defaults(values):
    values(["program"])
    assert options_from_flags(values) == BuildOptions(
        source="auto",
        data_dir="",
        proposals="edge_boxes",
        proposal_options=ProposalOptions(),
        limit_images=0,
        seed=0,
        num_shards=0,
    )


@pytest.mark.parametrize(
    "field", dataclasses.fields(ProposalOptions), ids=lambda field: field.name
)
def test_every_proposal_option_is_a_flag(values, field):
    text = "true" if isinstance(field.default, bool) else "17"
    values(["program", f"--{field.name}={text}"])
    options = options_from_flags(values).proposal_options
    assert getattr(options, field.name) == type(field.default)(text)


def test_the_other_flags_reach_their_options(values):
    words = "--source=synthetic --data_dir=d --proposals=uniform"
    words += " --limit_images=9 --seed=4 --records_shards=2"
    values(["program", *words.split()])
    assert options_from_flags(values) == BuildOptions(
        "synthetic", "d", "uniform", ProposalOptions(), 9, 4, 2
    )


@pytest.mark.parametrize(
    "word",
    [
        "--proposals=edge_box",
        "--source=cocoa",
        "--limit_images=-1",
        "--records_shards=-1",
        "--min_score=-0.5",
        "--boxes_per_image=few",
    ],
)
def test_a_wrong_value_is_refused_while_flags_are_read(values, word):
    with pytest.raises(flags.IllegalFlagValueError, match=word.split("=")[1]):
        values(["program", word])


def test_where_the_pictures_lie_does_not_decide_the_content():
    moved = dataclasses.replace(OPTIONS, data_dir="elsewhere", source="voc")
    assert moved.content("voc") == OPTIONS.content("voc")


@pytest.mark.parametrize(
    "change",
    [
        {"proposals": "edge_boxes"},
        {"proposal_options": ProposalOptions(min_score=0.2)},
        {"limit_images": 6},
        {"seed": 8},
        {"num_shards": 4},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_other_option_decides_the_content(change):
    changed = dataclasses.replace(OPTIONS, **change)
    assert changed.content("voc") != OPTIONS.content("voc")


_FILES = pytest.mark.parametrize(
    "name", ["edge_model", "proposals_file", "yolo_weights"]
)


def _with_file(name, value):
    proposal_options = ProposalOptions(**{name: str(value)})
    return dataclasses.replace(OPTIONS, proposal_options=proposal_options)


@_FILES
def test_a_file_counts_by_its_bytes(tmp_path, name):
    path = tmp_path / "model.yml.gz"
    path.write_bytes(b"abc")
    wanted = hashlib.sha256(b"abc").hexdigest()
    assert _with_file(name, path).content("voc")[name] == wanted


def test_help_says_what_an_image_id_of_a_proposals_file_is(values):
    help_text = values["proposals_file"].help
    for image_id in ("day1/a.jpg", "000012", "train2017/000000000009.jpg"):
        assert image_id in help_text


def test_where_to_build_is_no_part_of_what_is_built(values):
    values(["program", "--num_workers=3", "--beam_options=--runner=R,--a=b"])
    runner = runner_from_flags(values)
    assert runner == RunnerOptions(3, ("--runner=R", "--a=b"))
    values.unparse_flags()
    values(["program", "--num_workers=1", "--on_bad_image=stop"])
    assert "on_bad_image" not in options_from_flags(values).content("voc")


@_FILES
def test_a_missing_file_is_named(name):
    with pytest.raises(InputError, match=f"--{name}=/no/model.gz cannot"):
        _with_file(name, "/no/model.gz").content("voc")


@pytest.mark.parametrize("word", ["none", "pascalvoc"])
def test_named_weights_count_by_their_name(word):
    content = _with_file("yolo_weights", word).content("voc")
    assert content["yolo_weights"] == word


def test_records_without_the_whole_image_stay_what_they_were():
    assert "whole_image" not in OPTIONS.content("voc")
    more = dataclasses.replace(
        OPTIONS, proposal_options=ProposalOptions(whole_image=True)
    )
    assert more.content("voc")["whole_image"]
