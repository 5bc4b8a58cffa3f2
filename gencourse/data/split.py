"""Seeded splits into training, validation and test rows."""

from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset, Subset

from gencourse.data.array_data import ArrayData


class Split(NamedTuple):
    """Three parts of one data set that share no row."""

    train: Dataset
    val: Dataset
    test: Dataset


def split(data: Dataset, *, val: float = 0.1, test: float = 0.2, seed: int = 0) -> Split:
    """Divide a data set at random.

    The rows' order depends on `seed` and their number only (NumPy's PCG64): the first part of it
    is the test set, so that changing `val` leaves the test rows alone.

    Args:
        data: a data set with a length.
        val: share of all rows for validation, rounded.
        test: share of all rows for the test, rounded.
        seed: of the order.

    Raises:
        ValueError: shares that are negative or leave no training row.
    """
    n = len(data)
    num_test, num_val = round(test * n), round(val * n)
    if min(num_test, num_val) < 0 or num_test + num_val >= n:
        raise ValueError(f"val is {val} and test is {test} of {n} rows, expected some left over")
    order = np.random.default_rng(seed).permutation(n)
    parts = np.split(order, [num_test, num_test + num_val])
    test_part, val_part, train_part = (_subset(data, part) for part in parts)
    return Split(train_part, val_part, test_part)


def _subset(data: Dataset, rows: np.ndarray) -> Dataset:
    return data.subset(rows) if isinstance(data, ArrayData) else Subset(data, rows.tolist())
