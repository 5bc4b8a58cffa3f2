"""Logarithms of tables that hold zeros, kept finite so that no infinity turns a gradient into NaN.

log 0 is stored as LOG_ZERO, so low that no product of positive probabilities comes near it, and
yet the sum of many stays finite even in single precision.
"""

import torch
from torch import Tensor

LOG_ZERO = -1e30
_POSSIBLE = -1e20  # far below the logarithm of any product of positive probabilities


def safe_log(values: Tensor) -> Tensor:
    """Return log(values), with LOG_ZERO (and a zero gradient) where a value is 0."""
    zero = values == 0
    return values.masked_fill(zero, 1.0).log().masked_fill(zero, LOG_ZERO)


def is_log_zero(logs: Tensor) -> Tensor:
    """Return True where a log value, or a weighted sum of them, stands for the logarithm of 0."""
    return logs < _POSSIBLE


def restore_infinity(logs: Tensor) -> Tensor:
    """Return the logs with -inf for what stands for log 0, as it is shown to a caller."""
    return logs.masked_fill(is_log_zero(logs), -torch.inf)
