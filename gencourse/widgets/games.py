"""Explorers of unit 04: a game of two numbers, two densities and their judge, a truncation.

Shapes: N points, L latents, C channels, H x W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gencourse import plots
from gencourse.plots import Picture
from gencourse.widgets.explorer import Explorer, menu, real_slider, step_slider

Slopes = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def game_explorer(
    games: Mapping[str, Slopes],
    *,
    best_response: Callable[[Tensor], Tensor],
    equilibrium: tuple[float, float],
    start: tuple[float, float],
    x: tuple[float, float],
    y: tuple[float, float],
    rounds: int = 100,
) -> Explorer:
    """Play Algorithm 1 in a game of two numbers, with k steps of the discriminator in a round.

    Args:
        games: name -> slopes(generator's number, discriminator's number), what each *ascends*; the
            first is shown at the start.
        best_response: generator's number -> the discriminator's best answer to it.
        equilibrium: where nobody moves.
        start: where the game starts.
        x: range of the generator's number.
        y: range of the discriminator's number.
        rounds: how long it is played.
    """

    def draw(game: str, k: int, generator_step: float, discriminator_step: float) -> Picture:
        slopes = games[game]
        rates = (generator_step, discriminator_step)
        moves = _play(slopes, start, k=k, rates=rates, rounds=rounds)
        fig, ax = plots.figure(1, 2, size=(9.4, 3.7), width_ratios=(1.25, 1))
        plots.vector_field(ax[0], lambda at: _velocity(slopes, at, rates, k), x=x, y=y)
        across = torch.linspace(*x, 201, dtype=torch.float64)
        answer = {"the best answer, D*": best_response(across)}
        plots.curves(ax[0], across, answer, first=1, legend=False)
        plots.path(ax[0], moves, label="Algorithm 1")
        ax[0].plot(*equilibrium, "k*", markersize=13, label="equilibrium")
        ax[0].set(xlabel="generator", ylabel="discriminator")
        plots.add_legend(ax[0], loc="upper right", frameon=True)
        away = (moves - torch.tensor(equilibrium, dtype=torch.float64))[:, 0].abs()
        plots.curves(ax[1], torch.arange(len(away)), {"": away}, legend=False)
        ax[1].set(xlabel="round", ylabel="generator's distance", ylim=(0, None))
        settings = f"k = {k}, steps {generator_step:g} and {discriminator_step:g}"
        ax[1].set_title(f"{game}, {settings}", fontsize=plots.SMALL)
        said = f"after {rounds} rounds the generator is {float(away[-1]):.3f} from the equilibrium"
        return plots.picture(fig, f"Game {game}, {settings}: {said}.")

    return Explorer(
        draw,
        {
            "game": menu("game", games),
            "k": step_slider("k", 1, 1, 10),
            "generator_step": real_slider("step of G", 0.3, 0.05, 1.0),
            "discriminator_step": real_slider("step of D", 0.1, 0.05, 1.0),
        },
    )


def _play(
    slopes: Slopes,
    start: tuple[float, float],
    *,
    k: int,
    rates: tuple[float, float],
    rounds: int,
) -> Tensor:
    """Return the state after each round, (rounds + 1, 2)."""
    g, d = (torch.tensor(value, dtype=torch.float64) for value in start)
    states = [(float(g), float(d))]
    for _ in range(rounds):
        for _ in range(k):
            d = d + rates[1] * slopes(g, d)[1]
        g = g + rates[0] * slopes(g, d)[0]
        states.append((float(g), float(d)))
    return torch.tensor(states, dtype=torch.float64)


def _velocity(slopes: Slopes, at: Tensor, rates: tuple[float, float], k: int) -> Tensor:
    g, d = slopes(at[:, 0], at[:, 1])
    return torch.stack([rates[0] * g, k * rates[1] * d], 1)


def discriminator_explorer() -> Explorer:
    """Move the generator's normal against data N(0, 1): D*, the value of the game and JSD."""
    grid = torch.linspace(-12, 12, 2401, dtype=torch.float64)
    log_p = -grid.square() / 2 - math.log(2 * math.pi) / 2

    def draw(mean: float, sd: float) -> Picture:
        z = (grid - mean) / sd
        log_q = -z.square() / 2 - math.log(sd) - math.log(2 * math.pi) / 2
        log_d, log_not_d = (torch.nn.functional.logsigmoid(s * (log_p - log_q)) for s in (1, -1))
        value = float(torch.trapezoid(log_p.exp() * log_d + log_q.exp() * log_not_d, grid))
        jsd = (value + math.log(4)) / 2
        fig, ax = plots.figure(size=(7.4, 3.2))
        series = {"data p": log_p.exp(), "generator q": log_q.exp(), "D* = p/(p+q)": log_d.exp()}
        plots.curves(ax, grid, series)
        ax.set(xlim=(-6, 6), ylim=(0, 1.05), xlabel="x")
        ax.set_title(f"V(D*, G) = {value:.4f} = -log 4 + 2 · {jsd:.4f}", fontsize=plots.SMALL + 1)
        said = f"value {value:.4f}, JSD {jsd:.4f} nats"
        return plots.picture(fig, f"Data N(0, 1), generator of mean {mean:g}, sd {sd:g}: {said}.")

    controls = {
        "mean": real_slider("mean of q", 2.0, -5.0, 5.0, 0.1),
        "sd": real_slider("sd of q", 1.0, 0.3, 3.0, 0.1),
    }
    return Explorer(draw, controls)


def truncation_explorer(
    draw_samples: Callable[[float], Tensor], measure: Callable[[Tensor], tuple[float, float]]
) -> Explorer:
    """Move a truncation: samples, and what it does to quality and to variety.

    Args:
        draw_samples: truncation -> (N, C, H, W) in [0, 1], from the same noise each time.
        measure: samples -> (quality, variety).
    """

    def draw(psi: float) -> Picture:
        x = draw_samples(psi)
        quality, variety = measure(x)
        fig, ax = plots.figure(size=(7.4, 2.9))
        said = f"ψ = {psi:g}: precision {quality:.2f}, recall {variety:.2f}"
        plots.colour_grid(ax, x[:60], columns=20, title=said)
        return plots.picture(fig, f"Samples at {said}.")

    return Explorer(draw, {"psi": real_slider("ψ", 0.7, -1.0, 1.5, 0.1)})
