"""Laws of work beside the main thread."""

import threading

import pytest

from scn_tf.background import Background


def test_calls_are_made_in_order_and_waited_for():
    done = []
    with Background(2) as background:
        for number in range(20):
            background.submit(done.append, number)
    assert done == list(range(20))


def test_submitting_waits_while_too_much_is_pending():
    gate = threading.Event()
    with Background(1) as background:
        background.submit(gate.wait)
        threading.Timer(0.05, gate.set).start()
        background.submit(lambda: None)
        assert gate.is_set()


def fail():
    raise KeyError("broken")


def test_after_an_error_nothing_more_is_done():
    done = []
    with pytest.raises(KeyError, match="broken"):
        with Background(5) as background:
            background.submit(fail)
            background.submit(done.append, 1)
    assert not done


def test_an_error_shows_at_a_later_call():
    with pytest.raises(KeyError, match="broken"):
        with Background(0) as background:
            background.submit(fail)
            pytest.fail("the error was not raised")


def test_an_error_of_the_block_is_not_replaced():
    with pytest.raises(ValueError, match="own"):
        with Background(5) as background:
            background.submit(fail)
            raise ValueError("own")


def test_several_threads_work_side_by_side():
    together = threading.Barrier(3, timeout=30)
    with Background(3, num_threads=3) as background:
        for _ in range(3):
            background.submit(together.wait)


def test_a_call_that_was_left_out_says_so():
    with pytest.raises(KeyError, match="broken"):
        with Background(5) as background:
            background.submit(fail)
            background.submit(lambda: None).result()
            pytest.fail("the error was not raised")
