"""InfoGAN's discriminator: one trunk, one head for real or fake, one that reads the code.

Shapes: B batch, C channels, S side of the image in pixels, K_i values of categorical code i,
M continuous codes, A = K_1 + ... + K_k + 2 M.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from gencourse.gan.equalised import SLOPE
from gencourse.gan.gan import normalise_spectrally
from gencourse.gan.trunk import Trunk
from gencourse.protocols import Configurable


class InfoDiscriminator(Configurable, nn.Module):
    """D(x) and Q(c | x) on the same features, as in the paper's appendix.

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        num_answers: A, what Q gives for an image.
        width: channels after the first layer; each next one doubles them.
        norm: as in `DCGANDiscriminator`; "spectral" leaves the head of Q as it is.
        num_hidden: of Q's head.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_answers: int,
        width: int = 32,
        norm: str = "batch",
        num_hidden: int = 64,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(event_shape, width=width, norm=norm)
        features = self.trunk.num_features
        self.verdict = nn.Sequential(nn.Conv2d(features, 1, 4), nn.Flatten(0))
        if norm == "spectral":
            normalise_spectrally(self.verdict)
        self.answer = nn.Sequential(
            nn.Conv2d(features, num_hidden, 4),
            nn.Flatten(),
            nn.LeakyReLU(SLOPE),
            nn.Linear(num_hidden, num_answers),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of real against fake, (B, C, S, S) -> (B,)."""
        return self.verdict(self.trunk(x))

    def answers(self, x: Tensor) -> Tensor:
        """Return what Q's distributions are made of, (B, C, S, S) -> (B, A)."""
        return self.answer(self.trunk(x))

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and answers from one pass, (B, C, S, S) -> (B,) and (B, A)."""
        h = self.trunk(x)
        return self.verdict(h), self.answer(h)
