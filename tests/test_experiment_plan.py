"""The plan of an experiment, as the flags give it."""

import pytest
from absl import flags
from absl.testing import flagsaver

from scn_tf import main
from scn_tf.experiment_plan import Plan
from scn_tf.experiment_plan import plan_from_flags
from tfrecords.errors import InputError


def plan(*arguments: str) -> Plan:
    with flagsaver.flagsaver():
        main.parse_flags(["scn_tf.main", *arguments])
        return plan_from_flags(flags.FLAGS)


def test_nothing_said_is_one_run():
    assert plan() == Plan("", (0,), ())


def test_variants_keep_their_order_and_commas():
    given = plan("--seeds=2,0", "--variant=b: --svm_c=1,2", "--variant=a:")
    assert given == Plan("", (2, 0), ("b: --svm_c=1,2", "a:"))


@pytest.mark.parametrize(
    "seeds", ["a", "1,,2", "", "0,-1", "4294967296", "1,1"]
)
def test_seeds_are_whole_numbers(seeds):
    with pytest.raises(InputError, match="whole numbers"):
        plan(f"--seeds={seeds}")
