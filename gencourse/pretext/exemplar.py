"""Exemplar networks (Dosovitskiy, Springenberg, Riedmiller & Brox, NIPS 2014).

Every picture is a class of its own, whose members are the picture's random views. To name the
class of a view is to disregard what the changes change, and to keep whatever tells pictures apart,
the background as well as the object. There is a row of weights for each picture, so the last layer
grows with the data; contrastive learning puts the other pictures of the batch in its place.

Shapes: B batch, C channels, H and W the image in pixels, D features, N exemplars.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.pretext.task import PretextTask, register
from gencourse.pretext.views import augment


@register
class Exemplar(PretextTask):
    """Which picture is this a view of? Chance in a batch of B is 1 / B.

    In training the question is asked with all N exemplars for answers. A picture is recognised by
    its pixels and needs no number: the first N different ones that training sees are the
    exemplars, others are passed over. As a picture held out has no class, the score asks the
    question in a form that any picture can answer: among the pictures of the batch, whose features
    are nearest to those of the view?

    Args:
        event_shape: (C, H, W).
        num_exemplars: N, at most; about the paper's 8000.
        crop: smallest share of the area that a crop keeps; 1 for no crop.
        flip: whether images may be mirrored.
        jitter: strength of the change of colour; 0 for none.
        grey: probability that the colour is taken; 0 for never.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: fewer than 2 exemplars, and as in `PretextTask`; in `loss`, pictures of which
            none is an exemplar when N others are.
    """

    name = "exemplar"
    category = "instance"
    metric = "retrieval accuracy"
    known: Tensor
    num_known: Tensor
    multipliers: Tensor

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_exemplars: int = 8192,
        crop: float = 0.3,
        flip: bool = True,
        jitter: float = 0.5,
        grey: float = 0.2,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if num_exemplars < 2:
            raise ValueError(f"num_exemplars is {num_exemplars}, expected at least 2")
        self.changes = {"crop": crop, "flip": flip, "jitter": jitter, "grey": grey}
        self.head = nn.Linear(self.encoder.num_features, num_exemplars)
        size = torch.Size(self.event_shape).numel()
        fixed = torch.Generator().manual_seed(0)
        self.register_buffer("multipliers", torch.randint(2**62, (size,), generator=fixed))
        self.register_buffer("known", torch.zeros(num_exemplars, dtype=torch.long))
        self.register_buffer("num_known", torch.tensor(0))

    def keys(self, x: Tensor) -> Tensor:
        """Return a whole number for each picture, the same for the same pixels, -> (B,).

        A sum of whole numbers, modulo 2^64: unlike one of floats it depends on no order, batch or
        device. Values are told apart to 1/65535.
        """
        return ((x * 65535).round().long().flatten(1) * self.multipliers).sum(1)

    def classes(self, x: Tensor) -> Tensor:
        """Return the exemplar's number of each picture, -1 for one that is none, -> (B,)."""
        same = self.keys(x)[:, None] == self.known[: int(self.num_known)]  # (B, known)
        if not same.shape[1]:
            return same.new_full((len(x),), -1, dtype=torch.long)
        return torch.where(same.any(1), same.int().argmax(1), -1)

    def enrol(self, x: Tensor) -> Tensor:
        """Make exemplars of the pictures that are none, while there is room, -> as `classes`."""
        keys = self.keys(x)[self.classes(x) < 0].unique()
        n = int(self.num_known)
        new = keys[: len(self.known) - n]
        self.known[n : n + len(new)] = new
        self.num_known += len(new)
        return self.classes(x)

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Return a view of each picture with the pictures, and whose view it is, (B,)."""
        views = augment(x, **self.changes, generator=generator)
        return (views, x), torch.arange(len(x), device=x.device)

    def forward(self, question: tuple[Tensor, Tensor]) -> Tensor:
        """Return the cosine of each view's features with each picture's, -> (B, B)."""
        views, x = (self.encoder(images) for images in question)
        mean = x.mean(0)  # after a ReLU and a mean all features point the same way
        return F.normalize(views - mean, dim=1) @ F.normalize(x - mean, dim=1).T

    def classify(self, views: Tensor) -> Tensor:
        """Return logits of all exemplars, (B, C, H, W) -> (B, N)."""
        return self.head(self.encoder(views))

    def loss(
        self, batch: tuple[Tensor, ...], *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the cross-entropy of the exemplars in nats, one view of each picture, -> ()."""
        x = batch[0]
        self.check(x)
        with torch.no_grad():
            target = self.enrol(x)
            rows = target >= 0
            if not rows.any():
                raise ValueError(
                    f"none of the {len(x)} pictures is one of the {len(self.known)} exemplars, "
                    "expected at least 1: num_exemplars is too small"
                )
            views = augment(x[rows], **self.changes, generator=generator)
        return F.cross_entropy(self.classify(views), target[rows])
