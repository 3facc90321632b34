"""Laws of signals."""

import os
import signal
import threading

import pytest

from scn_tf.interrupt import signals_noticed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_noticed_and_the_second_acts(number):
    acted = []
    before = signal.signal(number, lambda *_: acted.append(number))
    try:
        with signals_noticed() as flag:
            assert not flag
            os.kill(os.getpid(), number)
            assert flag and flag.name == number.name
            assert acted == []
            os.kill(os.getpid(), number)
            assert acted == [number]
        assert signal.getsignal(number) is not before
    finally:
        signal.signal(number, before)


def test_afterwards_signals_do_what_they_did():
    before = signal.getsignal(signal.SIGTERM)
    with signals_noticed():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_train_without_noticing():
    noticed = []

    def work():
        with signals_noticed() as flag:
            noticed.append(bool(flag))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert noticed == [False]
