"""PixelRNN with the Row LSTM (van den Oord, Kalchbrenner & Kavukcuoglu, ICML 2016, section 3.1).

An LSTM runs down the rows of the image, all pixels of a row at once. Its state at a pixel comes
from three states of the row above, so that the context widens by one pixel a row: a triangle
above the pixel, whatever the number of layers. The mask is in the input-to-state convolution.

Shapes: B batch, C colour channels, H x W pixels, h hidden units. Gates in the order o, f, i, g.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gencourse.autoregressive.causal_conv import CausalConv2d
from gencourse.autoregressive.pixel_cache import CachedConv, PixelCache, pointwise
from gencourse.autoregressive.pixel_cnn import PixelHead, cached_head
from gencourse.autoregressive.pixel_model import PixelModel, check_kernel, check_sizes


def lstm_cell(gates: Tensor, c: Tensor, dim: int = -1) -> tuple[Tensor, Tensor]:
    """Return the new h and c of an LSTM from its four gates before the squashing, equation (3).

    Args:
        gates: o, f, i, g one after the other along `dim`, 4h in all.
        c: the cell state before.
        dim: the axis of the units.
    """
    squashed, g = gates.split([gates.shape[dim] // 4 * 3, gates.shape[dim] // 4], dim)
    o, f, i = squashed.sigmoid().chunk(3, dim)
    c = f * c + i * g.tanh()
    return o * c.tanh(), c


class RowLSTMLayer(nn.Module):
    """x + up(LSTM(x)) with 2h features and h units.

    Args:
        num_hidden: h.
        kernel: width of the input-to-state and the state-to-state convolution.
        num_colours: colour channels of the image.
    """

    def __init__(self, num_hidden: int, *, kernel: int, num_colours: int) -> None:
        super().__init__()
        h, colours = num_hidden, {"num_colours": num_colours}
        self.input_to_state = CausalConv2d("B", 2 * h, h, (1, kernel), num_gates=4, **colours)
        self.state_to_state = nn.Conv1d(h, 4 * h, kernel, padding=kernel // 2, bias=False)
        self.up = CausalConv2d("B", h, 2 * h, 1, **colours)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 2h, H, W) -> (B, 2h, H, W)."""
        gates = self.input_to_state(x)  # (B, 4h, H, W)
        h = c = torch.zeros_like(gates[:, : gates.shape[1] // 4, 0])  # (B, h, W)
        rows = []
        for row in gates.unbind(2):
            # the row above is known as a whole: no mask
            h, c = lstm_cell(row + self.state_to_state(h), c, dim=1)
            rows.append(h)
        return x + self.up(torch.stack(rows, 2))


class RowLSTM(PixelModel):
    """p(x) over images by LSTMs that run down the rows, with a triangular context.

    With first_kernel 2p + 1, kernel 2s + 1 (s <= p) and L layers, the pixel in row i, column j
    sees in row i the columns j - p - sL to j - 1; and q rows above, up to the first row, the
    columns j - p - s(q + L) to j + p + s(q - 1).

    Args:
        event_shape: (C, H, W).
        num_levels: K levels of a pixel value; 2 gives a sigmoid, 256 is 8 bits.
        num_layers: LSTMs, each around a residual connection.
        num_hidden: h; the layers pass on 2h features.
        kernel: width of the convolutions of the LSTMs.
        first_kernel: of the first convolution, with mask A.

    Raises:
        ValueError: sizes below 1, kernels that are even or below 3, fewer features than colours.
    """

    def __init__(
        self,
        event_shape: tuple[int, int, int] = (1, 28, 28),
        *,
        num_levels: int = 2,
        num_layers: int = 7,
        num_hidden: int = 16,
        kernel: int = 3,
        first_kernel: int = 7,
    ) -> None:
        super().__init__(event_shape, num_levels=num_levels)
        check_sizes(num_layers=num_layers, num_hidden=num_hidden)
        check_kernel(kernel=kernel, first_kernel=first_kernel)
        colours = event_shape[0]
        self.first = CausalConv2d("A", colours, 2 * num_hidden, first_kernel, num_colours=colours)
        self.layers = nn.Sequential(
            *(
                RowLSTMLayer(num_hidden, kernel=kernel, num_colours=colours)
                for _ in range(num_layers)
            )
        )
        self.head = PixelHead(2 * num_hidden, colours, self.output.num_logits)

    def features(self, x: Tensor) -> Tensor:
        """Run the network, (B, C, H, W) -> (B, C * num_logits, H, W)."""
        return self.head(self.layers(self.first(x)))

    def cache(self, n: int) -> PixelCache:
        """Return an empty memory for drawing n images."""
        return _RowLSTMCache(self, n)


class _CachedLayer:
    """One RowLSTMLayer, pixel by pixel; it keeps the states of the row above and of this one."""

    def __init__(self, layer: RowLSTMLayer, n: int, width: int) -> None:
        self.input_to_state = CachedConv(layer.input_to_state, n, width)
        self.state_to_state = layer.state_to_state
        self.up: Callable[[Tensor], Tensor] = pointwise(layer.up)
        self.h = layer.up.weight.new_zeros(width, n, layer.up.in_channels)  # (W, n, h)
        self.c = torch.zeros_like(self.h)

    def start_row(self) -> None:
        self.input_to_state.start_row()
        from_above = self.state_to_state(self.h.permute(1, 2, 0))  # (n, 4h, W)
        self.input_to_state.above += from_above.permute(2, 0, 1)
        self.c_above, self.c = self.c, torch.empty_like(self.c)

    def __call__(self, column: int, x: Tensor) -> Tensor:
        h, c = lstm_cell(self.input_to_state(column, x), self.c_above[column])
        self.h[column], self.c[column] = h, c
        return x + self.up(h)


class _RowLSTMCache(PixelCache):
    def __init__(self, model: RowLSTM, n: int) -> None:
        width = model.event_shape[2]
        super().__init__(CachedConv(model.first, n, width))
        self.layers = [_CachedLayer(layer, n, width) for layer in model.layers]
        self.head = cached_head(model.head)

    def start_row(self) -> None:
        super().start_row()
        for layer in self.layers:
            layer.start_row()

    def step(self, column: int, pixel: Tensor) -> Tensor:
        x = self.first(column, pixel)
        for layer in self.layers:
            x = layer(column, x)
        return self.head(x)
