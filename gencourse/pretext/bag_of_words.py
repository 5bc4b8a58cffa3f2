"""Predicting bags of visual words (Gidaris, Bursuc, Komodakis, Perez & Cord, CVPR 2020).

An encoder that is there already, the teacher, looks at a picture place by place; each place is
called by the nearest of K words, the centres of a k-means clustering. Another encoder sees the
picture cropped and recoloured, and predicts how often each word occurs in the whole one. It has to
disregard what was changed, and to infer what was cut off. It needs the teacher to begin with: what
no word of the teacher's tells apart, nobody asks for.

Shapes: B batch, C channels, H and W the image in pixels, D features of the teacher, h and w its
map, N = h w places, M points, K words.
"""

from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.nets import make_encoder
from gencourse.pretext.task import PretextTask, register
from gencourse.pretext.views import augment

MAX_POINTS = 20_000  # places that k-means is run on; more change its centres little


def k_means(
    points: Tensor,
    k: int,
    *,
    steps: int = 20,
    start: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return k centres by Lloyd's algorithm, (M, D) -> (K, D).

    It starts at points drawn one after the other, each with a chance that grows as its squared
    distance to those before it (k-means++, Arthur & Vassilvitskii, SODA 2007). Where there are
    fewer different points than k, some centres are copies and stay so; a centre that nothing is
    nearest to stays where it is.

    Args:
        points: (M, D).
        k: K.
        steps: rounds at most; it ends sooner when no centre moves.
        start: first centres (K, D), instead of drawn ones.
        generator: draws the first centres.

    Raises:
        ValueError: no points, a k below 1, or a start of another shape.
    """
    if points.ndim != 2 or not len(points) or k < 1:
        raise ValueError(
            f"points have shape {tuple(points.shape)} and k is {k}, expected (M, D) and at least 1"
        )
    if start is None:
        centres = points[
            torch.randint(len(points), (1,), generator=generator, device=points.device)
        ]
        nearest = (points - centres).square().sum(1)
        while len(centres) < k:
            weight = nearest if float(nearest.sum()) > 0 else torch.ones_like(nearest)
            chosen = points[torch.multinomial(weight, 1, generator=generator)]
            centres = torch.cat([centres, chosen])
            nearest = torch.minimum(nearest, (points - chosen).square().sum(1))
    elif start.shape == (k, points.shape[1]):
        centres = start
    else:
        raise ValueError(f"start has shape {tuple(start.shape)}, expected {(k, points.shape[1])}")
    for _ in range(steps):
        member = torch.cdist(points, centres).argmin(1)
        count = member.bincount(minlength=k)[:, None].to(points)
        total = torch.zeros_like(centres).index_add_(0, member, points)
        moved = torch.where(count > 0, total / count.clamp(min=1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres


def histogram(words: Tensor, num_words: int) -> Tensor:
    """Return the share of each word, (B, N) -> (B, K); it sums to 1 and knows no order."""
    return F.one_hot(words, num_words).float().mean(1)


@register
class BagOfWords(PretextTask):
    """Which words does the picture hold, judged by a changed view of it? An error, in nats.

    The teacher's weights and the words are buffers: they are saved, and never trained.
    `learn_words` sets both. Without it the teacher has random weights, and the first batch in
    training gives the words.

    Args:
        event_shape: (C, H, W).
        num_words: K.
        crop: smallest share of the area that a crop keeps; 1 for no crop.
        flip: whether images may be mirrored.
        jitter: strength of the change of colour; 0 for none.
        grey: probability that the colour is taken; 0 for never.
        teacher_widths: of a "conv" teacher; as the encoder's when None. Fewer halvings leave more
            places to count.
        encoder: see `PretextTask`; also the kind of the teacher.
        widths: see `PretextTask`.

    Raises:
        ValueError: fewer than 2 words, and as in `PretextTask`.
    """

    name = "bag_of_words"
    category = "reconstruction"
    metric = "KL divergence in nats"
    higher_is_better = False
    words: Tensor
    frequencies: Tensor
    learnt: Tensor

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_words: int = 32,
        crop: float = 0.3,
        flip: bool = True,
        jitter: float = 0.5,
        grey: float = 0.2,
        teacher_widths: Sequence[int] | None = None,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if num_words < 2:
            raise ValueError(f"num_words is {num_words}, expected at least 2")
        self.num_words = num_words
        self.changes = {"crop": crop, "flip": flip, "jitter": jitter, "grey": grey}
        self.teacher = make_encoder(encoder, self.event_shape, widths=teacher_widths or widths)
        for module in self.teacher.modules():
            for key, weight in list(module._parameters.items()):
                if weight is not None:
                    delattr(module, key)
                    module.register_buffer(key, weight.detach())
        self.register_buffer("words", torch.zeros(num_words, self.teacher.num_features))
        self.register_buffer("frequencies", torch.full((num_words,), 1 / num_words))
        self.register_buffer("learnt", torch.tensor(False))
        self.head = nn.Linear(self.encoder.num_features, num_words)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Switch the mode of all but the teacher, which stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    @torch.no_grad()
    def places(self, x: Tensor) -> Tensor:
        """Return what the teacher sees at each place, (B, C, H, W) -> (B, N, D)."""
        return self.teacher.maps(x).flatten(2).mT

    @torch.no_grad()
    def learn_words(
        self,
        x: Tensor,
        *,
        teacher: nn.Module | None = None,
        generator: torch.Generator | None = None,
    ) -> Self:
        """Cluster what the teacher sees in these pictures into words.

        Args:
            x: pictures (B, C, H, W); a thousand will do.
            teacher: an encoder of the same kind and widths, for instance `Rotation`'s after
                training; its weights are copied. The one that is there when None.
            generator: draws places and first centres.

        Raises:
            ValueError: pictures of another shape, or a teacher of another kind or other widths.
        """
        self.check(x)
        if teacher is not None:
            try:
                self.teacher.load_state_dict(teacher.state_dict())
            except RuntimeError as error:
                raise ValueError(
                    f"teacher does not fit, expected {self.teacher}: {error}"
                ) from None
        self._set_words(self.places(x).flatten(0, 1), generator)
        return self

    def _set_words(self, points: Tensor, generator: torch.Generator | None) -> None:
        order = torch.randperm(len(points), generator=generator, device=points.device)
        points = points[order[:MAX_POINTS]]
        self.words.copy_(k_means(points, self.num_words, generator=generator))
        count = torch.cdist(points, self.words).argmin(1).bincount(minlength=self.num_words) + 1
        self.frequencies.copy_(count / count.sum())
        self.learnt.fill_(True)

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return a changed view of each picture, and the words of the whole one (B, K)."""
        places, words = self.places(x), self.words
        if not self.learnt and self.training:
            self._set_words(places.flatten(0, 1), generator)
        elif not self.learnt:
            words = k_means(places.flatten(0, 1), self.num_words, generator=generator)
        target = histogram(torch.cdist(places, words).argmin(2), self.num_words).to(x.dtype)
        return augment(x, **self.changes, generator=generator), target

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of the words, (B, C, H, W) -> (B, K)."""
        return self.head(self.encoder(x))

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return KL(target | prediction) in nats, -> (B,)."""
        return _divergence(target, output.log_softmax(1))

    def guess(self, output: Tensor, target: Tensor) -> Tensor:
        """Return KL(target | frequencies of the words) in nats, -> (B,)."""
        return _divergence(target, self.frequencies.log())


def _divergence(p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(p | q) in nats over the last axis."""
    return (torch.xlogy(p, p) - p * log_q).sum(1)
