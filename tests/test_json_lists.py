import json
import random

import pytest

from tfrecords.errors import InputError
from tfrecords.sources.json_lists import read_lists


def _read(tmp_path, text, keys=("a", "b"), encoding="utf-8"):
    path = tmp_path / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    taken = {key: [] for key in keys}
    takers = {
        key: lambda index, value, key=key: taken[key].append((index, value))
        for key in keys
    }
    return read_lists(path, takers), taken


def test_elements_come_in_order_and_the_rest_is_passed_over(tmp_path):
    text = '{"x": [1, {"a": [9]}], "b": [{"c": 1}, 2], "a": [], "y": null}'
    found, taken = _read(tmp_path, text)
    assert found == {"a", "b"}
    assert taken == {"a": [], "b": [(0, {"c": 1}), (1, 2)]}


def test_a_key_that_is_not_there_is_not_found(tmp_path):
    assert _read(tmp_path, "{}") == (set(), {"a": [], "b": []})
    assert _read(tmp_path, ' { "b" : [ ] } ')[0] == {"b"}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_it_agrees_with_the_usual_reader(tmp_path, indent, encoding):
    rng = random.Random(0)
    content = {
        "a": [{"n": rng.random(), "t": "ü]}", "l": [[]] * 3}] * 20,
        "z": {"a": [1]},
        "b": [None, True, -1.5e3, "", [], {}],
    }
    text = json.dumps(content, indent=indent)
    _, taken = _read(tmp_path, text, encoding=encoding)
    for key in "ab":
        assert taken[key] == list(enumerate(content[key]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "1",
        "{",
        '{"a"',
        '{"a":',
        '{"a": [',
        '{"a": [1',
        '{"a": [1,',
        '{"a": [1,]}',
        '{"a": [1 2]}',
        '{"a": [1]',
        '{"a": [1]} x',
        '{"a": [1],}',
        '{"a": [1] "b": []}',
        '{"c": {]}',
        "{1: 2}",
        "{'a': []}",
        '{"c": "\x01"}',
        '{"c": ' + "9" * 5000 + "}",
        b'{"c": "\xff"}',
        b"\xff\xfe{\0}\0",
        b"\0\0\0\0",
    ],
)
def test_what_is_no_json_is_refused_by_name(tmp_path, text):
    with pytest.raises(InputError, match="file.json is not valid JSON"):
        _read(tmp_path, text)


@pytest.mark.parametrize("value", ["{}", "null", "1", '"text"'])
def test_a_list_that_is_none_is_refused(tmp_path, value):
    with pytest.raises(InputError, match="'a' must be a list: line 1"):
        _read(tmp_path, f'{{"a": {value}}}')


@pytest.mark.parametrize("sign", ["[", '{"k":'])
@pytest.mark.parametrize("key", ["a", "c"])
def test_deep_nesting_is_refused(tmp_path, sign, key):
    with pytest.raises(InputError, match="nested too deeply"):
        _read(tmp_path, f'{{"{key}": [' + sign * 200_000)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="gone.json cannot be read .No such"):
        read_lists(tmp_path / "gone.json", {})
