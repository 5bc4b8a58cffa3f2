"""Newton's method for many logistic regressions at once (iteratively reweighted least squares).

The negative log-likelihood is convex, and its Hessian is a weighted x xᵀ summed over the rows,
with weights diag(p) - p pᵀ. A leading axis S of separate problems turns every product into a
batched one, so that a thousand small fits cost little more than one large one (McCullagh & Nelder,
1989, section 2.5).

Shapes: S problems, M rows each, P columns (the first is all ones), C = K - 1 classes without the
reference.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_ADVICE = "give l2 > 0, or remove what separates them"


def fit_logistic(
    x: Tensor,
    targets: Tensor,
    *,
    l2: float = 0.0,
    max_iterations: int = 100,
    tolerance: float = 1e-8,
) -> Tensor:
    """Minimise -sum log p(y | x) + l2/2 |w|² for each problem, the first column unpenalised.

    Args:
        x: (S, M, P), float64, first column 1.
        targets: (S, M, C), one-hot labels without the reference class's column.
        l2: strength of the penalty. Without one, collinear columns leave the weights undetermined
            and the shortest solution is returned (in units of each column's curvature).
        max_iterations: Newton steps before it gives up.
        tolerance: stops when no logit of a training row moves by more.

    Returns:
        Weights (S, C, P).

    Raises:
        ValueError: the classes are separable and nothing holds the weights back, or no
        convergence.
    """
    num_problems, num_rows, num_columns = x.shape
    num_classes = targets.shape[-1]
    penalty = x.new_full((num_columns,), l2)
    penalty[0] = 0.0
    w = x.new_zeros(num_problems, num_classes, num_columns)
    logits = x.new_zeros(num_problems, num_rows, num_classes)
    for _ in range(max_iterations):
        p = F.pad(logits, (1, 0)).softmax(-1)[..., 1:]  # (S, M, C): the reference has logit 0
        gradient = (p - targets).mT @ x + penalty * w
        step = -_solve(_hessian(x, p, penalty), gradient, pseudo_inverse=l2 == 0)
        direction = x @ step.mT
        if l2 == 0:
            _refuse_separable(direction, targets)
        size = _step_size(w, step, logits, direction, targets, penalty, gradient)
        w, logits = w + size * step, logits + size * direction
        if (size * direction).abs().amax() <= tolerance:
            return w
    raise ValueError(
        f"max_iterations is {max_iterations}, expected more: weights still move ({_ADVICE})"
    )


def _step_size(
    w: Tensor,
    step: Tensor,
    logits: Tensor,
    direction: Tensor,
    targets: Tensor,
    penalty: Tensor,
    gradient: Tensor,
) -> Tensor:
    """Return 1, or what of it does not overshoot, by halving (Armijo, 1966), (S, 1, 1)."""
    loss = _loss(logits, w, targets, penalty)
    slope = 1e-4 * (gradient * step).sum((-2, -1))
    rounding = 1e-12 * loss
    size = w.new_ones(len(w), 1, 1)
    for _ in range(40):
        new_loss = _loss(logits + size * direction, w + size * step, targets, penalty)
        overshoots = new_loss > loss + size[:, 0, 0] * slope + rounding
        if not overshoots.any():
            break
        size = torch.where(overshoots[:, None, None], size / 2, size)
    return size


def _loss(logits: Tensor, w: Tensor, targets: Tensor, penalty: Tensor) -> Tensor:
    """Return each problem's penalised negative log-likelihood in nats, (S,)."""
    nll = F.pad(logits, (1, 0)).logsumexp(-1) - (targets * logits).sum(-1)
    return nll.sum(-1) + 0.5 * (penalty * w.square()).sum((-2, -1))


def _hessian(x: Tensor, p: Tensor, penalty: Tensor) -> Tensor:
    """Return each problem's Hessian, (S, C P, C P), at the probabilities (S, M, C)."""
    num_problems, _, num_columns = x.shape
    num_classes = p.shape[-1]
    curvature = -p[..., :, None] * p[..., None, :]  # (S, M, C, C)
    curvature.diagonal(dim1=-2, dim2=-1).copy_(p * (1 - p))
    weighted = curvature[..., None] * x[:, :, None, None, :]  # (S, M, C, C, P)
    blocks = x.mT @ weighted.flatten(2)  # (S, P, C C P)
    blocks = blocks.view(num_problems, num_columns, num_classes, num_classes, num_columns)
    size = num_classes * num_columns
    hessian = blocks.permute(0, 2, 1, 3, 4).reshape(num_problems, size, size)
    return hessian + torch.diag(penalty.repeat(num_classes))


def _solve(hessian: Tensor, gradient: Tensor, *, pseudo_inverse: bool) -> Tensor:
    """Return H^-1 g for each problem, (S, C, P), after scaling H to a unit diagonal."""
    scale = hessian.diagonal(dim1=-2, dim2=-1).sqrt()
    scale = torch.where(scale > 0, scale, 1.0)
    scaled = hessian / (scale[:, :, None] * scale[:, None, :])
    right = (gradient.flatten(1) / scale)[..., None]
    if pseudo_inverse:
        solution = torch.linalg.pinv(scaled, hermitian=True) @ right
    else:
        solution = torch.linalg.solve(scaled, right)
    return (solution[..., 0] / scale).view_as(gradient)


def _refuse_separable(direction: Tensor, targets: Tensor) -> None:
    """Raise if moving the logits this way makes some labels likelier and none less likely.

    Then the likelihood grows for ever along the direction, and there is no maximum (Albert &
    Anderson, Biometrika 1984).
    """
    logits = F.pad(direction, (1, 0))
    label = torch.cat([1 - targets.sum(-1, keepdim=True), targets], -1)
    margin = (logits * label).sum(-1, keepdim=True) - logits  # (S, M, K), 0 at the label itself
    largest, smallest = margin.amax((-2, -1)), margin.amin((-2, -1))
    separable = (largest > 1e-3) & (smallest >= -1e-6 * largest)
    if separable.any():
        raise ValueError(
            "x separates the classes of y perfectly (or all but ties): the likelihood grows with "
            f"the weights for ever and has no maximum; {_ADVICE}"
        )
