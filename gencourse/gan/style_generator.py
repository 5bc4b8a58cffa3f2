"""The style-based generator (Karras et al., CVPR 2019), with the layers of StyleGAN2 (2020).

The picture grows from a learnt constant. Noise z does not enter at the bottom: a mapping network
turns it into w, and w tells each layer what to emphasise. So coarse layers may be given one w and
fine layers another (style mixing), and w may be drawn towards its mean (truncation). What is left
to chance in a picture, such as where a hair lies, comes from noise added in each layer.

Shapes: B batch, C channels, S side of the image in pixels, L latents, W numbers in w, N layers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gencourse.gan.layers import widths
from gencourse.gan.style_layers import MappingNetwork, ModulatedConv2d, StyleLayer
from gencourse.protocols import Configurable


class StyleGenerator(Configurable, nn.Module):
    """Mapping, constant, N - 1 style layers (one of side 4, two of each larger), one to pixels.

    N is 2 log2(S) - 2: 6 for 16 pixels. The skip connections of StyleGAN2 are left out.

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        num_latents: L.
        num_styles: W.
        width: channels at side S; twice as many at half the side.
        num_mapping: layers of the mapping network; 0 makes w the normalised z.

    Raises:
        ValueError: an image that cannot be made by doubling 4, a size below 1, or no mapping
            between spaces of different sizes.
    """

    mean_w: Tensor

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 64,
        num_styles: int = 64,
        width: int = 16,
        num_mapping: int = 4,
    ) -> None:
        super().__init__()
        outwards = widths(event_shape, width)[::-1]  # (4w, 2w, w) for sides 8, 16, 32
        if min(num_latents, num_styles) < 1 or num_mapping < 0:
            raise ValueError(
                f"num_latents is {num_latents}, num_styles is {num_styles} and num_mapping is "
                f"{num_mapping}, expected at least 1, 1 and 0"
            )
        if not num_mapping and num_latents != num_styles:
            raise ValueError(
                f"num_mapping is 0, num_latents is {num_latents} and num_styles is {num_styles}, "
                "expected the same size where w is z"
            )
        self.mapping = MappingNetwork(num_latents, num_styles, num_layers=num_mapping)
        channels = 2 * outwards[0]
        self.constant = nn.Parameter(torch.randn(1, channels, 4, 4))
        layers = [StyleLayer(channels, channels, num_styles=num_styles, doubles=False)]
        for outputs in outwards:
            layers.append(StyleLayer(channels, outputs, num_styles=num_styles, doubles=True))
            layers.append(StyleLayer(outputs, outputs, num_styles=num_styles, doubles=False))
            channels = outputs
        self.layers = nn.ModuleList(layers)
        self.to_pixels = ModulatedConv2d(
            channels, event_shape[0], 1, num_styles=num_styles, demodulate=False
        )
        self.register_buffer("mean_w", torch.zeros(num_styles))
        self.num_layers = len(layers) + 1

    def track(self, w: Tensor, *, decay: float = 0.995) -> None:
        """Move the mean of w that truncation uses towards that of a batch (B, W)."""
        self.mean_w.lerp_(w.detach().mean(0).to(self.mean_w.dtype), 1 - decay)

    def truncate(self, w: Tensor, truncation: float) -> Tensor:
        """Return mean + ψ (w - mean), (..., W) -> (..., W).

        ψ = 0 is the mean for every w, ψ = 1 leaves w as it is, between them pictures are more
        typical and less varied, and ψ < 0 is the opposite of w.
        """
        return torch.lerp(self.mean_w.expand_as(w), w, truncation)

    def styles(self, z: Tensor, *, truncation: float = 1.0) -> Tensor:
        """Return the same style for all layers, (B, L) -> (B, N, W)."""
        w = self.truncate(self.mapping(z), truncation)
        return w[:, None].expand(-1, self.num_layers, -1)

    def mixed_styles(self, z1: Tensor, z2: Tensor, crossover: int | Tensor) -> Tensor:
        """Return z1's styles in the layers before the crossover, z2's from it on, -> (B, N, W).

        Args:
            z1: decides what is coarse, (B, L).
            z2: decides what is fine, (B, L).
            crossover: c in 0..N, one or (B,): 0 is all z2, N is all z1.

        Raises:
            ValueError: a crossover outside 0..N.
        """
        c = torch.as_tensor(crossover, device=z1.device)
        if ((c < 0) | (c > self.num_layers)).any():
            raise ValueError(f"crossover is {c.tolist()}, expected 0..{self.num_layers}")
        layer = torch.arange(self.num_layers, device=z1.device)
        first = layer < c.reshape(-1, 1)  # (B, N) or (1, N)
        return torch.where(first[:, :, None], self.styles(z1), self.styles(z2))

    def draw_noise(self, n: int, *, generator: torch.Generator | None = None) -> list[Tensor]:
        """Draw what each style layer adds, N - 1 tensors (n, 1, side, side); n = 1 fits any B."""
        noise, side = [], 4
        for layer in self.layers:
            side *= 1 + layer.doubles
            noise.append(self.constant.new_empty(n, 1, side, side).normal_(generator=generator))
        return noise

    def activations(self, styles: Tensor, noise: list[Tensor]) -> list[Tensor]:
        """Return each style layer's feature maps, coarse to fine, -> N - 1 tensors (B, ., ., .).

        Raises:
            ValueError: not one style for each layer.
        """
        if styles.ndim != 3 or styles.shape[1] != self.num_layers or len(noise) < len(self.layers):
            raise ValueError(
                f"styles have shape {tuple(styles.shape)} with {len(noise)} noises, expected "
                f"(B, {self.num_layers}, {len(self.mean_w)}) with {len(self.layers)}"
            )
        maps, h = [], self.constant.expand(len(styles), -1, -1, -1)
        for number, layer in enumerate(self.layers):
            # contiguous, so that the same style gives the same bits whether or not it is mixed
            h = layer(h, styles[:, number].contiguous(), noise[number])
            maps.append(h)
        return maps

    def synthesis(self, styles: Tensor, noise: list[Tensor]) -> Tensor:
        """Return the pictures in [0, 1] of styles (B, N, W), -> (B, C, S, S)."""
        h = self.activations(styles, noise)[-1]
        return (torch.tanh(self.to_pixels(h, styles[:, -1].contiguous())) + 1) / 2

    def forward(
        self, z: Tensor, *, truncation: float = 1.0, noise: list[Tensor] | None = None
    ) -> Tensor:
        """Map (B, L) -> (B, C, S, S) in [0, 1], with new noise if none is given."""
        noise = self.draw_noise(len(z)) if noise is None else noise
        return self.synthesis(self.styles(z, truncation=truncation), noise)

    def mix(
        self, z1: Tensor, z2: Tensor, crossover: int | Tensor, *, noise: list[Tensor] | None = None
    ) -> Tensor:
        """Return the pictures of `mixed_styles`, two (B, L) -> (B, C, S, S)."""
        noise = self.draw_noise(len(z1)) if noise is None else noise
        return self.synthesis(self.mixed_styles(z1, z2, crossover), noise)
