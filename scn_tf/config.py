"""The flags of the command line and the frozen config made of them.

In: absl flags. Out: `Config`; nothing else reads a flag. Every number of
the paper (section 3, "Implementation Details") is a flag with the paper's
value as its default.
"""

import dataclasses
import pathlib

from absl import flags

from scn_tf.backbones import BACKBONES
from scn_tf.batches import BATCHING
from scn_tf.train import TrainOptions
from tfrecords.errors import InputError
from tfrecords.options import BuildOptions
from tfrecords.options import define_flags as define_records_flags
from tfrecords.options import options_from_flags
from tfrecords.options import runner_from_flags
from tfrecords.options import RunnerOptions
from tfrecords.pair_graph import ON_BAD_RECORD

STAGES = ("records", "train", "evaluate", "export")


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
        values: value of every flag by name, to be written down.

    The other attributes are the flags of the same name.
    """

    run_dir: pathlib.Path
    stages: tuple[str, ...]
    records_dir: pathlib.Path
    records: BuildOptions
    records_runner: RunnerOptions
    training: TrainOptions
    backbone: str
    train_from: str
    weights: str
    image_size: int
    hidden_features: int
    offset_gain: float
    offset_initial_spread: float
    offset_unit: str
    train_split: str
    batch_pairs: int
    batching: str
    feature_cache: bool
    cache_dtype: str
    on_bad_record: str
    devices: tuple[str, ...]
    check_pairs: int
    svm_c: tuple[float, ...]
    seed: int
    values: dict[str, object]


def define_flags() -> dict[str, list[str]]:
    """Defines all flags; returns their names by group, for --help."""
    groups = {}
    for title, define in (
        ("Run", _define_run),
        ("Photographs, proposals, records", define_records_flags),
        ("Network", _define_network),
        ("Spatial context module (Eq. 1)", _define_head),
        ("Training (section 3)", _define_training),
        ("Batches and devices", _define_batches),
        ("Verdict", _define_verdict),
    ):
        known = set(flags.FLAGS)
        define()
        groups[title] = [name for name in flags.FLAGS if name not in known]
    groups["Photographs, proposals, records"].remove("seed")
    groups["Run"].append("seed")
    return groups


def config_from_flags(
    values: flags.FlagValues, groups: dict[str, list[str]]
) -> Config:
    """Returns the config that the parsed flags ask for.

    Raises:
        InputError: if a stage is unknown.
    """
    unknown = [stage for stage in values.stages if stage not in STAGES]
    if unknown:
        raise InputError(
            f"--stages={','.join(values.stages)}: unknown {unknown}. Known "
            f"stages, in order: {', '.join(STAGES)}."
        )
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
        records=options_from_flags(values),
        records_runner=runner_from_flags(values),
        training=TrainOptions(**training),
        devices=tuple(values.devices),
        svm_c=_numbers("svm_c", values.svm_c),
        values={
            name: values[name].value
            for names in groups.values()
            for name in names
        },
    )
    return Config(**named)


def _numbers(name: str, texts: list[str]) -> tuple[float, ...]:
    try:
        return tuple(float(text) for text in texts)
    except ValueError as error:
        raise InputError(
            f"--{name}={','.join(texts)} must be numbers with commas between."
        ) from error


def _define_run() -> None:
    flags.DEFINE_string(
        "run_dir",
        "runs/scn",
        "Folder of the run: flags, records, cache, checkpoints, pictures, "
        "verdict, module. The same command continues what is there.",
    )
    flags.DEFINE_list("stages", list(STAGES), "Stages to run, with commas.")
    flags.DEFINE_string(
        "records_dir", "", "Folder of the records; empty: RUN_DIR/records."
    )


def _define_network() -> None:
    flags.DEFINE_enum(
        "backbone", "vgg19", sorted(BACKBONES), "Network of both streams."
    )
    flags.DEFINE_string(
        "train_from",
        "",
        "First trained layer, such as fc6 or block5_conv1, or input; empty: "
        "the network's own default (VGG, CNN-M: fc6, as in the paper).",
    )
    flags.DEFINE_string(
        "weights",
        "none",
        "A weights file, imagenet (downloads Keras's), or none (random).",
    )
    flags.DEFINE_integer(
        "image_size",
        0,
        "Side of a patch in pixels; 0: the network's own (VGG: 224).",
        lower_bound=0,
    )


def _define_head() -> None:
    flags.DEFINE_integer(
        "hidden_features", 0, "Width of h2; 0: as many as h1.", lower_bound=0
    )
    flags.DEFINE_float(
        "offset_gain",
        10.0,
        "Factor on offsets, which are first divided by their spread in the "
        "data. Its square acts as Vloc's learning rate. 0: blind to offsets.",
        lower_bound=0,
    )
    flags.DEFINE_float(
        "offset_initial_spread",
        1.0,
        "Standard deviation of Vloc o at the start.",
        lower_bound=0,
    )
    flags.DEFINE_enum(
        "offset_unit",
        "image",
        ["image", "pixels"],
        "Unit of offsets: the picture's longest side, or pixels.",
    )


def _define_training() -> None:
    default = TrainOptions()
    for name, text in {
        "learning_rate": "Learning rate of SGD.",
        "drop_factor": "Factor on the learning rate from --drop_epoch on.",
        "momentum": "Momentum of SGD; the paper states none.",
        "weight_decay": "Pull of every trained weight to zero.",
        "clip_norm": "Largest norm of all gradients together; 0: no clipping.",
    }.items():
        flags.DEFINE_float(name, getattr(default, name), text, lower_bound=0)
    for name, text in {
        "epochs": "Passes over the pairs.",
        "drop_epoch": "Epoch from which the learning rate is lower.",
        "head_epochs": "First epochs in which the neck is held.",
    }.items():
        flags.DEFINE_integer(name, getattr(default, name), text, lower_bound=0)
    flags.DEFINE_enum(
        "loss_reduction",
        default.loss_reduction,
        ["sum", "mean"],
        "Over the feature dimensions (Eq. 2: sum).",
    )
    flags.DEFINE_bool(
        "jit_compile",
        default.jit_compile,
        "Compile each replica's forward and backward pass with XLA; measure "
        "before use, it does not pay on every machine.",
    )


def _define_batches() -> None:
    flags.DEFINE_integer(
        "batch_pairs", 64, "Pairs per step over all devices.", lower_bound=1
    )
    flags.DEFINE_enum(
        "batching",
        "pairs",
        BATCHING,
        "Shuffle pairs over the whole set, or images with all their pairs.",
    )
    flags.DEFINE_enum(
        "train_split",
        "train",
        ["train", "trainval"],
        "Photographs to train on; trainval takes the verdict's in as well.",
    )
    flags.DEFINE_bool(
        "feature_cache",
        True,
        "Compute the frozen trunk once per patch, not at every step. The "
        "checks and the verdict keep their features in any case.",
    )
    flags.DEFINE_enum(
        "cache_dtype",
        "float16",
        ["float16", "float32"],
        "How trunk features are stored.",
    )
    flags.DEFINE_enum(
        "on_bad_record",
        "stop",
        ON_BAD_RECORD,
        "What to do about a damaged record: stop, or leave it out, name it "
        "and count it.",
    )
    flags.DEFINE_list(
        "devices", [], "Devices, such as GPU:0,GPU:1; empty: all GPUs, or CPU."
    )


def _define_verdict() -> None:
    flags.DEFINE_integer(
        "check_pairs",
        4096,
        "Held-out pairs measured after every epoch; 0: all. The verdict "
        "always takes all.",
        lower_bound=0,
    )
    flags.DEFINE_list(
        "svm_c", ["0.1", "0.3", "1", "3"], "C to choose from, per class."
    )
