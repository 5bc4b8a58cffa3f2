"""Graders that stand in for `grade_one`, without kernels, in the worker processes of tests."""

import os
import signal
import time
from pathlib import Path

ENDS_ITS_WORKER, RAISES = b"ends its worker", b"raises"


def by_its_bytes(notebook, package):
    """Give marks that depend on the submission alone; note in a file that it was graded.

    A submission is the folder of notes, the student and how many seconds it takes, by spaces.
    """
    if notebook == ENDS_ITS_WORKER:
        os.kill(os.getpid(), signal.SIGKILL)
    if notebook == RAISES:
        raise KeyError("a fault of the grader")
    folder, student, seconds = notebook.decode().split()[:3]
    time.sleep(float(seconds))
    marks = sum(notebook)
    release = package.releases[package.current]
    tests = {}
    for k, (cell, (exercise, test)) in enumerate(release.tests().items()):
        points = release.points()[cell]
        score = points * ((marks >> k) & 1)
        tests[cell] = {
            **{"exercise": exercise, "test": test, "points": points, "mistake": None},
            **{"score": score, "says": "right" if score else "wrong"},
        }
    with (Path(folder) / "graded").open("a") as notes:
        notes.write(f"{student}\n")
    return {
        **{"status": "graded", "reasons": [], "notes": [student], "tests": tests},
        **{"notebook": None},
        **{"written": {"why-kl": {"points": 4.0, "answered": marks % 2 == 0, "text": ""}}},
        **{"stamp": package.current, "unsafe": package.unsafe, "seed": package.seed},
        **{"version": package.version, "seconds": float(seconds), "peak_mib": 1},
    }
