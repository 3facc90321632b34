"""Laws of reading MATLAB files: scipy's values, or a named fault."""

import pathlib
import struct

import numpy as np
import pytest
import scipy.io

from scn_tf.backbones.mat_file import read_variables
from tfrecords.errors import InputError

CELL, STRUCT, OBJECT, CHAR, SPARSE, DOUBLE = 1, 2, 3, 4, 5, 6
FUNCTION, OPAQUE = 16, 17


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(
    kind: int,
    rest: bytes,
    name: bytes = b"",
    sizes: tuple[int, ...] = (1, 1),
    longer: int = 0,
) -> bytes:
    """An array of a class; `rest` stands after its name."""
    data = element(6, struct.pack("<II", kind, 0))
    data += element(5, struct.pack(f"<{len(sizes)}i", *sizes))
    data += element(1, name) + rest
    return struct.pack("<II", 14, len(data) + longer) + data


def file_of(
    path: pathlib.Path, *variables: bytes, version: int = 0x0100
) -> pathlib.Path:
    header = b"MATLAB 5.0 MAT-file".ljust(124)
    header += struct.pack("<H", version) + b"IM"
    path.write_bytes(header + b"".join(variables))
    return path


NUMBER = array(DOUBLE, element(9, struct.pack("<d", 1.0)))


def nested(depth: int) -> bytes:
    """Cells in cells, made from the inside in linear time."""
    heads, length = [], len(NUMBER)
    for level in range(depth):
        name = b"layers" if level == depth - 1 else b""
        head = array(CELL, b"", name)[8:]
        length += len(head)
        heads.append(struct.pack("<II", 14, length) + head)
        length += 8
    return b"".join(reversed(heads)) + NUMBER


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_wrote_is_read(tmp_path, compressed):
    rng = np.random.default_rng(0)
    cell = np.empty((2, 2), object)
    inner = {"a": np.ones((2, 2, 2)), "b": {"c": "d\u00e9"}, "e": {}}
    cell[:] = [["text", np.zeros((0, 0))], [inner, ""]]
    structs = np.zeros((1, 2), [("x", object), ("y", object)])
    structs["x"][0], structs["y"][0] = ["a", "b"], [1.0, 2.0]
    path = tmp_path / "x.mat"
    numbers = {
        kind: rng.uniform(0, 99, (3, 1, 4)).astype(kind)
        for kind in ("f4", "f8", "u1", "i1", "u2", "i4", "u8", "i8")
    }
    scipy.io.savemat(
        path,
        {"cell": cell, "structs": structs, "unread": 1.0, "empty": {}}
        | {f"x{kind}": array for kind, array in numbers.items()},
        do_compression=compressed,
        oned_as="column",
    )
    names = {"cell", "structs", "empty", *(f"x{kind}" for kind in numbers)}
    values = read_variables(path, {*names, "not there"})
    assert set(values) == {*names, "unread"} and values["unread"] is None
    # In MATLAB's order: column by column.
    text, struct_, zeros, empty = values["cell"]
    assert (text, empty) == ("text", "") and zeros.shape == (0, 0)
    np.testing.assert_array_equal(struct_["a"], np.ones((2, 2, 2)))
    assert struct_["b"] == {"c": "d\u00e9"} and struct_["e"] == {}
    assert [row["x"] for row in values["structs"]] == ["a", "b"]
    assert [row["y"].item() for row in values["structs"]] == [1.0, 2.0]
    for kind, array in numbers.items():
        np.testing.assert_array_equal(values[f"x{kind}"], array)


def test_big_endian_files_are_read(tmp_path):
    path = tmp_path / "x.mat"
    data = struct.pack(">IIIIIIii", 6, 8, DOUBLE, 0, 5, 8, 1, 1)
    data += struct.pack(">HH4s", 1, 1, b"x") + struct.pack(">IId", 9, 8, 1.5)
    header = b"MATLAB".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    path.write_bytes(header + struct.pack(">II", 14, len(data)) + data)
    assert scipy.io.loadmat(path)["x"] == 1.5
    assert read_variables(path, ("x",)) == {"x": [[1.5]]}


def test_matlab_stores_small_whole_numbers_as_bytes(tmp_path):
    stored = element(2, bytes([3, 1, 4, 1, 5, 9]))
    path = file_of(tmp_path / "x.mat", array(DOUBLE, stored, b"x", (2, 3)))
    value = read_variables(path, ("x",))["x"]
    np.testing.assert_array_equal(value, [[3, 4, 5], [1, 1, 9]])


@pytest.mark.parametrize("depth", [17, 30_000])
def test_cells_too_deep_in_each_other_do_not_end_the_process(tmp_path, depth):
    path = file_of(tmp_path / "x.mat", nested(depth))
    with pytest.raises(InputError, match="x.mat.*more than 16 deep"):
        read_variables(path, ("layers",))
    assert read_variables(path, ()) == {"layers": None}
    value = read_variables(
        file_of(tmp_path / "y.mat", nested(15)), ("layers",)
    )["layers"]
    for _ in range(15):
        (value,) = value
    assert value == 1.0


def test_an_array_takes_nothing_from_the_next(tmp_path):
    # Each says that it holds one more, and ends.
    hollow = array(CELL, b"")
    path = file_of(
        tmp_path / "x.mat",
        array(CELL, hollow * 30_000, b"layers", (1, 30_000)),
    )
    with pytest.raises(InputError, match="more or fewer items"):
        read_variables(path, ("layers",))


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (OBJECT, "an object"),
        (FUNCTION, "a function"),
        (OPAQUE, r"an object \(17\)"),
        (SPARSE, "a sparse matrix"),
    ],
)
def test_what_is_no_plain_data_is_refused(tmp_path, kind, what):
    path = file_of(
        tmp_path / "x.mat", array(CELL, array(kind, NUMBER), b"layers")
    )
    with pytest.raises(InputError, match=f"x.mat holds {what}; only"):
        read_variables(path, ("layers",))


def test_an_object_of_a_class_is_passed_as_a_variable_without_name(tmp_path):
    path = file_of(tmp_path / "x.mat", array(OPAQUE, NUMBER), NUMBER)
    assert read_variables(path, ("layers",)) == {"": None}


def _struct(length: int, names: bytes, rest: bytes) -> bytes:
    head = element(5, struct.pack("<i", length)) + element(1, names)
    return array(STRUCT, head + rest, b"layers")


@pytest.mark.parametrize(
    ("variable", "fault"),
    [
        (array(CELL, NUMBER, b"layers", (1, 2)), "more or fewer"),
        (array(CELL, NUMBER * 3, b"layers", (1, 2)), "more or fewer"),
        (array(CELL, NUMBER, b"layers", (-1, -1)), "-1 stands for a length"),
        (array(CELL, element(9, bytes(8)), b"layers"), "type 9 is no array"),
        (array(DOUBLE, NUMBER, b"layers"), "have the type 14"),
        (array(CHAR, NUMBER, b"layers"), "has the type 14"),
        (array(DOUBLE, element(0, bytes(8)), b"layers"), "have the type 0"),
        (array(DOUBLE, element(9, bytes(7)), b"layers"), "multiple"),
        (array(DOUBLE, element(9, bytes(16)), b"layers"), "reshape"),
        (array(DOUBLE, b"", b"layers") + NUMBER, "too long"),
        (array(DOUBLE, element(9, bytes(8)) * 2, b"layers"), "not end where"),
        (array(DOUBLE, element(9, bytes(8)), b"layers", longer=8), "missing"),
        (array(DOUBLE, struct.pack("<II", 9, 2**32 - 1), b"layers"), "long"),
        (array(DOUBLE, b"", b"l" * 2_000_000), "2000000 bytes is too long"),
        (_struct(0, b"ab", NUMBER), "names without length"),
        (_struct(-1, b"ab", NUMBER), "-1 stands for a length"),
        (_struct(1, b"ab", NUMBER), "more or fewer"),
        (struct.pack("<II", 14, 0), "middle of an element"),
        (struct.pack("<II", 9, 8) + bytes(8), "has the type 9"),
        (struct.pack("<II", 15, 8) + bytes(8), "decompressing"),
        (struct.pack("<II", 15, 0), "middle of an element"),
        (struct.pack("<I", 14), "middle of an element"),
        (struct.pack("<II", 14, 48) + bytes(48), "no flags"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, variable, fault):
    path = file_of(tmp_path / "x.mat", variable)
    with pytest.raises(InputError, match=f"x.mat cannot be read.*{fault}"):
        read_variables(path, ("layers",))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path, compressed):
    path = tmp_path / "x.mat"
    values = {"layers": np.arange(400.0)}
    scipy.io.savemat(path, values, do_compression=compressed)
    content = path.read_bytes()
    for length in [*range(129, len(content), 37), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="cut short"):
            read_variables(path, ("layers",))
    for length in (0, 4, 127):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="no MATLAB file"):
            read_variables(path, ("layers",))


def test_version_73_says_how_to_save_it_otherwise(tmp_path):
    path = file_of(tmp_path / "x.mat", version=0x0200)
    with pytest.raises(InputError, match="x.mat .* 7.3.*'-struct', 'net'"):
        read_variables(path, ("layers",))
