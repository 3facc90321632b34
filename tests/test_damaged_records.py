"""Records damaged at random places: what is whole is read to the bit."""

import re

import numpy as np
import pytest
import tensorflow as tf
from small_records import make_record
from small_records import write_records

from tfrecords.errors import InputError
from tfrecords.pair_graph import read_pair_graph
from tfrecords.reader import load_patches
from tfrecords.record_file import FRAME_BYTES
from tfrecords.schema import to_example

NUM_PLACES = 200
SIZE = 12  # of a patch
HEADER_BYTES = 12


class Folder:
    """Finished records, and where each of their frames lies."""

    def __init__(self, path, sizes):
        self.path = path
        shards = {}
        for number, size in enumerate(sizes):
            shards[f"train-{number}.tfrecord"] = [
                make_record("train" + "n" * number, index, 3)
                for index in range(size)
            ]
        write_records(path, shards)
        self.frames = [
            (name, begin, end, record.image_id)
            for name, records in shards.items()
            for begin, end, record in _frames(records)
        ]
        self.contents = {name: (path / name).read_bytes() for name in shards}
        self.whole = read_by_id(read_pair_graph(path, ["train"]))

    def write(self, contents):
        for name, content in contents.items():
            (self.path / name).write_bytes(content)

    def flip(self, rng, number):
        """Flips bits of bytes at random places; returns the places."""
        contents = {
            name: bytearray(content) for name, content in self.contents.items()
        }
        ends = np.cumsum([len(content) for content in contents.values()])
        places = []
        for place in rng.choice(ends[-1], number, replace=False):
            shard = np.searchsorted(ends, place, side="right")
            name = list(contents)[shard]
            place = place - ends[shard] + len(contents[name])
            contents[name][place] ^= rng.integers(1, 256)
            places.append((name, place))
        self.write(contents)
        return places

    def hit(self, places):
        """Returns the frames that were hit, and those in their header."""
        frames, headers = set(), set()
        for name, place in places:
            (index,) = (
                index
                for index, (file, begin, end, _) in enumerate(self.frames)
                if file == name and begin <= place < end
            )
            frames.add(index)
            if place < self.frames[index][1] + HEADER_BYTES:
                headers.add(index)
        return frames, headers


def _frames(records):
    end = 0
    for record in records:
        begin, end = end, end + len(to_example(record)) + FRAME_BYTES
        yield begin, end, record


def read_by_id(graph):
    """Returns everything that is known of each image, as bytes."""
    patches = load_patches(graph, np.arange(len(graph.boxes)), SIZE)
    found = {}
    for index, image_id in enumerate(graph.image_ids):
        rows = graph.patch_image == index
        pairs = graph.pairs[rows[graph.pairs[:, 0]]] - np.argmax(rows)
        columns = (patches, graph.boxes, graph.scores, graph.labels)
        assert image_id not in found
        found[image_id] = [column[rows].tobytes() for column in columns]
        found[image_id] += [pairs.tobytes(), graph.sizes[index].tobytes()]
    return found


def reported(graph):
    """Returns file and byte of each damage, and the reports without."""
    places, others = [], []
    for text in graph.bad_records:
        found = re.match(r"Record \d+ of .*/(.*), at byte (\d+): .", text)
        if found:
            places.append((found[1], int(found[2])))
        else:
            others.append(text)
    return places, others


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("small"), [3, 3])


def test_much_damage_costs_what_was_hit_and_is_reported(tmp_path):
    folder = Folder(tmp_path, [20, 19])
    rng = np.random.default_rng(0)
    for number in (1, 5, 20, NUM_PLACES):
        frames, headers = folder.hit(folder.flip(rng, number))
        graph = read_pair_graph(folder.path, ["train"], "skip")
        kept = {
            image_id: folder.whole[image_id]
            for index, (_, _, _, image_id) in enumerate(folder.frames)
            if index not in frames
        }
        assert read_by_id(graph) == kept
        # Frames whose headers are gone cannot be told from the one before.
        merged = {
            index
            for index in headers
            if index - 1 in headers
            and folder.frames[index][0] == folder.frames[index - 1][0]
        }
        places, others = reported(graph)
        assert places == [
            folder.frames[index][:2] for index in sorted(frames - merged)
        ]
        assert all("records; " in text for text in others)
        shards = {folder.frames[index][0] for index in merged}
        assert len(others) == len(shards)


def test_each_byte_counts(small):
    """200 times one byte: one report, by place, and all other images."""
    rng = np.random.default_rng(1)
    places = set()
    for _ in range(NUM_PLACES):
        (place,) = small.flip(rng, 1)
        places.add(place)
        ((hit,), _) = small.hit([place])
        graph = read_pair_graph(small.path, ["train"], "skip")
        assert reported(graph) == ([small.frames[hit][:2]], [])
        kept = {**small.whole}
        del kept[small.frames[hit][3]]
        assert read_by_id(graph) == kept
    with pytest.raises(InputError, match=f"byte {small.frames[hit][1]}"):
        read_pair_graph(small.path, ["train"])
    assert len(places) > NUM_PLACES * 0.9


@pytest.mark.parametrize("harm", ["cut", "removed", "added", "doubled"])
def test_what_moves_costs_what_was_hit(small, harm):
    """Bytes that are missing or too many: the frames behind are found."""
    rng = np.random.default_rng(2)
    for _ in range(NUM_PLACES // 8):
        hit = int(rng.integers(len(small.frames)))
        name, begin, end, _ = small.frames[hit]
        content = small.contents[name]
        place = int(rng.integers(begin + 1, end))
        lost = {hit}
        if harm == "cut":
            changed = content[:place]
            lost = {
                index
                for index, frame in enumerate(small.frames)
                if frame[0] == name and frame[1] >= begin
            }
        elif harm == "removed":
            stop = min(place + int(rng.integers(1, 9)), end)
            changed = content[:place] + content[stop:]
        elif harm == "added":
            more = rng.bytes(int(rng.integers(1, 9)))
            changed = content[:place] + more + content[place:]
        else:
            changed = content[:end] + content[begin:]
            lost = set()
        small.write({**small.contents, name: changed})
        graph = read_pair_graph(small.path, ["train"], "skip")
        assert graph.bad_records
        kept = [
            frame[3]
            for index, frame in enumerate(small.frames)
            if index not in lost
        ]
        if harm == "doubled":
            kept.insert(hit, small.frames[hit][3])
            assert graph.image_ids == kept
            continue
        found = read_by_id(graph)
        assert found == {image_id: small.whole[image_id] for image_id in kept}


def test_a_damaged_manifest_is_refused_or_reported(small):
    rng = np.random.default_rng(3)
    small.write(small.contents)
    path = small.path / "manifest.json"
    content = path.read_bytes()
    for _ in range(NUM_PLACES):
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= rng.integers(1, 256)
        path.write_bytes(changed)
        try:
            graph = read_pair_graph(small.path, ["train"], "skip")
        except InputError as error:
            assert str(small.path) in str(error)
        else:
            assert read_by_id(graph) == small.whole
    path.write_bytes(content)


def test_a_record_without_a_picture_is_refused(tmp_path):
    content = tf.train.Example.FromString(
        to_example(make_record("train", 0, 3))
    )
    del content.features.feature["image/encoded"]
    records = {"train-0.tfrecord": [content.SerializeToString()]}
    write_records(tmp_path, records)
    graph = read_pair_graph(tmp_path, ["train"])
    with pytest.raises(InputError, match="byte 0, train-0: OpenCV cannot"):
        load_patches(graph, np.arange(3), SIZE)
