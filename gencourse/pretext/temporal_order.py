"""Three questions about the order of frames, whose answer every clip holds.

- Is this sequence in order? (Misra, Zitnick & Hebert, ECCV 2016), or: is it played backwards? (the
  arrow of time, Pickup et al., CVPR 2014)
- Which of these sequences is not? (odd one out: Fernando et al., CVPR 2017)
- Which of two frames is nearer in time? (time-contrastive: Sermanet et al., ICRA 2018; Hyvärinen &
  Morioka, NIPS 2016, tell segments of time apart)

The encoder sees one frame at a time and a head compares, so that what is learnt works on pictures.
To put frames in order one must see what moved, and where to: place and pose. What is the same in
the whole clip, be it the colour or the kind of thing, says nothing and need not be kept. Nor is
there an answer where time has no arrow: a frictionless bounce is as likely forwards as backwards.

Shapes: B clips, T frames, C channels, H and W the frame, D features, E the embedding, N sequences.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.losses import triplet_loss
from gencourse.nets import MLP
from gencourse.pretext.task import PretextTask, register

QUESTIONS = ("order", "direction")
SHUFFLED = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1))  # the orders of 3 that are not monotonic


def draw(
    below: int, shape: Sequence[int], like: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Return random integers from 0 to below - 1 on the device of `like`."""
    return torch.randint(below, tuple(shape), generator=generator, device=like.device)


def frames_at(video: Tensor, times: Tensor) -> Tensor:
    """Return frames of each clip, (B, T, C, H, W) at (B, F) -> (B, F, C, H, W)."""
    return video[torch.arange(len(video), device=video.device)[:, None], times]


class _FrameTask(PretextTask):
    """What the three have in common: clips that are long enough, and frames seen one by one."""

    category = "time"
    takes = "video"

    def needs(self, frames: int, why: str) -> None:
        """Refuse clips that are shorter than that."""
        if self.event_shape[0] < frames:
            raise ValueError(
                f"clips have {self.event_shape[0]} frames, expected at least {frames} for {why}"
            )

    def each(self, frames: Tensor) -> Tensor:
        """Return the features of each frame, (B, ..., C, H, W) -> (B, ..., D)."""
        return self.encoder(frames.flatten(0, -4)).unflatten(0, frames.shape[:-3])


@register
class TemporalOrder(_FrameTask):
    """Are these three frames in order? Or are they played backwards? Chance is 1/2.

    Of five frames a < b < c < d < e, evenly spaced, "order" shows (b, c, d), or (b, x, d) with x
    one of a and e: first and last are the same, only the one between tells. Half of each are
    turned round, which for this question is no difference. "direction" shows (b, c, d) or
    (d, c, b).

    Args:
        event_shape: (T, C, H, W), T at least 4 * stride + 1; for "direction" 2 * stride + 1.
        question: "order" or "direction".
        stride: frames from one that is shown to the next.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: an unknown question, a stride below 1, clips that are too short, and as in
            `PretextTask`.
    """

    name = "temporal_order"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        question: str = "order",
        stride: int = 2,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if question not in QUESTIONS or stride < 1:
            raise ValueError(
                f"question is {question!r} and stride is {stride}, "
                f"expected one of {QUESTIONS} and at least 1"
            )
        self.question, self.stride = question, stride
        self.span = (4 if question == "order" else 2) * stride
        self.needs(self.span + 1, f"{question!r} with stride {stride}")
        d = self.encoder.num_features
        self.head = MLP(3 * d, 2, hidden=(d,))

    def times(self, video: Tensor, *, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw which frames are shown, -> (B, 3), and whether as they are expected (B,)."""
        b = len(video)
        start = draw(video.shape[1] - self.span, (b, 1), video, generator)
        right, turn, late = draw(2, (3, b, 1), video, generator).bool()
        if self.question == "direction":
            steps = torch.arange(3, device=video.device)
            return start + self.stride * torch.where(right, steps, 2 - steps), right[:, 0].long()
        middle = torch.where(right, 2, torch.where(late, 4, 0))
        steps = torch.cat([torch.ones_like(middle), middle, torch.full_like(middle, 3)], 1)
        steps = torch.where(turn, steps.flip(1), steps)
        return start + self.stride * steps, right[:, 0].long()

    def make(
        self, video: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw three frames of each clip, -> (B, 3, C, H, W), and 1 where in order, else 0."""
        times, target = self.times(video, generator=generator)
        return frames_at(video, times), target

    def forward(self, frames: Tensor) -> Tensor:
        """Return logits of "no" and "yes", (B, 3, C, H, W) -> (B, 2)."""
        return self.head(self.each(frames).flatten(1))


@register
class OddOneOut(_FrameTask):
    """Which of N sequences of three frames of a clip is not in order? Chance is 1 / N.

    All get a score from the same head, and the highest is the answer. A sequence turned round
    counts as in order. Each starts at a time of its own.

    Args:
        event_shape: (T, C, H, W), T at least 2 * stride + 1.
        num_parts: N.
        stride: frames from one that is shown to the next.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: fewer than 2 parts, a stride below 1, clips that are too short, and as in
            `PretextTask`.
    """

    name = "odd_one_out"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_parts: int = 3,
        stride: int = 3,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if num_parts < 2 or stride < 1:
            raise ValueError(
                f"num_parts is {num_parts} and stride is {stride}, expected at least 2 and 1"
            )
        self.num_parts, self.stride = num_parts, stride
        self.needs(2 * stride + 1, f"three of them with stride {stride}")
        d = self.encoder.num_features
        # no bias in the end: it would be the same for all parts
        self.head = nn.Sequential(nn.Linear(3 * d, d), nn.ReLU(), nn.Linear(d, 1, bias=False))

    def make(
        self, video: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw N sequences of each clip, -> (B, N, 3, C, H, W), and which is odd (B,)."""
        b, n = len(video), self.num_parts
        start = draw(video.shape[1] - 2 * self.stride, (b, n, 1), video, generator)
        odd = draw(n, (b,), video, generator)
        orders = torch.tensor(SHUFFLED, device=video.device)
        shuffled = orders[draw(len(SHUFFLED), (b, n), video, generator)]  # (B, N, 3)
        straight = torch.arange(3, device=video.device)
        turned = draw(2, (b, n, 1), video, generator).bool()
        straight = torch.where(turned, 2 - straight, straight)
        is_odd = (odd[:, None] == torch.arange(n, device=video.device))[..., None]
        times = start + self.stride * torch.where(is_odd, shuffled, straight)
        return frames_at(video, times.flatten(1)).unflatten(1, (n, 3)), odd

    def forward(self, frames: Tensor) -> Tensor:
        """Return a score of each sequence, (B, N, 3, C, H, W) -> (B, N)."""
        return self.head(self.each(frames).flatten(2))[..., 0]


@register
class TimeContrastive(_FrameTask):
    """Which of two frames is nearer in time to a third? Chance is 1/2.

    The loss is `triplet_loss` on embeddings: near frames of a clip are to be close, far ones of
    the same clip are not. What does not change within a clip is of no use.

    Args:
        event_shape: (T, C, H, W), T at least 2 * far.
        near: most frames from the anchor to its positive.
        far: least frames from the anchor to its negative.
        num_embedding: E.
        margin: of the loss.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: unless 1 <= near < far, clips that are too short, and as in `PretextTask`.
    """

    name = "time_contrastive"
    metric = "triplets ranked right"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        near: int = 1,
        far: int = 4,
        num_embedding: int = 32,
        margin: float = 0.5,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if not 1 <= near < far:
            raise ValueError(f"near is {near} and far is {far}, expected 1 <= near < far")
        self.near, self.far, self.margin = near, far, margin
        self.needs(2 * far, f"every frame to have one that is {far} away")
        d = self.encoder.num_features
        self.head = MLP(d, num_embedding, hidden=(d,))

    def make(
        self, video: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw anchor, positive and negative, -> (B, 3, C, H, W), and what is right (B,), 0."""
        b, t = video.shape[:2]
        anchor = draw(t, (b, 1), video, generator)
        away = (torch.arange(t, device=video.device) - anchor).abs()  # (B, T)
        allowed = torch.stack([(away > 0) & (away <= self.near), away >= self.far], 1)
        chance = torch.rand(allowed.shape, generator=generator, device=video.device)
        others = (chance * allowed - (~allowed).to(chance)).argmax(2)  # uniform among the allowed
        return frames_at(video, torch.cat([anchor, others], 1)), torch.zeros_like(anchor[:, 0])

    def forward(self, frames: Tensor) -> Tensor:
        """Return embeddings of length 1, (B, 3, C, H, W) -> (B, 3, E)."""
        return F.normalize(self.head(self.each(frames)), dim=2)

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the triplet loss, -> ()."""
        return triplet_loss(*output.unbind(1), margin=self.margin)

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return whether the positive is closer than the negative, 1/2 if equal, -> (B,)."""
        anchor, positive, negative = output.unbind(1)
        nearer = (anchor - negative).square().sum(1) - (anchor - positive).square().sum(1)
        return (nearer.sign() + 1) / 2

    def guess(self, output: Tensor, target: Tensor) -> float:
        """Return 1/2."""
        return 0.5
