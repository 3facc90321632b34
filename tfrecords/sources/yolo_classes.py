"""The class names beside YOLO's labels."""

import pathlib

import yaml

from tfrecords.errors import InputError
from tfrecords.sources import folder
from tfrecords.sources import source_file

_YAMLS = ("data.yaml", "data.yml")
_TEXTS = ("classes.txt", "obj.names", "labels/classes.txt")
_MOST_BYTES = 1 << 20
_DEPTH = 20


def class_names(data_dir: pathlib.Path) -> dict[int, str] | None:
    """Returns the names of the classes by number.

    Args:
        data_dir: the folder in which data.yaml or a single *.yaml or *.yml
            (`names`: a list, or names by number), else classes.txt or
            obj.names (one per line), is looked for.

    Returns:
        None if there is no such file, or the yaml names no classes.

    Raises:
        InputError: if a file is too long, is no yaml, `names` is neither a
            list nor a mapping of numbers to names, or a name is a truth value.
    """
    paths = [*data_dir.glob("*.yaml"), *data_dir.glob("*.yml")]
    yamls = sorted(path.name for path in paths)
    if len(yamls) != 1:
        yamls = [name for name in yamls if name in _YAMLS]
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
    if source_file.is_missing(path):
        return None
    return source_file.read_text(path, "list of class names", _MOST_BYTES)


def _from_yaml(text: str, path: pathlib.Path) -> dict[int, str] | None:
    try:
        _check_harmless(text, path)
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
    for number, name in names.items():
        if isinstance(name, bool):
            raise InputError(
                f"{path}: the name of class {number} is read as {name}, for "
                "so yaml takes yes, no, on, off, true and false. Put such "
                'names in quotes: "no".'
            )
    return {number: str(name) for number, name in names.items()}


def _check_harmless(text: str, path: pathlib.Path) -> None:
    """Refuses what takes forever to read, before it is all read."""
    depth = 0
    for event in yaml.parse(text):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        # A few lines of references to references make billions of names.
        if isinstance(event, yaml.AliasEvent) or depth > _DEPTH:
            raise InputError(
                f"{path} has references (`*name`), or more than {_DEPTH} "
                "levels. Write names and their numbers, plainly."
            )
