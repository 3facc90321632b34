import io
import struct
import time
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfrecords import images
from tfrecords.errors import InputError
from tfrecords.images import decode
from tfrecords.images import load_image
from tfrecords.images import stated_shape

_ORIENTATION = 0x0112


def _pixels(height=24, width=40):
    """A smooth picture with four different corners, uint8 [H, W, 3]."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.stack([255 * y, 255 * x, 255 * y * x], -1).astype(np.uint8)


def _bytes(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _jpeg(pixels, **options):
    return _bytes(Image.fromarray(pixels), "JPEG", quality=95, **options)


def _exif(orientation):
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return exif


def _assert_shows(stored, expected, tolerance=3.0):
    """TensorFlow, Pillow and the stated size agree on what is seen."""
    seen = tf.io.decode_jpeg(stored.encoded, channels=3).numpy()
    assert (stored.height, stored.width) == expected.shape[:2]
    assert stored.pixels.dtype == np.uint8
    np.testing.assert_array_equal(stored.pixels, decode(stored.encoded))
    for pixels in (seen, decode(stored.encoded)):
        assert pixels.shape == expected.shape
        difference = np.abs(pixels.astype(float) - expected)
        assert difference.mean() < tolerance
        assert difference.max() < 12 * tolerance


def test_a_plain_color_jpeg_keeps_its_bytes():
    data = _jpeg(_pixels())
    stored = load_image(data)
    assert stored.encoded == data
    assert stored.changed == ""
    _assert_shows(stored, _pixels())


def test_a_plain_gray_jpeg_keeps_its_bytes():
    gray = _pixels()[..., 0]
    data = _jpeg(gray)
    stored = load_image(data)
    assert stored.encoded == data and stored.changed == ""
    _assert_shows(stored, np.repeat(gray[..., None], 3, -1))


@pytest.mark.parametrize("options", [{"progressive": True}, {"dpi": (72, 72)}])
def test_how_a_jpeg_is_written_does_not_matter(options):
    data = _jpeg(_pixels(), **options)
    assert load_image(data).encoded == data


def test_a_phones_jpeg_with_further_pictures_keeps_its_bytes():
    second = Image.fromarray(_pixels()[::-1])
    data = _bytes(
        Image.fromarray(_pixels()),
        "MPO",
        quality=95,
        save_all=True,
        append_images=[second],
    )
    stored = load_image(data)
    assert stored.encoded == data
    _assert_shows(stored, _pixels())


def test_a_path_and_its_bytes_give_the_same(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(_jpeg(_pixels()))
    assert load_image(path) == load_image(path.read_bytes())


# What EXIF says the stored rows are, as the turn that makes them upright.
_TURNS = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}


@pytest.mark.parametrize("orientation", sorted(_TURNS))
def test_an_exif_rotation_is_carried_out_once(orientation):
    stored = load_image(_jpeg(_pixels(), exif=_exif(orientation)))
    assert stored.changed == "EXIF rotation"
    _assert_shows(stored, _TURNS[orientation](_pixels()))
    assert load_image(stored.encoded).changed == ""


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_other_formats_are_rotated_too(kind):
    data = _bytes(Image.fromarray(_pixels()), kind, exif=_exif(6))
    _assert_shows(load_image(data), _TURNS[6](_pixels()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_stated_shape_is_that_of_the_upright_picture(kind, orientation):
    data = _bytes(Image.fromarray(_pixels()), kind, exif=_exif(orientation))
    stored = load_image(data)
    size, found = stated_shape(data)
    assert size == (stored.height, stored.width)
    assert found == orientation


@pytest.mark.parametrize("orientation", [1, 0, 9])
def test_an_exif_block_without_rotation_changes_nothing(orientation):
    assert load_image(_jpeg(_pixels(), exif=_exif(orientation))).changed == ""


def test_a_damaged_exif_block_does_not_hide_the_picture():
    data = _jpeg(_pixels(), exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert load_image(data).encoded == data


def test_a_cmyk_jpeg_shows_its_colors_not_their_negative():
    picture = Image.fromarray(_pixels()).convert("CMYK")
    data = _bytes(picture, "JPEG", quality=95)
    assert b"Adobe" in data[:1000]  # Pillow writes Adobe's inverted values
    stored = load_image(data)
    assert stored.changed == "CMYK"
    _assert_shows(stored, _pixels())


def test_a_ycck_jpeg_shows_its_colors():
    # What Photoshop writes: YCbCr of the inks, all four channels inverted.
    inks = 255 - _pixels()
    ycc = np.asarray(Image.fromarray(inks).convert("YCbCr"))
    no_black = np.full((24, 40, 1), 255, np.uint8)
    stored_channels = np.concatenate([ycc, no_black], -1)
    # Pillow inverts what it writes, so it is handed the inverse.
    picture = Image.frombytes(
        "CMYK", (40, 24), (255 - stored_channels).tobytes()
    )
    data = _bytes(picture, "JPEG", quality=95)
    marker = data.index(b"Adobe")
    data = data[: marker + 11] + b"\x02" + data[marker + 12 :]
    assert Image.open(io.BytesIO(data)).info["adobe_transform"] == 2
    _assert_shows(load_image(data), _pixels())


def test_a_color_profile_is_not_applied():
    # 24 numbers are no profile; whoever applied it would notice.
    data = _jpeg(_pixels(), icc_profile=b"no profile at all 123456")
    stored = load_image(data)
    assert stored.encoded == data and stored.changed == ""
    turned = load_image(_jpeg(_pixels(), icc_profile=b"123", exif=_exif(3)))
    assert "icc_profile" not in Image.open(io.BytesIO(turned.encoded)).info
    _assert_shows(turned, _TURNS[3](_pixels()))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_of_several_frames_the_first_is_shown(kind):
    data = _bytes(
        Image.fromarray(_pixels()),
        kind,
        save_all=True,
        append_images=[Image.fromarray(_pixels()[::-1])],
    )
    assert Image.open(io.BytesIO(data)).n_frames == 2
    _assert_shows(load_image(data), _pixels())


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_bmp_shows_its_colors(mode):
    picture = Image.fromarray(_pixels()).convert(mode)
    expected = np.asarray(picture.convert("RGB"))
    stored = load_image(_bytes(picture, "BMP"))
    assert stored.changed.startswith("BMP")
    _assert_shows(stored, expected, tolerance=6 if mode in "1P" else 3)


def test_a_webp_with_alpha_is_shown_on_white():
    picture = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    stored = load_image(_bytes(picture, "WEBP", lossless=True))
    assert stored.changed == "WEBP, alpha"
    np.testing.assert_array_equal(stored.pixels, 255)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_other_formats_become_jpeg(kind):
    stored = load_image(_bytes(Image.fromarray(_pixels()), kind))
    assert stored.changed == kind
    assert stored.encoded[:2] == b"\xff\xd8"
    _assert_shows(stored, _pixels())


def test_color_keeps_its_full_resolution():
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, ::2] = 255, 0, 0
    pixels[:, 1::2] = 0, 0, 255
    stored = load_image(_bytes(Image.fromarray(pixels), "PNG"))
    _assert_shows(stored, pixels, tolerance=4)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled_not_cut(kind):
    # 257 = 65535 / 255, so the 8-bit picture is known exactly.
    eight = _pixels()[..., 1]
    sixteen = eight.astype(np.uint16) * 257
    stored = load_image(_bytes(Image.fromarray(sixteen), kind))
    assert stored.changed == f"{kind}, 16-bit"
    _assert_shows(stored, np.repeat(eight[..., None], 3, -1))


def test_16_bit_color_keeps_its_upper_bits():
    # Pillow cannot write this format: PNG, color type 2, 16 bits.
    sixteen = _pixels().astype(np.uint16) * 257
    rows = [b"\0" + row.astype(">u2").tobytes() for row in sixteen]
    stored = load_image(_png(40, 24, 16, zlib.compress(b"".join(rows))))
    _assert_shows(stored, _pixels())


def test_16_bit_gray_with_a_transparent_value_is_shown_on_white():
    sixteen = np.full((8, 8), 4000, np.uint16)
    data = _bytes(Image.fromarray(sixteen), "PNG", transparency=4000)
    np.testing.assert_array_equal(load_image(data).pixels, 255)


def test_pixels_of_unknown_range_are_refused():
    data = _bytes(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    with pytest.raises(InputError, match="no agreed white"):
        load_image(data)


def test_transparent_pixels_are_shown_on_white():
    pixels = np.dstack([_pixels(), np.full((24, 40), 255, np.uint8)])
    pixels[:, 20:, 3] = 0
    expected = _pixels().copy()
    expected[:, 20:] = 255
    stored = load_image(_bytes(Image.fromarray(pixels), "PNG"))
    assert stored.changed == "PNG, alpha"
    seen = decode(stored.encoded)
    np.testing.assert_allclose(seen[:, 32:], 255)
    np.testing.assert_allclose(seen[:, :16], expected[:, :16], atol=12)


def test_gray_with_alpha_is_shown_on_white():
    data = _bytes(Image.new("LA", (8, 8), (0, 0)), "PNG")
    np.testing.assert_array_equal(decode(load_image(data).encoded), 255)


@pytest.mark.parametrize("transparency", [0, b"\0"])
def test_a_transparent_palette_entry_is_shown_on_white(transparency):
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([10, 20, 200] * 256)
    stored = load_image(_bytes(picture, "PNG", transparency=transparency))
    assert stored.changed == "PNG, alpha"
    np.testing.assert_array_equal(stored.pixels, 255)


def test_a_palette_becomes_its_colors():
    blue = Image.new("RGB", (8, 8), (10, 20, 200)).quantize(4)
    stored = load_image(_bytes(blue, "PNG"))
    assert stored.changed == "PNG, palette"
    _assert_shows(stored, np.full((8, 8, 3), (10, 20, 200)))


def test_black_and_white_becomes_gray():
    stored = load_image(_bytes(Image.new("1", (8, 8), 1), "PNG"))
    np.testing.assert_array_equal(decode(stored.encoded), 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_truncated_picture_is_refused_by_name(tmp_path, kind, share):
    data = _bytes(Image.fromarray(_pixels(200, 300)), kind)
    path = tmp_path / "cut_off"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match="cut_off.*truncated or damaged"):
        load_image(path)


def test_one_missing_byte_at_the_end_is_noticed():
    with pytest.raises(InputError, match="truncated"):
        load_image(_jpeg(_pixels())[:-1])


def test_an_empty_file_is_refused_by_name(tmp_path):
    path = tmp_path / "nothing.jpg"
    path.touch()
    with pytest.raises(InputError, match="nothing.jpg: it is empty"):
        load_image(path)


def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path):
    path = tmp_path / "letter.jpg"
    path.write_text("Dear Sir or Madam")
    with pytest.raises(InputError, match="letter.jpg: it is no picture"):
        load_image(path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="gone.jpg: No such file"):
        load_image(tmp_path / "gone.jpg")


@pytest.mark.parametrize("limit", [400, 600])
def test_an_absurdly_large_picture_is_refused(monkeypatch, limit):
    # 960 pixels: over 2 x 400 Pillow raises, over 600 it only warns.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(InputError, match=f"too large.*At most {limit}"):
        load_image(_jpeg(_pixels()))


def test_a_picture_longer_than_jpeg_allows_is_refused():
    data = _bytes(Image.new("L", (70000, 1)), "PNG")
    with pytest.raises(InputError, match="70000 x 1 pixels"):
        load_image(data)


def _chunk(kind, content):
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _png(width, height, depth, content):
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", content)
    return b"\x89PNG\r\n\x1a\n" + chunks + _chunk(b"IEND", b"")


def _claiming(kind, side):
    """A tiny file whose header claims side x side pixels."""
    if kind == "PNG":
        return _png(side, side, 8, zlib.compress(bytes(10)))
    data = bytearray(_bytes(Image.fromarray(_pixels()), kind))
    if kind == "JPEG":
        place, size = (
            data.index(b"\xff\xc0") + 5,
            struct.pack(">HH", side, side),
        )
    elif kind == "BMP":
        place, size = 18, struct.pack("<ii", side, side)
    elif kind == "TIFF":
        order = "<" if data[:2] == b"II" else ">"
        for tag in (256, 257):
            for form in ("HHII", "HHIHH"):
                kind_of_value = 4 if form == "HHII" else 3
                old = struct.pack(order + "HHI", tag, kind_of_value, 1)
                if old in data:
                    place = data.index(old)
                    new = struct.pack(order + "HHII", tag, 4, 1, side)
                    data[place : place + 12] = new
        return bytes(data)
    data[place : place + len(size)] = size
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
@pytest.mark.parametrize("read", [load_image, stated_shape])
def test_a_header_that_claims_an_absurd_size_is_refused_fast(kind, read):
    data = _claiming(kind, 60000)
    begin = time.thread_time()
    with pytest.raises(InputError, match="too large"):
        read(data)
    assert time.thread_time() - begin < 0.5


def test_an_absurdly_long_file_is_refused_before_it_is_decoded(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(images, "_MOST_BYTES", 100)
    path = tmp_path / "long.jpg"
    path.write_bytes(_jpeg(_pixels()))
    with pytest.raises(InputError, match="long.jpg: the file is too large"):
        load_image(path)


@pytest.mark.parametrize(
    ("height", "width", "max_side", "size"),
    [
        (24, 40, 20, (12, 20)),
        (40, 24, 20, (20, 12)),
        (24, 40, 39, (23, 39)),
    ],
)
def test_a_larger_picture_is_scaled_to_the_longest_side(
    height, width, max_side, size
):
    stored = load_image(_jpeg(_pixels(height, width)), max_side)
    assert stored.changed == "scaled"
    assert (stored.height, stored.width) == size
    assert (stored.original_height, stored.original_width) == (height, width)
    _assert_shows(stored, _pixels(*size), tolerance=6)


def test_a_scaled_picture_is_turned_first():
    stored = load_image(_jpeg(_pixels(), exif=_exif(6)), max_side=20)
    assert stored.changed == "EXIF rotation, scaled"
    assert (stored.original_height, stored.original_width) == (40, 24)
    assert (stored.height, stored.width) == (20, 12)


@pytest.mark.parametrize("max_side", [0, 40, 41])
def test_a_picture_within_the_longest_side_keeps_its_bytes(max_side):
    data = _jpeg(_pixels())
    stored = load_image(data, max_side)
    assert stored.encoded == data and stored.changed == ""
    assert (stored.original_height, stored.original_width) == (24, 40)


def test_a_picture_longer_than_jpeg_allows_can_be_scaled():
    data = _bytes(Image.new("L", (70000, 1)), "PNG")
    stored = load_image(data, max_side=100)
    assert (stored.height, stored.width) == (1, 100)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_pixels_are_what_the_stored_bytes_decode_to(mode, kind):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (50, 70, 3), np.uint8))
    for max_side in (0, 30):
        stored = load_image(_bytes(noise.convert(mode), kind), max_side)
        np.testing.assert_array_equal(stored.pixels, decode(stored.encoded))
        assert stored.pixels.shape == (stored.height, stored.width, 3)


def test_nothing_and_absurd_sizes_cannot_be_decoded():
    content = bytearray(_jpeg(_pixels()))
    start = content.index(b"\xff\xc0") + 5
    content[start : start + 4] = b"\xff\xff\xff\xff"
    for encoded in (b"", bytes(content)):
        with pytest.raises(InputError, match="OpenCV cannot decode"):
            decode(encoded)
