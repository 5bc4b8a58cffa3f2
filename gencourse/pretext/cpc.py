"""Contrastive predictive coding on a grid of patches (van den Oord, Li & Vinyals, 2018).

The picture is cut into overlapping patches and each is encoded by itself. A context network goes
down the grid; from the rows above it predicts the codes of the patches below, and InfoNCE asks to
pick the true one out of all patches of the batch. Patches of the same class are negatives too, and
whoever reads pictures from the top assumes that they have one.

Codes of a batch are predicted in the batch: where the encoder has batch norm, in training its
statistics let a little of the rows below through (Hénaff et al., ICML 2020, use layer norm).

Shapes: B batch, C channels, H and W the image in pixels, P side of a patch, h and w the grid, D
features, K rows that are predicted, M patches that are predicted and compared.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.losses import info_nce
from gencourse.nets import make_encoder
from gencourse.pretext.task import PretextTask, register


class RowsAbove(nn.Module):
    """Convolutions that look up, (B, D, h, w) -> same: place (i, j) sees rows 0 .. i - 1 only.

    The map is moved down by a row first; then each layer sees its own row and the one above, and
    one column to each side (the vertical stack of Gated PixelCNN, NIPS 2016).

    Args:
        num_channels: D.
        num_layers: how many more rows the context reaches up, and columns to each side.
    """

    def __init__(self, num_channels: int, num_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(num_channels, num_channels, (2, 3), padding=(0, 1))
            for _ in range(num_layers)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Return the context of each place, (B, D, h, w) -> same."""
        c = F.pad(z, (0, 0, 1, 0))[:, :, :-1]
        for i, layer in enumerate(self.layers):
            step = layer(F.pad(c.relu() if i else c, (0, 0, 1, 0)))
            c = c + step if i else step
        return c


@register
class CPC(PretextTask):
    """Which of all patches of the batch lies k rows below? Chance is 1 / M.

    Rows whose patches share pixels with what the context has seen are not asked for: they could be
    told by comparing pixels.

    Args:
        event_shape: (C, H, W).
        patch: P; half of the smaller side when None.
        stride: from one patch to the next, at most P; P / 2 when None.
        num_ahead: K.
        num_layers: of the context network.
        temperature: τ of InfoNCE on cosines.
        encoder: see `PretextTask`; it sees one patch.
        widths: see `PretextTask`.

    Raises:
        ValueError: patches of which not even two rows without a common pixel fit into an image,
            a number below 1, and as in `PretextTask`.
    """

    name = "cpc"
    category = "instance"
    metric = "retrieval accuracy"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        patch: int | None = None,
        stride: int | None = None,
        num_ahead: int = 2,
        num_layers: int = 2,
        temperature: float = 0.1,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        patch = min(event_shape[1:]) // 2 if patch is None else patch
        stride = max(1, patch // 2) if stride is None else stride
        if min(patch, num_ahead, num_layers) < 1 or not 1 <= stride <= patch:
            raise ValueError(
                f"patch is {patch}, stride {stride}, num_ahead {num_ahead} and num_layers "
                f"{num_layers}, expected at least 1 each and no stride above the patch"
            )
        rows, columns = ((size - patch) // stride + 1 for size in event_shape[1:])
        shared = -(-patch // stride) - 1  # rows below that share pixels with a row
        self.ahead = tuple(shared + k for k in range(num_ahead) if 1 + shared + k < rows)
        if not self.ahead or columns < 1:
            raise ValueError(
                f"event_shape is {self.event_shape}, patch is {patch} and stride {stride}: "
                f"{max(rows, 0)} rows of {max(columns, 0)} patches, expected at least "
                f"{shared + 2} rows of 1"
            )
        self.patch, self.stride, self.temperature = patch, stride, temperature
        self.encoder = make_encoder(encoder, (event_shape[0], patch, patch), widths=widths)
        d = self.encoder.num_features
        self.context = RowsAbove(d, num_layers)
        self.W = nn.ModuleList(nn.Conv2d(d, d, 1) for _ in self.ahead)

    def patches(self, x: Tensor) -> Tensor:
        """Cut images into the grid, (B, C, H, W) -> (B, h, w, C, P, P)."""
        grid = x.unfold(2, self.patch, self.stride).unfold(3, self.patch, self.stride)
        return grid.permute(0, 2, 3, 1, 4, 5)

    def codes(self, patches: Tensor) -> Tensor:
        """Encode each patch by itself, (B, h, w, C, P, P) -> z (B, D, h, w)."""
        z = self.encoder(patches.flatten(0, 2))
        return z.unflatten(0, patches.shape[:3]).permute(0, 3, 1, 2)

    def features(self, x: Tensor) -> Tensor:
        """Return the mean code of an image's patches, (B, C, H, W) -> (B, D)."""
        return self.codes(self.patches(x)).mean((2, 3))

    def make(self, x: Tensor, *, generator: torch.Generator | None = None) -> tuple[Tensor, None]:
        """Return the patches, -> (B, h, w, C, P, P); the answer is where they lie."""
        return self.patches(x), None

    def forward(self, patches: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return predictions and codes of the same patches, (M, D) twice for each distance."""
        z = self.codes(patches)
        c = self.context(z)
        pairs = []
        for k, W in zip(self.ahead, self.W, strict=True):
            # no context has been seen at row 0, and nothing lies below the last row
            predicted, true = W(c[:, :, 1 : c.shape[2] - k]), z[:, :, 1 + k :]
            pairs.append(tuple(t.permute(0, 2, 3, 1).flatten(0, 2) for t in (predicted, true)))
        return pairs

    def criterion(self, output: list[tuple[Tensor, Tensor]], target: None) -> Tensor:
        """Return InfoNCE in nats, averaged over distances, -> ()."""
        losses = [info_nce(*pair, temperature=self.temperature) for pair in output]
        return torch.stack(losses).mean()

    def measure(self, output: list[tuple[Tensor, Tensor]], target: None) -> Tensor:
        """Return whether the nearest code is the true one, over all distances, -> (M K,)."""
        right = []
        for predicted, true in output:
            scores = F.normalize(predicted, dim=1) @ F.normalize(true, dim=1).T
            right.append(scores.argmax(1) == torch.arange(len(scores), device=scores.device))
        return torch.cat(right).float()

    def guess(self, output: list[tuple[Tensor, Tensor]], target: None) -> Tensor:
        """Return 1 / M for each prediction, -> (M K,)."""
        return torch.cat([true.new_full((len(true),), 1 / len(true)) for _, true in output])
