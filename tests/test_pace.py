"""Laws of when to come up for air."""

import pytest
from absl import flags
from parsed_flags import parsed_config

from scn_tf import pace as pace_module
from scn_tf.pace import Pace
from scn_tf.pace import PaceOptions
from scn_tf.pace import Since
from tfrecords.errors import InputError


def pace_after(options, per_epoch, seconds_per_step, several=False):
    """One that has measured some calls of one step."""
    pace = Pace(options, per_epoch, several)
    pace.took(1, 100.0)  # compiling
    for _ in range(pace_module._MEASURED_CALLS):
        pace.took(1, seconds_per_step)
    return pace


def test_first_calls_are_of_one_step_and_later_ones_fill_their_time():
    assert Pace(PaceOptions(), 200).chunk_steps == 1
    seconds = pace_module._SECONDS_PER_CALL
    assert pace_after(PaceOptions(), 200, seconds / 50.5).chunk_steps == 50
    most = pace_after(PaceOptions(), 10**6, 1e-7).chunk_steps
    assert most == pace_module._MOST_STEPS
    assert pace_after(PaceOptions(), 200, 100.0).chunk_steps == 1


def test_a_slow_call_later_changes_nothing():
    pace = pace_after(PaceOptions(), 200, 0.01)
    chunk = pace.chunk_steps
    for _ in range(30):
        pace.took(chunk, 50.0)
        assert pace.chunk_steps == chunk


def test_slow_first_calls_do_not_set_the_pace_for_good():
    """A GPU tunes its convolutions in the first calls of every shape."""
    seconds = pace_module._SECONDS_PER_CALL
    pace = pace_after(PaceOptions(), 200, 10 * seconds)
    assert pace.chunk_steps == 1
    chunks = set()
    for _ in range(30):
        pace.took(pace.chunk_steps, pace.chunk_steps * seconds / 20.5)
        chunks.add(pace.chunk_steps)
    assert pace.chunk_steps == 20
    assert len(chunks) <= 3


@pytest.mark.parametrize(
    ("options", "edges"),
    [
        (PaceOptions(), {30, 60}),
        (PaceOptions(save_every="7"), {7, 14, 28, 30, 35, 60, 63}),
        (PaceOptions(profile="11:14"), {10, 11, 12, 13, 14, 30, 60}),
        (PaceOptions(steps_per_call=4), {4, 8, 30, 60}),
    ],
)
@pytest.mark.parametrize("seconds", [1e-6, 0.1, 9.0])
def test_chunks_cover_all_steps_and_reach_over_no_end(options, edges, seconds):
    pace = pace_after(options, 30, seconds)
    for start in (0, 5, 29, 30, 62):
        chunks = pace.cut(range(start, 90))
        steps = [step for chunk in chunks for step in chunk]
        assert steps == list(range(start, 90))
        assert max(map(len, chunks)) <= pace.chunk_steps
        assert {e for e in edges if e > start} <= {c.stop for c in chunks}


def test_the_flag_is_the_number_of_steps():
    pace = pace_after(PaceOptions(steps_per_call=4), 30, 1e-6)
    assert pace.chunk_steps == 4


def test_the_help_tells_the_time_of_a_call():
    parsed_config()  # defines the flags
    text = flags.FLAGS["steps_per_call"].help
    assert f"{pace_module._SECONDS_PER_CALL} s" in text


def test_several_workers_cut_alike_whatever_their_speed():
    fast = pace_after(PaceOptions(), 64, 0.0001, several=True)
    slow = pace_after(PaceOptions(), 64, 5.0, several=True)
    assert fast.cut(range(128)) == slow.cut(range(128))
    assert fast.chunk_steps > 1


def test_saves_come_by_steps_by_time_and_at_ends_of_epochs(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pace_module.time, "monotonic", lambda: now[0])
    pace = Pace(PaceOptions("7"), 10)
    assert [s for s in range(1, 22) if pace.should_save(s)] == [
        *(7, 10, 14, 20, 21)
    ]
    pace = Pace(PaceOptions("0.5m"), 10)
    assert not pace.should_save(3)
    now[0] = 30.0
    assert pace.should_save(3)
    pace.saved()
    assert not pace.should_save(4)
    assert Pace(PaceOptions("epoch"), 10).should_save(10)


@pytest.mark.parametrize("text", ["0", "m", "-3", "10h", "often", "1.5"])
def test_other_words_for_when_to_save_are_refused(text):
    with pytest.raises(InputError, match="--save_every=.*minutes"):
        Pace(PaceOptions(save_every=text), 10)


def test_time_without_input_is_a_share_of_all():
    since = Since()
    assert since.wait_share() == 0
    since.add(3, 1.5, 0.25)
    since.add(1, 0.5, 0.75)
    assert (since.steps, since.seconds) == (4, 2.0)
    assert since.wait_share() == 0.5


@pytest.mark.parametrize(
    ("text", "epochs"), [("auto", None), ("0", 0), ("12", 12)]
)
def test_pictures_come_by_epochs_or_by_time(text, epochs):
    assert PaceOptions(picture_every=text).picture_epochs() == epochs


@pytest.mark.parametrize("text", ["", "-1", "1.5", "often"])
def test_other_words_for_when_to_draw_are_refused(text):
    with pytest.raises(InputError, match="--picture_every=.*auto"):
        PaceOptions(picture_every=text).picture_epochs()


@pytest.mark.parametrize("text", ["5", "9:3", "3:3", "a:b", "-1:4"])
def test_other_words_for_what_to_profile_are_refused(text):
    with pytest.raises(InputError, match="--profile="):
        Pace(PaceOptions(profile=text), 10)
