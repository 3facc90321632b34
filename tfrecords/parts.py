"""What lies beside the shards of a build that is not finished: `.parts/`.

In: the shards to write. Out: a task file per shard that says what goes into
it, a note per finished shard on what is in it, and how far each one is. They
are files, so that workers on other machines need the folder and nothing
else, and so that an interrupted build goes on.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from tfrecords import folder_lock
from tfrecords.errors import InputError
from tfrecords.files import remove_leftovers
from tfrecords.files import replacing
from tfrecords.image_record import ImageKey
from tfrecords.shard import ShardResult
from tfrecords.shard import ShardTask

_NAME = ".parts"
_STOP = "stop"
_SHARD_SUFFIX = ".tfrecord"
_BLOCK_BYTES = 1 << 20
_SECONDS_BETWEEN_COUNTS = 0.5


class StoppedError(Exception):
    """Ends a shard because the build ends."""


class Parts:
    """The `.parts` folder of one build.

    Args:
        records_dir: folder of the shards; it exists.
        identity: all that decides their content, for JSON.
    """

    def __init__(
        self, records_dir: pathlib.Path, identity: dict | None = None
    ) -> None:
        self._records_dir = records_dir
        self._folder = records_dir / _NAME
        self._identity = identity

    def __str__(self) -> str:
        """Returns the folder's path."""
        return str(self._folder)

    def make(self) -> None:
        """Makes the folder if it is not there.

        Raises:
            InputError: if it cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            trial = self._folder / "trial"
            trial.touch()
            trial.unlink()
        except OSError as error:
            raise self._unwritable(error) from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Makes the folder and keeps all other builds out of it.

        Raises:
            InputError: if another build is at work, or the folder cannot be
                written.
        """
        if not self._folder.is_dir():
            self.make()
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(folder_lock.held(self._folder))
            except folder_lock.HeldError as error:
                raise self._busy() from error
            except OSError as error:
                raise self._unwritable(error) from error
            try:
                # Not before: another build might be at work in the folder.
                self.make()
                yield
            except InputError:
                # Of a build that did not even begin nothing is left.
                with contextlib.suppress(OSError):
                    self._folder.rmdir()
                raise

    def clean(self, tasks: Sequence[ShardTask]) -> None:
        """Removes notes and files that no task made, or that have changed.

        So is what killed builds left, whatever shards they were writing.

        Args:
            tasks: all shards of the build.
        """
        remove_leftovers(self._records_dir, _SHARD_SUFFIX)
        by_name = {task.path.name: task for task in tasks}
        for note_path in sorted(self._folder.glob("*.done.json")):
            name = note_path.name.removesuffix(".done.json")
            task = by_name.get(name)
            result = self._result(task) if task else None
            if result is None or file_digest(task.path) != result.sha256:
                note_path.unlink()
                (self._records_dir / name).unlink(missing_ok=True)

    def finished(
        self, tasks: Sequence[ShardTask]
    ) -> dict[pathlib.Path, ShardResult]:
        """Returns the results of those shards that are finished, by path."""
        results = {task.path: self._result(task) for task in tasks}
        return {path: result for path, result in results.items() if result}

    def begin(self, tasks: Sequence[ShardTask]) -> None:
        """Writes the task files and forgets counts and faults of old."""
        for pattern in ("*.task.json", "*.count", "*.fault", _STOP):
            for path in self._folder.glob(pattern):
                path.unlink()
        for task in tasks:
            values = {
                "key": self._key(task),
                "split": task.split,
                "image_ids": [key.image_id for key in task.keys],
                "classes": task.classes,
            }
            self._write(f"{task.path.name}.task.json", json.dumps(values))

    def read_task(self, name: str) -> tuple[str, ShardTask]:
        """Returns the key and the task of the shard called `name`."""
        path = self._folder / f"{name}.task.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        keys = tuple(
            ImageKey(values["split"], image_id)
            for image_id in values["image_ids"]
        )
        path = self._records_dir / name
        classes = tuple(values["classes"])
        return values["key"], ShardTask(values["split"], path, keys, classes)

    def finish(self, name: str, key: str, result: ShardResult) -> None:
        """Notes that a shard is finished."""
        note = {**dataclasses.asdict(result), "key": key}
        self._write(f"{name}.done.json", json.dumps(note))

    def fail(self, name: str, reason: str) -> None:
        """Notes why a shard cannot be built; ends the build."""
        with contextlib.suppress(InputError):  # a full disk, most often
            self._write(f"{name}.fault", reason)
        self.stop()

    def stop(self) -> None:
        """Tells all workers to end soon."""
        (self._folder / _STOP).touch()

    def fault(self) -> str:
        """Returns the first reason why a shard could not be built, or ""."""
        for path in sorted(self._folder.glob("*.fault")):
            return path.read_text(encoding="utf-8")
        return ""

    def counter(self, name: str) -> Callable[[int], None]:
        """Returns a function that adds to the count of a shard's images.

        It raises StoppedError once the build has been stopped.
        """
        stop_path = self._folder / _STOP
        path = self._folder / f"{name}.count"
        total = 0
        written = time.monotonic()

        def count(number: int) -> None:
            nonlocal total, written
            if stop_path.exists():
                raise StoppedError
            total += number
            now = time.monotonic()
            if now - written >= _SECONDS_BETWEEN_COUNTS:
                written = now
                # Only for show: a disk that is full is found elsewhere.
                with contextlib.suppress(OSError):
                    path.write_text(str(total), encoding="utf-8")

        return count

    def count(self, sizes: dict[str, int]) -> int:
        """Returns how many images are done.

        Args:
            sizes: name of each shard of this run -> its number of images.
        """
        names = set(self._names())
        done = {name for name in sizes if f"{name}.done.json" in names}
        begun = {name for name in sizes if f"{name}.count" in names} - done
        total = sum(sizes[name] for name in done)
        for name in begun:
            with contextlib.suppress(OSError, ValueError):
                text = (self._folder / f"{name}.count").read_text()
                total += int(text or 0)
        return total

    def remove(self) -> None:
        """Removes the folder, if it is there and that can be done."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def remove_left(self) -> None:
        """Removes the folder unless a build is at work in it."""
        with contextlib.suppress(InputError):
            if self._folder.is_dir():
                with self.held():
                    self.remove()

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"--records_dir={self._records_dir} cannot be written "
            f"({error.strerror}). Choose a folder that can."
        )

    def _busy(self) -> InputError:
        return InputError(
            f"Another build is writing to {self._records_dir}: wait for it, "
            "then give the command again."
        )

    def _result(self, task: ShardTask) -> ShardResult | None:
        """Returns what the note on a task's file says, if both fit."""
        path = self._folder / f"{task.path.name}.done.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("key") != self._key(task):
                return None  # It was made from something else.
            result = ShardResult(**values)
            size = task.path.stat().st_size
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return result if size == result.bytes else None

    def _names(self) -> Iterator[str]:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                yield entry.name

    def _write(self, name: str, text: str) -> None:
        with replacing(self._folder / name) as path:
            path.write_text(text, encoding="utf-8")

    def _key(self, task: ShardTask) -> str:
        keys = [dataclasses.astuple(key) for key in task.keys]
        words = json.dumps(
            [self._identity, task.path.name, keys], sort_keys=True
        )
        return hashlib.sha256(words.encode()).hexdigest()


def file_digest(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file of any size, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
