"""A folder for TensorBoard's projector: features, names, thumbnails.

In: features and pictures. Out: tensors.tsv, metadata.tsv, sprite.png and
projector_config.pbtxt; `tensorboard --logdir=FOLDER` shows them.
"""

import math
import os
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from tqdm import tqdm

from scn_tf.embedding.picture_source import Pictures
from scn_tf.run_log import progress_interval
from tfrecords.errors import InputError
from tfrecords.files import replacing

MOST_PICTURES = 100_000  # more the projector does not draw
_SPRITE_SIDE = 8192  # the largest texture that browsers promise
_THUMBNAIL = 64  # pixels, where there is room
_NONE = "-"  # the projector drops empty cells at the end of a line
_CONFIG = """\
embeddings {
  tensor_name: "features"
  tensor_path: "tensors.tsv"
  metadata_path: "metadata.tsv"
  sprite {
    image_path: "sprite.png"
    single_image_dim: %d
    single_image_dim: %d
  }
}
"""


def drawn_rows(num_rows: int, most: int, seed: int) -> np.ndarray:
    """Returns at most `most` of the rows, drawn without order, rising."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(num_rows, min(num_rows, most), replace=False)
    return np.sort(chosen)


def thumbnail_side(num_pictures: int) -> int:
    """Returns the side in pixels with which all fit into one sprite."""
    columns = math.ceil(math.sqrt(num_pictures))
    return min(_THUMBNAIL, _SPRITE_SIDE // columns)


def make_folder(folder: str | os.PathLike) -> pathlib.Path:
    """Makes the folder, if it is not there, and returns its path.

    Raises:
        InputError: if it cannot be made, or not be written into.
    """
    folder = pathlib.Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        raise InputError(
            f"--projector_dir={folder} is no folder that you may write into. "
            "Choose another name."
        )
    return folder


def write_projector(
    folder: str | os.PathLike,
    features: np.ndarray,
    columns: Mapping[str, Sequence[str]],
    pictures: Pictures,
    rows: np.ndarray,
) -> None:
    """Writes the four files; the configuration, which names them, last.

    Args:
        folder: to write into; made if it is not there.
        features: [N, D] float32.
        columns: N texts per name of a column; two columns at least, since
            the projector takes a single one to have no header.
        pictures: where the thumbnails come from.
        rows: [N] indices of the pictures.

    Raises:
        InputError: as `make_folder`, or if the disk is full.
    """
    folder = make_folder(folder)
    config = folder / "projector_config.pbtxt"
    config.unlink(missing_ok=True)  # It speaks of the files that now go.
    with replacing(folder / "tensors.tsv") as path:
        np.savetxt(path, features, fmt="%.6g", delimiter="\t")
    with replacing(folder / "metadata.tsv") as path:
        path.write_text(_metadata(columns), encoding="utf-8")
    side = thumbnail_side(len(rows))
    sprite = _sprite(pictures, rows, side)
    with replacing(folder / "sprite.png") as path:
        _, encoded = cv2.imencode(".png", sprite[..., ::-1])
        path.write_bytes(encoded)
    with replacing(config) as path:
        path.write_text(_CONFIG % (side, side), encoding="utf-8")


def _metadata(columns: Mapping[str, Sequence[str]]) -> str:
    lines = [columns.keys(), *zip(*columns.values(), strict=True)]
    return "".join("\t".join(map(_cell, line)) + "\n" for line in lines)


def _cell(text: str) -> str:
    """Returns a text without what ends cells and lines, and not empty."""
    return " ".join(text.split()) or _NONE


def _sprite(pictures: Pictures, rows: np.ndarray, side: int) -> np.ndarray:
    """Returns thumbnails row by row in a square, uint8 RGB, rest white."""
    columns = math.ceil(math.sqrt(len(rows)))
    height = math.ceil(len(rows) / columns) * side
    sprite = np.full([height, columns * side, 3], 255, np.uint8)

    def draw(place: int) -> None:
        top, left = (side * index for index in divmod(place, columns))
        try:
            pixels = pictures.load(int(rows[place]))
        except InputError:
            return  # It was there when it was embedded: white.
        thumbnail = fitted(pixels, side)
        sprite[top : top + side, left : left + side] = thumbnail

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(
            tqdm(
                pool.map(draw, range(len(rows))),
                total=len(rows),
                desc="thumbnails",
                unit="image",
                mininterval=progress_interval(),
            )
        )
    return sprite


def fitted(pixels: np.ndarray, side: int) -> np.ndarray:
    """Returns a whole picture in the middle of a white square.

    Args:
        pixels: [H, W, 3] uint8.
        side: of the square in pixels.

    Returns:
        [side, side, 3] uint8; the aspect ratio is kept.
    """
    scale = side / max(pixels.shape[:2])
    height, width = (max(1, round(n * scale)) for n in pixels.shape[:2])
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full([side, side, 3], 255, np.uint8)
    square[top : top + height, left : left + width] = cv2.resize(
        pixels,
        (width, height),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
    )
    return square
