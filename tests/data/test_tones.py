"""Rendered tones: pitch, chord and envelope are read back from the sound alone."""

import hashlib
import math

import pytest
import torch
from scipy import stats

from gencourse.data.tones import ATTACK, CHORDS, DECAY, DULLNESS, LOUDNESS, ROOTS, tones

RATE, N = 8000, 120
SET = tones(N, seed=1, length=4096, rate=RATE)
SEMITONES = {"note": {0}, "fifth": {0, 7}, "major": {0, 4, 7}, "minor": {0, 3, 7}}


def strength(wave, frequency):
    """How much of a frequency is in each clip, by a window and a Fourier sum, (N,)."""
    time = torch.arange(wave.shape[1], dtype=torch.float64) / RATE
    window = torch.hann_window(wave.shape[1], dtype=torch.float64)
    turns = 2 * math.pi * frequency[:, None] * time
    return (wave.double() * window * torch.exp(1j * turns)).sum(1).abs()


def test_the_chord_is_the_one_that_fits_best():
    """Of the twelve semitones from the root on, those sound that the label names."""
    root = SET.attributes["frequency"].double()
    at = {s: strength(SET.x, root * 2 ** (s / 12)) for s in range(1, 12)}
    at[0] = strength(SET.x, root)
    for name, row in ((SET.class_names[int(y)], i) for i, y in enumerate(SET.y)):
        heard = {s for s in range(12) if at[s][row] > 0.5 * at[0][row]}
        assert heard == SEMITONES[name], (name, heard)


def test_midi_numbers_are_frequencies():
    midi, frequency = SET.attributes["midi"], SET.attributes["frequency"]
    assert frequency[midi == 69].tolist() == pytest.approx([440.0] * int((midi == 69).sum()))
    assert frequency[midi == 57].tolist() == pytest.approx([220.0] * int((midi == 57).sum()))
    assert float(frequency[midi == 60][0]) == pytest.approx(261.63, abs=0.01)


def test_harmonics_fall_by_the_dullness():
    notes = SET.subset(SET.y == 0)
    root = notes.attributes["frequency"].double()
    first = strength(notes.x, root)
    for h in (2, 3, 4):
        ratio = strength(notes.x, h * root) / first
        expected = h ** -notes.attributes["dullness"].double()
        torch.testing.assert_close(ratio, expected, rtol=0.03, atol=0.003)
    assert (strength(notes.x, 5 * root) / first).max() < 0.01


def test_harmonics_above_half_the_rate_are_left_out():
    slow = tones(60, seed=2, length=2048, rate=1000)
    notes = slow.subset(slow.y == 0)
    root = notes.attributes["frequency"].double()
    time = torch.arange(2048, dtype=torch.float64) / 1000
    window = torch.hann_window(2048, dtype=torch.float64)

    def at(f):
        turns = torch.exp(2j * math.pi * f[:, None] * time)
        return (notes.x.double() * window * turns).sum(1).abs()

    for h in (2, 3, 4):
        mirrored = (h * root / 1000 - (h * root / 1000).round()).abs() * 1000
        far = (h * root >= 500) & ((mirrored - root).abs() > 20)
        far &= (mirrored - 2 * root).abs() > 20
        assert far.any()
        assert (at(mirrored)[far] / at(root)[far]).max() < 0.02, "it would sound at another pitch"


def test_the_envelope():
    x, known = SET.x, SET.attributes
    assert x.dtype == torch.float32 and x.shape == (N, 4096)
    torch.testing.assert_close(x.abs().amax(1), known["loudness"], rtol=0, atol=2e-5)
    assert torch.equal((x * 32767).round() / 32767, x), "16-bit sound"
    assert not x[:, 0].any(), "it starts from silence"
    early, late = (x[:, i : i + 400].double().square().mean(1).sqrt() for i in (400, 1200))
    fall = torch.exp(-800 / RATE / known["decay"].double())
    # the beats of a chord come on top
    notes = SET.y == 0
    torch.testing.assert_close((late / early)[notes], fall[notes], rtol=0.05, atol=0)
    head = x[:, :24].abs().amax(1) / x.abs().amax(1)
    slow, fast = (head[(known["attack"] > 0.016) == which].mean() for which in (True, False))
    assert slow < fast


def test_attributes_are_uniform_and_independent():
    data = tones(6000, length=2)
    known = data.attributes
    assert stats.chisquare(torch.bincount(data.y)).pvalue > 1e-3
    assert data.class_names == tuple(CHORDS) == tuple(SEMITONES)
    midi = torch.bincount(known["midi"] - ROOTS[0], minlength=ROOTS[1] - ROOTS[0] + 1)
    assert len(midi) == 13 and stats.chisquare(midi).pvalue > 1e-3
    bounds = {"dullness": DULLNESS, "attack": ATTACK, "decay": DECAY, "loudness": LOUDNESS}
    for name, (low, high) in bounds.items():
        assert stats.kstest(known[name], "uniform", args=(low, high - low)).pvalue > 1e-3
    columns = [data.y.float(), known["midi"].float(), *(known[name] for name in bounds)]
    assert (torch.corrcoef(torch.stack(columns)) - torch.eye(6)).abs().max() < 0.05


def test_the_seed_decides_everything():
    assert torch.equal(tones(9, seed=4).x, tones(9, seed=4).x)
    assert not torch.equal(tones(9, seed=4).x, tones(9, seed=5).x)
    assert tones(0).x.shape == (0, 1024) and tones(3, length=1).x.shape == (3, 1)
    with pytest.raises(ValueError, match="length is 0"):
        tones(3, length=0)
    with pytest.raises(ValueError, match="rate is 999"):
        tones(3, rate=999)


def test_the_numbers_are_these():
    """A change of the sounds behind the course's figures must be seen."""
    found = hashlib.sha256(b"".join(t.numpy().tobytes() for t in tones(200, seed=3).tensors))
    expected = "525a7b30da8de05924ca23c01cce9355b0de3ed4b0423a93930d5a013a78ee51"
    assert found.hexdigest() == expected
