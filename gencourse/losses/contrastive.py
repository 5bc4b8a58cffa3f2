"""Losses that compare: what belongs together is to be close, everything else far apart.

Cross-entropy here takes scores before any softmax. A softmax too many (as in many a slide, which
writes cross_entropy(softmax(scores))) still trains, but with N negatives the loss then never falls
below log(1 + N / e): 0.3133 nats at N = 1, 4.552 at N = 255.

Shapes: B batch, D the embedding, M negatives, P positives.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def info_nce(
    queries: Tensor,
    keys: Tensor,
    *,
    negatives: Tensor | None = None,
    temperature: float = 0.1,
    normalise: bool = True,
) -> Tensor:
    """Return InfoNCE in nats, (B, D) and (B, D) -> () (van den Oord, Li & Vinyals, 2018).

    Row i of the keys is the positive of query i. The loss is that of picking it out of itself and
    the negatives; log(candidates) minus the loss is, in expectation, at most the mutual
    information of query and key, and never more than log(candidates).

    Args:
        queries: one embedding a row.
        keys: the positive of each.
        negatives: of all queries (M, D), or of each (B, M, D); the other rows' keys when None.
        temperature: τ, by which scores are divided.
        normalise: whether embeddings are brought to length 1, so that scores are cosines;
            otherwise scores are inner products.

    Raises:
        ValueError: shapes that do not fit, one row whose negatives are to come from the batch, or
            a temperature that is not positive.
    """
    _check_rows(queries=queries, keys=keys)
    _check_temperature(temperature)
    if normalise:
        queries, keys = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    if negatives is None:
        _check_negatives(len(queries))
        target = torch.arange(len(queries), device=queries.device)
        return F.cross_entropy(queries @ keys.T / temperature, target)
    b, d = queries.shape
    if negatives.shape[-1] != d or negatives.ndim not in (2, 3) or not negatives.numel() or (
        negatives.ndim == 3 and len(negatives) != b
    ):  # fmt: skip
        raise ValueError(
            f"negatives have shape {tuple(negatives.shape)}, expected (M, {d}) or ({b}, M, {d})"
        )
    if normalise:
        negatives = F.normalize(negatives, dim=-1)
    equation = "bd,md->bm" if negatives.ndim == 2 else "bd,bmd->bm"
    against = torch.einsum(equation, queries, negatives)
    scores = torch.cat([(queries * keys).sum(1, keepdim=True), against], 1) / temperature
    return F.cross_entropy(scores, scores.new_zeros(b, dtype=torch.long))


def nt_xent(a: Tensor, b: Tensor, *, temperature: float = 0.5, normalise: bool = True) -> Tensor:
    """Return SimCLR's loss of two views, (B, D) and (B, D) -> () (Chen et al., ICML 2020).

    InfoNCE with all 2B views as queries. The candidates of a view are the other 2B - 1: itself is
    left out, which is log(2B - 1) where all embeddings are equal (5.5413 at B = 128).

    Args:
        a: one view of each image.
        b: the other view, in the same order.
        temperature: τ, by which scores are divided.
        normalise: whether embeddings are brought to length 1.

    Raises:
        ValueError: shapes that differ, one row only, or a temperature that is not positive.
    """
    _check_rows(a=a, b=b)
    _check_temperature(temperature)
    _check_negatives(len(a))
    views = torch.cat([a, b])
    views = F.normalize(views, dim=1) if normalise else views
    scores = (views @ (views / temperature).T).fill_diagonal_(-torch.inf)  # (2B, 2B)
    return F.cross_entropy(scores, torch.arange(len(views), device=a.device).roll(len(a)))


def triplet_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, margin: float = 0.2
) -> Tensor:
    """Return the mean of max(0, ‖a - p‖² - ‖a - n‖² + margin), three times (B, D) -> ().

    Schroff, Kalenichenko & Philbin, "FaceNet", CVPR 2015, equation 2; there embeddings have
    length 1. By the anchor its gradient is 2 (n - p) / B where the triplet is within the margin.

    Raises:
        ValueError: shapes that differ, no rows, or a negative margin.
    """
    _check_rows(anchor=anchor, positive=positive, negative=negative)
    _check_margin(margin)
    near, far = ((anchor - other).square().sum(1) for other in (positive, negative))
    return (near - far + margin).clamp(min=0).mean()


def contrastive_loss(a: Tensor, b: Tensor, same: Tensor, *, margin: float = 1.0) -> Tensor:
    """Return the mean of d² / 2 for a pair, of max(0, margin - d)² / 2 for strangers, -> ().

    d = ‖a - b‖: Hadsell, Chopra & LeCun, CVPR 2006, equation 4, where Y = 0 means the same.

    Args:
        a: (B, D).
        b: (B, D).
        same: whether a row is a pair, (B,) of bool.
        margin: the distance from which on strangers cost nothing.

    Raises:
        ValueError: shapes that do not fit, no rows, `same` not of bool, or a negative margin.
    """
    _check_rows(a=a, b=b)
    _check_margin(margin)
    if same.shape != a.shape[:1] or same.dtype != torch.bool:
        raise ValueError(
            f"same has shape {tuple(same.shape)} of {same.dtype}, expected ({len(a)},) of bool"
        )
    squared = (a - b).square().sum(1)
    # where d = 0 its slope has no value; a pair never needs it, and strangers get slope 0
    d = torch.where(squared > 0, squared, 1).sqrt() * (squared > 0)
    return torch.where(same, squared, (margin - d).clamp(min=0).square()).mean() / 2


def mil_nce(positives: Tensor, negatives: Tensor) -> Tensor:
    """Return MIL-NCE in nats, scores (B, P) and (B, M) -> () (Miech et al., CVPR 2020).

    Of P candidates at least one belongs to the query and nobody says which: probabilities are
    added before the logarithm is taken, -log(Σ_p e^p / (Σ_p e^p + Σ_n e^n)), so that one good
    candidate is enough. With one candidate it is InfoNCE. Scores (0, 4) against 0 give 0.0178; the
    mean of the candidates' own losses would be 0.3556.

    Args:
        positives: scores of each query with its candidates; -inf for a place that holds none.
        negatives: scores of each query with what does not belong to it.

    Raises:
        ValueError: no scores, other shapes, or a query without a candidate.
    """
    if positives.ndim != 2 or negatives.ndim != 2 or len(positives) != len(negatives) or (
        0 in (*positives.shape, *negatives.shape)
    ):  # fmt: skip
        raise ValueError(
            f"positives have shape {tuple(positives.shape)} and negatives "
            f"{tuple(negatives.shape)}, expected (B, P) and (B, M), at least 1 each"
        )
    if (without := (positives == -torch.inf).all(1)).any():
        raise ValueError(f"query {int(without.nonzero()[0])} has no candidate, expected one")
    return (torch.cat([positives, negatives], 1).logsumexp(1) - positives.logsumexp(1)).mean()


def _check_rows(**embeddings: Tensor) -> None:
    shapes = {name: tuple(rows.shape) for name, rows in embeddings.items()}
    first = next(iter(embeddings.values()))
    if first.ndim != 2 or not first.numel() or len(set(shapes.values())) > 1:
        raise ValueError(f"shapes are {shapes}, expected the same (B, D) with at least 1 row")


def _check_negatives(rows: int) -> None:
    if rows < 2:
        raise ValueError(
            f"the batch has {rows} row, expected at least 2: the other rows are the negatives"
        )


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, expected more than 0")


def _check_margin(margin: float) -> None:
    if not margin >= 0:
        raise ValueError(f"margin is {margin}, expected at least 0")
