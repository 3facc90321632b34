"""The TF Object Detection API's label map: class names by number.

item { id: 1 name: "/m/01g317" display_name: "person" }
"""

import pathlib
import re
from collections.abc import Iterator

from tfrecords.errors import InputError
from tfrecords.sources.source_file import read_text

_MOST_BYTES = 1 << 22
_TOKEN = re.compile(
    r"#[^\n]*"  # a comment
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'(?:\\.|[^'\\\n])*'"
    r"|[{}]"
    r"|[^\s{}:;,#\"']+"
    r"|[\"']"  # one that is not closed
)
# Of protobuf's text format: a byte in octal or hexadecimal digits, a
# character by its number, or a letter that stands for one.
_ESCAPE = re.compile(
    rb"\\(?:([0-3]?[0-7]{1,2})|[xX]([0-9a-fA-F]{1,2})"
    rb"|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))"
)
_LETTERS = dict(zip(b"abfnrtv?'\"\\", b"\a\b\f\n\r\t\v?'\"\\", strict=True))


def read_label_map(path: pathlib.Path) -> dict[int, str]:
    """Returns the display name, or else the name, of each id.

    Args:
        path: a file in protobuf's text format. Only `item` with `id`, `name`
            and `display_name` counts; other fields are passed over.

    Raises:
        InputError: if it cannot be read, is not in that format, or an item
            lacks its id or name, or has that of another.
    """
    names = {}
    for item in _items(read_text(path, "label map", _MOST_BYTES), path):
        number = item.get("id", "")
        name = item.get("display_name") or item.get("name", "")
        if not re.fullmatch("[0-9]{1,9}", number) or not name:
            raise InputError(
                f"{path}: an item has the id {number[:80]!r} and the name "
                f"{name[:80]!r}. Wanted: a number from 0 on, and a name."
            )
        if int(number) in names:
            raise InputError(
                f"{path}: the id {number} is that of two items, "
                f"{names[int(number)]!r} and {name!r}."
            )
        names[int(number)] = name
    return names


def _items(text: str, path: pathlib.Path) -> Iterator[dict[str, str]]:
    """Yields the fields of each item, those of messages in it left out."""
    depth, key, item = 0, None, {}
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] == "#":
            continue
        if token in ("'", '"') or depth + (token == "{") - (token == "}") < 0:
            line = text.count("\n", 0, match.start()) + 1
            raise InputError(
                f"{path}, line {line}: {token} has no partner. Wanted: a "
                "label map, items with id and name."
            )
        if token == "{":
            depth += 1
            item = {} if depth == 1 else item
            key = None
        elif token == "}":
            depth -= 1
            key = None
            if depth == 0:
                yield item
        elif depth == 1 and key is None:
            key = token
        elif depth == 1:
            item[key] = _unquoted(token, path)
            key = None
    if depth:
        raise InputError(f"{path} ends within an item. Is it complete?")


def _unquoted(token: str, path: pathlib.Path) -> str:
    if token[0] not in "'\"":
        return token
    try:
        return _ESCAPE.sub(_unescaped, token[1:-1].encode()).decode()
    except (KeyError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: {token[:80]} has an escape that is none of protobuf's "
            "text format, or is not UTF-8 with its escapes undone. Write the "
            "name itself, in UTF-8."
        ) from error


def _unescaped(match: re.Match) -> bytes:
    octal, byte, short, long, letter = match.groups()
    if octal or byte:
        return bytes([int(octal, 8) if octal else int(byte, 16)])
    if short or long:
        return chr(int(short or long, 16)).encode()
    return bytes([_LETTERS[letter[0]]])
