"""A contrastive learner of two views (SimCLR: Chen, Kornblith, Norouzi & Hinton, ICML 2020).

Each image is changed twice at random. The views of one image are to be close, those of different
images far apart: the features forget what the changes change, and keep what tells images apart.
Which changes are allowed is therefore the whole choice: an encoder that has seen colour jitter
knows less about colour. Other images of the same class are negatives too, and a background that
both views share is as good an answer as the object.

Shapes: B batch, C channels, H and W the image in pixels, E the embedding.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.losses import nt_xent
from gencourse.nets import MLP
from gencourse.pretext.task import PretextTask, register
from gencourse.pretext.views import augment


@register
class Contrastive(PretextTask):
    """Which of the other 2B - 1 views shows the same image? Chance is 1 / (2B - 1).

    The loss is `nt_xent` on the output of a head, an MLP that is thrown away afterwards: it takes
    upon itself to forget, and the features before it stay richer.

    Args:
        event_shape: (C, H, W).
        num_embedding: E.
        temperature: τ of the loss.
        crop: smallest share of the area that a crop keeps; 1 for no crop.
        flip: whether images may be mirrored.
        jitter: strength of the change of colour; 0 for none.
        grey: probability that the colour is taken; 0 for never.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: as in `PretextTask`; in `loss` and `score`, one image only.
    """

    name = "contrastive"
    category = "instance"
    metric = "retrieval accuracy"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_embedding: int = 32,
        temperature: float = 0.5,
        crop: float = 0.3,
        flip: bool = True,
        jitter: float = 0.5,
        grey: float = 0.2,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        self.temperature = temperature
        self.changes = {"crop": crop, "flip": flip, "jitter": jitter, "grey": grey}
        d = self.encoder.num_features
        self.head = MLP(d, num_embedding, hidden=(d,))

    def check(self, *x: Tensor) -> None:
        """Refuse what is no data of this task, among it a batch of one image."""
        super().check(*x)
        if len(x[0]) < 2:
            raise ValueError("x has 1 image, expected at least 2: the others are the negatives")

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return all views and where the partner of each is, -> (2B, C, H, W) and (2B,)."""
        views = augment(torch.cat([x, x]), **self.changes, generator=generator)
        return views, torch.arange(2 * len(x), device=x.device).roll(len(x))

    def forward(self, views: Tensor) -> Tensor:
        """Return embeddings, (2B, C, H, W) -> (2B, E)."""
        return self.head(self.encoder(views))

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return NT-Xent of the two halves, -> ()."""
        return nt_xent(*output.chunk(2), temperature=self.temperature)

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return whether the nearest other view is the partner, -> (2B,)."""
        z = F.normalize(output, dim=1)
        return ((z @ z.T).fill_diagonal_(-torch.inf).argmax(1) == target).float()

    def guess(self, output: Tensor, target: Tensor) -> float:
        """Return 1 / (2B - 1)."""
        return 1 / (len(output) - 1)
