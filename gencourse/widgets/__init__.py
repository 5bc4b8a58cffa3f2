"""Pictures with sliders: move something, and see what follows.

Every explorer is a function `draw(**values) -> Picture` with one control for each of its
arguments. The picture for the controls' first values is part of the cell's output, so that a page
without a live kernel shows it too. An error in `draw` is shown in place of the picture and raised
again; nothing is swallowed.
"""

from gencourse.widgets.autoregressive import (
    context_explorer,
    diagonal_explorer,
    dilation_explorer,
    row_explorer,
    temperature_explorer,
)
from gencourse.widgets.explorer import Explorer
from gencourse.widgets.games import (
    discriminator_explorer,
    game_explorer,
    truncation_explorer,
)
from gencourse.widgets.graphical import (
    duplicated_evidence_explorer,
    evidence_explorer,
    logistic_explorer,
    message_explorer,
    mixture_explorer,
)
from gencourse.widgets.latents import (
    factorised_explorer,
    plane_explorer,
    rotation_explorer,
)
from gencourse.widgets.quizzes import Question, quiz_explorer

__all__ = [
    "Explorer",
    "Question",
    "context_explorer",
    "diagonal_explorer",
    "dilation_explorer",
    "discriminator_explorer",
    "duplicated_evidence_explorer",
    "evidence_explorer",
    "factorised_explorer",
    "game_explorer",
    "logistic_explorer",
    "message_explorer",
    "mixture_explorer",
    "plane_explorer",
    "quiz_explorer",
    "rotation_explorer",
    "row_explorer",
    "temperature_explorer",
    "truncation_explorer",
]
