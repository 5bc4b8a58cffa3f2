"""Pretext tasks as quizzes: the reader answers what a network is asked, and is told.

Shapes: N pictures shown, K answers to choose from, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from gencourse import plots
from gencourse.plots import Picture
from gencourse.widgets.explorer import Explorer, menu

ASK, SHOW = "?", "show"
LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class Question:
    """One question of a quiz.

    Args:
        task: its name in the menu.
        asks: the question in words.
        shown: what is given, pictures (N, C, H, W) or words.
        answers: what to choose from, pictures (K, C, H, W) or K texts.
        right: the number of the right answer.
        columns: pictures shown in a row, at most 8 by default.

    Raises:
        ValueError: fewer than 2 or more than 8 answers, or a right one that is none of them.
    """

    task: str
    asks: str
    shown: Tensor | str
    answers: Tensor | Sequence[str]
    right: int
    columns: int | None = None

    def __post_init__(self) -> None:
        number = len(self.answers)
        if not 2 <= number <= len(LETTERS) or not 0 <= self.right < number:
            raise ValueError(
                f"{self.task!r} has {number} answers and right is {self.right}, "
                f"expected 2 to {len(LETTERS)} answers and one of their numbers"
            )

    @property
    def letters(self) -> str:
        """Return the letters of the answers."""
        return LETTERS[: len(self.answers)]


def quiz_explorer(questions: Sequence[Question]) -> Explorer:
    """Ask the questions one by one; an answer is judged, and the right one is marked.

    The first picture shows the first question with its answer, for pages without a kernel. As
    soon as another task is chosen, the answer is hidden.

    Raises:
        ValueError: no questions, or two of one name.
    """
    by_task = {q.task: q for q in questions}
    if not by_task or len(by_task) < len(questions):
        raise ValueError(
            f"questions are {[q.task for q in questions]}, expected at least 1, each with a name "
            "of its own"
        )

    def draw(task: str, answer: str) -> Picture:
        return _picture(by_task[task], answer)

    first = questions[0]
    answers = ipywidgets.ToggleButtons(
        options=[ASK, *first.letters, SHOW],
        value=SHOW,
        description="answer",
        style={"button_width": "3.5em"},
    )
    explorer = Explorer(draw, {"task": menu("task", by_task), "answer": answers})

    def ask(change: dict) -> None:
        answers.options = [ASK, *by_task[change["new"]].letters, SHOW]
        answers.value = ASK

    explorer.controls["task"].observe(ask, names="value")
    return explorer


def _picture(question: Question, answer: str) -> Picture:
    known = answer == SHOW or answer in question.letters
    right = question.letters[question.right]
    said = f"Task {question.task}: {question.asks}"
    if answer == SHOW:
        verdict = f"the answer is {right}"
    elif known:
        verdict = f"{answer} is right" if answer == right else f"not {answer}, but {right}"
    else:
        verdict = "choose an answer"
    words = not isinstance(question.answers, Tensor)
    fig, ax = plots.figure(1, 2, size=(9.6, 2.5), width_ratios=(1, 1))
    _show(ax[0], question)
    ax[0].set_title(f"{question.task}: {question.asks}", fontsize=plots.SMALL + 1, loc="left")
    (_list if words else _tile)(ax[1], question, question.right if known else None)
    ax[1].set_title(verdict, fontsize=plots.SMALL + 1, loc="left")
    return plots.picture(fig, f"{said} {len(question.answers)} answers; {verdict}.")


def _show(ax: Axes, question: Question) -> None:
    shown = question.shown
    if isinstance(shown, Tensor):
        plots.colour_grid(ax, shown, columns=question.columns or min(len(shown), 8))
    else:
        ax.axis("off")
        ax.text(0.02, 0.5, shown, transform=ax.transAxes, fontsize=plots.SMALL + 3, va="center")


def _tile(ax: Axes, question: Question, marked: int | None) -> None:
    """Draw the answers side by side, each above its letter, with a frame around the marked one."""
    number, _, height, width = question.answers.shape
    plots.colour_grid(ax, question.answers, columns=number)
    for k, letter in enumerate(question.letters):
        left = k * (width + 1)
        weight = "bold" if k == marked else "normal"
        ax.text(
            left + width / 2, height + 1.2 + height / 30, letter, ha="center", va="top",
            fontsize=plots.SMALL + 2, weight=weight,
        )  # fmt: skip
        if k == marked:
            box = Rectangle((left, 0), width + 1, height + 1, fill=False, lw=3, clip_on=False)
            box.set_edgecolor(plots.VERMILLION)
            ax.add_patch(box)


def _list(ax: Axes, question: Question, marked: int | None) -> None:
    """Write the answers one below the other, the marked one bold with an arrow."""
    ax.axis("off")
    lines = len(question.answers)
    for k, (letter, text) in enumerate(zip(question.letters, question.answers, strict=True)):
        arrow, weight = ("→", "bold") if k == marked else ("  ", "normal")
        ax.text(
            0.04, 1 - (k + 0.5) / lines, f"{arrow} {letter}   {text}", weight=weight,
            transform=ax.transAxes, fontsize=plots.SMALL + 1, va="center",
        )  # fmt: skip
