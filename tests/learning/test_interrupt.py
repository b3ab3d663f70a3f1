"""Ctrl-C waits where it is deferred, and comes through everywhere else."""

import contextlib
import signal
import threading

import pytest

from incremental._learning.interrupt import whole_blocks


def press():
    signal.raise_signal(signal.SIGINT)


def test_it_waits_for_the_end_of_what_defers_it():
    done = []
    with (
        pytest.raises(KeyboardInterrupt),
        whole_blocks() as interrupt,
        interrupt.allowed(),
    ):
        with interrupt.deferred():
            press()
            done.append("learned")
        done.append("not reached")
    assert done == ["learned"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_waits_for_the_outermost_of_what_defers_it():
    done = []
    with (
        pytest.raises(KeyboardInterrupt),
        whole_blocks() as interrupt,
        interrupt.allowed(),
        interrupt.deferred(),
    ):
        with interrupt.deferred():
            press()
        done.append("inner")
        with interrupt.allowed():
            done.append("not reached")
    assert done == ["inner"]


@pytest.mark.parametrize("wanted", [True, False])
def test_it_comes_through_where_it_is_allowed_and_the_second_time(wanted):
    done = []
    with (
        pytest.raises(KeyboardInterrupt),
        whole_blocks() as interrupt,
        interrupt.allowed(),
        interrupt.deferred(wanted),
    ):
        press()
        done.append("once")
        press()
        done.append("not reached")
    assert done == (["once"] if wanted else [])


def test_an_error_does_not_swallow_it():
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        whole_blocks() as interrupt,
        interrupt.allowed(),
        interrupt.deferred(),
    ):
        press()
        raise ValueError("of a block")
    assert isinstance(caught.value.__context__, ValueError)


def test_nothing_is_changed_where_somebody_else_handles_it_or_in_another_thread():
    pressed = []
    signal.signal(signal.SIGINT, lambda *args: pressed.append(1))
    try:
        with whole_blocks() as interrupt, interrupt.allowed(), interrupt.deferred():
            press()
            assert pressed == [1]
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    handlers = []

    def other():
        with whole_blocks():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_what_somebody_swallows_is_raised_after_the_block():
    with pytest.raises(KeyboardInterrupt):
        with whole_blocks() as interrupt, interrupt.allowed():
            with contextlib.suppress(KeyboardInterrupt):  # as callbacks of the collector do
                press()
            interrupt.check()
            pytest.fail("was swallowed")
