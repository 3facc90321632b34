"""Laws of the flags of the verdict."""

import pytest
from parsed_flags import parsed_config


def test_nothing_said_judges_by_val_with_vectors_of_unit_length():
    config = parsed_config()
    assert config.judge_on == "val"
    assert config.svm_c == (0.1, 0.3, 1, 3)
    assert config.svm_normalize


def test_the_flags_reach_the_config():
    config = parsed_config(
        "--judge_on=train_part",
        "--svm_c=1",
        "--nosvm_normalize",
        "--check_pairs=7",
    )
    assert (config.judge_on, config.svm_c) == ("train_part", (1,))
    assert not config.svm_normalize
    assert config.check_pairs == 7


@pytest.mark.parametrize("argument", ["--judge_on=all", "--check_pairs=-1"])
def test_other_values_are_refused(argument):
    with pytest.raises(SystemExit):
        parsed_config(argument)
