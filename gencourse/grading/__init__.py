"""Grades a class on nbgrader's format.

Students' code runs in a sandboxed kernel, judgement is made outside it, and one process writes to
the gradebook.
"""

from gencourse.grading.export import export
from gencourse.grading.feedback import feedback
from gencourse.grading.grade import ClassResult, grade
from gencourse.grading.report import report

__all__ = ["ClassResult", "export", "feedback", "grade", "report"]
