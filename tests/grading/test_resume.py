"""A run that ends in the middle, however it ends, is completed by the next one."""

import contextlib
import copy
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from sqlalchemy import text
from sqlalchemy.orm import Session

from gencourse.course import CourseError
from gencourse.grading import records
from gencourse.grading.grade import grade_class
from gencourse.grading.grade_one import AGAIN
from gencourse.grading.gradebook import Book
from gencourse.grading.ledger import Ledger
from gencourse.grading.lock import only_writer
from gencourse.grading.package import judging_sources
from gencourse.grading.submissions import Submission
from gencourse.grading.writer import Writer

from ..conftest import SMALL_UNIT
from .conftest import needs_sandbox
from .disturb import alive, copy_of, dump, family, finish, kept, kill, start, until
from .fakes import by_its_bytes

NOTEBOOK = f"{SMALL_UNIT}_homework"


@pytest.fixture
def term(prepared, tmp_path):
    """A course of the test's own."""
    shutil.copytree(prepared.root, tmp_path / "term")
    return type(prepared)(tmp_path / "term")


def hand_in(folder, number, seconds=0.0):
    """Write fake submissions, see `fakes.by_its_bytes`, and return their folder and the notes."""
    submissions, notes = folder / "handed-in", folder / "notes"
    submissions.mkdir()
    notes.mkdir()
    for i in range(number):
        (submissions / f"s{i:03}").write_text(f"{notes} s{i:03} {seconds} {i * 7919 % 256:08b}")
    return submissions, notes


def graded(notes):
    path = notes / "graded"
    return path.read_text().split() if path.exists() else []


def people(folder):
    return [Submission(p.name, p.name, p.read_bytes()) for p in sorted(folder.iterdir())]


def fake_class(term, package, folder, **options):
    return grade_class(term, package, people(folder), grader=by_its_bytes, **options)


def test_killed_at_random_moments_it_ends_with_the_same_gradebook(prepared, package, tmp_path):
    random.seed(20)
    submissions, notes = hand_in(tmp_path, 20, seconds=0.15)
    disturbed, calm = (copy_of(prepared, tmp_path / name, package) for name in ("one", "two"))
    for _ in range(3):
        process = start(disturbed, submissions)
        wait_for_results(disturbed, 2, process)
        time.sleep(random.uniform(0, 0.4))
        kill(process)
        before, times = finished(disturbed), len(graded(notes))
    assert 6 <= len(before) < 20, "the run was not ended in the middle"
    finish(disturbed, submissions)
    assert not before & set(graded(notes)[times:]), "graded twice"
    assert fake_class(calm, package, submissions).kept == 0
    assert dump(disturbed) == dump(calm)
    assert len(dump(calm)[0]) == 20 * 8
    assert fake_class(disturbed, package, submissions).kept == 20


def wait_for_results(course, number, process):
    """Wait until a run has added so many."""
    before = len(kept(course))
    until(lambda: len(kept(course)) >= before + number, process=process)


def finished(course):
    """Return the students whose results are kept."""
    results = [json.loads(p.read_text()) for p in course.reports.glob("*/results/*.json")]
    return {r["notes"][0] for r in results}


def test_ctrl_c_is_quick_and_says_how_to_go_on(prepared, package, tmp_path):
    submissions, _ = hand_in(tmp_path, 40, seconds=0.3)
    own = copy_of(prepared, tmp_path / "course", package)
    process = start(own, submissions)
    wait_for_results(own, 3, process)
    below = family(process.pid)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=10)
    assert time.monotonic() - began < 2
    until(lambda: not alive(below), 1)  # the tracker of multiprocessing is the last
    assert "of 40 submissions graded; they are kept, and the same command goes on" in err
    assert err.count("Traceback") == 1, err  # no worker complains; the command line hides the one
    done = len(kept(own))
    assert f"{40 - done} graded now, {done} unchanged" in finish(own, submissions)


@needs_sandbox
@pytest.mark.kernel
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_kernel_outlives_the_run(prepared, package, solved, tmp_path, how):
    import nbformat

    endless = copy.deepcopy(solved)
    endless.cells.insert(3, nbformat.v4.new_code_cell("while True: pass"))
    path = tmp_path / "handed-in" / "ada" / SMALL_UNIT / f"{NOTEBOOK}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(nbformat.writes(endless))
    own = copy_of(prepared, tmp_path / "course", package)
    process = start(own, tmp_path / "handed-in", "--real")
    until(lambda: sum("bwrap" in name(p) for p, _ in family(process.pid)), process=process)
    time.sleep(1)
    below = family(process.pid)
    began = time.monotonic()
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.kill()
    process.communicate(timeout=10)
    until(lambda: not alive(below), 2)
    assert time.monotonic() - began < 2
    with only_writer(own):  # removes what the killed one left in /tmp
        pass


def name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


class Crash(BaseException):
    """The end of the process, as the files and the gradebook see it."""


def crash_at(monkeypatch, step):
    """Let the process end before the step-th change that lasts; return the counter."""
    count = [0]

    def counting(function):
        def counted(*args, **kwargs):
            count[0] += 1
            if count[0] == step:
                raise Crash
            return function(*args, **kwargs)

        return counted

    monkeypatch.setattr(os, "replace", counting(os.replace))
    monkeypatch.setattr(shutil, "rmtree", counting(shutil.rmtree))
    monkeypatch.setattr(Session, "commit", counting(Session.commit))
    return count


def test_a_crash_before_any_lasting_step_changes_nothing_in_the_end(
    term, package, solved, tmp_path, monkeypatch
):
    """Also which marks by hand need another look, which depends on what was there before."""
    import nbformat

    def write(course, notebook, result):
        submission = Submission("ada", "ada", notebook, origin_folder=tmp_path)
        with Writer(course, package) as writer:
            ledger = Ledger(course, package)
            found = ledger.find(notebook) or ledger.keep(notebook, result)
            writer.write(submission, found)

    def result(notebook):
        made = by_its_bytes(f"{tmp_path} ada 0 {len(notebook)}".encode(), package)
        return made | {"notebook": notebook}

    first, second = nbformat.writes(solved), nbformat.writes(solved).replace("mu**2", "mu**3")
    assert first != second
    write(term, first.encode(), result(first))
    with Gradebook(f"sqlite:///{term.gradebook}", "fixture") as book:
        for cell in ("test-kl-normal-values", "test-counting-counts"):
            grade = book.find_grade(cell, NOTEBOOK, SMALL_UNIT, "ada")
            grade.manual_score, grade.needs_manual_grade = 0.5, False
        book.db.commit()

    def second_run(course):
        write(course, second.encode(), result(second))

    calm = copy_with_marks(term, tmp_path / "calm")
    second_run(calm)
    expected = dump(calm)
    looks = {row[1] for row in expected[0] if row[3] is not None and row[5]}
    assert looks == {"test-kl-normal-values"}  # the other answer has not changed
    for step in range(1, 100):
        disturbed = copy_with_marks(term, tmp_path / f"disturbed-{step}")
        with monkeypatch.context() as patch:
            count = crash_at(patch, step)
            try:
                second_run(disturbed)
            except Crash:
                assert count[0] == step
        second_run(disturbed)
        assert dump(disturbed) == expected, f"after a crash at step {step}"
        graded_copy = records.graded_notebook(disturbed, SMALL_UNIT, "ada")
        assert graded_copy.read_text() == second
        if count[0] < step:
            break
    assert step > 8


def copy_with_marks(course, root):
    shutil.copytree(course.root, root)
    return type(course)(root)


def test_only_what_changed_is_graded_again(term, package, tmp_path):
    folder, notes = hand_in(tmp_path, 4)
    assert fake_class(term, package, folder).kept == 0
    assert fake_class(term, package, folder).kept == 4
    (folder / "s001").write_text(f"{notes} s001 0 other")
    assert fake_class(term, package, folder).kept == 3
    assert graded(notes)[4:] == ["s001"]
    assert fake_class(term, package, folder, force=True).kept == 0
    slower = dataclasses.replace(package.limits, cell_seconds=99.0)
    current = package.releases[package.current]
    hidden = copy.deepcopy(current.hidden)
    hidden["exercises"]["kl-normal"]["tests"]["values"]["cases"].pop()
    cases = {package.current: dataclasses.replace(current, hidden=hidden)}
    for change in ({"limits": slower}, {"version": "0+fff"}, {"releases": cases}):
        other = dataclasses.replace(package, **change)
        ledger = Ledger(term, other)
        assert not any(ledger.find(s.notebook) for s in people(folder)), change
    later = {**package.releases, "0123456789ab": current}
    ledger = Ledger(term, dataclasses.replace(package, releases=later))
    assert all(ledger.find(s.notebook) for s in people(folder))  # theirs has not changed
    stamped = b"release 0123456789ab"
    ledger.keep(stamped, {"stamp": "0123456789ab", "status": "graded"})
    newest = {**later, "ba9876543210": dataclasses.replace(current, hidden=hidden)}
    newer = dataclasses.replace(package, releases=newest, current="ba9876543210")
    assert Ledger(term, newer).find(stamped)  # it answers the older release, which is as it was
    assert not Ledger(term, newer).find(people(folder)[0].notebook)


def test_a_failed_regrading_keeps_no_old_score_and_is_tried_again(term, package, tmp_path):
    folder, _ = hand_in(tmp_path, 2)
    fake_class(term, package, folder)
    with Gradebook(f"sqlite:///{term.gradebook}", "fixture") as book:
        essay = book.find_grade("why-kl", NOTEBOOK, SMALL_UNIT, "s001")
        essay.manual_score, essay.needs_manual_grade = 3.0, False
        book.db.commit()
    (folder / "s001").write_bytes(b"raises")
    (failed,) = [r for r in fake_class(term, package, folder).records if r["student"] == "s001"]
    assert failed["status"] == "not gradable" and failed[AGAIN] and failed["score"] is None
    assert "the grader failed" in failed["reasons"][0]
    marks = {row[1]: row[2:] for row in dump(term)[0] if row[0] == "s001"}
    assert all(auto is None for auto, *_ in marks.values())
    assert all(waits for cell, (*_, waits) in marks.items() if cell != "why-kl")
    assert marks["why-kl"][1] == 3.0
    assert fake_class(term, package, folder).kept == 1  # not the one that failed


def test_a_gradebook_that_lost_marks_gets_them_back(term, package, tmp_path):
    folder, notes = hand_in(tmp_path, 3)
    fake_class(term, package, folder)
    expected = dump(term)
    with Gradebook(f"sqlite:///{term.gradebook}", "fixture") as book:
        book.find_grade("test-counting-counts", NOTEBOOK, SMALL_UNIT, "s001").auto_score = 77.0
        book.remove_student("s002")
        book.db.commit()
    assert fake_class(term, package, folder).kept == 3
    assert dump(term) == expected and len(graded(notes)) == 3


def test_results_that_nobody_has_any_more_are_dropped(term, package, tmp_path):
    folder, notes = hand_in(tmp_path, 2)
    fake_class(term, package, folder)
    first = kept(term)
    (term.reports / SMALL_UNIT / "results" / ".torn.json.new").write_text("{")
    (folder / "s001").write_text(f"{notes} s001 0 other")
    fake_class(term, package, folder)
    left = {p.name for p in (term.reports / SMALL_UNIT / "results").iterdir()}
    assert len(left) == 2 and len(first & {n.removesuffix(".json") for n in left}) == 1


def test_two_runs_never_write_at_the_same_time(prepared, package, tmp_path):
    submissions, _ = hand_in(tmp_path, 3, seconds=1.5)
    own = copy_of(prepared, tmp_path / "course", package)
    process = start(own, submissions)
    holder = own.root / "gradebook.db.holder"
    until(lambda: holder.exists() and holder.read_text(), process=process)
    with pytest.raises(CourseError, match=rf"process {process.pid} on .* has been grading"):
        with only_writer(own):
            pass
    scratch = Path(json.loads(holder.read_text())["scratch"])
    assert scratch.is_dir() and scratch.parent == Path(tempfile.gettempdir())
    kill(process)
    assert scratch.is_dir()
    with only_writer(own):  # the holder is dead
        assert not scratch.exists()
    assert not holder.exists()


def test_the_gradebook_survives_a_loss_of_power(term):
    """SQLite's journal is on disk before a commit returns; no write-ahead log lies beside it."""
    with Book(term, SMALL_UNIT) as book:
        pragma = {p: book._book.db.execute(text(f"pragma {p}")).scalar() for p in
                  ("synchronous", "journal_mode", "busy_timeout")}  # fmt: skip
    assert pragma == {"synchronous": 2, "journal_mode": "delete", "busy_timeout": 60000}


def test_the_version_of_the_grader_covers_the_sources_that_judge_and_no_others():
    names = {path.stem for path in judging_sources()}
    assert {"grade_one", "adapter", "judge", "compare", "sandbox", "session", "rebuild"} <= names
    assert {"library_calls", "evaluators", "messages"} <= names
    assert not names & {"grade", "report", "gradebook", "submissions", "cases", "build", "sheet"}


@needs_sandbox
@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.timeout(2 * 3600)
def test_a_class_of_500_killed_and_resumed_ends_as_an_undisturbed_one(
    prepared, package, solved, tmp_path
):
    """One in ten is hostile; the others differ in which answers are right."""
    seed = random.Random(500)
    submissions = hand_in_class(tmp_path / "handed-in", solved, prepared, seed, CLASS)
    quick = dataclasses.replace(package, limits=dataclasses.replace(package.limits, **QUICK))
    disturbed, calm = (copy_of(prepared, tmp_path / name, quick) for name in ("one", "two"))
    began = time.monotonic()
    finish(calm, submissions, "--real", seconds=3600)
    undisturbed = time.monotonic() - began
    done = [0]  # after each kill; some come before the first submission is graded
    while done[-1] < 0.9 * CLASS:
        process = start(disturbed, submissions, "--real")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=seed.uniform(0, undisturbed / 5))
        kill(process)
        done.append(len(everyone(disturbed)))
        print(f"killed {len(done) - 1} times, {done[-1]} graded", flush=True)
        assert done[-1] >= done[-2] and len(done) < 60, done
    finish(disturbed, submissions, "--real", seconds=3600)
    assert len(done) > 4
    assert dump(disturbed) == dump(calm)
    assert [outcome(r) for r in everyone(disturbed)] == [outcome(r) for r in everyone(calm)]
    assert len(everyone(calm)) == CLASS


CLASS = 500
QUICK = {"cell_seconds": 3.0, "total_seconds": 120.0}
HOSTILE = (
    "import os\nos._exit(0)",
    "while True: pass",
    "print('x' * 50_000_000)",
    "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    "import os\nos.kill(os.getppid(), 9)\nos.kill(1, 9)",
)


def hand_in_class(folder, solved, course, seed, number):
    """Write a class in which one in ten has a hostile cell."""
    import nbformat

    release = nbformat.read(course.released(SMALL_UNIT, "homework"), as_version=4)
    blank = {c.id: c.source for c in release.cells}
    for i in range(number):
        notebook = copy.deepcopy(solved)
        notebook.cells.append(nbformat.v4.new_markdown_cell(f"I am student {i}."))
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("solution") and seed.random() < 0.3:
                cell.source = blank[cell.id]
        if i % 10 == 0:
            place = seed.randrange(3, len(notebook.cells))
            attack = nbformat.v4.new_code_cell(HOSTILE[i // 10 % len(HOSTILE)])
            notebook.cells.insert(place, attack)
        path = folder / f"s{i:03}" / SMALL_UNIT / f"{NOTEBOOK}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(notebook))
    return folder


def everyone(course):
    return records.load_records(course, SMALL_UNIT)


def outcome(record):
    tests = {name: (t["score"], t["says"]) for name, t in record["tests"].items()}
    return record["student"], record["status"], record["score"], record["reasons"], tests
