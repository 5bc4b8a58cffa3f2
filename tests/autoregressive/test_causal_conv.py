"""Masks against tables written by hand, and the step-by-step convolution against the whole one."""

import pytest
import torch

from gencourse.autoregressive.causal_conv import CausalConv2d, causal_mask, colour_groups
from gencourse.autoregressive.pixel_cache import CachedConv, pointwise


@pytest.mark.parametrize("kind, centre", [("A", 0), ("B", 1)])
def test_masks_of_one_colour(kind, centre):
    mask = causal_mask(kind, 2, 3, (3, 5))
    by_hand = torch.tensor([[1, 1, 1, 1, 1], [1, 1, centre, 0, 0], [0, 0, 0, 0, 0]])
    assert torch.equal(mask, by_hand.float().expand(3, 2, 3, 5))


def test_the_centre_compares_colours():
    # features of R, R, G, G, B read the values of R, G, B
    centre = {kind: causal_mask(kind, 3, 5, (3, 3), num_colours=3)[:, :, 1, 1] for kind in "AB"}
    assert centre["A"].tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert centre["B"].tolist() == [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1]]
    elsewhere = causal_mask("A", 3, 5, (3, 3), num_colours=3)
    assert elsewhere[:, :, 0].all() and elsewhere[:, :, 1, 0].all()
    assert not elsewhere[:, :, 1, 2].any() and not elsewhere[:, :, 2].any()


def test_gates_repeat_the_colours():
    mask = causal_mask("B", 3, 3, (1, 1), num_colours=3, num_gates=2)[:, :, 0, 0]
    assert torch.equal(mask, torch.ones(3, 3).tril().repeat(2, 1))


def test_groups_of_features_are_as_even_as_can_be():
    assert colour_groups(6, 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert colour_groups(7, 3).bincount().tolist() == [3, 2, 2]
    with pytest.raises(ValueError, match="2 features, expected at least one for each of 3"):
        colour_groups(2, 3)
    with pytest.raises(ValueError, match="kind is 'C'"):
        causal_mask("C", 1, 1, (3, 3))


@pytest.mark.parametrize("kernel", [1, 3, (1, 5), (5, 3), 7])
@pytest.mark.parametrize("n", [1, 4])
def test_pixel_by_pixel_is_the_whole_convolution(kernel, n):
    torch.manual_seed(0)
    conv = CausalConv2d("B", 2, 3, kernel, num_colours=2).double()
    x = torch.randn(n, 2, 5, 6, dtype=torch.float64)
    cached = CachedConv(conv, n, 6)
    out = torch.empty(n, 3, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        for row in range(5):
            cached.start_row()
            for column in range(6):
                cached(column, torch.full((n, 2), 7.0))  # replaced by the next call
                out[:, :, row, column] = cached(column, x[:, :, row, column])
        torch.testing.assert_close(out, conv(x))
        if kernel == 1:
            torch.testing.assert_close(pointwise(conv)(x[:, :, 0, 0]), out[:, :, 0, 0])
