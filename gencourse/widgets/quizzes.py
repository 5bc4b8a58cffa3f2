"""Pretext tasks as quizzes: the reader answers what a network is asked, and is told.

Shapes: N pictures shown, K answers to choose from, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets
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
    if answer == SHOW:
        verdict = f"the answer is {right}"
    elif known:
        verdict = f"{answer} is right" if answer == right else f"not {answer}, but {right}"
    else:
        verdict = "choose an answer"
    fig, ax = plots.figure(1, 2, size=(9.6, 2.8))
    fig.suptitle(f"{question.task}: {question.asks}", fontsize=plots.SMALL + 2, x=0.01, ha="left")
    if isinstance(question.shown, Tensor):
        columns = question.columns or min(len(question.shown), 8)
        plots.colour_grid(ax[0], question.shown, columns=columns)
    else:
        plots.text_answers(ax[0], [question.shown], [""])
    draw = plots.picture_answers if isinstance(question.answers, Tensor) else plots.text_answers
    draw(ax[1], question.answers, question.letters, marked=question.right if known else None)
    ax[1].set_title(verdict, fontsize=plots.SMALL + 1, loc="left", weight="bold")
    number = len(question.answers)
    said = f"Task {question.task}: {question.asks} {number} answers; {verdict}."
    return plots.picture(fig, said)
