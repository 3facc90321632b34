"""Which split a photograph belongs to, from a name."""

import hashlib
import re

VAL_SHARE = 0.1
# At the start of a word: "latest" names no test set, "carnival" no val.
_WORD = re.compile(r"(?<![a-z])(train|val|eval|test)")
_SPLITS = {"train": "train", "val": "val", "eval": "val", "test": "test"}


def named_split(name: str) -> str | None:
    """Returns the split that a file or folder is named after.

    Args:
        name: such as "instances_val2017.json", "valid" or "eval-00-of-10".

    Returns:
        "train", "val" or "test", the one named first; None if none is.
    """
    found = _WORD.search(name.lower())
    return _SPLITS[found[1]] if found else None


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
