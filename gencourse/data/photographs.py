"""Two colour photographs that need no download."""

import numpy as np
import torch

from gencourse.data.array_data import ArrayData


def photographs() -> ArrayData:
    """Return scikit-learn's two photographs, a temple in China and a flower.

    x is (2, 3, 427, 640), RGB in multiples of 1/255; y is 0 and 1. Both are under a Creative
    Commons licence with attribution, see scikit-learn's `datasets/images/README.txt`.
    """
    from sklearn.datasets import load_sample_images

    x = torch.from_numpy(np.stack(load_sample_images().images))  # (2, 427, 640, 3), bytes
    x = x.permute(0, 3, 1, 2).contiguous().float() / 255
    y = torch.arange(2)
    return ArrayData(x, y, source="scikit-learn's photographs", class_names=["china", "flower"])
