"""The flags of a run by group; every number of the paper is one of them.

In: nothing. Out: absl flags, with the paper's values (section 3,
"Implementation Details") as their defaults.
"""

import functools

from absl import flags

from scn_tf.backbones import BACKBONES
from scn_tf.batches import BATCHING
from scn_tf.cache_shards import CACHE_DTYPES
from scn_tf.experiment_plan import define_flags as define_experiment_flags
from scn_tf.export_flags import define_flags as define_export_flags
from scn_tf.judge_flags import define_flags as define_verdict_flags
from scn_tf.offsets import OFFSET_UNITS
from scn_tf.pace import define_flags as define_pace_flags
from scn_tf.precision import PRECISIONS
from scn_tf.recipe import TrainOptions
from scn_tf.target_forms import TARGETS
from scn_tf.working_copy import TRAINING_PRECISIONS
from tfrecords.options import define_flags as define_records_flags
from tfrecords.pair_graph import ON_BAD_RECORD
from tfrecords.path_flag import define_path

STAGES = ("records", "train", "evaluate", "export")
EXPERIMENTS_TITLE = "Experiments: tables of many runs"


@functools.cache
def define_flags() -> dict[str, list[str]]:
    """Defines all flags, once; returns their names by group, for --help."""
    groups = {}
    for title, define in (
        ("Run", _define_run),
        ("Photographs, proposals, records", define_records_flags),
        ("Network", _define_network),
        ("Spatial context module (Eq. 1)", _define_head),
        ("Training (section 3)", _define_training),
        ("Batches and devices", _define_batches),
        ("Saving and watching", define_pace_flags),
        ("Verdict", define_verdict_flags),
        ("Export", define_export_flags),
        (EXPERIMENTS_TITLE, define_experiment_flags),
    ):
        known = set(flags.FLAGS)
        define()
        groups[title] = [name for name in flags.FLAGS if name not in known]
    groups["Photographs, proposals, records"].remove("seed")
    groups["Run"].append("seed")
    return groups


def help_text(introduction: str, groups: dict[str, list[str]]) -> str:
    """All flags by group, with defaults.

    Args:
        introduction: what stands before them.
        groups: what `define_flags` returned.
    """
    lines = [introduction, ""]
    for title, names in groups.items():
        lines.append(f"{title}:")
        for name in names:
            flag = flags.FLAGS[name]
            default = flag.default_as_str or "''"
            lines.append(f"  --{name}={default.strip(chr(39))}")
            lines.append(flags.text_wrap(flag.help, 78, indent="      "))
        lines.append("")
    lines.append(
        "--flagfile=FILE reads flags from a file; those of\n"
        "scn_tf/flagfiles/ each open with what they do and how long it takes."
    )
    return "\n".join(lines)


def _define_run() -> None:
    define_path(
        "run_dir",
        "runs/scn",
        "Folder of the run: flags, records, cache, checkpoints, pictures, "
        "verdict, module. The same command continues what is there.",
    )
    flags.DEFINE_list("stages", list(STAGES), "Stages to run, with commas.")
    flags.DEFINE_bool(
        "dry_run",
        False,
        "Say what would be done, how large it is and how long it takes, from "
        "a few measured steps; records are built if they are not there.",
    )
    define_path(
        "records_dir", "", "Folder of the records; empty: RUN_DIR/records."
    )
    flags.DEFINE_integer(
        "records_seed",
        -1,
        "Seed of the records where it is another than --seed; -1: --seed.",
        lower_bound=-1,
    )
    define_path(
        "cache_dir",
        "",
        "Folder of the feature caches, which runs may share; empty: "
        "RUN_DIR/cache.",
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
    define_path(
        "weights",
        "none",
        "A weights file (.weights.h5, .h5, .keras, MatConvNet's .mat), "
        "imagenet (downloads Keras's), or none (random).",
    )
    flags.DEFINE_integer(
        "image_size",
        0,
        "Side of a patch in pixels; 0: the network's own (VGG: 224).",
        lower_bound=0,
    )
    for name, own in (("fc6", 4096), ("fc7", 2048)):
        flags.DEFINE_integer(
            f"{name}_width",
            0,
            f"Units of {name}; 0: the network's own (CNN-M: {own}; VGG's "
            "4096 cannot be changed).",
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
        OFFSET_UNITS,
        "Unit of offsets: the picture's longest side, pixels, or the source's "
        "sides; or ratios of middles and sides, as R-CNN has them.",
    )
    flags.DEFINE_enum(
        "offset_control",
        "none",
        ["none", "permuted"],
        "A control: permuted gives every pair the offset of another one. The "
        "other control is --offset_gain=0.",
    )
    flags.DEFINE_enum(
        "targets",
        "features",
        TARGETS,
        "What is predicted of the target patch: features (g), as in the "
        "paper; its gray pixels (Figure 4); features that are standardized, "
        "or of unit length; or, as a control, those of another patch.",
    )


def _define_training() -> None:
    default = TrainOptions()
    for name, text in {
        "learning_rate": "Learning rate of SGD.",
        "drop_factor": "Factor on the learning rate from --drop_epoch on.",
        "weight_decay": "Pull of every trained weight to zero.",
        "neck_rate": "Factor on the learning rate of the neck.",
        "neck_decay_factor": "Factor on --weight_decay of the neck.",
        "clip_norm": "Largest norm of all gradients together; 0: no clipping.",
    }.items():
        flags.DEFINE_float(name, getattr(default, name), text, lower_bound=0)
    for name, text in {
        "epochs": "Passes over the pairs.",
        "drop_epoch": "Epoch from which the learning rate is lower.",
        "head_epochs": "First epochs in which the neck is held.",
    }.items():
        flags.DEFINE_integer(name, getattr(default, name), text, lower_bound=0)
    flags.DEFINE_float(
        "momentum",
        default.momentum,
        "Momentum of SGD; the paper states none.",
        lower_bound=0,
        upper_bound=1,
    )
    flags.DEFINE_integer(
        "accumulate",
        default.accumulate,
        "Parts of a device's batch computed one after the other, where it "
        "does not fit into memory at once.",
        lower_bound=1,
    )
    flags.DEFINE_enum(
        "neck_decay",
        default.neck_decay,
        ["zero", "start"],
        "Where --weight_decay pulls the neck: to zero, or to where it began.",
    )
    flags.DEFINE_enum(
        "loss_reduction",
        default.loss_reduction,
        ["sum", "mean"],
        "Over the feature dimensions (Eq. 2: sum).",
    )
    flags.DEFINE_enum(
        "training_precision",
        default.training_precision,
        TRAINING_PRECISIONS,
        "Precision of the trained networks in a step; their weights are kept "
        "in float32.",
    )
    flags.DEFINE_bool(
        "jit_compile",
        default.jit_compile,
        "Compile the step with XLA; it does not pay on CPUs, see BUILD.md.",
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
    flags.DEFINE_float(
        "max_pair_iou",
        1.0,
        "Pairs that overlap more are left out, of training and checks.",
        lower_bound=0,
        upper_bound=1,
    )
    flags.DEFINE_enum(
        "train_split",
        "train",
        ["train", "trainval", "train_part"],
        "Photographs to train on; trainval takes the verdict's in as well, "
        "train_part leaves out what --judge_on=train_part judges by.",
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
        CACHE_DTYPES,
        "How trunk features and targets are stored.",
    )
    flags.DEFINE_float(
        "cache_memory",
        0.0,
        "GiB of memory for feature caches; what does not fit is read from "
        "disk. 0: half of what is free for each.",
        lower_bound=0,
    )
    flags.DEFINE_enum(
        "precision",
        "auto",
        PRECISIONS,
        "Precision of the frozen networks where their output is cached; auto: "
        "the fastest that keeps their features.",
    )
    flags.DEFINE_enum(
        "on_bad_record",
        "stop",
        ON_BAD_RECORD,
        "Where a record is damaged: stop, or leave it out, named and counted.",
    )
    flags.DEFINE_list(
        "devices", [], "Devices, such as GPU:0,GPU:1; empty: all GPUs, or CPU."
    )
