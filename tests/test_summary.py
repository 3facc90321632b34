"""Laws of the last words of a run."""

import json
import shutil

import pytest
from parsed_flags import parsed_config

from scn_tf.run import Run
from scn_tf.summary import consumer_table
from scn_tf.summary import run_summary
from scn_tf.summary import summary_text

MODULE = {
    "size_over_weights": 1.0468,
    "consumers": {"hub.KerasLayer, frozen": 8.6e-07, "TFSMLayer": None},
}


def test_a_consumer_that_was_not_checked_is_named_so():
    text = consumer_table(MODULE)
    assert "8.6e-07" in text
    assert text.splitlines()[2].endswith("not checked")
    assert "1.047" in text


def test_a_long_name_stands_apart_from_its_number():
    name = "hub.KerasLayer, Functional, fine-tuned and saved"
    text = consumer_table({**MODULE, "consumers": {name: 1e-6, "b": 2e-6}})
    lines = text.splitlines()[1:]
    assert lines[0] == f"  {name}  1.0e-06"
    assert len({line.rindex("  ") for line in lines}) == 1


def test_only_what_is_there_is_announced(tmp_path):
    (tmp_path / "pictures").mkdir()
    text = summary_text(tmp_path, None, None)
    assert str(tmp_path / "pictures") in text
    assert "Module" not in text
    assert "hub" not in text


def test_what_is_older_is_said_before_where_things_lie(tmp_path):
    text = summary_text(tmp_path, None, None, ["The verdict is older."])
    assert text.startswith("The verdict is older.\n\nRun folder")


def test_the_three_lines_load_the_module(tmp_path):
    (tmp_path / "module").mkdir()
    text = summary_text(tmp_path, None, MODULE)
    lines = [line.strip() for line in text.splitlines()[-3:]]
    assert lines[0] == "import tensorflow_hub as hub"
    assert str(tmp_path / "module") in lines[1]
    compile("\n".join(lines), "snippet", "exec")


def test_what_half_precision_changes_is_said_where_it_is_used():
    assert "half precision" not in consumer_table(MODULE | {"rounding": None})
    text = consumer_table(MODULE | {"rounding": 0.0123})
    assert text.endswith("half precision, from float32  1.2e-02")


@pytest.mark.parametrize(
    "flag, verdict_is_old, module_is_old",
    [
        ("--seed=0", False, False),
        ("--neck_blend=0.5", True, True),
        ("--export_features=joined", True, True),
        ("--inference_precision=bfloat16", False, True),
    ],
)
def test_verdict_and_module_are_shown_where_they_are_of_these_flags(
    demo_run, flag, verdict_is_old, module_is_old
):
    text = run_summary(
        Run(
            parsed_config(
                f"--flagfile={demo_run}/flags.txt",
                f"--run_dir={demo_run}",
                flag,
            )
        )
    )
    assert ("The verdict is older" in text) == verdict_is_old
    assert ("Whole photographs" not in text) == verdict_is_old
    assert ("The module is older" in text) == module_is_old
    assert ("hub.KerasLayer" not in text) == module_is_old


def test_a_module_of_an_earlier_version_is_not_called_older(demo_run, tmp_path):
    """It did not note all that is compared now."""
    shutil.copytree(demo_run, tmp_path / "run", symlinks=True)
    path = tmp_path / "run" / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.pop("neck_blend", None)
        line.pop("inference_precision", None)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    flags = (f"--flagfile={demo_run}/flags.txt", f"--run_dir={tmp_path}/run")
    text = run_summary(Run(parsed_config(*flags)))
    assert "hub.KerasLayer" in text and "is older" not in text
