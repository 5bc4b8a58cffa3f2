"""PixelRNN with the Diagonal BiLSTM (van den Oord et al., ICML 2016, section 3.2).

An LSTM runs over the image's diagonals from the upper left: its state at a pixel comes from the
states to the left and above. A second one runs from the upper right; its map is shifted down by
one row, because in its own row it has seen what comes later. Together they see all pixels before
the present one. `skew` turns the diagonals into columns, so that one step serves a whole diagonal.

Two choices that the paper leaves open. Outside of the image the states are 0: the bias is added
before skewing, or it would fill the corners that `skew` adds with states of their own. And the
network runs over one column more than the image has: all features at a pixel exclude the pixel
itself, so that without a place behind its end the last pixel of a row would be hidden from the
beginning of the next row.

Shapes: B batch, C colour channels, H x W pixels, h hidden units. Gates in the order o, f, i, g.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.autoregressive.causal_conv import CausalConv2d
from gencourse.autoregressive.pixel_cache import CachedConv, PixelCache, pointwise
from gencourse.autoregressive.pixel_cnn import PixelHead, cached_head
from gencourse.autoregressive.pixel_model import PixelModel, check_kernel, check_sizes
from gencourse.autoregressive.row_lstm import lstm_cell


def skew(x: Tensor) -> Tensor:
    """Shift row i to the right by i, (..., H, W) -> (..., H, W + H - 1), with zeros around it.

    The diagonals of `x` become columns: entry (i, j) moves to (i, i + j).
    """
    height, width = x.shape[-2:]
    rows = F.pad(x, (0, height)).flatten(-2)  # each row followed by H zeros, in one line
    return rows[..., :-height].unflatten(-1, (height, width + height - 1))


def unskew(x: Tensor) -> Tensor:
    """Undo `skew`, (..., H, W + H - 1) -> (..., H, W)."""
    height, skewed_width = x.shape[-2:]
    rows = F.pad(x.flatten(-2), (0, height)).unflatten(-1, (height, skewed_width + 1))
    return rows[..., : skewed_width + 1 - height]


class DiagonalLSTM(nn.Module):
    """An LSTM along the diagonals, from the upper left corner.

    Args:
        features: of its input.
        num_hidden: h.
        num_colours: colour channels of the image.
    """

    def __init__(self, features: int, num_hidden: int, *, num_colours: int) -> None:
        super().__init__()
        self.input_to_state = CausalConv2d(
            "B", features, num_hidden, 1, num_colours=num_colours, num_gates=4
        )
        # a convolution over two rows of the column before: the same row, and the one above
        self.state_to_state = nn.Linear(2 * num_hidden, 4 * num_hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, features, H, W) -> (B, h, H, W)."""
        columns = skew(self.input_to_state(x)).permute(3, 0, 2, 1).contiguous()
        # (W + H - 1, B, H, 4h)
        h = c = torch.zeros_like(columns[0, ..., : columns.shape[-1] // 4])  # (B, H, h)
        states = []
        for gates in columns:  # left of the image they are 0, which keeps h and c at 0
            above = F.pad(h, (0, 0, 1, -1))
            h, c = lstm_cell(gates + self.state_to_state(torch.cat([h, above], -1)), c)
            states.append(h)
        return unskew(torch.stack(states).permute(1, 3, 2, 0))


class DiagonalLayer(nn.Module):
    """x + up(the LSTM from the left + the one from the right, a row lower), with 2h features.

    Args:
        num_hidden: h.
        num_colours: colour channels of the image.
    """

    def __init__(self, num_hidden: int, *, num_colours: int) -> None:
        super().__init__()
        self.from_left = DiagonalLSTM(2 * num_hidden, num_hidden, num_colours=num_colours)
        self.from_right = DiagonalLSTM(2 * num_hidden, num_hidden, num_colours=num_colours)
        self.up = CausalConv2d("B", num_hidden, 2 * num_hidden, 1, num_colours=num_colours)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 2h, H, W) -> (B, 2h, H, W)."""
        left, right = self.from_left(x), self.from_right(x.flip(3)).flip(3)
        return x + self.up(left + F.pad(right, (0, 0, 1, -1)))


class DiagonalBiLSTM(PixelModel):
    """p(x) over images by LSTMs along both diagonals: each pixel sees all those before it.

    Args:
        event_shape: (C, H, W).
        num_levels: K levels of a pixel value; 2 gives a sigmoid, 256 is 8 bits.
        num_layers: layers of two LSTMs; 7 in the paper's best model of MNIST.
        num_hidden: h; the layers pass on 2h features. 16 in that model.
        first_kernel: of the first convolution, with mask A.

    Raises:
        ValueError: sizes below 1, a kernel that is even or below 3, fewer features than colours.
    """

    def __init__(
        self,
        event_shape: tuple[int, int, int] = (1, 28, 28),
        *,
        num_levels: int = 2,
        num_layers: int = 7,
        num_hidden: int = 16,
        first_kernel: int = 7,
    ) -> None:
        super().__init__(event_shape, num_levels=num_levels)
        check_sizes(num_layers=num_layers, num_hidden=num_hidden)
        check_kernel(first_kernel=first_kernel)
        colours = event_shape[0]
        self.first = CausalConv2d("A", colours, 2 * num_hidden, first_kernel, num_colours=colours)
        self.layers = nn.Sequential(
            *(DiagonalLayer(num_hidden, num_colours=colours) for _ in range(num_layers))
        )
        self.head = PixelHead(2 * num_hidden, colours, self.output.num_logits)

    def features(self, x: Tensor) -> Tensor:
        """Run the network, (B, C, H, W) -> (B, C * num_logits, H, W)."""
        wider = F.pad(x, (0, 1))  # the column behind the end of each row
        return self.head(self.layers(self.first(wider))[..., :-1])

    def cache(self, n: int) -> PixelCache:
        """Return an empty memory for drawing n images."""
        return _DiagonalCache(self, n)


class _CachedLayer:
    """One DiagonalLayer, pixel by pixel from the left, row by row from the right."""

    def __init__(self, layer: DiagonalLayer, n: int, width: int) -> None:
        self.up: Callable[[Tensor], Tensor] = pointwise(layer.up)
        self.inputs = layer.up.weight.new_zeros(width, n, layer.up.out_channels)  # (W, n, 2h)
        self.left = _CachedLSTM(layer.from_left, n, width)
        self.right = _CachedLSTM(layer.from_right, n, width)

    def start_row(self, first: bool) -> None:
        """Run the LSTM from the right over the row that is complete."""
        self.left.start_row()
        if first:
            return
        self.right.start_row()
        gates = self.right.from_above + self.right.from_input(self.inputs)  # (W, n, 4h)
        for column in reversed(range(len(gates))):
            self.right.step(column, column + 1, gates[column])

    def __call__(self, column: int, x: Tensor) -> Tensor:
        self.inputs[column] = x
        gates = self.left.from_above[column] + self.left.from_input(x)
        h = self.left.step(column, column - 1, gates)
        return x + self.up(h + self.right.h[column])


class _CachedLSTM:
    """The states of one DiagonalLSTM in the present row; place W, which is also -1, stays 0."""

    def __init__(self, lstm: DiagonalLSTM, n: int, width: int) -> None:
        self.from_input = lambda x: F.linear(x, weight, conv.bias)
        conv = lstm.input_to_state
        weight = (conv.mask * conv.weight)[:, :, 0, 0]
        beside, above = lstm.state_to_state.weight.chunk(2, 1)  # (4h, h) each
        self.beside, self.above = beside.T.contiguous(), above.T.contiguous()
        self.h = weight.new_zeros(width + 1, n, len(self.above))
        self.c = torch.zeros_like(self.h)

    def start_row(self) -> None:
        self.from_above = self.h[:-1] @ self.above  # (W, n, 4h)

    def step(self, column: int, before: int, gates: Tensor) -> Tensor:
        """Set and return the state at a column, (n, h), from the one beside it."""
        gates = torch.addmm(gates, self.h[before], self.beside)
        self.h[column], self.c[column] = h, _ = lstm_cell(gates, self.c[before])
        return h


class _DiagonalCache(PixelCache):
    def __init__(self, model: DiagonalBiLSTM, n: int) -> None:
        self.width = model.event_shape[2]
        super().__init__(CachedConv(model.first, n, self.width + 1))
        self.layers = [_CachedLayer(layer, n, self.width + 1) for layer in model.layers]
        self.head = cached_head(model.head)
        self.is_first_row = True

    def start_row(self) -> None:
        if not self.is_first_row:
            self._layers(self.width, self.first.row.new_zeros(self.first.row[:, 0].shape))
        super().start_row()
        for layer in self.layers:
            layer.start_row(self.is_first_row)
        self.is_first_row = False

    def step(self, column: int, pixel: Tensor) -> Tensor:
        return self.head(self._layers(column, pixel))

    def _layers(self, column: int, pixel: Tensor) -> Tensor:
        x = self.first(column, pixel)
        for layer in self.layers:
            x = layer(column, x)
        return x
