"""Completing an event of which a part is given: exactly where possible, else by importance.

An autoregressive model draws a variable given those before it, never given those after it. When
the given variables come first, drawing the rest is an exact conditional sample. When one comes
late, holding it at its value ("clamping") ignores what it says about the variables before it; the
importance weight, its probability given those, puts that right.

Shapes: n samples, S proposals, ... the axes of one event, D variables.
"""

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

Condition = tuple[Tensor, Tensor]


def given_values(
    condition: Condition | None, n: int, event_shape: tuple[int, ...], like: Tensor
) -> Condition:
    """Check a `condition`, and return its values, elsewhere 0, and what is given.

    Args:
        condition: the values of one event (*event_shape), or of one for each sample
            (n, *event_shape), and a mask that broadcasts to (*event_shape) and is true where they
            are given. None when nothing is.
        n: number of samples.
        event_shape: the axes of an event.
        like: gives the dtype and the device.

    Returns:
        Values (n, *event_shape), and a bool (*event_shape).

    Raises:
        ValueError: no pair, or values or a mask of another shape.
    """
    if condition is None:
        return like.new_zeros(n, *event_shape), like.new_zeros(event_shape, dtype=torch.bool)
    if not (isinstance(condition, tuple | list) and len(condition) == 2):
        raise ValueError(
            f"condition is a {type(condition).__name__}, expected a pair (values, given)"
        )
    values = torch.as_tensor(condition[0], device=like.device).to(like.dtype)
    given = torch.as_tensor(condition[1], device=like.device).bool()
    if values.shape not in (event_shape, (n, *event_shape)):
        raise ValueError(
            f"condition's values have shape {tuple(values.shape)}, "
            f"expected {event_shape} or {(n, *event_shape)}"
        )
    if given.ndim > len(event_shape) or any(
        size not in (1, full)
        for size, full in zip(given.shape[::-1], event_shape[::-1], strict=False)
    ):
        raise ValueError(
            f"condition's mask has shape {tuple(given.shape)}, expected {event_shape}"
        )
    given = given.expand(event_shape)
    return values.where(given, 0.0).expand(n, *event_shape), given


def check_given_come_first(given: Tensor, order: Tensor) -> None:
    """Check that the given variables are the first of the ordering.

    Args:
        given: bool (D,).
        order: (D,), the variables in the order in which they are drawn.

    Raises:
        ValueError: a variable is given after one that is not.
    """
    in_order = given[order]
    num_given = int(in_order.sum())
    if not in_order[:num_given].all():
        missing = int(order[(~in_order).nonzero()[0]])
        late = int(order[in_order.nonzero()[-1]])
        raise ValueError(
            f"condition gives variable {late} but not variable {missing}, which comes before it; "
            "expected the first variables in the order of the model, because only these can be "
            "conditioned on exactly. complete_by_importance approximates the others"
        )


class Proposer(Protocol):
    """A model that can draw around given values and say what that leaves out."""

    event_shape: tuple[int, ...]

    def propose(
        self, n: int, condition: Condition, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw with the given values held, -> (n, *event_shape), and log-weights (n,) in nats."""


class ImportanceCompletion(NamedTuple):
    """An approximate conditional sample.

    Attributes:
        samples: (n, *event_shape), drawn with replacement from the weighted proposals.
        log_evidence: the estimate of log p(given values) in nats.
        effective_sample_size: (Σ w)² / Σ w², from 1 to the number of proposals: about how many
            exact samples the proposals are worth. When it is small, trust nothing.
    """

    samples: Tensor
    log_evidence: float
    effective_sample_size: float


@torch.no_grad()
def complete_by_importance(
    model: Proposer,
    n: int,
    condition: Condition,
    *,
    num_proposals: int = 1000,
    generator: torch.Generator | None = None,
) -> ImportanceCompletion:
    """Complete one event whatever is given, by sampling-importance-resampling (Rubin, 1987).

    The proposals are drawn in order with the given values held; their weights are the
    probabilities of the given values, each given the values before it. Exact only in the limit of
    many proposals.

    Args:
        model: one with `propose`, such as NADE.
        n: number of samples.
        condition: the values (*event_shape) and a mask, as for the model's `sample`.
        num_proposals: S.
        generator: source of randomness.

    Raises:
        ValueError: `condition` has another shape, or no proposal has a positive weight.
    """
    values, _ = given_values(condition, 1, model.event_shape, torch.empty(0))  # one event only
    if len(values) != 1 or num_proposals < 1:
        raise ValueError(f"num_proposals is {num_proposals}, expected at least 1")
    proposals, log_weights = model.propose(num_proposals, condition, generator=generator)
    log_evidence = float(log_weights.logsumexp(0)) - math.log(num_proposals)
    if log_evidence == -math.inf:
        raise ValueError(
            f"condition has probability 0 in all {num_proposals} proposals, "
            "expected possible values"
        )
    weights = log_weights.softmax(0)
    chosen = torch.multinomial(weights, n, replacement=True, generator=generator)
    return ImportanceCompletion(proposals[chosen], log_evidence, float(1 / weights.square().sum()))
