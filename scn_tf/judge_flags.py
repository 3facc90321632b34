"""What the verdict and the experiments judge, and by what: flags.

In: nothing. Out: absl flags. The judges themselves are in `scn_tf.verdict`,
`scn_tf.experiments` and `scn_tf.evaluation`.
"""

from absl import flags

JUDGES = ("val", "test", "train_part")


def define_flags() -> None:
    """Defines the flags of the verdict; call once per process."""
    flags.DEFINE_enum(
        "judge_on",
        "val",
        JUDGES,
        "What an experiment's classifiers are judged by: val, fitted on train; "
        "test, fitted on both; train_part, 30 % of train, fitted on the rest.",
    )
    flags.DEFINE_integer(
        "check_pairs",
        4096,
        "Held-out pairs measured after each epoch; 0: all, as the verdict.",
        lower_bound=0,
    )
    flags.DEFINE_list(
        "svm_c", ["0.1", "0.3", "1", "3"], "C to choose from, per class."
    )
    flags.DEFINE_bool(
        "svm_normalize",
        True,
        "Divide features by their length before a linear SVM; joined ones "
        "have parts of unit length in any case.",
    )
    flags.DEFINE_float(
        "neck_blend",
        1.0,
        "Judge and export a neck on the way from where it began (0) to what "
        "was trained (1): weights are interpolated.",
        lower_bound=0,
        upper_bound=1,
    )
