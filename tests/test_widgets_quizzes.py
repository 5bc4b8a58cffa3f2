import re

import ipywidgets
import pytest
import torch

from gencourse import plots, widgets
from gencourse.widgets import Question


@pytest.fixture(autouse=True)
def coarse_pictures(monkeypatch):
    monkeypatch.setattr(plots.pictures, "DOTS_PER_INCH", 40)


def questions():
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return [
        Question("turn", "by how much?", images[:1], ("0°", "90°", "180°", "270°"), 2),
        Question("hole", "what was there?", images, images[:2], 1),
        Question("word", "what is hidden?", "the ? circle", ("red", "so"), 0),
    ]


def test_the_first_picture_holds_question_and_answer():
    quiz = widgets.quiz_explorer(questions())
    assert quiz.picture.alt == "Task turn: by how much? 4 answers; the answer is C."
    data, metadata = quiz._repr_mimebundle_()
    assert data["text/html"].startswith("<img alt=") and metadata["image/png"]["alt"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_another_task_hides_its_answer_and_offers_its_own_letters():
    quiz = widgets.quiz_explorer(questions())
    answers = quiz.controls["answer"]
    assert isinstance(answers, ipywidgets.ToggleButtons)
    assert list(answers.options) == ["?", "A", "B", "C", "D", "show"]
    quiz.controls["task"].value = "hole"
    assert list(answers.options) == ["?", "A", "B", "show"] and answers.value == "?"
    assert "choose an answer" in quiz.shown and "answer is" not in quiz.shown


@pytest.mark.parametrize("task", ["turn", "hole", "word"])
def test_every_answer_is_judged(task):
    quiz = widgets.quiz_explorer(questions())
    quiz.controls["task"].value = "word" if task == "turn" else "turn"
    quiz.controls["task"].value = task
    (question,) = (q for q in questions() if q.task == task)
    hidden = quiz.picture.png
    for letter in question.letters:
        quiz.controls["answer"].value = letter
        said = re.search(r"; (.*)\.$", quiz.picture.alt)[1]
        if letter == question.letters[question.right]:
            assert said == f"{letter} is right"
        else:
            assert said == f"not {letter}, but {question.letters[question.right]}"
        assert quiz.picture.png != hidden


def test_the_mark_is_at_the_right_answer():
    """The picture changes with the right answer, not only the words above it."""
    images = torch.zeros(4, 1, 8, 8)
    pictures = set()
    for right in range(4):
        fig, ax = plots.figure()
        plots.picture_answers(ax, images, "ABCD", marked=right)
        (box,) = ax.patches
        assert box.get_x() == right * 9
        bold = [text.get_text() for text in ax.texts if text.get_weight() == "bold"]
        assert bold == ["ABCD"[right]]
        pictures.add(plots.picture(fig, "t").png)
    assert len(pictures) == 4


def test_texts_stand_below_each_other_and_one_is_marked():
    _, ax = plots.figure()
    plots.text_answers(ax, ["yes", "no", "both"], "ABC", marked=1)
    assert [t.get_text().split() for t in ax.texts] == [["A", "yes"], ["→", "B", "no"],
                                                       ["C", "both"]]  # fmt: skip
    heights = [t.get_position()[1] for t in ax.texts]
    assert heights == sorted(heights, reverse=True)
    assert [t.get_weight() for t in ax.texts] == ["normal", "bold", "normal"]


def test_bad_questions():
    with pytest.raises(ValueError, match="'t' has 1 answers and right is 0"):
        Question("t", "?", "q", ("a",), 0)
    with pytest.raises(ValueError, match="'t' has 2 answers and right is 2"):
        Question("t", "?", "q", ("a", "b"), 2)
    with pytest.raises(ValueError, match="questions are \\[\\]"):
        widgets.quiz_explorer([])
    with pytest.raises(ValueError, match="each with a name"):
        widgets.quiz_explorer(questions()[:1] * 2)
