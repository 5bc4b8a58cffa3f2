"""Predicting the next frame of a clip by moving the last one.

From the last few frames of a clip a network has to say what follows, and is judged by squared
error (Srivastava, Mansimov & Salakhutdinov, ICML 2015, among many). It must know what is there,
where, and where it goes: one frame tells no velocity, two do. Here it does not paint. It says for
each pixel from where near by it comes, and the picture is moved (dynamic filters: De Brabandere et
al., NIPS 2016; Finn, Goodfellow & Levine, NIPS 2016), so that colours need not pass through it.

The best answer by squared error is the mean of all that may follow. Where the frames that are seen
leave the future open it is a blur that looks like none of them, and a sharp frame costs more:
Mathieu, Couprie & LeCun, ICLR 2016, add other losses for that reason.

Shapes: B clips, T frames, n frames that are seen, C channels, H and W the frame, D features,
K = 2 * reach + 1 the side of a filter.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.pretext.pixel_head import PixelHead
from gencourse.pretext.task import PretextTask, register

Answer = tuple[Tensor, Tensor]


@register
class FramePrediction(PretextTask):
    """What comes after these frames? The measure is the squared error of a pixel's channel.

    The encoder sees each frame by itself. A head joins their maps and gives each pixel weights
    that sum to 1, by which the pixels around it in the last frame are mixed. The guess is that
    nothing moves: the last frame once more.

    Args:
        event_shape: (T, C, H, W), T more than the context.
        context: n, frames that are seen.
        reach: how far a pixel may come from, across and down; half a frame at most.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: a context or reach below 1, clips that are too short, frames that are too
            small, and as in `PretextTask`.
    """

    name = "frame_prediction"
    category = "time"
    takes = "video"
    metric = "mean squared error"
    higher_is_better = False

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        context: int = 2,
        reach: int = 2,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if not 1 <= context < event_shape[0] or not 1 <= reach <= min(event_shape[2:]) // 2:
            raise ValueError(
                f"context is {context}, reach is {reach} and clips are {tuple(event_shape)}, "
                "expected (T, C, H, W) with T > context >= 1, and a reach from 1 to half a frame"
            )
        self.context, self.reach = context, reach
        self.head = PixelHead(
            self.encoder,
            self.event_shape[1:],
            out_channels=(2 * reach + 1) ** 2,
            in_features=context * self.encoder.num_features,
        )

    def make(
        self, video: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Answer]:
        """Draw n + 1 frames of each clip that follow each other.

        Returns:
            The first n (B, n, C, H, W); then the last, and the one before it, (B, C, H, W).
        """
        b, t = video.shape[:2]
        start = torch.randint(t - self.context, (b, 1), generator=generator, device=video.device)
        times = start + torch.arange(self.context + 1, device=video.device)
        seen = video[torch.arange(b, device=video.device)[:, None], times]
        return seen[:, :-1], (seen[:, -1], seen[:, -2])

    def forward(self, frames: Tensor) -> Tensor:
        """Return the next frame, (B, n, C, H, W) -> (B, C, H, W)."""
        maps = self.encoder.maps(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        weights = self.head(maps.flatten(1, 2)).softmax(1)  # (B, K², H, W)
        last = F.pad(frames[:, -1], [self.reach] * 4, mode="replicate")
        near = F.unfold(last, 2 * self.reach + 1)  # (B, C * K², H * W)
        near = near.unflatten(1, (-1, weights.shape[1])).unflatten(3, frames.shape[3:])
        return torch.einsum("bkhw,bckhw->bchw", weights, near)

    def criterion(self, output: Tensor, target: Answer) -> Tensor:
        """Return the mean squared error, -> ()."""
        return F.mse_loss(output, target[0])

    def measure(self, output: Tensor, target: Answer) -> Tensor:
        """Return the mean squared error of each frame, -> (B,)."""
        return (output - target[0]).square().flatten(1).mean(1)

    def guess(self, output: Tensor, target: Answer) -> Tensor:
        """Return the same for the last frame once more, -> (B,)."""
        return (target[1] - target[0]).square().flatten(1).mean(1)
