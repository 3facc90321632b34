"""COCO's json files in; photographs with labeled boxes out.

    data_dir/annotations/instances_train2017.json    one file per split
    data_dir/train2017/000000000009.jpg              its photographs

The json files are all `instances_*.json`, or the only *.json, in
`annotations/` or in `data_dir` itself. A file's split is named in its name;
where none is, by the folders in its `file_name`s (`val/1.jpg`). Beside a val
all else is train; where there is none, a hash of the photographs' names holds
a tenth out. Photographs lie in a folder called after the file (`train2017`),
in `images/`, in that folder in `images/`, or in `data_dir`. Boxes are [x, y,
width, height] in continuous pixels from 0. A box with `iscrowd` covers many
objects: it counts as VOC's "difficult".
"""

import pathlib

from tfrecords import box_formats
from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.sources import folder
from tfrecords.sources import source_file
from tfrecords.sources.coco_file import CocoFile
from tfrecords.sources.digest import content_digest
from tfrecords.sources.splits import filled_splits
from tfrecords.sources.splits import named_split
from tfrecords.sources.splits import told_splits

_PREFIX = "instances_"
_HEAD_BYTES = 1 << 16
_LISTS = (b'"images"', b'"annotations"', b'"categories"')


class Coco:
    """All photographs of COCO's annotation files.

    A photograph's image_id is the name of its annotation file, without
    "instances_" and ".json", and its file name: "train2017/0009.jpg". So
    `read` parses that one file, once per process. A faulty entry without a
    usable name is called after its place, "train2017/images[7]".
    """

    name = "coco"

    def __init__(self, data_dir: str, seed: int = 0):
        """Looks for the annotation files.

        Args:
            data_dir: the folder that holds `annotations/`.
            seed: unused; names, or a hash of them, decide the splits.

        Raises:
            InputError: if there is no annotation file, or it cannot be told
                which ones are meant.
        """
        self._data_dir = folder.existing_folder(
            data_dir, "a folder with annotations/instances_*.json"
        )
        paths = _annotation_paths(self._data_dir)
        if not paths:
            raise InputError(
                f"No COCO annotations in {data_dir}: looked for "
                "instances_*.json, or a single *.json, in annotations/ and "
                "in the folder itself. Correct --data_dir, or name the files "
                "of boxes instances_<split>.json."
            )
        self._paths = {path.stem.removeprefix(_PREFIX): path for path in paths}
        self._files = {}

    def __reduce__(self):
        """Leaves behind what was parsed; a copy opens the folder anew."""
        return type(self), (str(self._data_dir),)

    @staticmethod
    def is_here(data_dir: pathlib.Path) -> bool:
        """Says whether there are files that look like COCO's annotations."""
        paths = _annotation_paths(data_dir)
        return any(
            path.name.startswith(_PREFIX) or _seems_coco(data_dir, path)
            for path in paths
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of all categories, sorted; parses every file.

        Raises:
            InputError: as `keys`.
        """
        names = {
            name
            for short in self._paths
            for name in self._file(short).categories.values()
        }
        return tuple(sorted(names))

    def digest(self) -> str:
        """Returns a SHA-256 of splits, annotations and pictures' sizes.

        Raises:
            InputError: as `keys`.
        """
        lines = list(self._paths)
        for key in self.keys():
            short, _, name = key.image_id.partition("/")
            found = self._picture_name(short, name)
            size = folder.size_inside(self._data_dir, found)
            lines.append(f"{key.split} {key.image_id} {size}")
        paths = list(self._paths.values())
        return content_digest(self.name, lines, paths)

    def keys(self) -> list[ImageKey]:
        """Returns all photographs, file by file in the files' order.

        Raises:
            InputError: if a file does not parse, or none lists a photograph.
        """
        image_ids, unnamed, named = [], [], []
        for short in self._paths:
            split = named_split(short)
            names = self._file(short).listed_names()
            found = [f"{short}/{name}" for name in names]
            image_ids += found
            unnamed += [] if split else found
            named += [split] * len(found)
        # Together: one file's folder may be train, another's val.
        told = iter(told_splits(unnamed))
        named = [split or next(told) for split in named]
        if not image_ids:
            raise InputError(
                f"No photograph is listed under 'images' in "
                f"{', '.join(str(path) for path in self._paths.values())}."
            )
        return list(map(ImageKey, filled_splits(image_ids, named), image_ids))

    def read(self, key: ImageKey) -> ImageRecord:
        """Returns one photograph's path and boxes.

        Raises:
            InputError: if its entry, or one of its annotations, is faulty,
                or the picture is missing or lies outside of the folder.
        """
        short, _, name = key.image_id.partition("/")
        if short not in self._paths:
            raise InputError(
                f"There is no photograph {key.image_id!r} in "
                f"{self._data_dir}: no annotation file of that name."
            )
        entry = self._file(short).entry(name)
        # By itself: behind a folder's name, "/etc/passwd" looks relative.
        folder.path_inside(self._data_dir, name)
        found = self._picture_name(short, name)
        return ImageRecord(
            key=key,
            image=folder.picture_inside(self._data_dir, found),
            boxes=box_formats.from_xywh(entry.rows),
            labels=entry.labels,
            difficult=entry.is_crowd,
            size=entry.size,
        )

    def _file(self, short: str) -> CocoFile:
        if short not in self._files:
            name = self._paths[short].relative_to(self._data_dir).as_posix()
            path = folder.path_inside(self._data_dir, name)
            source_file.check_file(path, "annotation file")
            self._files[short] = CocoFile(path)
        return self._files[short]

    def _picture_name(self, short: str, name: str) -> str:
        """Returns the name of a picture relative to `data_dir`."""
        places = (f"{short}/", f"images/{short}/", "images/", "")
        names = [place + name for place in places]
        for found in names:
            if folder.size_inside(self._data_dir, found) >= 0:
                return found
        return names[0]


def _annotation_paths(data_dir: pathlib.Path) -> list[pathlib.Path]:
    folders = (data_dir / "annotations", data_dir)
    for pattern in (f"{_PREFIX}*.json", "*.json"):
        for place in folders:
            paths = sorted(place.glob(pattern))
            if paths and (len(paths) == 1 or pattern[0] != "*"):
                return paths
    return []


def _seems_coco(data_dir: pathlib.Path, path: pathlib.Path) -> bool:
    head = folder.read_head(data_dir, path, _HEAD_BYTES)
    return any(word in head for word in _LISTS)
