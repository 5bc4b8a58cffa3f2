"""A line on the terminal while a class is graded, with an estimate of the time left."""

from __future__ import annotations

import time

import rich.progress
from rich.console import Console


class Progress:
    """How far a run has come; a context manager.

    Args:
        what: what is graded.
        total: how many submissions there are.
    """

    def __init__(self, what: str, total: int) -> None:
        columns = ("{task.description}", "{task.fields[left]}")
        bar = (rich.progress.BarColumn(), rich.progress.MofNCompleteColumn())
        console = Console(stderr=True)
        self._bar = rich.progress.Progress(
            columns[0], *bar, columns[1], console=console, transient=True
        )
        self._task = self._bar.add_task(f"grading {what}", total=total, left="")
        self._total = total
        self.begin(0)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def begin(self, kept: int) -> None:
        """Start the clock, with so many results that were there already."""
        self._kept, self._done, self._began = kept, kept, time.monotonic()
        self._bar.update(self._task, completed=kept)

    def advance(self) -> None:
        """Count one more."""
        self._done += 1
        seconds = time.monotonic() - self._began
        left = time_left(seconds, self._done - self._kept, self._total - self._done)
        self._bar.update(self._task, completed=self._done, left=left)


def time_left(seconds: float, done: int, left: int) -> str:
    """Return in words how long the rest takes when it goes on as it went so far.

    Args:
        seconds: since the start.
        done: how many were finished in that time.
        left: how many there are to do.
    """
    if not done:
        return ""
    rest = seconds / done * left
    if rest < 100:
        return f"about {max(1, round(rest))} s left"
    return f"about {rest / 60:.0f} min left" if rest < 5400 else f"about {rest / 3600:.1f} h left"
