"""Tables of scores: every model of a family, trained for a minute, before and after.

`gencourse scores gan` runs what is missing and writes `docs/scores_gan.md`. A family joins with a
module that holds its `Suite`, and one more entry of `SUITES`.
"""

from gencourse.runs.scores import gan, pretext
from gencourse.runs.scores.suite import (
    SEEDS,
    Suite,
    is_current,
    read_results,
    run,
    to_do,
)
from gencourse.runs.scores.table import is_reached, page, told, write_page
from gencourse.runs.scores.trial import BUDGET, Goal, Trial, Yardstick

SUITES: dict[str, Suite] = {suite.name: suite for suite in (gan.SUITE, pretext.SUITE)}

__all__ = [
    "BUDGET",
    "SEEDS",
    "SUITES",
    "Goal",
    "Suite",
    "Trial",
    "Yardstick",
    "is_current",
    "is_reached",
    "page",
    "read_results",
    "run",
    "suite_of",
    "to_do",
    "told",
    "write_page",
]


def suite_of(name: str) -> Suite:
    """Return the suite of a family.

    Raises:
        ValueError: a family that has no table.
    """
    if name not in SUITES:
        raise ValueError(f"there are no scores of {name!r}, expected one of {', '.join(SUITES)}")
    return SUITES[name]
