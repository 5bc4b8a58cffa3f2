"""The linear autoencoder: principal component analysis by gradient descent.

With linear maps and squared error every local minimum is a global one, and there the decoder spans
the first L principal axes (Baldi & Hornik, Neural Networks 2(1), 1989; Bourlard & Kamp 1988). Only
the span is found: L x L changes of basis between the two maps leave the reconstruction as it is.

Shapes: B batch, D features, L latents.
"""

import torch
from torch import Tensor, nn

from gencourse.protocols import Configurable


class LinearAutoencoder(Configurable, nn.Module):
    """x -> z = A x + a -> B z + b.

    Args:
        num_features: D.
        num_latents: L.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, num_features: int, *, num_latents: int) -> None:
        super().__init__()
        if min(num_features, num_latents) < 1:
            raise ValueError(
                f"num_features, num_latents are {num_features}, {num_latents}, expected at least 1"
            )
        self.event_shape, self.num_latents = (num_features,), num_latents
        self.encoder = nn.Linear(num_features, num_latents)
        self.decoder = nn.Linear(num_latents, num_features)

    def encode(self, x: Tensor) -> Tensor:
        """Return the code, (B, D) -> (B, L)."""
        return self.encoder(x.to(self.encoder.weight))

    def decode(self, z: Tensor) -> Tensor:
        """Return the reconstruction, (B, L) -> (B, D)."""
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction, (B, D) -> (B, D)."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def subspace(self) -> Tensor:
        """Return an orthonormal basis of the decoder's span, (D, L); its columns mean nothing."""
        return torch.linalg.qr(self.decoder.weight).Q
