"""Where things of a course stand on disk, and what its units are called.

A course folder is one that holds `nbgrader_config.py`. Everything that a term produces (gradebook,
submissions, reports, the secret seed) is named here once, so that no other module spells a path.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

UNITS: tuple[str, ...] = (
    "01_graphical_models",
    "02_autoregressive",
    "03_vae",
    "04_gan",
    "05_pretext",
)


class CourseError(Exception):
    """Something that a person can mend; the message says what is wrong and how to mend it.

    The command line prints it as one line and exits with status 1.
    """


def resolve_unit(name: str) -> str:
    """Return the unit that `name`, any unique prefix such as `1`, `01` or `01_graph`, stands for.

    Raises:
        CourseError: no unit or more than one begins so.
    """
    wanted = name.strip().lower()
    matches = [
        u for u in UNITS if wanted and (u.startswith(wanted) or u.lstrip("0").startswith(wanted))
    ]
    if len(matches) != 1:
        found = "no unit begins" if not matches else f"{', '.join(matches)} all begin"
        raise CourseError(f"{found} with {name!r}; the units are {', '.join(UNITS)}")
    return matches[0]


@dataclass(frozen=True)
class Course:
    """The paths of one course folder.

    Args:
        root: the folder that holds `nbgrader_config.py`.
    """

    root: Path

    @classmethod
    def find(cls, start: Path | str | None = None) -> Course:
        """Return the course that contains `start` (default: the current folder), looking upwards.

        Raises:
            CourseError: no folder on the way up holds `nbgrader_config.py`.
        """
        here = Path(start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / "nbgrader_config.py").is_file():
                return cls(folder)
        raise CourseError(
            f"{here} is not inside a course folder (one that holds nbgrader_config.py); cd into it"
        )

    @property
    def sources(self) -> Path:
        """The instructors' folder: percent sources, references, built instructor notebooks."""
        return self.root / "solutions"

    @property
    def notebooks(self) -> Path:
        """The student release, one folder a unit."""
        return self.root / "notebooks"

    @property
    def releases(self) -> Path:
        """What `gencourse release` makes, one folder a unit."""
        return self.root / "releases"

    @property
    def submitted(self) -> Path:
        """Submissions in nbgrader's layout: `submitted/STUDENT/UNIT/NOTEBOOK.ipynb`."""
        return self.root / "submitted"

    @property
    def autograded(self) -> Path:
        """Graded notebooks in nbgrader's layout: `autograded/STUDENT/UNIT/NOTEBOOK.ipynb`."""
        return self.root / "autograded"

    @property
    def feedback(self) -> Path:
        """Feedback pages in nbgrader's layout: `feedback/STUDENT/UNIT/NOTEBOOK.html`."""
        return self.root / "feedback"

    @property
    def reports(self) -> Path:
        """Reports and exports for the instructor."""
        return self.root / "reports"

    @property
    def gradebook(self) -> Path:
        """The SQLite gradebook, in nbgrader's format."""
        return self.root / "gradebook.db"

    @property
    def secret(self) -> Path:
        """The secret seed and the cases made from it; `GENCOURSE_SECRET` moves it elsewhere."""
        return Path(os.environ.get("GENCOURSE_SECRET") or self.root / "secret")

    def source(self, unit: str, part: str) -> Path:
        """Return the text source of a part of a unit: `walkthrough`, `homework` or `exercises`."""
        return self.sources / f"{unit}_{part}.py"

    def built(self, unit: str, part: str) -> Path:
        """Return the instructor's notebook that is built from a source."""
        return self.sources / unit / f"{unit}_{part}.ipynb"

    def released(self, unit: str, part: str) -> Path:
        """Return the student's notebook."""
        return self.notebooks / unit / f"{unit}_{part}.ipynb"
