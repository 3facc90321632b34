"""Laws of the flags of the export."""

import pytest
from parsed_flags import parsed_config

from scn_tf.export_flags import ExportOptions


def options(*arguments: str) -> ExportOptions:
    return parsed_config(*arguments).export


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
