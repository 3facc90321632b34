"""The long lists of a JSON file, element by element.

Python's own reader makes objects of the whole file: 5 to 10 times its size,
and COCO's is 450 MB. Here an element is gone before the next one is made.
"""

import json
import os
from collections.abc import Callable
from collections.abc import Mapping

from tfrecords.errors import InputError

_DECODER = json.JSONDecoder()
_SPACE = " \t\n\r"


def read_lists(
    path: str | os.PathLike, takers: Mapping[str, Callable[[int, object], None]]
) -> set[str]:
    """Hands the elements of some top-level lists to functions.

    Args:
        path: a JSON file that holds one object.
        takers: by key of that object, what is called with the number and the
            value of each element; other keys are passed over.

    Returns:
        The keys of `takers` that were there.

    Raises:
        InputError: if the file cannot be read, is no JSON, no object, or
            one of the keys holds something else than a list. What the
            takers raise.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        return _read_object(text, takers)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror})."
        ) from error
    except InputError:
        raise  # of one of the takers
    except RecursionError as error:
        raise InputError(
            f"{path} is nested too deeply for a file of annotations."
        ) from error
    except MemoryError as error:
        raise InputError(
            f"{path} does not fit into memory. Split it, one file per split."
        ) from error
    except ValueError as error:
        raise InputError(
            f"{path} is not valid JSON: {error}. Is it complete?"
        ) from error


def _read_object(text: str, takers: Mapping) -> set[str]:
    found = set()
    position = _expect(text, 0, "{")
    is_first = True
    while _next(text, position) != "}":
        position = position if is_first else _expect(text, position, ",")
        is_first = False
        key, position = _value(text, position)
        if not isinstance(key, str):
            raise json.JSONDecodeError("Expected a name", text, position)
        position = _expect(text, position, ":")
        if key not in takers:
            _, position = _value(text, position)
        elif _next(text, position) == "[":
            position = _read_list(text, position, takers[key])
            found.add(key)
        else:
            raise json.JSONDecodeError(
                f"{key!r} must be a list", text, position
            )
    position = _skip_space(text, _expect(text, position, "}"))
    if position != len(text):
        raise json.JSONDecodeError("Extra data", text, position)
    return found


def _read_list(text: str, position: int, take: Callable) -> int:
    """Hands over the elements of a list; returns where it ends."""
    position = _expect(text, position, "[")
    index = 0
    while _next(text, position) != "]":
        position = _expect(text, position, ",") if index else position
        value, position = _value(text, position)
        take(index, value)
        index += 1
    return _expect(text, position, "]")


def _value(text: str, position: int) -> tuple[object, int]:
    return _DECODER.raw_decode(text, _skip_space(text, position))


def _expect(text: str, position: int, sign: str) -> int:
    position = _skip_space(text, position)
    if text[position : position + 1] != sign:
        raise json.JSONDecodeError(f"Expected {sign!r}", text, position)
    return position + 1


def _next(text: str, position: int) -> str:
    """Returns the next sign that is no space, "" at the end."""
    position = _skip_space(text, position)
    return text[position : position + 1]


def _skip_space(text: str, position: int) -> int:
    while text[position : position + 1] in _SPACE and position < len(text):
        position += 1
    return position
