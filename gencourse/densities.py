"""Log-densities in nats, one number per row, and the two discrete samplers.

Each function takes the values first and the parameters after them, broadcasts the two, and sums
over the event: all axes but the first, or the last `event_dims` axes where that is given. With one
axis more than usual (one row per mixture component, say) ``event_dims=1`` keeps the others apart.
Nothing here looks at the values, so that the functions stay usable under `torch.func` and never
wait for a GPU.

Shapes: B batch, ... event axes, D features, K categories or components.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def _sum_event(terms: Tensor, event_dims: int | None) -> Tensor:
    """Sum over the last `event_dims` axes, or over all but the first: (B, ...) -> (B,)."""
    num_axes = max(terms.ndim - 1, 0) if event_dims is None else event_dims
    return terms.sum(tuple(range(terms.ndim - num_axes, terms.ndim))) if num_axes else terms


def log_bernoulli(x: Tensor, logits: Tensor, *, event_dims: int | None = None) -> Tensor:
    """Return log p(x) of independent Bernoulli variables in nats, (B, ...) -> (B,).

    Args:
        x: 0 or 1, of any dtype. A value between gives the cross-entropy, which is no density.
        logits: log p(x=1) / p(x=0), as large as they come; infinite ones are certain.
        event_dims: how many last axes to sum; all but the first when None.
    """
    x = x.to(logits.dtype)
    # each logarithm from its own side, so that log(1 - 1e-20) is not rounded to 0; a term that the
    # value excludes is left away rather than multiplied by 0, which would turn -inf into NaN
    log_one = torch.where(x == 0, 0.0, x * F.logsigmoid(logits))
    log_zero = torch.where(x == 1, 0.0, (1 - x) * F.logsigmoid(-logits))
    return _sum_event(log_one + log_zero, event_dims)


def log_categorical(x: Tensor, logits: Tensor, *, event_dims: int | None = None) -> Tensor:
    """Return log p(x) of independent categorical variables in nats, (B, ...) -> (B,).

    Args:
        x: categories 0..K-1, integers.
        logits: (B, ..., K), unnormalised log-probabilities; -inf is an impossible category.
        event_dims: how many last axes of `x` to sum; all but the first when None.
    """
    log_p = logits.log_softmax(-1)
    shape = torch.broadcast_shapes(x.shape, log_p.shape[:-1])
    index = x.long().expand(shape)[..., None]
    log_p = log_p.expand(*shape, log_p.shape[-1]).gather(-1, index)[..., 0]
    return _sum_event(log_p, event_dims)


def log_normal(
    x: Tensor, mean: Tensor | float, sd: Tensor | float, *, event_dims: int | None = None
) -> Tensor:
    """Return log N(x; mean, sd) of independent normal variables in nats, (B, ...) -> (B,).

    Args:
        x: any real values.
        mean: the mean.
        sd: the standard deviation (never the variance), positive.
        event_dims: how many last axes to sum; all but the first when None.
    """
    log_sd = sd.log() if isinstance(sd, Tensor) else math.log(sd)
    terms = -0.5 * ((x - mean) / sd) ** 2 - log_sd - 0.5 * math.log(2 * math.pi)
    return _sum_event(terms, event_dims)


def log_multivariate_normal(x: Tensor, mean: Tensor, scale_tril: Tensor) -> Tensor:
    """Return log N(x; mean, L Lᵀ) in nats, (B, D) -> (B,), or for K normals at once -> (B, K).

    Args:
        x: (B, D).
        mean: (D,) or (K, D).
        scale_tril: L, the lower Cholesky factor of the covariance, (D, D) or (K, D, D).
    """
    difference = x - mean[..., None, :]  # (K, B, D)
    white = torch.linalg.solve_triangular(scale_tril, difference.mT, upper=False)  # (K, D, B)
    log_determinant = 2 * scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    constant = log_determinant + x.shape[-1] * math.log(2 * math.pi)
    return -0.5 * (white.square().sum(-2) + constant[..., None]).movedim(-1, 0)


def log_uniform(
    x: Tensor, low: Tensor | float, high: Tensor | float, *, event_dims: int | None = None
) -> Tensor:
    """Return log U(x; low, high) in nats, -inf outside [low, high], (B, ...) -> (B,)."""
    width = torch.as_tensor(high - low, dtype=x.dtype, device=x.device)
    inside = (x >= low) & (x <= high)
    return _sum_event(torch.where(inside, -width.log(), -math.inf), event_dims)


def log_mixture(log_components: Tensor, weights_logits: Tensor) -> Tensor:
    """Return log sum_k w_k p_k(x) in nats, (..., K) -> (...).

    Args:
        log_components: log p_k(x), (..., K).
        weights_logits: unnormalised log-weights, (..., K).
    """
    return (log_components + weights_logits.log_softmax(-1)).logsumexp(-1)


@torch.no_grad()
def sample_bernoulli(logits: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Draw 0 or 1 for each logit, in the dtype of `logits`, same shape."""
    uniform = torch.rand(
        logits.shape, generator=generator, dtype=logits.dtype, device=logits.device
    )
    return (uniform < logits.sigmoid()).to(logits.dtype)


@torch.no_grad()
def sample_categorical(logits: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Draw a category 0..K-1 for each row of logits, (..., K) -> (...) of int64.

    The largest of logits + Gumbel noise is an exact sample (Gumbel 1954), and -log of an
    exponential variable is Gumbel noise.
    """
    noise = torch.empty_like(logits).exponential_(generator=generator)
    return (logits - noise.log()).argmax(-1)


def kl_gaussian(
    mean: Tensor,
    sd: Tensor,
    other_mean: Tensor | float = 0.0,
    other_sd: Tensor | float = 1.0,
    *,
    event_dims: int | None = None,
) -> Tensor:
    """Return KL(N(mean, sd) ‖ N(other_mean, other_sd)) of independent normals in nats, -> (B,).

    One variable gives log(s₂/s₁) + (s₁² + (m₁ - m₂)²) / 2s₂² - 1/2. The order matters: the
    expectation is taken under the first of the two.

    Args:
        mean: of the first normal, (B, ...).
        sd: standard deviation of the first (never the variance), positive.
        other_mean: of the second normal.
        other_sd: standard deviation of the second, positive.
        event_dims: how many last axes to sum; all but the first when None, none of them when 0.

    Raises:
        ValueError: shapes that do not match: only missing leading axes or axes of size 1 before
            the first larger one are filled in.
    """
    _check_shapes({"mean": mean, "sd": sd, "other_mean": other_mean, "other_sd": other_sd})
    log_sd, log_other_sd = (
        s.log() if isinstance(s, Tensor) else math.log(s) for s in (sd, other_sd)
    )
    squares = (sd**2 + (mean - other_mean) ** 2) / (2 * other_sd**2)
    return _sum_event(log_other_sd - log_sd + squares - 0.5, event_dims)


def kl_discrete(logits: Tensor, other_logits: Tensor, *, event_dims: int | None = None) -> Tensor:
    """Return KL(q ‖ p) of independent categorical variables in nats, (B, ..., K) -> (B,).

    Infinite where p excludes a category that q does not; a category that q excludes counts 0.

    Args:
        logits: of q, (B, ..., K), unnormalised log-probabilities; for probabilities `q.log()`.
        other_logits: of p, likewise.
        event_dims: how many last axes before K to sum; all but the first when None.

    Raises:
        ValueError: shapes that do not match; see `kl_gaussian`.
    """
    _check_shapes({"logits": logits, "other_logits": other_logits})
    if logits.shape[-1:] != other_logits.shape[-1:]:
        raise ValueError(
            f"logits has {tuple(logits.shape)[-1:]} categories and other_logits "
            f"{tuple(other_logits.shape)[-1:]}, expected as many"
        )
    log_q, log_p = logits.log_softmax(-1), other_logits.log_softmax(-1)
    possible = log_q > -math.inf
    # the difference is masked before it is multiplied: 0 * inf is NaN, also in the gradient
    ratio = torch.where(possible, log_q, 0.0) - torch.where(possible, log_p, 0.0)
    return _sum_event((log_q.exp() * ratio).sum(-1), event_dims)


def _check_shapes(tensors: dict[str, Tensor | float]) -> None:
    """Refuse shapes that would broadcast to something nobody meant, such as (B,) and (B, 1)."""
    shapes = {name: tuple(t.shape) for name, t in tensors.items() if isinstance(t, Tensor)}
    longest = max(shapes.values(), key=lambda shape: (len(shape), math.prod(shape)))
    for name, shape in shapes.items():
        core = shape
        while core and core[0] == 1:
            core = core[1:]
        if core and longest[len(longest) - len(core) :] != core:
            listed = ", ".join(f"{key} {value}" for key, value in shapes.items())
            raise ValueError(
                f"{name} has shape {shape}, expected that of the others or its last axes: {listed}"
            )
