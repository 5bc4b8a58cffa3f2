"""What the test cells of a homework import: `check`, which says in words what is wrong.

Nothing here holds an answer. Cases are plain numbers (inputs, expected outputs, outputs of known
mistakes); the `adapter` calls an answer with them in the student's kernel and the `judge`, numpy
only, compares.
"""

from gencourse.exercises.check import CheckFailed, check

__all__ = ["CheckFailed", "check"]
