"""Sounds as pictures: which frequencies a waveform holds, and when."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from gencourse.plots.pictures import as_array


def draw_spectrogram(
    ax: Axes, wave: ArrayLike, *, rate: int, window: int = 256, title: str = ""
) -> Axes:
    """Draw the strength of each frequency over time, dark for strong, over a range of 60 dB.

    Args:
        ax: axes to draw on.
        wave: (T,), at least one window long.
        rate: samples a second.
        window: samples of a piece that is analysed, a Hann window; pieces overlap by three
            quarters.
        title: a line above.

    Raises:
        ValueError: `wave` is no vector, or shorter than a window.
    """
    samples = as_array(wave).astype(float)
    if samples.ndim != 1 or len(samples) < window:
        raise ValueError(f"wave has shape {samples.shape}, expected (T,) with T >= {window}")
    pieces = np.lib.stride_tricks.sliding_window_view(samples, window)[:: window // 4]
    power = np.abs(np.fft.rfft(pieces * np.hanning(window), axis=1)) ** 2  # (pieces, frequencies)
    decibels = 10 * np.log10(power / max(power.max(), 1e-30) + 1e-6)
    extent = (0, len(samples) / rate, 0, rate / 2)
    look = {"origin": "lower", "aspect": "auto", "cmap": "Greys", "vmin": -60, "vmax": 0}
    ax.imshow(decibels.T, extent=extent, interpolation="nearest", **look)
    ax.set(xlabel="seconds", ylabel="Hz", title=title)
    return ax
