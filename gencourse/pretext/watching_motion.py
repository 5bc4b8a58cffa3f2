"""Learning features by watching objects move (Pathak et al., CVPR 2017).

What moves together belongs together. From a clip one can see without any label which pixels
moved; a network that sees a single frame of it has to say the same, and so must know what a thing
is and where it ends. Segmentation is learnt, and nobody drew a mask.

The motion is found by something else that is given: here a camera that stands still, and the
difference to what is usually seen at each place. Things that rest are the blind spot.

Shapes: B clips, T frames, C channels, H and W the frame in pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.pretext.pixel_head import PixelHead
from gencourse.pretext.task import PretextTask, register

MIN_FRAMES = 3  # of two frames nobody knows which one is usual


def motion_mask(video: Tensor, *, threshold: float = 0.25) -> Tensor:
    """Return which pixels show something that moves, (B, T, C, H, W) -> (B, T, H, W) of bool.

    What a pixel shows usually, the median over the clip, is the background; where a channel of a
    frame differs by more than the threshold, something is passing. What rests for more than half
    of the clip is background too.

    Args:
        video: clips in [0, 1], of a camera that stands still.
        threshold: least difference.

    Raises:
        ValueError: fewer than 3 frames, or another number of axes.
    """
    if video.ndim != 5 or video.shape[1] < MIN_FRAMES:
        raise ValueError(
            f"video has shape {tuple(video.shape)}, expected (B, T, C, H, W) with T of at least "
            f"{MIN_FRAMES} frames"
        )
    usual = video.median(1, keepdim=True).values
    return ((video - usual).abs() > threshold).any(2)


def iou(found: Tensor, expected: Tensor) -> Tensor:
    """Return intersection over union of masks of bool, (B, H, W) -> (B,); 1 if both are empty."""
    both = (found & expected).sum((1, 2))
    either = (found | expected).sum((1, 2))
    return torch.where(either > 0, both / either.clamp_min(1), 1.0)


@register
class WatchingMotion(PretextTask):
    """Which pixels of this one frame move? The measure is intersection over union.

    The guess is the same mask for every frame: those pixels that move most often, as many of them
    as score best.

    Args:
        event_shape: (T, C, H, W), T at least 3.
        threshold: see `motion_mask`.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: clips that are too short, a threshold that is not positive, and as in
            `PretextTask`.
    """

    name = "watching_motion"
    category = "time"
    takes = "video"
    metric = "IoU"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        threshold: float = 0.25,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if event_shape[0] < MIN_FRAMES or not threshold > 0:
            raise ValueError(
                f"clips have {event_shape[0]} frames and threshold is {threshold}, "
                f"expected at least {MIN_FRAMES} frames and a positive number"
            )
        self.threshold = threshold
        self.head = PixelHead(self.encoder, self.event_shape[1:], out_channels=1)

    def make(
        self, video: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw one frame of each clip, -> (B, C, H, W) and what moves in it (B, H, W) of bool."""
        b, t = video.shape[:2]
        rows = torch.arange(b, device=video.device)
        drawn = torch.randint(t, (b,), generator=generator, device=video.device)
        return video[rows, drawn], motion_mask(video, threshold=self.threshold)[rows, drawn]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits that each pixel moves, (B, C, H, W) -> (B, H, W)."""
        return self.head(self.encoder.maps(x))[:, 0]

    @torch.no_grad()
    def segment(self, x: Tensor) -> Tensor:
        """Return which pixels would move, of single frames, (B, C, H, W) -> (B, H, W) of bool."""
        return self(x) > 0

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of a pixel in nats, -> ()."""
        return F.binary_cross_entropy_with_logits(output, target.to(output))

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the intersection over union of each frame, -> (B,)."""
        return iou(output > 0, target)

    def guess(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the same for the best mask that is one for all frames of the batch, -> (B,)."""
        flat = target.flatten(1)
        order = flat.double().mean(0).argsort(descending=True)  # where something moves most often
        both = flat[:, order].cumsum(1)  # the mask holds the first 1, 2, ... of them
        sizes = torch.arange(1, flat.shape[1] + 1, device=flat.device)
        score = both / (sizes + flat.sum(1, keepdim=True) - both)
        score = torch.cat([(~flat.any(1, keepdim=True)).to(score), score], 1)  # the empty mask
        return score[:, score.mean(0).argmax()]
