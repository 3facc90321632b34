"""The frozen config that is made of the flags.

In: absl flags, see `flag_groups`. Out: `Config`; nothing else reads a flag.
"""

import dataclasses
import math
import pathlib

from absl import flags

from scn_tf.experiment_plan import Plan
from scn_tf.experiment_plan import plan_from_flags
from scn_tf.export_flags import ExportOptions
from scn_tf.flag_groups import EXPERIMENTS_TITLE
from scn_tf.flag_groups import STAGES
from scn_tf.pace import PaceOptions
from scn_tf.recipe import TrainOptions
from tfrecords.errors import InputError
from tfrecords.options import BuildOptions
from tfrecords.options import options_from_flags
from tfrecords.options import runner_from_flags
from tfrecords.options import RunnerOptions


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything a run depends on.

    Attributes:
        run_dir: the run's folder.
        stages: which of STAGES to run, in order.
        records_dir: folder of the records.
        records: what records are built.
        records_runner: where they are built.
        weights: "imagenet", "none" or a file.
        training: the recipe.
        pace: when to save, show and profile.
        export: what the module gives.
        plan: the experiment, where it is not a single run.
        values: value of every flag of a run by name, to be written down.

    The other attributes are the flags of the same name.
    """

    run_dir: pathlib.Path
    stages: tuple[str, ...]
    dry_run: bool
    records_dir: pathlib.Path
    cache_dir: pathlib.Path
    records: BuildOptions
    records_runner: RunnerOptions
    training: TrainOptions
    pace: PaceOptions
    export: ExportOptions
    plan: Plan
    keep: int
    checkpoint: str
    backbone: str
    train_from: str
    weights: str
    image_size: int
    fc6_width: int
    fc7_width: int
    hidden_features: int
    offset_gain: float
    offset_initial_spread: float
    offset_unit: str
    offset_control: str
    targets: str
    max_pair_iou: float
    train_split: str
    batch_pairs: int
    batching: str
    feature_cache: bool
    cache_dtype: str
    cache_memory: float
    precision: str
    on_bad_record: str
    devices: tuple[str, ...]
    check_pairs: int
    judge_on: str
    svm_c: tuple[float, ...]
    svm_normalize: bool
    neck_blend: float
    seed: int
    values: dict[str, object]


def config_from_flags(
    values: flags.FlagValues, groups: dict[str, list[str]]
) -> Config:
    """Returns the config that the parsed flags ask for.

    Raises:
        InputError: if a stage is unknown, or flags contradict each other.
    """
    unknown = [stage for stage in values.stages if stage not in STAGES]
    if unknown:
        raise InputError(
            f"--stages={','.join(values.stages)}: unknown {unknown}. Known "
            f"stages, in order: {', '.join(STAGES)}."
        )
    if values.targets != "features" and not values.feature_cache:
        raise InputError(
            f"--targets={values.targets} are kept with the feature cache: "
            "leave out --nofeature_cache."
        )
    _refuse_stages_of_an_experiment(values)
    run_dir = pathlib.Path(values.run_dir)
    fields = {field.name for field in dataclasses.fields(Config)}
    named = {name: values[name].value for name in fields if name in values}
    training = {
        field.name: values[field.name].value
        for field in dataclasses.fields(TrainOptions)
    }
    named.update(
        run_dir=run_dir,
        stages=tuple(stage for stage in STAGES if stage in values.stages),
        records_dir=pathlib.Path(values.records_dir or run_dir / "records"),
        cache_dir=pathlib.Path(values.cache_dir or run_dir / "cache"),
        records=_records_options(values),
        records_runner=runner_from_flags(values),
        training=TrainOptions(**training),
        pace=PaceOptions(
            values.save_every,
            values.steps_per_call,
            values.profile,
            values.picture_every,
        ),
        export=ExportOptions(
            values.export_features, values.inference_precision
        ),
        plan=plan_from_flags(values),
        devices=tuple(values.devices),
        svm_c=_positive_numbers("svm_c", values.svm_c),
        values={
            name: values[name].value
            for title, names in groups.items()
            for name in names
            if title != EXPERIMENTS_TITLE
        },
    )
    return Config(**named)


def _records_options(values: flags.FlagValues) -> BuildOptions:
    options = options_from_flags(values)
    if values.records_seed < 0:
        return options
    return dataclasses.replace(options, seed=values.records_seed)


def _positive_numbers(name: str, texts: list[str]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(text) for text in texts)
    except ValueError:
        numbers = ()
    if not numbers or not all(0 < number < math.inf for number in numbers):
        raise InputError(
            f"--{name}={','.join(texts)} must be positive numbers with commas "
            "between."
        )
    return numbers


def _refuse_stages_of_an_experiment(values: flags.FlagValues) -> None:
    if values.experiment and tuple(values.stages) != STAGES:
        raise InputError(
            f"--stages={','.join(values.stages)}: an experiment runs all it "
            "needs. Leave it out; --dry_run lists what would be done, and "
            "python -m tfrecords.build builds records alone."
        )
