"""The sound of things that bounce: a short tone for each bounce, which tells who it was.

The colour gives the pitch, the shape gives the harmonics. A tone starts with the frame in which
the bounce is first seen and has died away two frames later.

Shapes: N clips, T frames, K things.
"""

import math

import torch
from torch import Tensor

SAMPLES_PER_FRAME = 128
RATE = 2048  # samples in a second, 16 frames
PITCHES = (165.0, 185.6, 206.2, 247.5, 275.0, 330.0)  # Hz, of the colours: 1, 9/8, 5/4, 3/2, ...
HARMONICS = ((1,), (1, 3), (1, 2))  # of the shapes: circle, square, triangle
ATTACK, DECAY = 0.002, 0.025  # seconds
LOUDNESS = 0.8  # of all things at once, so that the sum stays within -1..1


def bounce_sounds(bounces: Tensor, shape: Tensor, colour: Tensor, silent: Tensor) -> Tensor:
    """Return the sound of each frame, (N, T, SAMPLES_PER_FRAME) in [-1, 1].

    Args:
        bounces: whether a thing bounced, (N, T, K) of bool.
        shape: (N, K).
        colour: (N, K).
        silent: things that make no sound, (N, K) of bool.
    """
    tones = _tones()[shape, colour] * (~silent)[..., None] * LOUDNESS / shape.shape[1]
    now, later = tones.split(SAMPLES_PER_FRAME, 2)  # (N, K, samples) each
    struck = bounces.to(tones)
    sound = struck @ now  # (N, T, samples)
    sound[:, 1:] += struck[:, :-1] @ later
    return (sound * 32767).round() / 32767


def _tones() -> Tensor:
    """Return the tone of each shape and colour, (shapes, colours, 2 SAMPLES_PER_FRAME)."""
    time = torch.arange(2 * SAMPLES_PER_FRAME, dtype=torch.float64) / RATE
    pitch = torch.tensor(PITCHES, dtype=torch.float64)[:, None]
    waves = torch.stack(
        [sum((2 * math.pi * h * pitch * time).sin() / h for h in group) for group in HARMONICS]
    )
    fade = 1 - time / time[-1]  # nothing is left when the second frame ends
    waves = waves * (time / ATTACK).clamp(max=1) * (-time / DECAY).exp() * fade
    return (waves / waves.abs().amax(2, keepdim=True)).float()
