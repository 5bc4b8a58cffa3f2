"""The main process of a run that tests end at some moment: `python -m tests.grading.run_class`.

Grades the folder `submitted` of a course, with `fakes.by_its_bytes` unless told `real`.
"""

import argparse
import pickle
from pathlib import Path

from gencourse.course import Course
from gencourse.grading.grade import grade_class, grade_one
from gencourse.grading.submissions import Submission, collect

from .fakes import by_its_bytes


def handed_in(folder):
    """Read the fake submissions in a folder, one file a student."""
    return [Submission(p.name, p.name, p.read_bytes()) for p in sorted(folder.iterdir())]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("package", type=Path, help="the pickled package")
    parser.add_argument("submissions", type=Path)
    parser.add_argument("--executor", default="processes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--real", action="store_true")
    asked = parser.parse_args()
    course = Course(asked.root)
    package = pickle.loads(asked.package.read_bytes())
    folder = asked.submissions
    found = collect(folder, package.unit) if asked.real else handed_in(folder)
    result = grade_class(
        course,
        package,
        found,
        workers=asked.workers,
        executor=asked.executor,
        grader=grade_one if asked.real else by_its_bytes,
    )
    print(result.summary(), flush=True)


if __name__ == "__main__":
    main()
