"""Handwritten digits that need no download: the offline default for grey images."""

import torch

from gencourse.data.array_data import ArrayData
from gencourse.data.binarise import Protocol


def digits(*, binarise: Protocol | None = None) -> ArrayData:
    """Return all 1797 digits: x (1797, 1, 8, 8) in multiples of 1/16, y 0..9.

    The test part of the UCI data set "Optical recognition of handwritten digits" (Alpaydin &
    Kaynak, 1998), bundled with scikit-learn. It has no official split: see `split`.

    Args:
        binarise: protocol that makes the images binary; grey when None.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = torch.from_numpy(bunch.images).float()[:, None] / 16
    y = torch.from_numpy(bunch.target).long()
    names = [str(name) for name in bunch.target_names]
    source = "scikit-learn's digits"
    return ArrayData(x, y, source=source, class_names=names, binarisation=binarise)
