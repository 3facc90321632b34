import pytest
from google.protobuf import text_encoding

from tfrecords.errors import InputError
from tfrecords.sources.label_map import read_label_map


def _read(tmp_path, text):
    path = tmp_path / "map.pbtxt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_label_map(path)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", {}),
        ("item { id: 1 name: 'dog' }", {1: "dog"}),
        ('item {\n  name: "dog"\n  id: 2\n}\nitem{id:3,name:"a b"}', None),
        ('item { id: 1 name: "/m/01" display_name: "dog" }', {1: "dog"}),
        ("# a } comment\nitem: { id: 1; name: 'd#g' } # more", {1: "d#g"}),
        (r"item { id: 1 name: 'it\'s' }", {1: "it's"}),
        ('item { id: 1 name: "dog" keypoints { id: 7 label: "}" } }', None),
        ('item { id: 1 name: "dog" other: 5 }', {1: "dog"}),
    ],
)
def test_items_give_their_names(tmp_path, text, names):
    if names is None:
        names = {2: "dog", 3: "a b"} if "a b" in text else {1: "dog"}
    assert _read(tmp_path, text) == names


@pytest.mark.parametrize(
    "name",
    ["café", "\n\t\r\a\v\0", 'it\'s "a" \\ b', "日本", "a?", "🐕7", "é9"],
)
@pytest.mark.parametrize("as_utf8", [False, True])
def test_names_are_read_as_protobuf_writes_them(tmp_path, name, as_utf8):
    item = text_encoding.CEscape(name.encode(), as_utf8)
    assert _read(tmp_path, f'item {{ id: 1 name: "{item}" }}') == {1: name}


@pytest.mark.parametrize(
    ("escaped", "name"),
    [
        (r"caf\303\251", "café"),
        (r"caf\xc3\XA9", "café"),
        (r"caf\u00e9\U0001F415", "café🐕"),
        (r"\0\18", "\0\x018"),
        (r"a\?\\303", "a?\\303"),
    ],
)
def test_escapes_of_the_text_format_are_undone(tmp_path, escaped, name):
    assert _read(tmp_path, f"item {{ id: 1 name: '{escaped}' }}") == {1: name}


@pytest.mark.parametrize(
    "escaped", [r"\d", r"\303", r"\xff", r"\x", r"\ud800", r"\Uffffffff", r"\9"]
)
def test_escapes_that_give_no_text_are_refused(tmp_path, escaped):
    with pytest.raises(InputError, match="has an escape that is none"):
        _read(tmp_path, f"item {{ id: 1 name: 'a{escaped}' }}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item { name: 'dog' }", "an item has the id ''"),
        ("item { id: 1 }", "and the name ''"),
        ("item { id: -1 name: 'a' }", "an item has the id '-1'"),
        ("item { id: 99999999999 name: 'a' }", "an item has the id '9"),
        ("item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "of two items"),
        ("item { id: 1 name: 'a'", "ends within an item"),
        ("item { id: 1 } }", "an item has the id '1' and the name ''"),
        ("}", "line 1: } has no partner"),
        ("\n\nitem { id: 1 name: 'a }", "line 3: ' has no partner"),
        (b"\xff\xfe", "is not a text file"),
        ("#" * (1 << 23), "too large"),
    ],
)
def test_a_map_that_cannot_be_used_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=f"map.pbtxt.*{message}"):
        _read(tmp_path, text)


def test_deep_nesting_is_read_in_a_loop(tmp_path):
    deep = "a {" * 10**5 + "}" * 10**5
    assert _read(tmp_path, f"item {{ id: 1 name: 'dog' {deep} }}") == {1: "dog"}


def test_a_missing_map_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="map is missing: .*gone"):
        read_label_map(tmp_path / "gone")
