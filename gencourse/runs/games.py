"""The training loop of GANs in a run, called as `train.fit` is.

A game's losses do not say when to stop, so that there is no validation loss and no early stop.
"""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from gencourse.train import History, fit_adversarial


@dataclass
class GameHistory(History):
    """The history of a game; `loss` is the generator's.

    Attributes:
        discriminator_loss: before each step of the discriminator, one for each of the generator.
    """

    discriminator_loss: list[float] = field(default_factory=list)


def play(
    model: nn.Module, data: Any, *, loss: None, val: Any, patience: int, **how: Any
) -> GameHistory:
    """Play a game by `train.fit_adversarial`, and return its history.

    Args:
        model: of two players, with a loss for each.
        data: the training rows.
        loss: of no use here, as are the next two.
        val: the validation rows.
        patience: epochs without a better validation loss.
        **how: arguments that both training loops have.
    """
    history = fit_adversarial(model, data, **how)
    return GameHistory(
        loss=history.generator_loss,
        discriminator_loss=history.discriminator_loss,
        stopped=history.stopped,
    )
