"""Laws of the flags of the export."""

import pytest
from absl import flags
from absl.testing import flagsaver

from scn_tf import config
from scn_tf import main
from scn_tf.export_flags import ExportOptions


def options(*arguments: str) -> ExportOptions:
    with flagsaver.flagsaver():
        main.parse_flags(["scn_tf.main", *arguments])
        return config.config_from_flags(flags.FLAGS, main._GROUPS).export


def test_nothing_said_is_h1_in_float32():
    assert options() == ExportOptions() == ExportOptions("tuned", "float32")


def test_the_flags_are_the_options():
    given = options(
        "--export_features=joined", "--inference_precision=bfloat16"
    )
    assert given == ExportOptions("joined", "bfloat16")


@pytest.mark.parametrize(
    "argument", ["--export_features=both", "--inference_precision=int8"]
)
def test_other_values_are_refused(argument):
    with pytest.raises(SystemExit):
        options(argument)
