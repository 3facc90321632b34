"""Scenes that obey a spatial law (section 4.1); nothing in, records out.

A light circle lies on a black canvas together with one other patch, and
where that patch lies decides what it shows:

    beside the circle (|dy| <= 30 pixels)         a square
    above the circle (|dx| <= 30 pixels)          a triangle
    off both axes (|dx| > 40 and |dy| > 40)       nothing

The offset thus tells the content, and only the offset does. dx and dy are
the distances between the centers. The margin off the axes is not in the
text; with offsets there too the law would contradict itself.
"""

import hashlib
import pathlib
import re

import cv2
import numpy as np

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord

_ON_AXIS = 30  # pixels; section 4.1
_OFF_AXIS = 40  # pixels
_SIDES = (48, 72)  # pixels, about the paper's 64, both ends included
_BRIGHTNESS = (0.8, 1.0)
_GAP = 4  # pixels between the boxes, so that no crop shows the other shape
_SMALLEST_CANVAS = 192  # pixels; leaves room for every kind of scene
_FRACTION_BITS = 4  # of coordinates handed to OpenCV's drawing functions
_JPEG = (
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
)


class Synthetic:
    """Scenes of two patches; the pair's source is always the circle.

    Of every 8 scenes 3 show a square, 3 a triangle and 2 nothing beside
    the circle; a quarter of them, chosen by the seed, is "val". With the
    paper's 800 scenes: 300, 300 and 200, split 600 / 200. A scene is a
    function of (seed, index) alone.
    """

    name = "synthetic"
    classes = ("circle", "empty", "square", "triangle")

    def __init__(
        self,
        data_dir: str = "",
        seed: int = 0,
        num_scenes: int = 800,
        canvas_side: int = 256,
    ):
        """Draws nothing yet.

        Args:
            data_dir: unused.
            seed: at least 0.
            num_scenes: number of scenes, at least 8.
            canvas_side: height and width in pixels, at least 192.

        Raises:
            InputError: if an argument is out of its range.
        """
        if seed < 0 or num_scenes < 8 or canvas_side < _SMALLEST_CANVAS:
            raise InputError(
                "Synthetic scenes want seed >= 0, num_scenes >= 8 and "
                f"canvas_side >= {_SMALLEST_CANVAS}. Received: seed={seed}, "
                f"num_scenes={num_scenes}, canvas_side={canvas_side}."
            )
        self._seed = seed
        self._num_scenes = num_scenes
        self._canvas_side = canvas_side

    def __reduce__(self):
        """Takes along the arguments."""
        return type(self), ("", self._seed, self._num_scenes, self._canvas_side)

    @staticmethod
    def is_here(data_dir: pathlib.Path) -> bool:
        """Says no: scenes lie in no folder."""
        return False

    def digest(self) -> str:
        """Returns a SHA-256 of the parameters."""
        parameters = (self._seed, self._num_scenes, self._canvas_side)
        return hashlib.sha256(f"{self.name} {parameters}".encode()).hexdigest()

    def keys(self) -> list[ImageKey]:
        """Returns all scenes in the order of their index."""
        order = np.random.default_rng(self._seed).permutation(self._num_scenes)
        val = set(order[: self._num_scenes // 4].tolist())
        return [
            ImageKey("val" if index in val else "train", f"{index:06d}")
            for index in range(self._num_scenes)
        ]

    def read(self, key: ImageKey) -> ImageRecord:
        """Draws one scene.

        Raises:
            InputError: if there is no scene of that name.
        """
        # Six ASCII digits: "٣" is decimal too, and "1" would be a second
        # name of the first scene.
        if not re.fullmatch("[0-9]{6,9}", key.image_id) or (
            key.image_id != f"{int(key.image_id):06d}"
            or int(key.image_id) >= self._num_scenes
        ):
            raise InputError(
                f"No synthetic scene {key.image_id!r}: there are "
                f"{self._num_scenes}, from 000000 on."
            )
        index = int(key.image_id)
        rng = np.random.default_rng([self._seed, index])
        label = _label(index, self._num_scenes)
        boxes = _placed(label, self._canvas_side, rng)
        canvas = np.zeros((self._canvas_side, self._canvas_side), np.uint8)
        for shape, box in zip(("circle", label), boxes, strict=True):
            brightness = round(255 * rng.uniform(*_BRIGHTNESS))
            _draw(canvas, shape, box, brightness)
        _, encoded = cv2.imencode(".jpg", canvas, _JPEG)
        return ImageRecord(
            key=key,
            image=encoded.tobytes(),
            boxes=boxes.astype(np.float32),
            labels=("circle", label),
            difficult=np.zeros(2, bool),
            pairs=np.array([[0, 1]], np.int64),
        )


def _label(index: int, num_scenes: int) -> str:
    eighth = index * 8 // num_scenes
    if eighth < 3:
        return "square"
    return "triangle" if eighth < 6 else "empty"


def _placed(
    label: str, canvas_side: int, rng: np.random.Generator
) -> np.ndarray:
    """Draws boxes [2, 4] of circle and patch until they obey the law."""
    while True:
        sides = rng.integers(*_SIDES, 2, endpoint=True)
        limits = (canvas_side - sides)[:, None]
        start = rng.integers(0, limits, (2, 2), endpoint=True)
        boxes = np.concatenate([start, start + sides[:, None]], axis=1)
        if _is_lawful(label, boxes):
            return boxes


def _is_lawful(label: str, boxes: np.ndarray) -> bool:
    circle, other = boxes
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    dy, dx = centers[1] - centers[0]
    gap_y, gap_x = np.maximum(circle[:2] - other[2:], other[:2] - circle[2:])
    if max(gap_y, gap_x) < _GAP:
        return False
    if label == "square":
        return abs(dy) <= _ON_AXIS and gap_x >= _GAP
    if label == "triangle":
        return abs(dx) <= _ON_AXIS and gap_y >= _GAP and dy < 0
    return abs(dx) > _OFF_AXIS and abs(dy) > _OFF_AXIS


def _draw(
    canvas: np.ndarray, shape: str, box: np.ndarray, brightness: int
) -> None:
    y0, x0, y1, x1 = (int(edge) for edge in box)
    # OpenCV's coordinates are those of pixel centers, pixel i at i.
    middle = (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2
    if shape == "circle":
        cv2.circle(
            canvas,
            _fixed_point(*middle).tolist(),
            round((y1 - y0 - 1) / 2 * 2**_FRACTION_BITS),
            brightness,
            cv2.FILLED,
            cv2.LINE_AA,
            _FRACTION_BITS,
        )
    elif shape == "square":
        canvas[y0:y1, x0:x1] = brightness
    elif shape == "triangle":
        corners = [(x0, y1 - 1), (x1 - 1, y1 - 1), (middle[0], y0)]
        points = np.stack([_fixed_point(*corner) for corner in corners])
        cv2.fillConvexPoly(
            canvas, points, brightness, cv2.LINE_AA, _FRACTION_BITS
        )


def _fixed_point(x: float, y: float) -> np.ndarray:
    return np.round(np.array([x, y]) * 2**_FRACTION_BITS).astype(np.int32)
