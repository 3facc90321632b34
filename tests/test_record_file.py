"""Laws of reading TFRecord files, whole and damaged ones."""

import numpy as np
import pytest
import tensorflow as tf

from tfrecords import record_file
from tfrecords.errors import InputError
from tfrecords.record_file import frame
from tfrecords.record_file import FRAME_BYTES
from tfrecords.record_file import read_record
from tfrecords.record_file import read_records

CONTENTS = [b"first", b"", bytes(range(256)) * 40, b"last one"]
OFFSETS = np.cumsum([0] + [len(c) + FRAME_BYTES for c in CONTENTS]).tolist()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"".join(map(frame, CONTENTS)))
    return path


def change(path, place, value=None):
    content = bytearray(path.read_bytes())
    content[place] = content[place] ^ 1 if value is None else value
    path.write_bytes(content)


def test_frames_are_what_tensorflow_writes_and_reads(path, tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "b")) as writer:
        for content in CONTENTS:
            writer.write(content)
    assert (tmp_path / "b").read_bytes() == path.read_bytes()
    read = [r.numpy() for r in tf.data.TFRecordDataset(str(path))]
    assert read == CONTENTS


def test_a_whole_file_gives_its_records_in_order(path):
    records = list(read_records(path))
    assert [record.content for record in records] == CONTENTS
    assert [record.offset for record in records] == OFFSETS[:-1]
    assert [record.index for record in records] == [0, 1, 2, 3]
    assert not any(record.fault for record in records)


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "empty").touch()
    assert list(read_records(tmp_path / "empty")) == []


def test_a_record_is_read_by_its_place(path):
    for content, offset in zip(CONTENTS, OFFSETS, strict=False):
        assert read_record(str(path), offset) == content


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        (OFFSETS[2], "checksum of its length"),
        (OFFSETS[2] + 7, "checksum of its length"),
        (OFFSETS[2] + 9, "checksum of its length"),
        (OFFSETS[2] + 500, "its checksum is wrong"),
        (OFFSETS[3] - 1, "its checksum is wrong"),
    ],
    ids=["length", "top of length", "checksum", "content", "last byte"],
)
def test_one_flipped_bit_costs_one_record(path, place, fault):
    change(path, place)
    records = list(read_records(path))
    assert [record.content for record in records] == [
        *CONTENTS[:2],
        b"",
        CONTENTS[3],
    ]
    assert [bool(record.fault) for record in records] == [0, 0, 1, 0]
    assert fault in records[2].fault
    with pytest.raises(InputError, match=f"byte {OFFSETS[2]}: .*{fault}"):
        read_record(str(path), OFFSETS[2])


def test_where_records_go_on_is_found_over_blocks(path, monkeypatch):
    monkeypatch.setattr(record_file, "_SEARCH_BYTES", 16)
    change(path, OFFSETS[2])
    records = list(read_records(path))
    assert records[3].content == CONTENTS[3]
    assert records[3].offset == OFFSETS[3]


@pytest.mark.parametrize("kept", range(1, OFFSETS[2] + 14, 3))
def test_a_cut_file_gives_what_is_whole_and_names_the_rest(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    records = list(read_records(path))
    whole = sum(offset <= kept for offset in OFFSETS[1:])
    assert [r.content for r in records if not r.fault] == CONTENTS[:whole]
    bad = [record for record in records if record.fault]
    assert len(bad) == (kept not in OFFSETS)
    assert all("ends within" in record.fault for record in bad)


def test_a_length_that_leads_past_the_end_does_not_hide_what_follows(path):
    # A whole frame whose header promises more than the file holds.
    header = frame(bytes(1 << 20))[:12]
    content = path.read_bytes()
    path.write_bytes(content[: OFFSETS[1]] + header + content[OFFSETS[1] :])
    records = list(read_records(path))
    assert [r.content for r in records if not r.fault] == CONTENTS
    assert "ends within it, 1,048,576 bytes" in records[1].fault


def test_random_bytes_are_no_records(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "noise").write_bytes(rng.bytes(100_000))
    (record,) = read_records(tmp_path / "noise")
    assert record.fault and record.content == b""


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="nothing cannot be read"):
        list(read_records(tmp_path / "nothing"))
    with pytest.raises(InputError, match="nothing is damaged.*No such file"):
        read_record(str(tmp_path / "nothing"), 0)


def test_a_file_that_was_replaced_is_read_anew(path):
    assert read_record(str(path), 0) == b"first"
    other = path.with_name("other")
    other.write_bytes(frame(b"other"))
    other.replace(path)
    assert read_record(str(path), 0) == b"other"


def test_a_length_beyond_the_file_does_not_fill_the_memory(path):
    length = (1 << 62).to_bytes(8, "little")
    header = length + record_file._checksum(length)
    path.write_bytes(header + path.read_bytes())
    with pytest.raises(InputError, match="byte 0: the file ends within it"):
        read_record(str(path), 0)
    records = list(read_records(path))
    assert [r.content for r in records if not r.fault] == CONTENTS


def test_headers_are_found_at_every_place():
    noise = np.random.default_rng(1).integers(0, 256, 5000).astype(np.uint8)
    noise[1000:2000] = 0
    for place in (0, 1, 999, 1500, 4988):
        block = noise.copy()
        block[place : place + 12] = np.frombuffer(frame(bytes(77))[:12], "u1")
        assert record_file._headers(block).tolist() == [place]
