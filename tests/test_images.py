import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfrecords.errors import InputError
from tfrecords.images import decode
from tfrecords.images import load_image

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
