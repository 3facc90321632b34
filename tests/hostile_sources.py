"""Folders of every kind of source in which most of the files are hostile.

Each function fills a folder and returns what must come of every photograph:
"" if it is kept, or a regular expression for the reason why it is left out.
"""

import json
import os
import zlib

import numpy as np
from detection_records import example
from hostile_pictures import encoded
from hostile_pictures import GIBIBYTE
from hostile_pictures import HEIGHT
from hostile_pictures import PICTURES
from hostile_pictures import pixels
from hostile_pictures import Place
from hostile_pictures import WIDTH

from tfrecords.record_file import frame

NUM_GOOD = 5
_NO_NAME = "cannot name a file"
_LONG_NAME = "z" * 5000
_NO_NUMBERS = "not 4 numbers of pixels"


def ways_out(outside):
    """Returns names that lead to a picture outside, or nowhere at all."""
    secret_path = outside / "secret.jpg"
    end = f"{outside.name}/secret.jpg"
    return {
        f"../../{end}": _NO_NAME,
        f"../../../{end}": _NO_NAME,
        f"../data/../../{end}": _NO_NAME,
        f"b\\..\\..\\..\\{outside.name}\\secret.jpg": _NO_NAME,
        f"a/../../../{end}": _NO_NAME,
        str(secret_path): _NO_NAME,
        f"C:/../../../{end}": _NO_NAME,
        f"file:{secret_path}": "missing",
        _LONG_NAME: "File name too long",
    }


def write_picture(path):
    """Writes a good picture; the name decides what it shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(os.fsencode(path.name))
    path.write_bytes(encoded(pixels(seed)))


def write_oddities(folder, outside):
    """Writes what is no picture by names that say so; returns reasons."""
    folder.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "link.jpg").symlink_to(outside / "secret.jpg")
    (folder / "empty.jpg").touch()
    return {
        "pipe.jpg": "is a pipe",
        "folder.jpg": "is a folder",
        "loop.jpg": "leads nowhere",
        "link.jpg": "leads outside",
        "empty.jpg": "it is empty",
        "gone.jpg": "missing",
    }


def image_folder(data_dir, outside):
    """All pictures of VOC's test, in a folder by themselves."""
    expected = {}
    for name, mutation in PICTURES.items():
        path = data_dir / f"{name}.jpg"
        write_picture(path)
        rng = np.random.default_rng(len(name))
        mutation.apply(Place(path, path, outside, rng))
        expected[path.name] = None if mutation.may else mutation.reason
        if path.is_dir() or not os.path.lexists(path):
            del expected[path.name]
        elif mutation.reason == "leads outside":
            del expected[path.name]  # A warning names it.
    odd_name = os.fsdecode(b"\xff.jpg")
    write_picture(data_dir / odd_name)
    expected["\\udcff.jpg"] = "not valid UTF-8"
    return expected | _good(data_dir)


def csv(data_dir, outside):
    """Rows that name what they should not, or hold no numbers."""
    expected = _good(data_dir)
    oddities = write_oddities(data_dir, outside) | ways_out(outside)
    expected |= {name.replace("\\", "/"): oddities[name] for name in oddities}
    box = "1,2,20,30"
    rows = [f'"{name}",{box},cat,,,,' for name in expected]
    wrong = {
        "nan": ("nan,2,20,30,cat,,,,", _NO_NUMBERS),
        "inf": ("1,2,inf,30,cat,,,,", _NO_NUMBERS),
        "endless": ("1,2,1e999,30,cat,,,,", _NO_NUMBERS),
        "long": (f"1,2,{'9' * 5000},30,cat,,,,", _NO_NUMBERS),
        "words": ("1,two,20,30,cat,,,,", _NO_NUMBERS),
        "hole": ("1,,20,30,cat,,,,", _NO_NUMBERS),
        "short": ("1,2,20,30", "5 fields under 10 columns"),
        "split": (f"{box},cat,../val/..,,,", "`split`|^$"),
        "flag": (f"{box},cat,,maybe,,", "`difficult` is 'maybe'"),
        "size": (f"{box},cat,,,7,9", "refer to 7 x 9"),
        "half": (f"{box},cat,,,7,", "not two numbers of pixels"),
        "huge": (f"{box},cat,,,1e30,1e30", "not two numbers of pixels"),
        "negative": ("-9,-9,-1,-1,cat,,,,", ""),
        "inverted": ("20,30,1,2,cat,,,,", ""),
        "wild": (f"{box},=cmd|' /C calc'!A0,,,,", ""),
    }
    for name, (row, reason) in wrong.items():
        write_picture(data_dir / f"{name}.jpg")
        rows.append(f"{name}.jpg,{row}")
        expected[f"{name}.jpg"] = reason
    rows.append(f",{box},cat,,,,")
    expected[f"boxes.csv:{len(rows) + 1}"] = "`filename` is empty"
    head = "filename,xmin,ymin,xmax,ymax,class,split,difficult,width,height"
    (data_dir / "boxes.csv").write_text("\n".join([head, *rows]))
    return expected


def coco(data_dir, outside):
    """Entries that name what they should not, or hold no numbers."""
    pictures_dir = data_dir / "train2017"
    good = {name: ({}, {}, "") for name in _good(pictures_dir)}
    odd = write_oddities(pictures_dir, outside)
    odd |= ways_out(outside) | {"a\0b.jpg": _NO_NAME, "\ud800.jpg": _NO_NAME}
    entries = good | {name: ({}, {}, odd[name]) for name in odd}
    wrong = {
        "nan": ({}, {"bbox": [1, 2, float("nan"), 9]}, "4 numbers"),
        "inf": ({}, {"bbox": [1, 2, float("-inf"), 9]}, "4 numbers"),
        "huge": ({}, {"bbox": [1, 2, 10**400, 9]}, "4 numbers"),
        "three": ({}, {"bbox": [1, 2, 3]}, r"not \[x, y, width, height\]"),
        "words": ({}, {"bbox": ["1", 2, 3, 4]}, "4 numbers"),
        "long": ({}, {"bbox": "z" * 10**5}, r"not \[x, y, width, height\]"),
        "class": ({}, {"category_id": 99}, "not in categories"),
        "list": ({}, {"category_id": [7]}, "`category_id`"),
        "crowd": ({}, {"iscrowd": 7}, "not 0 or 1"),
        "size": ({"width": 7, "height": 9}, {}, "refer to 7 x 9"),
        "sides": ({"width": 1e300, "height": 9}, {}, "not pixels"),
        "id": ({"id": 2**70}, {}, "not a whole number"),
        "true": ({"id": True}, {}, "not a whole number"),
        "minus": ({"id": -1}, {}, "not a whole number"),
        "twin": ({"id": 0}, {}, "stands twice"),
        "negative": ({}, {"bbox": [-9, -9, 3, 3]}, ""),
        "inverted": ({}, {"bbox": [20, 20, -5, -5]}, ""),
    }
    for name, change in wrong.items():
        write_picture(pictures_dir / f"{name}.jpg")
        entries[f"{name}.jpg"] = change
    images, annotations, expected = [], [], {}
    for index, (name, (image, box, reason)) in enumerate(entries.items()):
        images.append({"id": index, "file_name": name, **image})
        rest = {"category_id": 7, "bbox": [1, 2, 20, 15], **box}
        annotations.append({"image_id": index, **rest})
        expected[f"train2017/{name}".replace("\\", "/")] = reason
    expected["train2017/good_0.jpg"] = "stands twice"
    for value in (None, 7, "", [], "no entry"):
        expected[f"train2017/images[{len(images)}]"] = "`file_name` is"
        is_entry = value != "no entry"
        images.append({"id": 1000, "file_name": value} if is_entry else value)
    content = dict(images=images, annotations=annotations)
    content["categories"] = [{"id": 7, "name": "cat"}]
    path = data_dir / "annotations" / "instances_train2017.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return expected


def yolo(data_dir, outside):
    """Labels of no numbers, labels that are no files, a yaml that lures."""
    images_dir = data_dir / "images" / "train"
    labels_dir = data_dir / "labels" / "train"
    labels_dir.mkdir(parents=True)
    expected = _good(images_dir) | write_oddities(images_dir, outside)
    # Not listed: what is gone or a folder; a warning names the link.
    for name in ("gone.jpg", "folder.jpg", "link.jpg"):
        del expected[name]
    fractions = "not all numbers are from 0 to 1"
    labels = {
        "words": ("cat 0.5 0.5 0.1 0.1", "Wanted: `class cx cy w h`"),
        "nan": ("0 nan 0.5 0.1 0.1", fractions),
        "inf": ("0 inf 0.5 0.1 0.1", fractions),
        "pixels": ("0 20 15 9 9", fractions),
        "minus": ("0 -0.5 0.5 0.1 0.1", fractions),
        "class": ("7 0.5 0.5 0.1 0.1", "no name for class 7"),
        "below": ("-1 0.5 0.5 0.1 0.1", "the class -1 is no number"),
        "half": ("0.5 0.5 0.5 0.1 0.1", "the class 0.5 is no number"),
        "giant": (f"{'9' * 5000} 0.5 0.5 0.1 0.1", "is no number"),
        "three": ("0 0.5 0.5 0.1", "Wanted: `class cx cy w h`"),
        "odd": ("0 0.1 0.1 0.2 0.2 0.3", "Wanted: `class cx cy w h`"),
        "long": ("z" * 10**6, "Wanted: `class cx cy w h`"),
        "nothing": ("", ""),
        "flat": ("0 0.5 0.5 0 0.1", ""),
    }
    for name, (text, reason) in labels.items():
        (labels_dir / f"{name}.txt").write_text(text)
        expected[f"{name}.jpg"] = reason
    os.mkfifo(labels_dir / "labelpipe.txt")
    (labels_dir / "labelfolder.txt").mkdir()
    (labels_dir / "labelloop.txt").symlink_to("labelloop.txt")
    (labels_dir / "labellink.txt").symlink_to(outside / "secret.txt")
    (labels_dir / "bytes.txt").write_bytes(b"\xff\xfe\0")
    with open(labels_dir / "sparse.txt", "wb") as file:
        file.truncate(3 * GIBIBYTE)
    expected |= {
        "labelpipe.jpg": "is a pipe",
        "labelfolder.jpg": "is a folder",
        "labelloop.jpg": "leads nowhere",
        "labellink.jpg": "leads outside",
        "bytes.jpg": "not a text file",
        "sparse.jpg": "too large",
    }
    for name in expected:
        if not os.path.lexists(images_dir / name):
            write_picture(images_dir / name)
    (data_dir / "data.yaml").write_text(
        f"path: {outside}\ntrain: ../../{outside.name}\nnames: [cat]\n"
    )
    return {f"images/train/{name}": expected[name] for name in expected}


def object_detection(data_dir, outside):
    """Records whose fields are missing, of another kind, or absurd."""
    picture = encoded(pixels(1))
    whole = dict(
        image__encoded=[picture], image__height=[HEIGHT], image__width=[WIDTH]
    )
    box = "image__object__bbox__"
    wrong = {
        "none": (dict(image__encoded=None), "no picture"),
        "two": (dict(image__encoded=[picture, picture]), "no picture"),
        "empty": (dict(image__encoded=[b""]), "no picture"),
        "cut": (dict(image__encoded=[picture[:300]]), "truncated or damaged"),
        "zip": (dict(image__encoded=[b"PK\3\4" * 9]), "no picture in one of"),
        "path": (
            dict(image__encoded=[bytes(outside / "secret.jpg")]),
            "no picture in one of",
        ),
        "kind": (dict(image__encoded=[7]), "no picture"),
        "lengths": ({f"{box}ymin": [0.1, 0.2]}, "one of each per box"),
        "nan": ({f"{box}ymin": [float("nan")]}, "no fractions"),
        "inf": ({f"{box}xmax": [float("inf")]}, "no fractions"),
        "pixels": ({f"{box}xmax": [640.0]}, "no fractions"),
        "names": (
            dict(image__object__class__text=[b"a", b"b"]),
            "2 classes, 1 boxes",
        ),
        "flags": (dict(image__object__difficult=[0, 1]), "2 values for 1"),
        "size": (dict(image__height=[9]), f"refer to {WIDTH} x 9"),
        "huge": (dict(image__height=[2**62]), "refer to"),
        "minus": (dict(image__height=[-1]), ""),
        "inverted": ({f"{box}xmax": [0.1]}, ""),
        "\xff": (dict(image__object__class__text=[b"\xff\0"]), ""),
    }
    wrong |= {name: ({}, "") for name in ways_out(outside)}
    wrong |= {f"good_{index}": ({}, "") for index in range(NUM_GOOD)}
    content, expected = b"", {}
    for name, (changes, reason) in wrong.items():
        place = f"train.record/{len(content)}/{name[:200]}"
        expected[place] = reason
        fields = {**whole, "image__source_id": [name.encode()], **changes}
        content += frame(example(**fields))
    for junk in (b"", b"\xff" * 99, b"\x0a\xff\xff\xff\xff\x0f"):
        place = f"train.record/{len(content)}"
        expected[place] = "no tf.train.Example|no picture"
        content += frame(junk)
    damaged = bytearray(frame(example(**whole)))
    damaged[100] ^= 1
    expected[f"train.record/{len(content)}"] = "no whole record"
    content += damaged
    expected[f"train.record/{len(content)}"] = "no whole record"
    content += frame(example(**whole))[:-9]
    data_dir.mkdir(parents=True)
    (data_dir / "train.record").write_bytes(content)
    return expected


def _good(folder):
    names = [f"good_{index}.jpg" for index in range(NUM_GOOD)]
    for name in names:
        write_picture(folder / name)
    return dict.fromkeys(names, "")


SOURCES = {
    "coco": coco,
    "csv": csv,
    "image_folder": image_folder,
    "object_detection": object_detection,
    "yolo": yolo,
}
