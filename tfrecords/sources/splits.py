"""Which split a photograph belongs to.

In: what names say, of annotation files, folders or a column. Out: a split for
each photograph, by one rule: what is named holds, what is not is train; and
where no photograph is val, a tenth of train is held out.
"""

import hashlib
import re
from collections.abc import Sequence

VAL_SHARE = 0.1
# At the start of a word: "latest" names no test set, "carnival" no val.
_WORD = re.compile(r"(?<![a-z])(train|val|eval|test)")
_SPLITS = {"train": "train", "val": "val", "eval": "val", "test": "test"}
# The whole name of a folder, such as "Train2017": "valley" names no val.
_FOLDER = re.compile(
    r"(train(ing)?|val(id|idation)?|eval(uation)?|test(ing)?)\d*",
    re.IGNORECASE,
)


def named_split(name: str) -> str | None:
    """Returns the split that a file or folder is named after.

    Args:
        name: such as "instances_val2017.json", "valid" or "eval-00-of-10".

    Returns:
        "train", "val" or "test", the one named first; None if none is.
    """
    found = _WORD.search(name.lower())
    return _SPLITS[found[1]] if found else None


def folder_split(name: str) -> str | None:
    """Returns the split that a folder, or a word in a column, wholly names.

    Args:
        name: such as "train2017", "Valid" or "testing".

    Returns:
        "train", "val" or "test"; None if it is named after none.
    """
    return named_split(name) if _FOLDER.fullmatch(name) else None


def told_splits(names: Sequence[str]) -> list[str | None]:
    """Returns the splits that folders tell of the photographs in them.

    Folders tell splits only where one of them is wholly named after train: a
    folder called "test" by itself may hold anything. Of several such folders
    on a path the outermost counts.

    Args:
        names: photographs, relative paths with "/".

    Returns:
        "train", "val", "test" or None for each name, in their order.
    """
    folders = [name.rpartition("/")[0] for name in names]
    told = {folder: _told(folder) for folder in set(folders)}
    if "train" not in told.values():
        return [None] * len(names)
    return [told[folder] for folder in folders]


def filled_splits(
    names: Sequence[str],
    named: Sequence[str | None],
    val_share: float = VAL_SHARE,
) -> list[str]:
    """Returns the splits of all photographs, of which some are named.

    What is named val or test is that. The others are train if there is a val;
    if there is none, a hash of its name decides of each whether it is held
    out, whether it is named train or not named.

    Args:
        names: of all photographs.
        named: "train", "val", "test" or None for each name.
        val_share: share of "val" where a hash decides, in [0, 1].

    Returns:
        "train", "val" or "test" for each name, in their order.
    """
    if "val" in named:
        return [split or "train" for split in named]
    return [
        split if split == "test" else hashed_split(name, val_share)
        for split, name in zip(named, names, strict=True)
    ]


def hashed_split(image_id: str, val_share: float = VAL_SHARE) -> str:
    """Returns "val" for a share of all photographs, else "train".

    The name alone decides: more photographs move no other one between the
    splits.

    Args:
        image_id: any text.
        val_share: share of "val", in [0, 1].
    """
    digest = hashlib.sha256(image_id.encode(errors="surrogatepass")).digest()
    place = int.from_bytes(digest[:4], "big") / 2**32
    return "val" if place < val_share else "train"


def _told(path: str) -> str | None:
    """Returns what the outermost folder of a path tells, if any does."""
    told = map(folder_split, path.split("/"))
    return next(filter(None, told), None)
