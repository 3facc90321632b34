"""The class names beside YOLO's labels."""

import pathlib

import yaml

from tfrecords.errors import InputError
from tfrecords.sources import folder

_YAML = "data.yaml"
_TEXTS = ("classes.txt", "obj.names", "labels/classes.txt")
_MOST_BYTES = 1 << 20


def class_names(data_dir: pathlib.Path) -> dict[int, str] | None:
    """Returns the names of the classes by number.

    Args:
        data_dir: the folder in which data.yaml or a single *.yaml (`names`:
            a list, or names by number), else classes.txt or obj.names (one
            per line), is looked for.

    Returns:
        None if there is no such file, or the yaml names no classes.

    Raises:
        InputError: if a file is too long, is no yaml, or `names` is neither
            a list nor a mapping of numbers to names.
    """
    yamls = sorted(path.name for path in data_dir.glob("*.yaml"))
    if len(yamls) != 1:
        yamls = [name for name in yamls if name == _YAML]
    for name in yamls:
        text = _text(data_dir, name)
        names = None if text is None else _from_yaml(text, data_dir / name)
        if names is not None:
            return names
    for name in _TEXTS:
        text = _text(data_dir, name)
        if text is not None:
            lines = (line.strip() for line in text.strip().splitlines())
            return dict(enumerate(lines)) or None
    return None


def _text(data_dir: pathlib.Path, name: str) -> str | None:
    path = folder.path_inside(data_dir, name)
    size = folder.file_size(path)
    if size < 0:
        return None
    if size > _MOST_BYTES:
        raise InputError(
            f"{path} has {size:,} bytes; class names take {_MOST_BYTES:,} at "
            "most."
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror})."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file: {error}.") from error


def _from_yaml(text: str, path: pathlib.Path) -> dict[int, str] | None:
    try:
        events = yaml.parse(text)
        # A few lines of references to references make billions of names.
        if any(isinstance(event, yaml.AliasEvent) for event in events):
            raise InputError(
                f"{path} has references (`*name`). Write what they stand for."
            )
        content = yaml.safe_load(text)
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not valid yaml: {reason}.") from error
    content = content if isinstance(content, dict) else {}
    if "kpt_shape" in content:
        raise InputError(
            f"{path} has `kpt_shape`: rows of keypoints look like those of "
            "polygons, and would be misread. Export the labels as boxes."
        )
    names = content.get("names")
    if names is None:
        return None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if (
        not isinstance(names, dict)
        or not names
        or not all(type(number) is int for number in names)
        or not all(isinstance(name, str | int) for name in names.values())
    ):
        raise InputError(
            f"{path}: `names` is {str(content['names'])[:80]}. Wanted: a list "
            "of names, or names by number."
        )
    return {number: str(name) for number, name in names.items()}
