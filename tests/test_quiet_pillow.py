"""Laws of Pillow's warnings while pictures are read."""

import concurrent.futures
import io
import threading
import warnings

import pytest
from PIL import Image

from tfrecords import images
from tfrecords.images import load_image
from tfrecords.quiet_pillow import pillow_quiet


def warn_as_pillow():
    code = compile("warnings.warn('odd')", "TiffImagePlugin.py", "exec")
    exec(code, {"__name__": "PIL.TiffImagePlugin", "warnings": warnings})


def test_what_pillow_warns_of_is_kept_back_inside_alone():
    with pillow_quiet():
        warn_as_pillow()
    with pytest.raises(UserWarning, match="odd"):
        warn_as_pillow()


def test_what_others_warn_of_is_not():
    with pillow_quiet(), pytest.raises(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


def test_it_lasts_until_the_last_reader_ends():
    """The one that began first may end first."""
    before = list(warnings.filters)
    first, second = pillow_quiet(), pillow_quiet()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    warn_as_pillow()
    second.__exit__(None, None, None)
    assert warnings.filters == before


def test_a_filter_of_others_stays():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        before = list(warnings.filters)
        with pillow_quiet():
            pass
        assert warnings.filters == before


def test_a_list_that_others_put_back_is_no_fault():
    with warnings.catch_warnings():
        reader = pillow_quiet()
        reader.__enter__()
    reader.__exit__(None, None, None)
    with pillow_quiet():
        warn_as_pillow()


def test_pictures_read_in_two_threads_leave_all_filters_as_they_were(
    monkeypatch,
):
    buffer = io.BytesIO()
    # Promises five tags and ends.
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0"
    Image.new("RGB", (9, 8)).save(buffer, "JPEG", exif=exif)
    with pytest.raises(UserWarning, match="Corrupt EXIF"):
        Image.open(buffer).getexif().get(1)
    first_reads, second_reads, first_is_done = (
        threading.Event() for _ in range(3)
    )

    def wait(name, data):
        """Lets the second begin in the first, and end after it."""
        if not first_reads.is_set():
            first_reads.set()
            assert second_reads.wait(60)
        else:
            second_reads.set()
            assert first_is_done.wait(60)

    monkeypatch.setattr(images, "check_scans", wait)
    filters, before = warnings.filters, list(warnings.filters)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(load_image, buffer.getvalue())
        assert first_reads.wait(60)
        second = pool.submit(load_image, buffer.getvalue())
        assert first.result().width == 9
        first_is_done.set()
        # What Pillow says of its EXIF is still kept back.
        assert second.result().width == 9
    assert warnings.filters is filters
    assert warnings.filters == before
