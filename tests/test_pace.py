"""Laws of when to come up for air."""

import pytest

from scn_tf import pace as pace_module
from scn_tf.pace import Pace
from scn_tf.pace import PaceOptions
from tfrecords.errors import InputError


def cut(options, per_epoch, steps, seconds_per_step=0.01, several=False):
    """The numbers of steps of all calls."""
    pace = Pace(options, per_epoch, several)
    step, calls = 0, []
    while step < steps:
        number = pace.next_steps(step)
        calls.append(number)
        pace.took(number, number * seconds_per_step)
        step += number
    assert step == steps
    return calls


def ends(calls):
    return {sum(calls[: index + 1]) for index in range(len(calls))}


def test_calls_are_short_first_and_then_of_half_a_second():
    assert cut(PaceOptions(), 200, 200)[:3] == [1, 50, 50]
    assert max(cut(PaceOptions(), 1000, 1000, 1e-6)) == pace_module._MOST_STEPS
    assert set(cut(PaceOptions(), 10, 20, 3.0)) == {1}


@pytest.mark.parametrize(
    ("options", "edges"),
    [
        (PaceOptions(), {30, 60, 90}),
        (PaceOptions(save_every="7"), {7, 14, 28, 30, 35, 60, 63}),
        (PaceOptions(profile="11:13"), {11, 13, 30, 60}),
        (PaceOptions(steps_per_call=4), {4, 8, 30, 34, 60}),
    ],
)
def test_no_call_reaches_over_an_end(options, edges):
    assert edges <= ends(cut(options, 30, 90, 0.001))


def test_several_workers_cut_alike_whatever_their_speed():
    fast = cut(PaceOptions(), 64, 128, 0.0001, several=True)
    assert fast == cut(PaceOptions(), 64, 128, 5.0, several=True)


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


@pytest.mark.parametrize("text", ["5", "9:3", "3:3", "a:b", "-1:4"])
def test_other_words_for_what_to_profile_are_refused(text):
    with pytest.raises(InputError, match="--profile="):
        Pace(PaceOptions(profile=text), 10)
