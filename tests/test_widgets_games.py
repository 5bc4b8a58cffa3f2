import math
import re

import ipywidgets
import pytest
import torch

from gencourse import plots, widgets


@pytest.fixture(autouse=True)
def coarse_pictures(monkeypatch):
    monkeypatch.setattr(plots.pictures, "DOTS_PER_INCH", 40)


def turning(g, d):
    """The game of g·d: the generator descends it, the discriminator ascends it."""
    return -d, g


def shrinking(g, d):
    return -g, -d


def game():
    return widgets.game_explorer(
        {"turning": turning, "shrinking": shrinking},
        best_response=torch.zeros_like,
        equilibrium=(0.0, 0.0),
        start=(1.0, 0.0),
        x=(-2, 2),
        y=(-2, 2),
        rounds=20,
    )


def samples(psi):
    return torch.full((60, 3, 4, 4), abs(psi) / 2)


EXPLORERS = {
    "game": game,
    "discriminator": widgets.discriminator_explorer,
    "truncation": lambda: widgets.truncation_explorer(samples, lambda x: (float(x.mean()), 0.5)),
}


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_control_moves_its_picture(name):
    explorer = EXPLORERS[name]()
    first = explorer.picture
    for control in explorer.controls.values():
        start = control.value
        if isinstance(control, ipywidgets.Dropdown):
            others = {value for _, value in control.options} - {start}
        else:
            others = {control.min, control.max} - {start}
        for value in others:
            control.value = value
            assert explorer.picture.png != first.png and explorer.picture.alt != first.alt
            assert explorer.shown == explorer.picture.html
        control.value = start


def told(explorer, words):
    return float(re.search(words + r" (-?\d+\.\d+)", explorer.picture.alt).group(1))


@pytest.mark.parametrize("k", [1, 3])
def test_game_explorer_plays_k_steps_of_the_discriminator_then_one_of_the_generator(k):
    explorer = game()
    explorer.controls["k"].value = k
    explorer.controls["discriminator_step"].value = 0.2
    g, d = 1.0, 0.0
    for _ in range(20):
        for _ in range(k):
            d += 0.2 * g
        g -= 0.3 * d
    assert told(explorer, "the generator is") == pytest.approx(abs(g), abs=6e-4)


def test_game_explorer_measures_from_the_equilibrium():
    explorer = game()
    explorer.controls["game"].value = "shrinking"
    assert told(explorer, "the generator is") == pytest.approx(0.7**20, abs=6e-4)


def test_discriminator_explorer_states_the_divergence():
    explorer = widgets.discriminator_explorer()
    explorer.controls["mean"].value, explorer.controls["sd"].value = 1.0, 0.5
    x = torch.linspace(-15, 15, 30_001, dtype=torch.float64)
    p, q = (torch.distributions.Normal(m, s).log_prob(x) for m, s in ((0.0, 1.0), (1.0, 0.5)))
    m = torch.logaddexp(p, q) - math.log(2)
    jsd = float(torch.trapezoid(p.exp() * (p - m) + q.exp() * (q - m), x)) / 2
    assert told(explorer, "JSD") == pytest.approx(jsd, abs=6e-5)
    assert told(explorer, "value") == pytest.approx(2 * jsd - math.log(4), abs=6e-5)


def test_discriminator_explorer_of_equal_distributions():
    explorer = widgets.discriminator_explorer()
    explorer.controls["mean"].value = 0.0
    assert told(explorer, "value") == pytest.approx(-1.3863, abs=1e-4)
    assert told(explorer, "JSD") == pytest.approx(0.0, abs=1e-4)


def test_truncation_explorer_says_what_was_measured():
    explorer = EXPLORERS["truncation"]()
    explorer.controls["psi"].value = -1.0
    assert "ψ = -1: precision 0.50, recall 0.50" in explorer.picture.alt
