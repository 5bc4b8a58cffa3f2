"""Losses that more than one family uses; a loss that belongs to one model lives in its file."""

from gencourse.losses.adversarial import (
    AdversarialLoss,
    f_gan_loss,
    least_squares_loss,
    minimax_loss,
    non_saturating_loss,
    require_logits,
    wasserstein_loss,
)
from gencourse.losses.likelihood import nll_loss
from gencourse.losses.penalty import gradient_penalty

__all__ = [
    "AdversarialLoss",
    "f_gan_loss",
    "gradient_penalty",
    "least_squares_loss",
    "minimax_loss",
    "nll_loss",
    "non_saturating_loss",
    "require_logits",
    "wasserstein_loss",
]
