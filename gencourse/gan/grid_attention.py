"""Grid self-attention (TransGAN: Jiang, Chang & Wang, NeurIPS 2021).

Attention between all pairs of N² places costs N⁴. Cut into cells of g x g places, with attention
inside each cell only, it costs N² g²: 16 times less for 32 x 32 places in cells of 8 x 8.

Shapes: B batch, N places on a side, g places on a cell's side, W width.
"""

from torch import Tensor, nn

from gencourse.nets import SelfAttention


class GridSelfAttention(nn.Module):
    """`SelfAttention` inside each of the cells that tile a square, with the same weights in all.

    Nothing crosses a cell's border here. In TransGAN that is left to the lower resolutions.

    Args:
        width: W.
        num_heads: how many; must divide W.
        side: N, places on a side of the square.
        grid: g; must divide N. With g = N this is attention between all places.

    Raises:
        ValueError: cells that do not tile the square, and as in `SelfAttention`; in `forward`
            another number of places.
    """

    def __init__(self, width: int, num_heads: int, *, side: int, grid: int) -> None:
        super().__init__()
        if side < 1 or grid < 1 or side % grid:
            raise ValueError(
                f"side is {side} and grid is {grid}, expected cells of grid x grid places that "
                "tile side x side"
            )
        self.side, self.grid = side, grid
        self.attention = SelfAttention(width, num_heads)

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        """Map places row by row, (B, N², W) -> (B, N², W); `causal` as in `SelfAttention`."""
        if x.ndim != 3 or x.shape[1] != self.side**2:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, {self.side**2}, W)")
        cells = into_cells(x, side=self.side, grid=self.grid)
        return out_of_cells(self.attention(cells, causal=causal), side=self.side, grid=self.grid)


def into_cells(x: Tensor, *, side: int, grid: int) -> Tensor:
    """Cut a square into cells and stack them, (B, N², W) -> (B (N / g)², g², W)."""
    cells = side // grid
    x = x.unflatten(1, (cells, grid, cells, grid))  # (B, N / g, g, N / g, g, W)
    return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)


def out_of_cells(x: Tensor, *, side: int, grid: int) -> Tensor:
    """Put the cells back in their places, (B (N / g)², g², W) -> (B, N², W)."""
    cells = side // grid
    x = x.unflatten(0, (-1, cells, cells)).unflatten(3, (grid, grid))
    return x.transpose(2, 3).flatten(1, 4)
