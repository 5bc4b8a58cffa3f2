"""Tracking emerges by colourising video (Vondrick et al., ECCV 2018).

A grey frame is to be coloured, and an earlier frame of the clip may be looked at in colour. Each
pixel points, by attention, to where it was then, and copies the colour from there. What points
right for colours points right for anything: the same attention carries a mask from frame to frame,
and that is tracking, which nobody taught.

Points of equal lightness can be told apart by their surroundings only, and often need not be: low
level cues go a long way here. Two things of one colour may be swapped at no cost.

Shapes: B clips, T frames, H and W the frame, P = H * W pixels, E the embedding, K kinds of colour.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.pretext.pixel_head import PixelHead
from gencourse.pretext.task import PretextTask, register

HUES = 8
LIGHTNESS = (0.299, 0.587, 0.114)
Frames = tuple[Tensor, Tensor, Tensor]


def lightness(x: Tensor) -> Tensor:
    """Return the grey picture, (B, 3, H, W) -> (B, 1, H, W)."""
    return torch.einsum("bchw,c->bhw", x, x.new_tensor(LIGHTNESS))[:, None]


def colour_classes(x: Tensor, *, least: float = 0.1) -> Tensor:
    """Return the kind of colour of each pixel, (B, 3, H, W) in [0, 1] -> (B, H, W), 0..HUES.

    0 is grey, less colourful than `least`; others are 1 + a sector of the circle of hues, red
    first. Neither changes with lightness added; hue also stays where an edge fades to black.
    """
    r, g, b = x.unbind(1)
    across, up = r - (g + b) / 2, math.sqrt(3) / 2 * (g - b)  # the cube seen along its grey axis
    turn = torch.atan2(up, across) / (2 * math.pi) % 1  # 0 red, 1/3 green, 2/3 blue
    sector = (turn * HUES).long().clamp(max=HUES - 1)
    return torch.where(torch.hypot(across, up) < least, 0, sector + 1)


def copy(queries: Tensor, keys: Tensor, values: Tensor, *, temperature: float) -> Tensor:
    """Return a mean of values for each query, weighted by softmax of cosine / temperature.

    Args:
        queries: (B, P, E).
        keys: (B, Q, E).
        values: (B, Q, K); where rows are probabilities, so are those of the result.
        temperature: towards 0 each query copies from its nearest key alone.

    Returns:
        (B, P, K).
    """
    cosine = F.normalize(queries, dim=2) @ F.normalize(keys, dim=2).mT  # (B, P, Q)
    return (cosine / temperature).softmax(2) @ values


@register
class TrackingByColorization(PretextTask):
    """Which colour has each pixel of a grey frame? Copy it from a frame that was `gap` earlier.

    The measure is how many pixels get the right kind of colour; the guess copies each from its
    own place, as if nothing moved. The encoder sees grey pictures only, also in `features`.

    Args:
        event_shape: (T, 3, H, W), T more than the gap.
        gap: frames from the coloured one to the grey one.
        num_embedding: E.
        temperature: of the attention, see `copy`.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: clips that are too short, not three channels, a temperature that is not
            positive, and as in `PretextTask`.
    """

    name = "tracking_by_colorization"
    category = "time"
    takes = "video"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        gap: int = 4,
        num_embedding: int = 32,
        temperature: float = 0.1,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths, in_channels=1)
        if gap < 1 or event_shape[0] <= gap or event_shape[1] != 3 or not temperature > 0:
            raise ValueError(
                f"event_shape is {tuple(event_shape)}, gap is {gap} and temperature is "
                f"{temperature}, expected (T, 3, H, W) with T > gap >= 1 and a positive number"
            )
        self.gap, self.temperature = gap, temperature
        shape = (1, *self.event_shape[2:])
        self.head = PixelHead(self.encoder, shape, out_channels=num_embedding)

    def features(self, x: Tensor) -> Tensor:
        """Return features of the grey picture, (B, 3, H, W) -> (B, D)."""
        return self.encoder(lightness(x))

    def embed(self, grey: Tensor) -> Tensor:
        """Return what each pixel is recognised by, (B, 1, H, W) -> (B, P, E)."""
        return self.head(self.encoder.maps(grey)).flatten(2).mT

    def make(
        self, video: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Frames, tuple[Tensor, Tensor]]:
        """Draw two frames of each clip.

        Returns:
            The earlier and the later in grey (B, 1, H, W) and the colours of the earlier (B, P);
            then the colours of the later and of the earlier.
        """
        b, t = video.shape[:2]
        rows = torch.arange(b, device=video.device)
        first = torch.randint(t - self.gap, (b,), generator=generator, device=video.device)
        before, after = video[rows, first], video[rows, first + self.gap]
        known, wanted = (colour_classes(x).flatten(1) for x in (before, after))
        return (lightness(before), lightness(after), known), (wanted, known)

    def forward(self, question: Frames) -> Tensor:
        """Return the probability of each kind of colour for each pixel, -> (B, P, HUES + 1)."""
        before, after, known = question
        keys, queries = self.embed(torch.cat([before, after])).chunk(2)
        colours = F.one_hot(known, HUES + 1).to(keys)
        return copy(queries, keys, colours, temperature=self.temperature)

    @torch.no_grad()
    def track(self, video: Tensor, labels: Tensor) -> Tensor:
        """Carry labels of frame 0 through the clip; colours are not looked at.

        Each frame copies from the first, which is right, and from the one before, which is near.

        Args:
            video: (B, T, 3, H, W), of any length.
            labels: a number from 0 for each pixel of frame 0, (B, H, W).

        Returns:
            The most probable label of each pixel, (B, T, H, W); those of frame 0 as given.
        """
        b, t = video.shape[:2]
        embedded = self.embed(lightness(video.flatten(0, 1))).unflatten(0, (b, t))  # (B, T, P, E)
        first = F.one_hot(labels.flatten(1).long()).to(embedded)  # (B, P, L)
        carried = [first]
        for i in range(1, t):
            keys = torch.cat([embedded[:, 0], embedded[:, i - 1]], 1)
            values = torch.cat([first, carried[-1]], 1)
            carried.append(copy(embedded[:, i], keys, values, temperature=self.temperature))
        return torch.stack(carried, 1).argmax(3).unflatten(2, video.shape[3:])

    def criterion(self, output: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        """Return -log p(colour) of a pixel in nats, 9.2 at most: some are not there, -> ()."""
        p = output.gather(2, target[0][:, :, None])
        return -p.clamp_min(1e-4).log().mean()

    def measure(self, output: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        """Return the share of pixels with the right kind of colour, -> (B,)."""
        return (output.argmax(2) == target[0]).double().mean(1)

    def guess(self, output: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        """Return the same for colours that stay where they were, -> (B,)."""
        return (target[1] == target[0]).double().mean(1)
