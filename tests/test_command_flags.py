"""Laws of what the commands on features refuse."""

import pytest

from scn_tf.embedding.command_flags import check_not_among
from scn_tf.embedding.command_flags import common_flags
from tfrecords.errors import InputError


def test_nothing_is_drawn_among_the_pictures(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    check_not_among("in", "output", "sheet.png")
    check_not_among("in", "output", "in2/sheet.png")
    for path in ("in", "in/sheet.png", "x/../in/a/b", tmp_path / "in/s.png"):
        with pytest.raises(InputError, match="--output=.* lies in --images"):
            check_not_among("in", "output", path)


def test_each_call_gives_flags_of_its_own():
    first, second = common_flags(), common_flags()
    first(["command", "--module=m", "--images=i", "--batch_size=1"])
    second(["command", "--module=n", "--images=i"])
    assert (first.module, first.batch_size) == ("m", 1)
    assert (second.module, second.batch_size) == ("n", 32)
