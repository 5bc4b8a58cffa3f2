"""Rendered tones whose pitch and chord are known: short clips of sound without a file.

A clip is one to three notes struck together. A note is a sum of harmonics h f with amplitudes
1 / h^b (the higher b, the duller), a short linear attack and an exponential decay.

Shapes: N clips, T samples in time, M notes of a chord, H harmonics.
"""

import math

import torch
from torch import Tensor

from gencourse.data.array_data import ArrayData

CHORDS: dict[str, tuple[int, ...]] = {  # semitones above the root
    "note": (0,),
    "fifth": (0, 7),
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
}
ROOTS = (57, 69)  # MIDI numbers of the lowest and highest root, 220 Hz and 440 Hz
NUM_HARMONICS = 4
DULLNESS = (1.0, 2.0)
ATTACK = (0.005, 0.02)  # seconds
DECAY = (0.05, 0.2)  # seconds until the sound has fallen to 1/e
LOUDNESS = (0.4, 0.9)


def tones(n: int, *, seed: int = 0, length: int = 1024, rate: int = 8000) -> ArrayData:
    """Return n clips with independent, uniform attributes: x (n, length) in [-1, 1], y the chord.

    `attributes` of the data set holds, for each clip,

    - "midi" (n,): the root's number, 69 is 440 Hz and 12 are an octave;
    - "frequency" (n,): of the root, in Hz;
    - "dullness" (n,): b;
    - "attack" and "decay" (n,): in seconds;
    - "loudness" (n,): the largest amplitude.

    Values are multiples of 1/32767, as in 16-bit sound. Harmonics from rate / 2 on are left out.
    The first m clips of `tones(n)` are not those of `tones(m)`.

    Args:
        n: number of clips.
        seed: of the attributes and the phases.
        length: T, samples of a clip.
        rate: samples in a second, at least 1000.

    Raises:
        ValueError: a length below 1 or a rate below 1000.
    """
    if length < 1 or rate < 1000:
        raise ValueError(
            f"length is {length} and rate is {rate}, expected at least 1 sample and 1000 Hz"
        )
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        u = torch.rand(*shape, generator=generator, dtype=torch.float64)
        return low + (high - low) * u

    y = torch.randint(len(CHORDS), (n,), generator=generator)
    midi = torch.randint(ROOTS[0], ROOTS[1] + 1, (n,), generator=generator)
    attributes = {
        "midi": midi,
        "frequency": 440 * 2 ** ((midi.double() - 69) / 12),
        "dullness": uniform(*DULLNESS, n),
        "attack": uniform(*ATTACK, n),
        "decay": uniform(*DECAY, n),
        "loudness": uniform(*LOUDNESS, n),
    }
    phase = uniform(0, 2 * math.pi, n, 3, NUM_HARMONICS)
    time = torch.arange(length, dtype=torch.float64) / rate
    x = torch.zeros(n, length, dtype=torch.float64)
    for chord, semitones in enumerate(CHORDS.values()):
        for note, semitone in enumerate(semitones):
            for h in range(1, NUM_HARMONICS + 1):
                f = h * attributes["frequency"] * 2 ** (semitone / 12)  # (n,)
                amplitude = h ** -attributes["dullness"] * ((y == chord) & (f < rate / 2))
                turns = f[:, None] * time
                x += amplitude[:, None] * (2 * math.pi * turns + phase[:, note, h - 1, None]).sin()
    attack, decay = attributes["attack"][:, None], attributes["decay"][:, None]
    x *= (time / attack).clamp(max=1) * (-time / decay).exp()
    peak = x.abs().amax(1, keepdim=True).clamp(min=1e-9)
    x = (x / peak * attributes["loudness"][:, None] * 32767).round().float() / 32767
    attributes = {k: v.float() if v.is_floating_point() else v for k, v in attributes.items()}
    source = f"rendered tones at {rate} Hz, seed {seed}"
    return ArrayData(x, y, source=source, class_names=tuple(CHORDS), attributes=attributes)
