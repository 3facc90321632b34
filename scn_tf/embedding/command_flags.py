"""What the commands on features share: flags, and what they refuse.

In: nothing. Out: an `absl.flags.FlagValues` that each command adds its own to.
"""

import pathlib

from absl import flags

from scn_tf.embedding.embedder import PICTURES_PER_PART
from tfrecords.errors import InputError
from tfrecords.path_flag import define_path


def common_flags() -> flags.FlagValues:
    """Returns new flags: module, pictures, batches."""
    values = flags.FlagValues()
    for name, text in {
        "module": "Folder of an exported feature vector: module/ of a run, or "
        "a TF-Hub image feature vector (TF2 SavedModel).",
        "images": "Folder of pictures, at any depth, or folder of records, "
        "whose whole photographs of all splits are taken.",
    }.items():
        define_path(name, None, text, flag_values=values, required=True)
    flags.DEFINE_integer(
        "image_size",
        0,
        "Height and width to which pictures are resized, in pixels; 0: the "
        "module's own as its graph states it, or 224 where it states none.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "batch_size",
        32,
        "Pictures per call of the module.",
        lower_bound=1,
        upper_bound=PICTURES_PER_PART,
        flag_values=values,
    )
    flags.DEFINE_enum(
        "on_bad_image",
        "skip",
        ["skip", "stop"],
        "What to do about a picture that cannot be read: leave it out, name "
        "it and count it, or stop.",
        flag_values=values,
    )
    return values


def check_not_among(images: str, flag: str, path: str) -> None:
    """Refuses to write a picture where pictures are read.

    The next time it would be one of them, and all would be computed anew.

    Args:
        images: the folder of pictures.
        flag: name of the flag that says where to write.
        path: where.

    Raises:
        InputError: if `path` lies in `images`.
    """
    folder = pathlib.Path(images).resolve()
    if pathlib.Path(path).resolve().is_relative_to(folder):
        raise InputError(
            f"--{flag}={path} lies in --images={images}, so what is drawn "
            f"would be one of the pictures the next time. Name a --{flag} "
            "elsewhere."
        )
