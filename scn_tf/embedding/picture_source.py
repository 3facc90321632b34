"""The pictures to embed: those of a folder, or the photographs of records.

In: a path. Out: `Pictures`: names, columns that describe them, a digest that
changes when they do, and their pixels one by one.
"""

import abc
import hashlib
import os
import pathlib
from collections.abc import Iterable

import numpy as np

from tfrecords.errors import InputError
from tfrecords.images import load_image
from tfrecords.manifest import read_manifest
from tfrecords.pair_graph import read_pair_graph
from tfrecords.reader import load_picture
from tfrecords.sources.folder import list_pictures
from tfrecords.sources.folder import picture_inside
from tfrecords.sources.folder import PICTURE_SUFFIXES


class Pictures(abc.ABC):
    """Some pictures in a fixed order.

    Attributes:
        names: image ids, each once in a folder.
        columns: what else is known of each, by name of the column; texts.
        left_out: (name, reason) of what is no good before it is opened.
    """

    names: list[str]
    columns: dict[str, list[str]]
    left_out: tuple[tuple[str, str], ...] = ()

    @abc.abstractmethod
    def digest(self) -> str:
        """Returns a SHA-256 of names, and of files' sizes and times."""

    @abc.abstractmethod
    def load(self, index: int) -> np.ndarray:
        """Returns a picture as a viewer shows it, uint8 [H, W, 3] RGB.

        Raises:
            InputError: if it cannot be read; names it and says why.
        """

    def find(self, query: str) -> int | None:
        """Returns the index of a picture by its path or name, or None.

        The path of a file that is there means that file, whatever picture
        has such a name.

        Args:
            query: as the user typed it.
        """
        names = (query,)
        if os.path.isfile(query):
            names = self._names_of_file(query)
        for name in names:
            if name in self.names:
                return self.names.index(name)
        return None

    def _names_of_file(self, path: str) -> tuple[str, ...]:
        """Returns names that the file at a path may have here."""
        return ()


def open_pictures(images: str, on_bad_image: str = "skip") -> Pictures:
    """Returns the pictures of `images`.

    Args:
        images: a folder of pictures, at any depth, or a folder of records,
            whose photographs of all splits are taken.
        on_bad_image: "skip", or "stop" at a damaged record.

    Raises:
        InputError: if it is neither, or holds no picture.
    """
    folder = pathlib.Path(images).absolute()
    if not folder.is_dir():
        raise InputError(
            f"{images} is not a folder. Wanted: a folder of pictures, or of "
            "records (with manifest.json). Correct --images."
        )
    # Pictures may lie beside a manifest of something else.
    if (folder / "manifest.json").is_file() and any(folder.glob("*.tfrecord")):
        return _RecordPictures(folder, on_bad_image)
    return _FolderPictures(folder)


class _FolderPictures(Pictures):
    """All pictures in a folder and the folders in it, by relative path."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self.names = list_pictures(folder)
        if not self.names:
            raise InputError(
                f"No picture in {folder} or the folders in it. Looked for "
                f"names ending in {', '.join(PICTURE_SUFFIXES)}. Correct "
                "--images."
            )
        self.columns = {
            "folder": [name.rpartition("/")[0] for name in self.names]
        }

    def digest(self) -> str:
        return _files_digest(self._folder, self.names)

    def load(self, index: int) -> np.ndarray:
        return load_image(
            picture_inside(self._folder, self.names[index])
        ).pixels

    def _names_of_file(self, path: str) -> tuple[str, ...]:
        root = os.path.realpath(self._folder)
        folder, name = os.path.split(path)
        # A link in the folder is a picture of its own; else its end counts.
        link = os.path.join(os.path.realpath(folder), name)
        return tuple(
            pathlib.Path(os.path.relpath(end, root)).as_posix()
            for end in (link, os.path.realpath(path))
        )


class _RecordPictures(Pictures):
    """The photographs of all splits of records, with their classes."""

    def __init__(self, folder: pathlib.Path, on_bad_image: str) -> None:
        manifest = read_manifest(folder)
        self._folder = folder
        self._places = []
        self.names = []
        self.columns = {"split": [], "labels": []}
        self.left_out = ()
        for split in manifest.splits:
            graph = read_pair_graph(folder, [split], on_bad_image)
            number = len(graph.image_ids)
            self._places += [(graph, index) for index in range(number)]
            self.names += graph.image_ids
            self.columns["split"] += [split] * number
            labels = [set() for _ in range(number)]
            for image, label in zip(
                graph.object_image, graph.object_labels, strict=True
            ):
                if label >= 0:
                    labels[image].add(manifest.classes[label])
            self.columns["labels"] += [",".join(sorted(s)) for s in labels]
            self.left_out += tuple(
                ("a damaged record", fault) for fault in graph.bad_records
            )
        if not self.names:
            raise InputError(
                f"The records in {folder} hold no photograph that can be "
                "read. Build them again (python -m tfrecords.build), or "
                "correct --images."
            )
        self._files = sorted(
            {p for g, _ in self._places for p in g.shard_paths}
        )

    def digest(self) -> str:
        files = _files_digest(self._folder, self._files)
        return hashlib.sha256(
            "\n".join([files, *self.names]).encode()
        ).hexdigest()

    def load(self, index: int) -> np.ndarray:
        return load_picture(*self._places[index])


def _files_digest(folder: pathlib.Path, names: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        try:
            status = os.stat(folder / name)
            state = (status.st_size, status.st_mtime_ns)
        except (OSError, ValueError):  # Is found bad when it is loaded.
            state = (-1, -1)
        digest.update(f"{name} {state}\n".encode(errors="backslashreplace"))
    return digest.hexdigest()
