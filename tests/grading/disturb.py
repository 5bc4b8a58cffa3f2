"""Helpers of the tests that end a run of the grader: start it, end it, look at what is left."""

import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import sqlalchemy

from gencourse.course import Course

REPOSITORY = Path(__file__).parents[2]
MARKS = """
select s.student_id, c.name, g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade
from grade g join submitted_notebook n on g.notebook_id = n.id
join submitted_assignment s on n.assignment_id = s.id join base_cell c on g.cell_id = c.id
order by 1, 2
"""
COMMENTS = """
select s.student_id, c.name, m.auto_comment, m.manual_comment
from comment m join submitted_notebook n on m.notebook_id = n.id
join submitted_assignment s on n.assignment_id = s.id join base_cell c on m.cell_id = c.id
order by 1, 2
"""


def dump(course):
    """Return all marks and comments in a gradebook."""
    engine = sqlalchemy.create_engine(f"sqlite:///{course.gradebook}")
    with engine.connect() as book:
        found = [[tuple(r) for r in book.execute(sqlalchemy.text(q))] for q in (MARKS, COMMENTS)]
    engine.dispose()
    return found


def copy_of(course, root, package):
    """Return a copy of a course, without what grading a class leaves, and a pickled package."""
    left = shutil.ignore_patterns("reports", "submitted", "autograded", "feedback")
    shutil.copytree(course.root, root, ignore=left)
    (root / "package.pickle").write_bytes(pickle.dumps(package))
    return Course(root)


def start(course, submissions, *options):
    """Start a run in a process group of its own."""
    package = course.root / "package.pickle"
    command = [sys.executable, "-m", "tests.grading.run_class", course.root, package, submissions]
    return subprocess.Popen(
        [*map(str, command), *options],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(course, submissions, *options, seconds=900):
    """Run to the end and return what was printed."""
    process = start(course, submissions, *options)
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == 0, err
    return out


def kept(course):
    """Return the names of the results that are kept."""
    return {p.stem for p in course.reports.glob("*/results/*.json")}


def until(condition, seconds=60, *, process=None):
    """Wait for a condition, which a process is to bring about, and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert process is None or process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


def family(pid):
    """Return all processes below one, as pairs of id and start time."""
    below, known = [], {pid}
    parents = sorted((int(s[1]), int(p), s[19]) for p, s in _stats())
    while new := [(p, t) for parent, p, t in parents if parent in known and p not in known]:
        below += new
        known |= {p for p, _ in new}
    return below


def alive(processes):
    """Return those of `family` that have not ended."""
    now = {(int(p), s[19]) for p, s in _stats() if s[0] != "Z"}
    return [p for p in processes if p in now]


def _stats():
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield path.parent.name, path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue


def kill(process):
    """End the main process without warning, and wait until its workers have followed."""
    below = family(process.pid)
    process.kill()
    process.communicate()
    until(lambda: not alive(below), 10)
