"""What classifiers and mixtures are given, checked in the same words: feature rows and labels."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def feature_rows(x: Tensor, num_features: int, like: Tensor, *, finite: bool = False) -> Tensor:
    """Return x in the dtype and on the device of `like`, (B, D).

    Raises:
        ValueError: another shape, or, where `finite`, a value that is NaN or infinite.
    """
    x = torch.as_tensor(x, dtype=like.dtype, device=like.device)
    if x.ndim != 2 or x.shape[1] != num_features:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, {num_features})")
    if finite and not x.isfinite().all():
        row, column = (~x.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"x[{row}, {column}] is {x[row, column].item()}, expected a finite number"
        )
    return x


def one_hot_labels(y: Tensor, num_classes: int, like: Tensor) -> Tensor:
    """Return the labels as rows with a single 1, (B,) -> (B, K), in the dtype of `like` (B, ...).

    Raises:
        ValueError: wrong shape, no row at all, or a label that is not one of 0..K-1.
    """
    y = torch.as_tensor(y, device=like.device)
    if y.shape != (len(like),):
        raise ValueError(
            f"y has shape {tuple(y.shape)}, expected ({len(like)},), a label per row of x"
        )
    if len(y) == 0:
        raise ValueError("x and y are empty, expected at least one row")
    labels = y.long()
    wrong = (labels != y) | (labels < 0) | (labels >= num_classes)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"y[{row}] is {y[row].item()}, expected an integer in 0..{num_classes - 1}"
        )
    return one_hot(labels, num_classes).to(like.dtype)


def class_counts(member: Tensor) -> Tensor:
    """Return how many rows each class has, (B, K) one-hot -> (K,).

    Raises:
        ValueError: a class has none.
    """
    count = member.sum(0)
    if (count == 0).any():
        empty = int((count == 0).nonzero()[0])
        raise ValueError(f"class {empty} has 0 examples, expected at least 1")
    return count
