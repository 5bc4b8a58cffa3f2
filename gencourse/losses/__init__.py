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
from gencourse.losses.contrastive import (
    contrastive_loss,
    info_nce,
    mil_nce,
    nt_xent,
    triplet_loss,
)
from gencourse.losses.likelihood import nll_loss
from gencourse.losses.penalty import gradient_penalty, r1_penalty

__all__ = [
    "AdversarialLoss",
    "contrastive_loss",
    "f_gan_loss",
    "gradient_penalty",
    "info_nce",
    "least_squares_loss",
    "mil_nce",
    "minimax_loss",
    "nll_loss",
    "non_saturating_loss",
    "nt_xent",
    "r1_penalty",
    "require_logits",
    "triplet_loss",
    "wasserstein_loss",
]
