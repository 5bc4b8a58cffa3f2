"""What is said to a kernel and what it may answer: bounded in time and in size."""

import os
import signal
import subprocess
import sys
import time

import pytest

from gencourse.grading.sandbox import Limits
from gencourse.grading.session import Session

from .conftest import needs_sandbox

pytestmark = [pytest.mark.kernel, needs_sandbox]
LIMITS = Limits(cell_seconds=8.0, reply_bytes=1 << 18, output_bytes=1 << 18)


@pytest.fixture(scope="module")
def kernel():
    with Session(limits=LIMITS) as session:
        yield session


@pytest.fixture
def session(kernel):
    """A kernel that lives; a fresh one when the test before has ended it."""
    if not kernel.alive:
        kernel.restart()
    return kernel


def test_a_cell_gives_its_outputs_or_its_error(session):
    done = session.run("print('a'); import sys; print('b', file=sys.stderr); 6 * 7")
    assert done.status == "ok"
    assert [o.get("text") or o["data"]["text/plain"] for o in done.outputs] == ["a\n", "b\n", "42"]
    failed = session.run("1 / 0")
    assert (failed.status, failed.ename) == ("error", "ZeroDivisionError")


def test_questions_of_one_exchange_are_answered_each_for_itself(session):
    session.run("n = 0\ndef count():\n  global n\n  n += 1\n  return str(n)")
    answers = session.ask_all(["count()", "1 / 0", "count()", "nothing", "3", "'é\\\\\\n'"])
    assert [a.value for a in answers] == ["1", None, "2", None, None, "é\\\n"]
    names = ["", "ZeroDivisionError", "", "NameError", "NoReply", ""]
    assert [a.ename for a in answers] == names
    assert session.ask_all([]) == []


def test_a_question_that_hangs_is_stopped_and_its_kernel_lives_on(session):
    session.run("kept = 'x'")
    hangs = Session.ask_all
    began = time.monotonic()
    session.limits = Limits(cell_seconds=0.5)
    answers = hangs(session, ["kept", "[0 for _ in iter(int, 1)]"])
    session.limits = LIMITS
    assert {a.status for a in answers} == {"timeout"}
    assert answers[0].message == "stopped after 0.5 s"
    assert time.monotonic() - began < 5
    assert session.ask("kept").value == "x"


def test_a_cell_that_ignores_the_interrupt_is_killed(session):
    ignore = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    assert session.run(ignore, seconds=0.3).status == "timeout"
    assert not session.alive
    assert session.ask("'x'").status == "died"


def test_a_reply_that_is_too_long_costs_no_more_than_a_moment(session):
    began = time.monotonic()
    assert session.ask("'x' * 300_000").ename == "NoReply"  # read, and refused
    assert session.alive
    assert session.ask("'x' * 3_000_000").status == "flood"  # cut off on its way
    assert time.monotonic() - began < 0.75 * LIMITS.cell_seconds
    assert not session.alive
    session.restart()
    assert session.ask("'short'").value == "short"


def test_an_output_that_is_too_long_is_cut_and_the_next_ones_are_heard(session):
    session.run("kept = 'x'")
    done = session.run("print('x' * 3_000_000)\nimport time\ntime.sleep(5)")
    assert done.status == "flood"
    if session.alive:
        assert session.ask("kept").value == "x"
        again = session.run("print('heard')")
        assert [o["text"] for o in again.outputs] == ["heard\n"]
    assert session.run("for i in range(10**6): print(i)").status == "flood"


@pytest.mark.parametrize("size", [300_000, 3_000_000])
def test_too_much_output_is_too_much_however_fast_it_comes(session, size):
    """The reply may overtake the output; what a cell is worth depends on neither's speed."""
    for _ in range(5):
        assert session.run(f"print('x' * {size})").status == "flood"
        assert session.alive
    assert session.run(f"def loud():\n  print('x' * {size})\n  return 'y'").status == "ok"
    for _ in range(3):
        assert session.ask("loud()").status == "flood"
    assert session.ask("'x'").value == "x"


def test_an_interrupt_that_comes_late_does_not_hit_the_next_request(session):
    late = """
import time
handlers = get_ipython().kernel.control_handlers
async def interrupt(*args, do=handlers["interrupt_request"]):
    time.sleep(0.7)
    await do(*args)
handlers["interrupt_request"] = interrupt
print("x" * 300_000, flush=True)
time.sleep(0.4)
"""
    assert session.run(late).status == "flood"
    assert session.alive
    assert session.run("import time\ntime.sleep(1.5)").status == "ok"
    session.restart()


def test_a_kernel_that_does_not_answer_an_interrupt_is_killed(session):
    deaf = """
async def interrupt(*args): pass
get_ipython().kernel.control_handlers["interrupt_request"] = interrupt
while True: print("x" * 1000, flush=True)
"""
    assert session.run(deaf).status == "flood"
    assert not session.alive


def test_a_kernel_that_ends_is_noticed_at_once(session):
    for end in ("import os; os._exit(0)", "import ctypes; ctypes.string_at(0)"):
        if not session.alive:
            session.restart()
        began = time.monotonic()
        assert session.run(end).status == "died"
        assert time.monotonic() - began < 5
        assert not session.alive


GRADER = """
import time
from gencourse.grading import warm
from gencourse.grading.session import Session
warm.PRELOAD = ("ipykernel.kernelapp",)
with Session() as session:
    print("ready", flush=True)
    session.run("import time; time.sleep(60)", seconds=60)
"""


def test_ctrl_c_ends_a_grader_at_once():
    line = [sys.executable, "-c", GRADER]
    grader = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert grader.stdout.readline() == "ready\n"
    time.sleep(0.5)
    began = time.monotonic()
    os.killpg(grader.pid, signal.SIGINT)
    assert "KeyboardInterrupt" in grader.communicate(timeout=60)[1]
    assert time.monotonic() - began < 4
