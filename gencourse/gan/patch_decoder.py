"""A patch of pixels as a function of their coordinates: the implicit decoder of ViTGAN.

Lee et al. (ICLR 2022) turn a token into its patch by asking a small network for the colour at each
coordinate, instead of one linear map to all pixels. Its sines make it able to draw edges (SIREN:
Sitzmann et al., NeurIPS 2020), and the token changes its weights (Karras et al., CVPR 2020).

Shapes: B batch, C channels, P side of a patch, T tokens, W width, E features of a coordinate.
"""

import torch
from torch import Tensor, nn

from gencourse.protocols import Configurable


class PatchDecoder(Configurable, nn.Module):
    """f(coordinates; token): one hidden layer of sines over Fourier features of the coordinates.

    A token scales the inputs of each layer, which is the same as scaling the columns of the
    layer's weight.

    Args:
        width: W of a token.
        patch: P.
        channels: C.
        num_features: E, also the number of hidden units.

    Raises:
        ValueError: a size below 1.
    """

    coordinates: Tensor

    def __init__(self, width: int, *, patch: int, channels: int, num_features: int = 64) -> None:
        super().__init__()
        sizes = {"width": width, "patch": patch, "channels": channels, "features": num_features}
        if min(sizes.values()) < 1:
            raise ValueError(f"{sizes}, expected at least 1 each")
        centres = (2 * torch.arange(patch) + 1) / patch - 1  # of the pixels, in (-1, 1)
        grid = torch.stack(torch.meshgrid(centres, centres, indexing="ij"), -1)  # (P, P, 2)
        self.register_buffer("coordinates", grid.flatten(0, 1), persistent=False)
        self.fourier = nn.Linear(2, num_features)
        nn.init.uniform_(self.fourier.weight, -torch.pi, torch.pi)  # up to a period over a patch
        nn.init.uniform_(self.fourier.bias, -torch.pi, torch.pi)
        self.scales = nn.Linear(width, 2 * num_features)
        self.hidden = nn.Linear(num_features, num_features)
        self.out = nn.Linear(num_features, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return each token's patch, row by row, (B, T, W) -> (B, T, P², C)."""
        features = self.fourier(self.coordinates).sin()  # (P², E)
        first, second = (1 + self.scales(tokens))[:, :, None].chunk(2, -1)  # (B, T, 1, E) each
        hidden = self.hidden(first * features).sin()  # (B, T, P², E)
        return self.out(second * hidden)
