"""Laws of the config: the paper's numbers are the defaults."""

import pathlib

import pytest
from parsed_flags import parsed_config as parse

from scn_tf import config
from scn_tf import main
from tfrecords.errors import InputError

FLAGFILES = sorted(
    pathlib.Path(config.__file__).with_name("flagfiles").glob("*.flags")
)


def test_defaults_are_the_papers():
    """Section 3, "Implementation Details", and section 4.3."""
    values = parse()
    assert values.backbone == "vgg19"
    assert values.batch_pairs == 64
    assert values.hidden_features == 0  # as wide as the feature
    training = values.training
    assert (training.epochs, training.drop_epoch) == (200, 100)
    assert training.learning_rate == 1e-3
    assert training.rate(100) == pytest.approx(1e-4)
    assert training.weight_decay == 5e-4
    assert training.momentum == 0.9
    assert training.loss_reduction == "sum"
    proposals = values.records.proposal_options
    assert proposals.boxes_per_image == 8
    assert proposals.min_score == 0.1
    assert (proposals.uniform_crops, proposals.uniform_side) == (5, 64)


def test_every_flag_is_written_down():
    values = parse("--seed=5").values
    assert values["seed"] == 5
    named = {name for names in main._GROUPS.values() for name in names}
    # A run is replayed by itself, without the experiment it was part of.
    own = {"experiment", "seeds", "variant", "max_variants"}
    assert named - set(values) == own
    assert set(values) < named


def test_every_training_option_is_a_flag():
    values = parse("--momentum=0.5", "--clip_norm=2", "--head_epochs=3")
    training = values.training
    assert training.momentum == 0.5
    assert training.clip_norm == 2
    assert training.head_epochs == 3


def test_the_widths_of_fc6_and_fc7_are_the_networks_own_unless_given():
    values = parse()
    assert (values.fc6_width, values.fc7_width) == (0, 0)
    values = parse("--fc6_width=2048", "--fc7_width=1024")
    assert (values.fc6_width, values.fc7_width) == (2048, 1024)


def test_stages_run_in_their_order():
    values = parse("--stages=export,train")
    assert values.stages == ("train", "export")


def test_records_lie_in_the_run_folder_unless_named():
    assert parse("--run_dir=a").records_dir == pathlib.Path("a/records")
    assert parse("--records_dir=b").records_dir == pathlib.Path("b")


@pytest.mark.parametrize(
    "flag",
    [
        *("--svm_c=0", "--svm_c=", "--svm_c=inf", "--save_every=10min"),
        *("--profile=5", "--picture_every=x"),
        "--stages=train --experiment=losses",
    ],
)
def test_what_would_fail_after_hours_is_refused_at_once(flag):
    name = flag.partition("=")[0]
    with pytest.raises(InputError, match=name):
        parse(*flag.split())


def test_a_neck_that_is_held_to_the_end_is_known():
    for head_epochs, is_held in ((0, False), (4, False), (5, True), (6, True)):
        flags = ("--epochs=5", f"--head_epochs={head_epochs}")
        assert parse(*flags).training.neck_is_held == is_held


def test_numbers_that_are_none_are_refused():
    with pytest.raises(InputError, match="--svm_c=1,x"):
        parse("--svm_c=1,x")


@pytest.mark.parametrize("path", FLAGFILES, ids=lambda path: path.stem)
def test_every_flagfile_opens_with_its_record_and_parses(path):
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert any("python -m scn_tf.main" in line for line in lines[:8])
    assert any(word in path.read_text() for word in ("Expect", "Result"))
    parse(f"--flagfile={path}")
