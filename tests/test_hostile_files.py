"""Three hundred files that nobody should be asked to read.

No crash, no hang, nothing read outside of the source's folder, and an exact
count: what is left out is named with its fault, what is kept decodes.
"""

import dataclasses
import re
import zlib

import numpy as np
import pytest
import tensorflow as tf
from hostile_annotations import ANNOTATIONS
from hostile_annotations import swapped
from hostile_annotations import xml
from hostile_pictures import encoded
from hostile_pictures import Mutation
from hostile_pictures import PICTURES
from hostile_pictures import pixels
from hostile_pictures import Place
from hostile_pictures import segment
from hostile_pictures import SIZED
from watched import opened_files
from watched import run_watched

from tfrecords.images import decode
from tfrecords.manifest import read_manifest
from tfrecords.record_file import read_records

GOOD, MUTATED = 30, 300
CANARY = b"what lies outside is nobody's business"
MOST_SECONDS = 300  # it hangs, or the machine is very busy
# Libraries alone take 600; the sparse files claim 3000 each.
MOST_MEGABYTES = 1500

_OF_ANOTHER = Mutation(
    lambda place: swapped(place, "good_0"), "names a picture that is not there"
)
MUTATIONS = {
    **{f"picture {name}": value for name, value in PICTURES.items()},
    **{f"picture {name}": value for name, value in SIZED.items()},
    **{f"annotation {name}": value for name, value in ANNOTATIONS.items()},
    "annotation swapped": _OF_ANOTHER,
}


@dataclasses.dataclass
class Devkit:
    """A built devkit: what was done to it, and what came of it."""

    folder: object
    mutated: dict
    watched: object
    opened: list
    records: dict

    @property
    def manifest(self):
        return read_manifest(self.folder / "records")

    @property
    def reasons(self):
        return {
            skip["image_id"]: skip["reason"] for skip in self.manifest.skipped
        }


def write_secrets(folder):
    """What must not be read: good in every respect, and marked."""
    folder.mkdir()
    picture = segment(encoded(pixels(999)), 0xFE, CANARY)
    (folder / "secret.jpg").write_bytes(picture)
    for name in ("secret", "secret.xml", "secret.txt", "secret.dtd"):
        text = xml("secret") + f"<!-- {CANARY.decode()} -->"
        (folder / name).write_text(text)


def _write_devkit(folder):
    """Writes good pictures among others; returns what is wrong with those."""
    year_dir = folder / "data" / "VOCdevkit" / "VOC2007"
    for name in ("ImageSets/Main", "JPEGImages", "Annotations"):
        (year_dir / name).mkdir(parents=True)
    write_secrets(folder / "outside")
    kinds = list(MUTATIONS)
    mutated = {
        f"bad_{index}": kinds[index % len(kinds)] for index in range(MUTATED)
    }
    image_ids = [f"good_{index}" for index in range(GOOD)] + list(mutated)
    for image_id in image_ids:
        seed = zlib.crc32(image_id.encode())
        place = Place(
            year_dir / "JPEGImages" / f"{image_id}.jpg",
            year_dir / "Annotations" / f"{image_id}.xml",
            folder / "outside",
            np.random.default_rng(seed),
        )
        place.picture.write_bytes(encoded(pixels(seed)))
        place.annotation.write_text(xml(image_id))
        if image_id in mutated:
            MUTATIONS[mutated[image_id]].apply(place)
    rng = np.random.default_rng(0)
    for split, part in zip(
        ("train", "val"),
        np.split(rng.permutation(image_ids), [200]),
        strict=True,
    ):
        path = year_dir / "ImageSets" / "Main" / f"{split}.txt"
        path.write_text("\n".join(part))
    return mutated


def read_stored(records_dir):
    """Returns the stored bytes and size of every record by image_id."""
    found = {}
    for path in sorted(records_dir.glob("*.tfrecord")):
        for record in read_records(path):
            example = tf.train.Example.FromString(record.content)
            values = example.features.feature
            (image_id,) = values["image/source_id"].bytes_list.value
            (content,) = values["image/encoded"].bytes_list.value
            size = [
                values[f"image/{side}"].int64_list.value[0]
                for side in ("height", "width")
            ]
            assert image_id.decode() not in found
            found[image_id.decode()] = content, size
    return found


@pytest.fixture(scope="module")
def devkit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    mutated = _write_devkit(folder)
    with opened_files(folder / "outside") as opened:
        watched = run_watched(
            folder / "log",
            "tfrecords.build",
            f"--data_dir={folder / 'data'}",
            f"--records_dir={folder / 'records'}",
            "--proposals=uniform",
            "--uniform_side=8",
            "--num_workers=1",
            timeout=MOST_SECONDS,
        )
    assert watched.code == 0, watched.output[-3000:]
    records = read_stored(folder / "records")
    return Devkit(folder, mutated, watched, opened, records)


def test_every_kind_of_harm_is_done():
    assert MUTATED // len(MUTATIONS) >= 2


def test_the_build_reports_and_stays_small(devkit):
    assert "Traceback" not in devkit.watched.output
    assert devkit.watched.megabytes < MOST_MEGABYTES
    for image_id, reason in devkit.reasons.items():
        assert f"skipped {image_id}: {reason}" in devkit.watched.output


def test_the_count_is_exact(devkit):
    kept, skipped = set(devkit.records), set(devkit.reasons)
    splits = devkit.manifest.splits.values()
    assert sum(split.images for split in splits) == len(kept)
    assert len(devkit.manifest.skipped) == len(skipped)
    assert len(kept) + len(skipped) == GOOD + MUTATED
    assert kept | skipped == {f"good_{index}" for index in range(GOOD)} | set(
        devkit.mutated
    )


@pytest.mark.parametrize("kind", MUTATIONS)
def test_each_harm_has_the_end_that_was_foreseen(devkit, kind):
    mutation = MUTATIONS[kind]
    image_ids = [name for name, it in devkit.mutated.items() if it == kind]
    pictures_dir = devkit.folder / "data/VOCdevkit/VOC2007/JPEGImages"
    assert len(image_ids) >= 2
    for image_id in image_ids:
        reason = devkit.reasons.get(image_id, "")
        if mutation.reason:
            assert re.search(mutation.reason, reason), reason
            assert len(reason) < 1000
        elif not mutation.may:
            assert not reason
        for note, noted in devkit.manifest.noted.items():
            if not mutation.may:
                assert (image_id in noted) == (note == mutation.note), note
        if mutation.same:
            content = (pictures_dir / f"{image_id}.jpg").read_bytes()
            assert devkit.records[image_id][0] == content


def test_what_is_good_is_kept_to_the_byte(devkit):
    pictures_dir = devkit.folder / "data/VOCdevkit/VOC2007/JPEGImages"
    for index in range(GOOD):
        content = (pictures_dir / f"good_{index}.jpg").read_bytes()
        assert devkit.records[f"good_{index}"][0] == content


def test_what_is_kept_decodes(devkit):
    for content, size in devkit.records.values():
        assert list(decode(content).shape[:2]) == size


def test_nothing_outside_is_read(devkit):
    data_dir, records_dir = devkit.folder / "data", devkit.folder / "records"
    opened = devkit.watched.opened_below(devkit.folder)
    assert len(devkit.watched.opened_below(data_dir)) > 2 * GOOD
    assert {
        path
        for path in opened
        if not path.is_relative_to(data_dir)
        and not path.is_relative_to(records_dir)
    } == set()
    assert devkit.opened == []
    for path in records_dir.iterdir():
        assert CANARY not in path.read_bytes()
    assert CANARY.decode() not in devkit.watched.output


def test_the_records_are_valid(devkit):
    watched = run_watched(
        devkit.folder / "log2",
        "tfrecords.validate",
        devkit.folder / "records",
        timeout=MOST_SECONDS,
    )
    assert watched.code == 0, watched.output[-3000:]
    assert "All is well" in watched.output


def test_the_watch_sees_who_reads_outside(tmp_path):
    """Else the test above could not fail."""
    write_secrets(tmp_path / "outside")
    (tmp_path / "link").symlink_to(tmp_path / "outside" / "secret.jpg")
    script = tmp_path / "script.py"
    script.write_text(
        f"import cv2, os, pathlib\n"
        f"cv2.imread({str(tmp_path / 'link')!r})\n"
        f"open({str(tmp_path / 'outside' / 'secret.xml')!r}).read()\n"
        f"pathlib.Path({str(tmp_path / 'link')!r}).read_bytes()\n"
    )
    with opened_files(tmp_path / "outside") as opened:
        watched = run_watched(tmp_path / "log", script, timeout=30)
    assert watched.code == 0, watched.output
    assert watched.opened_below(tmp_path / "outside") == {
        tmp_path / "outside" / "secret.xml",
        tmp_path / "outside" / "secret.jpg",
    }
    assert "secret.jpg" in opened and "secret.xml" in opened
