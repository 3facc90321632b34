"""Picture files in, 8-bit JPEG bytes as a viewer would show them out.

A plain 8-bit RGB or gray JPEG keeps its bytes. Everything else (other
formats, EXIF rotation, CMYK, 16 bit, transparency, palettes) is turned into
what a viewer shows, on white, and encoded as JPEG. What cannot be read to
its last row is refused with an InputError.
"""

import dataclasses
import io
import pathlib
import warnings

import cv2
import numpy as np
from PIL import Image

from tfrecords.errors import InputError

# Formats that Pillow decodes itself; others may start foreign programs.
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
# MPO is what Pillow calls a JPEG that is followed by more of them; decoders
# of JPEG read the first.
_JPEG_FORMATS = ("JPEG", "MPO")
_QUALITY = 95
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


@dataclasses.dataclass(frozen=True)
class StoredImage:
    """A picture in the form in which records keep it.

    Attributes:
        encoded: JPEG, 8 bit, RGB or gray, upright without its EXIF.
        height: in pixels, of the upright picture.
        width: in pixels.
        changed: why the bytes are not those of the file, such as
            "EXIF rotation" or "PNG, alpha"; "" if they are.
    """

    encoded: bytes
    height: int
    width: int
    changed: str


def load_image(image: pathlib.Path | bytes) -> StoredImage:
    """Reads a picture and checks that all of it can be decoded.

    Args:
        image: path of a JPEG, PNG, BMP, WebP or TIFF file, or its bytes.

    Raises:
        InputError: if the file is missing, empty, no picture, truncated,
            damaged, absurdly large or of a pixel type without a known
            range; names the file and the fault.
    """
    name, data = _contents(image)
    with warnings.catch_warnings():
        # Pillow also warns about harmless things, such as odd metadata.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        picture = _opened(name, data)
        upright = _UPRIGHT.get(_orientation(picture))
        reasons = _reasons(picture, upright)
        if not reasons:
            return StoredImage(data, picture.height, picture.width, "")
        shown = _shown(name, picture)
        if upright is not None:
            shown = shown.transpose(upright)
        encoded = _encoded(name, shown)
    return StoredImage(encoded, shown.height, shown.width, ", ".join(reasons))


def decode(encoded: bytes) -> np.ndarray:
    """Returns the RGB pixels of a stored picture, uint8 [H, W, 3].

    Raises:
        InputError: if it cannot be decoded.
    """
    pixels = cv2.imdecode(
        np.frombuffer(encoded, np.uint8),
        cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION,
    )
    if pixels is None:
        raise InputError("OpenCV cannot decode the picture.")
    return pixels


def _contents(image: pathlib.Path | bytes) -> tuple[str, bytes]:
    if isinstance(image, bytes):
        name, data = "the encoded picture", image
    else:
        name = str(image)
        try:
            data = pathlib.Path(image).read_bytes()
        except OSError as error:
            raise InputError(
                f"Cannot read the picture {name}: {error.strerror}."
            ) from error
    if not data:
        raise InputError(f"Cannot read {name}: it is empty (0 bytes).")
    return name, data


def _opened(name: str, data: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        picture.load()
    except Image.UnidentifiedImageError as error:
        raise InputError(
            f"Cannot read {name}: it is no picture in one of the formats "
            f"{', '.join(_FORMATS)}."
        ) from error
    except (
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        MemoryError,
    ) as error:
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
    if gray.dtype.kind == "f" or gray.min() < 0 or gray.max() > 65535:
        raise InputError(
            f"Cannot read {name}: pixels of type {gray.dtype} from "
            f"{gray.min()} to {gray.max()} have no agreed white. Save the "
            "picture with 8 or 16 bits per channel."
        )
    return Image.fromarray(np.round(gray / 257).astype(np.uint8))


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
