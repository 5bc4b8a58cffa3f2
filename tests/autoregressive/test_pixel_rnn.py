"""The two LSTMs against loops over single pixels, and skewing."""

import pytest
import torch
from torch import nn

from gencourse.autoregressive.diagonal_bilstm import DiagonalLayer, DiagonalLSTM, skew, unskew
from gencourse.autoregressive.row_lstm import RowLSTMLayer, lstm_cell


@pytest.mark.parametrize("height, width", [(1, 1), (1, 4), (4, 1), (3, 5), (5, 3)])
def test_skew_by_hand_and_back(height, width):
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    skewed = skew(x)
    by_hand = torch.zeros(2, 3, height, width + height - 1)
    for i in range(height):
        by_hand[:, :, i, i : i + width] = x[:, :, i]
    assert torch.equal(skewed, by_hand)
    assert torch.equal(unskew(skewed), x)


def test_the_cell_is_the_one_of_torch():
    theirs = nn.LSTMCell(3, 4).double()
    generator = torch.Generator().manual_seed(0)
    x, h, c = (torch.randn(5, k, generator=generator, dtype=torch.float64) for k in (3, 4, 4))
    gates = x @ theirs.weight_ih.T + h @ theirs.weight_hh.T + theirs.bias_ih + theirs.bias_hh
    i, f, g, o = gates.chunk(4, 1)  # torch's order
    for ours, expected in zip(
        lstm_cell(torch.cat([o, f, i, g], 1), c), theirs(x, (h, c)), strict=True
    ):
        torch.testing.assert_close(ours, expected)


def diagonal_by_pixels(lstm, x):
    """h at (i, j) from h and c to the left and h above, outside of the image 0."""
    hidden = lstm.state_to_state.out_features // 4
    inputs = lstm.input_to_state(x)
    outside = x.new_zeros(len(x), hidden)
    h, c = {}, {}
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            beside, above = h.get((i, j - 1), outside), h.get((i - 1, j), outside)
            gates = inputs[:, :, i, j] + lstm.state_to_state(torch.cat([beside, above], 1))
            o, f, k, g = gates.chunk(4, 1)
            c[i, j] = f.sigmoid() * c.get((i, j - 1), outside) + k.sigmoid() * g.tanh()
            h[i, j] = o.sigmoid() * c[i, j].tanh()
    rows = [torch.stack([h[i, j] for j in range(x.shape[3])], -1) for i in range(x.shape[2])]
    return torch.stack(rows, 2)


def features(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("batch", [1, 3])
def test_diagonal_lstm_is_the_loop_over_pixels(batch):
    torch.manual_seed(0)
    lstm, x = DiagonalLSTM(4, 3, num_colours=1).double(), features(batch, 4, 4, 6)
    torch.testing.assert_close(lstm(x), diagonal_by_pixels(lstm, x))


def test_the_half_from_the_right_is_one_row_lower():
    torch.manual_seed(0)
    layer, x = DiagonalLayer(2, num_colours=1).double(), features(2, 4, 4, 5)
    h = diagonal_by_pixels(layer.from_left, x)
    right = diagonal_by_pixels(layer.from_right, x.flip(3)).flip(3)
    h[:, :, 1:] += right[:, :, :-1]
    torch.testing.assert_close(layer(x), x + layer.up(h))


def test_row_lstm_is_the_loop_over_pixels():
    torch.manual_seed(0)
    layer, x = RowLSTMLayer(3, kernel=3, num_colours=1).double(), features(2, 6, 4, 5)
    inputs, weight = layer.input_to_state(x), layer.state_to_state.weight  # (12, 3, 3)
    h = torch.zeros(2, 3, 5, 7, dtype=torch.float64)  # with a row above and a column beside
    c = torch.zeros_like(h)
    for i in range(4):
        for j in range(5):
            above = h[:, :, i, j : j + 3]
            gates = inputs[:, :, i, j] + torch.einsum("bhk,ohk->bo", above, weight)
            o, f, k, g = gates.chunk(4, 1)
            c[:, :, i + 1, j + 1] = f.sigmoid() * c[:, :, i, j + 1] + k.sigmoid() * g.tanh()
            h[:, :, i + 1, j + 1] = o.sigmoid() * c[:, :, i + 1, j + 1].tanh()
    torch.testing.assert_close(layer(x), x + layer.up(h[:, :, 1:, 1:-1]))
