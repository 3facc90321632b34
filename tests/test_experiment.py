"""Laws of variants and of the numbers in a table."""

import pytest

from scn_tf.experiments.cells import spread_text
from scn_tf.experiments.experiment import by_variant
from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.experiment import picture_copied
from scn_tf.experiments.experiment import Variant
from tfrecords.errors import InputError


def test_a_variant_is_a_name_and_flags():
    variant = Variant.parse("deep neck: --train_from=a  '--data_dir=b c'")
    assert variant == Variant("deep neck", ("--train_from=a", "--data_dir=b c"))
    assert Variant.parse("plain:") == Variant("plain")
    assert Variant.parse("original: untrained") == Variant(
        "original", (), trained=False
    )
    assert Variant.parse("raw: untrained --nosvm_normalize") == Variant(
        "raw", ("--nosvm_normalize",), trained=False
    )
    assert Variant.parse("blind: control --offset_gain=0") == Variant(
        "blind", ("--offset_gain=0",), is_control=True
    )


@pytest.mark.parametrize(
    "text", ["deep", ": --epochs=1", "a/b: --epochs=1", "..:", "deep: epochs=1"]
)
def test_what_is_no_variant_is_refused_by_name(text):
    with pytest.raises(InputError, match="wanted a name, a colon and flags"):
        Variant.parse(text)


@pytest.mark.parametrize("flag", ["--seed=5", "--run_dir=a", "--dry_run"])
def test_what_is_of_all_rows_is_no_flag_of_one(flag):
    with pytest.raises(InputError, match="cannot differ between rows"):
        Variant.parse(f"deep: --epochs=1 {flag}")


def test_outcomes_are_grouped_in_order():
    outcomes = [Outcome("b", 0, {"x": 1}), Outcome("a", 0, {"x": 2})]
    outcomes.append(Outcome("b", 1, {"x": 3}))
    assert by_variant(outcomes) == {"b": [{"x": 1}, {"x": 3}], "a": [{"x": 2}]}


def test_a_cell_holds_mean_and_sample_deviation():
    assert spread_text([1.0, 2.0, 3.0]) == "2.00 ± 1.00"
    assert spread_text([1.234], 1) == "1.2"
    assert spread_text([None, 5.0]) == "5.00"
    assert spread_text([None]) == "-"


def test_a_picture_that_is_there_is_copied(tmp_path, caplog):
    source = tmp_path / "source.png"
    assert picture_copied("copy", str(source)) == {}
    assert f"{source} is gone: copy.png is not renewed." in caplog.messages
    source.write_bytes(b"picture")
    draw = picture_copied("copy", str(source))
    draw["copy"](tmp_path / "copy.png")
    assert (tmp_path / "copy.png").read_bytes() == b"picture"
    assert len(list(tmp_path.iterdir())) == 2
