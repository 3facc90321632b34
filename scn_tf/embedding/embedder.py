"""Many pictures through a module, in batches, with progress, in parts.

In: a module, pictures, a place for finished parts. Out: `Embedding`: the
features of all pictures that could be read, and why the others could not.

A picture is resized to the size of the module before it joins a batch, in
the way in which our exports resize inside: bilinear, with antialias, aspect
ratio not kept. So a row is what the module gives for that picture alone.
"""

import collections
import contextlib
import dataclasses
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from scn_tf.embedding.feature_parts import FeatureParts
from scn_tf.embedding.feature_parts import Part
from scn_tf.embedding.loaded_module import FeatureModule
from scn_tf.embedding.picture_source import Pictures
from scn_tf.run_log import progress_interval
from tfrecords.errors import InputError

PICTURES_PER_PART = 256  # what an interruption loses at most
_THREADS = os.cpu_count() or 1
_READ_AHEAD = 64  # pictures in memory that wait for the module
_NOT_FINITE = "the module gives features that are not finite"
_NAMED = 50  # pictures left out, in words


@dataclasses.dataclass(frozen=True, eq=False)
class Embedding:
    """The features of N of the pictures.

    Attributes:
        rows: [N] int64 indices of the pictures, rising.
        features: [N, D] float32.
        left_out: (name, reason) of the other pictures.
        num_computed: pictures that were not found in finished parts.
    """

    rows: np.ndarray
    features: np.ndarray
    left_out: tuple[tuple[str, str], ...]
    num_computed: int

    def left_out_text(self) -> str:
        """Returns how many were left out and why; "" if none was."""
        if not self.left_out:
            return ""
        lines = [f"{len(self.left_out):,} left out:"]
        lines += [f"  {reason}" for _, reason in self.left_out[:_NAMED]]
        if len(self.left_out) > _NAMED:
            lines.append(f"  ... and {len(self.left_out) - _NAMED} more")
        return "\n".join(lines)


def embed_pictures(
    module: FeatureModule,
    pictures: Pictures,
    parts: FeatureParts,
    batch_size: int = 32,
    on_bad_image: str = "skip",
) -> Embedding:
    """Returns the features of all pictures, going on where parts end.

    Args:
        module: gives the features.
        pictures: to embed.
        parts: finished ones are read, others are computed and kept there.
        batch_size: pictures per call of the module; at most
            `PICTURES_PER_PART`.
        on_bad_image: "skip", or "stop" at a picture that cannot be read.

    Raises:
        InputError: if a picture is bad and none shall be skipped.
    """
    total = len(pictures.names)
    results, num_computed = _Results(total, module.num_features), 0
    with (
        tqdm(
            total=total,
            desc="features",
            unit="image",
            mininterval=progress_interval(),
        ) as bar,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        for start in range(0, total, PICTURES_PER_PART):
            rows = range(start, min(start + PICTURES_PER_PART, total))
            part = parts.read(rows, module.num_features)
            if part is not None and _is_mended(pictures, part):
                part = None
            is_new = part is None
            if is_new:
                loaded = _loaded(pictures, rows, module.image_size, pool)
                part = _embed(module, loaded, batch_size, bar)
                num_computed += len(rows)
            else:
                _skip(bar, len(rows))
            if len(part.reasons) and on_bad_image == "stop":
                raise InputError(
                    f"{part.reasons[0]} Mend or remove the picture, or leave "
                    "such pictures out with --on_bad_image=skip."
                )
            if is_new:
                parts.write(rows, part)
            results.add(part)
    return results.embedding(pictures, num_computed)


class _Results:
    """The features of parts, in one array from the start.

    There may be as many as the memory takes, once.
    """

    def __init__(self, num_pictures: int, num_features: int) -> None:
        self._rows = np.empty(num_pictures, np.int64)
        self._features = np.empty([num_pictures, num_features], np.float32)
        self._number = 0
        self._bad = []

    def add(self, part: Part) -> None:
        end = self._number + len(part.rows)
        self._rows[self._number : end] = part.rows
        self._features[self._number : end] = part.features
        self._number = end
        self._bad += zip(part.bad_rows, part.reasons, strict=True)

    def embedding(self, pictures: Pictures, num_computed: int) -> Embedding:
        bad = [
            (pictures.names[row], _reason(pictures.names[row], str(reason)))
            for row, reason in self._bad
        ]
        return Embedding(
            rows=self._rows[: self._number],
            features=self._features[: self._number],
            left_out=(*pictures.left_out, *bad),
            num_computed=num_computed,
        )


def _is_mended(pictures: Pictures, part: Part) -> bool:
    """Whether a picture can be read now that could not be before.

    What a folder or a disk refused is not seen in a file's size and time.
    """
    for row, reason in zip(part.bad_rows, part.reasons, strict=True):
        if reason != _NOT_FINITE:
            with contextlib.suppress(InputError):
                pictures.load(int(row))
                return True
    return False


def _skip(bar: tqdm, number: int) -> None:
    """Counts pictures as done but not as work: the rate is of this run."""
    bar.initial += number
    bar.last_print_n += number
    bar.n += number
    bar.refresh()


def as_input(pixels: np.ndarray, size: int) -> np.ndarray:
    """Returns a picture as a module takes it.

    Args:
        pixels: [H, W, 3] uint8 RGB.
        size: S, of the module.

    Returns:
        [S, S, 3] float32 in [0, 1]; a picture of that size is not resized.
    """
    if pixels.shape[:2] == (size, size):
        return pixels.astype(np.float32) / 255
    with tf.device("CPU:0"):
        resized = tf.image.resize(pixels, [size, size], antialias=True)
    return resized.numpy() / np.float32(255)


def _loaded(
    pictures: Pictures, rows: range, size: int, pool: ThreadPoolExecutor
) -> Iterator[tuple[int, np.ndarray | str]]:
    """Yields (row, image, or why there is none), read ahead of its use."""

    def load(row: int) -> np.ndarray | str:
        try:
            return as_input(pictures.load(row), size)
        except InputError as error:
            return str(error)

    pending: collections.deque[tuple[int, Future]] = collections.deque()
    try:
        for row in rows:
            pending.append((row, pool.submit(load, row)))
            if len(pending) > _READ_AHEAD:
                first, future = pending.popleft()
                yield first, future.result()
        while pending:
            first, future = pending.popleft()
            yield first, future.result()
    finally:
        for _, future in pending:
            future.cancel()


def _embed(
    module: FeatureModule,
    loaded: Iterator[tuple[int, np.ndarray | str]],
    batch_size: int,
    bar: tqdm,
) -> Part:
    features = [np.zeros([0, module.num_features], np.float32)]
    rows, bad = [], {}
    while batch := list(itertools.islice(loaded, batch_size)):
        bad |= {row: text for row, text in batch if isinstance(text, str)}
        good = [(row, im) for row, im in batch if not isinstance(im, str)]
        if good:
            numbers = module(np.stack([image for _, image in good]))
            is_finite = np.isfinite(numbers).all(axis=1)
            for (row, _), is_good in zip(good, is_finite, strict=True):
                if is_good:
                    rows.append(row)
                else:
                    bad[row] = _NOT_FINITE
            features.append(numbers[is_finite])
        bar.update(len(batch))
    return Part(
        rows=np.array(rows, np.int64),
        features=np.concatenate(features),
        bad_rows=np.array(list(bad), np.int64),
        reasons=np.array(list(bad.values()), dtype=np.str_),
    )


def _reason(name: str, reason: str) -> str:
    """Returns a reason that names the picture; those of readers do."""
    return f"{name}: {reason}" if reason == _NOT_FINITE else reason
