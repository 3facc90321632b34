"""Picture files in, 8-bit JPEG bytes as a viewer would show them out.

A plain 8-bit RGB or gray JPEG keeps its bytes. Everything else (other
formats, EXIF rotation, CMYK, 16 bit, transparency, palettes) is turned into
what a viewer shows, on white, and encoded as JPEG; of several frames or pages
the first. CMYK is read as Adobe writes it, inverted. Color profiles (ICC) are
not applied: numbers are taken as sRGB, as TensorFlow's decoder takes them.
What cannot be read to its last row is refused with an InputError.
"""

import contextlib
import dataclasses
import io
import os
import pathlib
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from tfrecords.errors import InputError
from tfrecords.jpeg_scans import check_scans
from tfrecords.quiet_pillow import pillow_quiet

# Formats that Pillow decodes itself; others may start foreign programs.
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
# MPO is what Pillow calls a JPEG that is followed by more of them; decoders
# of JPEG read the first.
_JPEG_FORMATS = ("JPEG", "MPO")
_QUALITY = 95
_REDUCING_GAP = 3.0  # "indistinguishable from fair resampling", says Pillow
# More than the largest accepted picture takes at 16 bits in four channels.
_MOST_BYTES = 1 << 30
# The EXIF tag "Orientation" and what undoes each of its values.
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)


@dataclasses.dataclass(frozen=True)
class StoredImage:
    """A picture in the form in which records keep it.

    Attributes:
        encoded: JPEG, 8 bit, RGB or gray, upright without its EXIF.
        height: in pixels, of the upright picture.
        width: in pixels.
        changed: why the bytes are not those of the file, such as
            "EXIF rotation" or "PNG, alpha, scaled"; "" if they are.
        original_height: in pixels, upright, before it was scaled; boxes of
            the source refer to this size.
        original_width: in pixels.
        pixels: [H, W, 3] uint8 RGB, exactly what `decode(encoded)` gives.
    """

    encoded: bytes
    height: int
    width: int
    changed: str
    original_height: int
    original_width: int
    pixels: np.ndarray = dataclasses.field(compare=False, repr=False)


def load_image(image: pathlib.Path | bytes, max_side: int = 0) -> StoredImage:
    """Reads a picture and checks that all of it can be decoded.

    Args:
        image: path of a JPEG, PNG, BMP, WebP or TIFF file, or its bytes.
        max_side: longest side in pixels to store; larger pictures are scaled
            down and encoded anew. 0 keeps every size.

    Raises:
        InputError: if the file is missing, empty, no picture, truncated,
            damaged, absurdly large, of absurdly many scans, or of a pixel
            type without a known range; names the file and the fault.
    """
    name, data = _contents(image)
    with _readable(name):
        picture = _opened(data)
        if picture.format in _JPEG_FORMATS:
            check_scans(name, data)
        picture.load()
        upright = _UPRIGHT.get(_orientation(picture))
        reasons = _reasons(picture, upright)
        shown = _shown(name, picture)
    if upright is not None:
        shown = shown.transpose(upright)
    original_width, original_height = shown.size
    if 0 < max_side < max(shown.size):
        reasons.append("scaled")
        shown = _scaled(shown, max_side)
    encoded = _encoded(name, shown) if reasons else data
    try:
        # As readers will: what Pillow reads, OpenCV might not.
        pixels = decode(encoded)
    except InputError as error:
        raise InputError(f"Cannot read {name}: {error}") from error
    return StoredImage(
        encoded=encoded,
        height=shown.height,
        width=shown.width,
        changed=", ".join(reasons),
        original_height=original_height,
        original_width=original_width,
        pixels=pixels,
    )


def stated_shape(
    image: pathlib.Path | bytes,
) -> tuple[tuple[int, int], int]:
    """Returns what a picture's header says of its shape.

    Args:
        image: path of a picture file, or its bytes.

    Returns:
        (height, width) of the upright picture in pixels, and the EXIF
        orientation, 1 to 8, that makes it upright; 1 where there is none.

    Raises:
        InputError: as `load_image`, where the header alone shows it.
    """
    name, data = _contents(image)
    with _readable(name):
        picture = _opened(data)
        # Before the size: to find it, some formats decode, and turn, it all.
        orientation = _orientation(picture)
        width, height = picture.size
    # Pillow turns TIFF files itself and gives the upright size.
    if orientation in _SIDEWAYS and picture.format != "TIFF":
        height, width = width, height
    return (height, width), orientation if orientation in _UPRIGHT else 1


def decode(encoded: bytes) -> np.ndarray:
    """Returns the RGB pixels of a stored picture, uint8 [H, W, 3].

    Raises:
        InputError: if it cannot be decoded.
    """
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    except cv2.error:  # Of nothing, or of an absurd size.
        pixels = None
    if pixels is None:
        raise InputError("OpenCV cannot decode the picture.")
    return pixels


def _contents(image: pathlib.Path | bytes) -> tuple[str, bytes]:
    is_path = not isinstance(image, bytes)
    name = str(image) if is_path else "the encoded picture"
    data = b"" if is_path else image
    try:
        # Looked at before it is read: a file may claim to hold terabytes.
        size = os.path.getsize(image) if is_path else len(image)
        if is_path and size <= _MOST_BYTES:
            data = pathlib.Path(image).read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot read the picture {name}: {error.strerror}."
        ) from error
    if size > _MOST_BYTES:
        raise InputError(
            f"Cannot read {name}: the file is too large, at most "
            f"{_MOST_BYTES:,} bytes are accepted. Resize the picture."
        )
    if not data:
        raise InputError(f"Cannot read {name}: it is empty (0 bytes).")
    return name, data


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turns whatever Pillow raises inside into an InputError."""
    try:
        with pillow_quiet():
            yield
    except InputError:
        raise
    except Image.UnidentifiedImageError as error:
        raise InputError(
            f"Cannot read {name}: it is no picture in one of the formats "
            f"{', '.join(_FORMATS)}."
        ) from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise InputError(
            f"Cannot read {name}: the picture is too large ({error}). "
            f"At most {Image.MAX_IMAGE_PIXELS:,} pixels are accepted; "
            "resize it."
        ) from error
    except Exception as error:
        # Pillow's decoders raise many types on damaged files: OSError,
        # SyntaxError, ValueError, IndexError, struct.error, zlib.error.
        raise InputError(
            f"Cannot read {name}: the picture is truncated or damaged "
            f"({error})."
        ) from error


def _opened(data: bytes) -> Image.Image:
    """Reads the header; this refuses absurd sizes before any decoding."""
    picture = Image.open(io.BytesIO(data), formats=_FORMATS)
    # Pillow itself only warns, up to twice its limit.
    pixels, limit = picture.width * picture.height, Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels > limit:
        raise Image.DecompressionBombError(f"{pixels:,} pixels")
    return picture


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        # A viewer shows a picture whose EXIF block is damaged as it lies.
        return 1


def _reasons(
    picture: Image.Image, upright: Image.Transpose | None
) -> list[str]:
    reasons = []
    if picture.format not in _JPEG_FORMATS:
        reasons.append(str(picture.format))
    if upright is not None:
        reasons.append("EXIF rotation")
    if picture.mode.startswith(("I", "F")):
        reasons.append("16-bit")
    elif picture.has_transparency_data:
        reasons.append("alpha")
    elif picture.mode == "P":
        reasons.append("palette")
    elif picture.mode not in ("L", "RGB"):
        reasons.append(picture.mode)
    return reasons


def _shown(name: str, picture: Image.Image) -> Image.Image:
    """Returns the picture in mode "L" or "RGB"."""
    if picture.mode.startswith(("I", "F")):
        return _eight_bit(name, picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    if picture.mode in ("1", "L"):
        return picture.convert("L")
    return picture.convert("RGB")


def _eight_bit(name: str, picture: Image.Image) -> Image.Image:
    """Scales 0..65535 to 0..255; Pillow's own conversion cuts at 255."""
    gray = np.asarray(picture)
    transparent = picture.info.get("transparency")
    if transparent is not None:
        gray = np.where(gray == transparent, 65535, gray)
    if gray.dtype.kind == "f" or gray.min() < 0 or gray.max() > 65535:
        raise InputError(
            f"Cannot read {name}: pixels of type {gray.dtype} from "
            f"{gray.min()} to {gray.max()} have no agreed white. Save the "
            "picture with 8 or 16 bits per channel."
        )
    return Image.fromarray(np.round(gray / 257).astype(np.uint8))


def _scaled(picture: Image.Image, max_side: int) -> Image.Image:
    scale = max_side / max(picture.size)
    size = [max(1, round(side * scale)) for side in picture.size]
    # A box filter first, down to 3 times the size, takes half the time.
    return picture.resize(
        size, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP
    )


def _encoded(name: str, picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    # Through an array: metadata (an old orientation in XMP) stays behind.
    plain = Image.fromarray(np.asarray(picture))
    try:
        plain.save(buffer, "JPEG", quality=_QUALITY, subsampling="4:4:4")
    except OSError as error:
        raise InputError(
            f"Cannot store {name} as JPEG ({picture.width} x "
            f"{picture.height} pixels): {error}. Resize it."
        ) from error
    return buffer.getvalue()
