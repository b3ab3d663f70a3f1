"""Tasks meet when all of them wait, whatever ends, begins or goes wrong meanwhile."""

from __future__ import annotations

import sys
import threading
from contextlib import nullcontext

import pytest

from incremental._engines.scan.session import Session
from incremental._engines.scan.tasks import Aborted, Call, Task, current_task

#: Nothing here takes a second; a test that hangs fails after so many.
DEADLINE = 60


class Question:
    """Is answered with the number of the meeting."""

    def __init__(self, task, name):
        self.task, self.name = task, name
        self.answer = None

    def fail(self, error):
        self.give(error)

    def give(self, answer):
        with self.task.session.lock:
            self.answer = answer
            self.task.session.wake(self.task)


class Meetings(Session):
    """Writes down who has met."""

    def __init__(self, n_jobs=2, most_alive=100):
        super().__init__(n_jobs, most_alive, lambda: nullcontext(self.answer_all))
        self.met = []
        self.most_at_once = self.n_at_once = 0

    def answer_all(self, questions):
        self.met.append([question.name for question in questions])
        for question in questions:
            if question.name == "bad":
                raise OSError("no answer")
            question.give(len(self.met))
        return []

    def ask_for(self, name):
        task = current_task()
        question = Question(task, name)
        self.ask(question)
        self.wait(task, lambda: question.answer is not None)
        if isinstance(question.answer, Exception):
            raise question.answer
        return question.answer


class Tasks:
    """A call of some functions, as joblib would make it."""

    def __init__(self, session, *functions, parent=None):
        self.call = Call(session, parent)
        self.outcomes = [None] * len(functions)
        self.threads = set()
        self.n_done = 0
        self.done = threading.Condition()
        with session.adding(self.call):
            for i, function in enumerate(functions):
                self.start(i, function)

    def start(self, i, function):
        task = Task(self.call)

        def run():
            try:
                task.check()
                self.threads.add(threading.get_ident())
                self.outcomes[i] = function()
            except BaseException as error:
                self.outcomes[i] = type(error)
            with self.done:
                self.n_done += 1
                self.done.notify()

        self.call.session.start(task, run)

    def results(self):
        with self.call.session.absent(self.call), self.done:
            assert self.done.wait_for(lambda: self.n_done == len(self.outcomes), DEADLINE)
        self.call.session.join(self.call)
        return self.outcomes


def no_threads():
    return not [t for t in threading.enumerate() if t.name.startswith("incremental")]


def asks(session, *names):
    return lambda: [session.ask_for(name) for name in names]


def test_all_tasks_meet_in_their_order_each_time_that_all_of_them_wait():
    with Meetings() as session:
        tasks = Tasks(session, asks(session, "a", "b"), asks(session, "c"), asks(session, "d", "e"))
        assert tasks.results() == [[1, 2], [1], [1, 2]]
    assert session.met == [["a", "c", "d"], ["b", "e"]]
    assert no_threads()


def test_a_task_that_asks_for_nothing_is_not_waited_for():
    with Meetings() as session:
        assert Tasks(session, int, asks(session, "a"), int).results() == [0, [1], 0]
    assert session.met == [["a"]]


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_as_many_tasks_run_at_a_time_as_there_are_jobs(n_jobs):
    running, most = set(), []
    gate = threading.Barrier(n_jobs)

    def run():
        running.add(current_task())
        most.append(len(running))
        gate.wait(DEADLINE)  # so many do run
        running.discard(current_task())
        gate.wait(DEADLINE)

    with Meetings(n_jobs) as session:
        Tasks(session, *[run] * (3 * n_jobs)).results()
    assert max(most) == n_jobs


def test_a_task_beyond_the_limit_begins_in_the_thread_of_one_that_has_ended():
    with Meetings(most_alive=2) as session:
        tasks = Tasks(session, *(asks(session, i) for i in range(6)))
        assert tasks.results() == [[1], [1], [2], [2], [3], [3]]
    assert len(tasks.threads) <= 4  # those of two that ended at once may begin one each
    assert all(len(names) == 2 for names in session.met)


def test_who_waits_for_tasks_of_its_own_is_absent():
    with Meetings() as session:

        def parent():
            inner = [asks(session, "inner 1"), asks(session, "inner 2")]
            return Tasks(session, *inner, parent=current_task()).results()

        tasks = Tasks(session, parent, asks(session, "outer"), parent)
        assert tasks.results() == [[[1], [1]], [1], [[1], [1]]]
    assert session.met == [["inner 1", "inner 2", "outer", "inner 1", "inner 2"]]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_of_each_call_one_task_lives_even_beyond_the_limit(n_jobs):
    with Meetings(n_jobs, most_alive=2) as session:

        def parent():
            inner = [asks(session, "a", "b")] * 4
            return Tasks(session, *inner, parent=current_task()).results()

        found = Tasks(session, *[parent] * 4).results()
    assert all(len(inner) == 2 for outer in found for inner in outer)
    assert no_threads()


def test_an_error_of_a_meeting_is_that_of_all_who_met():
    with Meetings() as session:
        assert Tasks(session, asks(session, "a"), asks(session, "bad")).results()[1] is OSError
    assert no_threads()


@pytest.mark.parametrize("most_alive", [2, 100])
def test_an_aborted_call_ends_whether_its_tasks_wait_or_have_not_begun(most_alive):
    with Meetings(most_alive=most_alive) as session:
        asked = threading.Semaphore(0)

        def wait():
            asked.release()
            return session.ask_for("never")

        with session.adding(Call(session, None)):  # so that none meets
            tasks = Tasks(session, wait, wait, wait, wait)
            assert asked.acquire(timeout=DEADLINE) and asked.acquire(timeout=DEADLINE)
            session.abort(tasks.call)
            assert tasks.results() == [Aborted] * 4
    assert session.met == []
    assert no_threads()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_nested_call_that_is_aborted_ends_while_others_go_on(n_jobs):
    with Meetings(n_jobs) as session:

        def parent():
            call = Tasks(session, asks(session, "never"), parent=current_task())
            session.abort(call.call)
            return call.results()

        tasks = Tasks(session, parent, parent, asks(session, "outer"))
        assert tasks.results() == [[Aborted], [Aborted], [1]]
    assert session.met == [["outer"]]


def test_tasks_of_an_aborted_task_end_too_whether_they_have_a_thread_or_not():
    with Meetings(most_alive=2) as session:
        inner = []
        begun = threading.Event()

        def parent():
            inner.append(Tasks(session, *[asks(session, "never")] * 3, parent=current_task()))
            begun.set()
            return inner[0].results()

        with session.adding(Call(session, None)):
            tasks = Tasks(session, parent)
            assert begun.wait(DEADLINE)
            session.abort(tasks.call)
            assert tasks.results() == [[Aborted] * 3]
    assert session.met == []


def test_a_task_that_comes_after_the_end_of_its_call_does_not_begin():
    with Meetings() as session:
        tasks = Tasks(session, int)
        tasks.results()
        tasks.outcomes.append(None)
        tasks.start(1, int)  # here, in this thread
        assert tasks.outcomes == [0, Aborted]


def fails_to_start(monkeypatch, error, after, really=False):
    """Let threads of fits fail to start, some time."""
    start = threading.Thread.start
    n = iter(range(100))

    def start_some(thread):
        if thread.name != "incremental-fit" or next(n) not in after:
            return start(thread)
        if really:
            start(thread)
        raise error

    monkeypatch.setattr(threading.Thread, "start", start_some)


def test_where_there_can_be_no_more_threads_tasks_wait_for_those_that_there_are(monkeypatch):
    fails_to_start(monkeypatch, RuntimeError("can't start new thread"), range(2, 100))
    with Meetings() as session:
        tasks = Tasks(session, *(asks(session, i) for i in range(5)))
        assert sorted(map(len, tasks.results())) == [1] * 5
    assert len(tasks.threads) == 2


@pytest.mark.parametrize("really", [True, False])
def test_ctrl_c_while_a_thread_starts_leaves_none(monkeypatch, really):
    fails_to_start(monkeypatch, KeyboardInterrupt(), [1], really)
    with Meetings() as session:
        with pytest.raises(KeyboardInterrupt):
            Tasks(session, asks(session, 1), asks(session, 2))
        call = next(iter(session._alive)).call
        session.join(call)
        assert call.n_alive == 0
    assert no_threads()


def test_ctrl_c_while_the_thread_of_meetings_starts_ends_it(monkeypatch):
    start, started = threading.Thread.start, []

    def interrupted(thread):
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), Meetings():
        pass
    started[0].join(DEADLINE)
    assert no_threads()


def test_what_the_end_of_a_task_raises_is_reported_and_the_others_go_on(monkeypatch):
    reported, done = [], []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_type))
    with Meetings(n_jobs=1) as session:
        call = Call(session, None)
        session.start(Task(call), lambda: sys.exit(1))
        session.start(Task(call), lambda: done.append(1))
        session.join(call)
    assert (reported, done) == ([SystemExit], [1])
