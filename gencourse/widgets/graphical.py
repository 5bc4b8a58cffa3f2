"""Explorers of unit 01: evidence, duplicated words, mixtures, messages, the logistic plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np
import torch
from numpy.typing import ArrayLike

from gencourse import plots
from gencourse.plots import Picture
from gencourse.widgets.explorer import Explorer, real_slider, step_slider


def evidence_explorer(
    net: Any,
    *,
    evidence: Mapping[str, int] | None = None,
    positions: Mapping[str, tuple[float, float]] | None = None,
) -> Explorer:
    """One menu a variable; the bars are p(variable) before and after the chosen evidence.

    Args:
        net: a Bayesian network; it is drawn beside the bars.
        evidence: what is observed at the start.
        positions: where its nodes stand, as for `plots.draw_graph`.
    """
    start = dict(evidence or {})
    names = {v: _state_names(net, v) for v in net.variables}
    prior = net.marginals()

    def draw(**observed: int | None) -> Picture:
        given = {name: state for name, state in observed.items() if state is not None}
        posterior = net.marginals(given)
        probability = float(net.log_partition(given).exp()) if given else 1.0
        shown = [  # of two states one says it all
            (v, k) for v in net.variables for k in range(len(names[v]) if len(names[v]) > 2 else 1)
        ]
        words = {v: names[v][state] for v, state in given.items()}
        fig, (left, right) = plots.figure(1, 2, size=(10.5, 3.6), width_ratios=(1, 1.8))
        plots.draw_graph(net, observed=words, positions=positions, ax=left)
        labels = [f"{v}\n{names[v][k]}" for v, k in shown]
        values = [float(posterior[v][k]) for v, k in shown]
        before = [float(prior[v][k]) for v, k in shown]
        series = {"before": before, "after the evidence": values} if given else {"before": before}
        plots.bars(right, labels, series, form="{:.2f}" if len(shown) > 5 else "{:.4f}")
        right.set(ylim=(0, 1.25), yticks=[0, 0.5, 1], ylabel="probability")
        right.set_title(f"P(evidence) = {probability:.4f}" if given else "nothing observed")
        right.tick_params(axis="x", labelsize=plots.SMALL)
        if given:
            plots.add_legend(right, ncols=2, loc="upper center")
        said = ", ".join(
            f"P({v} = {names[v][k]}) = {p:.4f}" for (v, k), p in zip(shown, values, strict=True)
        )
        told = ", ".join(f"{v} = {word}" for v, word in words.items()) or "nothing"
        return plots.picture(fig, f"Observed: {told}. {said}.")

    return Explorer(
        draw,
        {
            v: ipywidgets.Dropdown(
                options=[("not observed", None), *((s, k) for k, s in enumerate(names[v]))],
                value=start.get(v),
                description=v,
                layout=ipywidgets.Layout(width="220px"),
            )
            for v in net.variables
        },
    )


def _state_names(net: Any, variable: str) -> list[str]:
    named = (net.states or {}).get(variable)
    return list(named) if named else [str(k) for k in range(net.cardinalities[variable])]


def duplicated_evidence_explorer() -> Explorer:
    """The same word counted c times: naive Bayes grows sure, the exact posterior does not move."""

    def draw(copies: int, in_spam: float, in_ham: float, prior: float) -> Picture:
        counts = np.arange(1, 11)
        evidence = np.log(in_spam / in_ham)
        start = np.log(prior / (1 - prior))
        naive = 1 / (1 + np.exp(-(start + counts * evidence)))
        exact = np.full(10, naive[0])
        fig, ax = plots.figure(size=(6.4, 3.2))
        plots.curves(ax, counts, {"naive Bayes": naive, "exact": exact}, markers=True)
        ax.plot(copies, naive[copies - 1], "o", ms=13, mfc="none", mec="black")
        above = naive[copies - 1] < 0.5
        ax.annotate(
            f"{copies} × counted: {naive[copies - 1]:.4f}",
            (copies, naive[copies - 1]),
            xytext=(0, 14 if above else -20),
            textcoords="offset points",
            ha="left" if copies < 6 else "right",
        )
        ax.set(xlabel="copies of the word's feature", ylabel="P(spam | word)", ylim=(-0.03, 1.06))
        ax.set_xticks(counts)
        said = f"naive Bayes {naive[copies - 1]:.4f} at {copies} copies, exact {exact[0]:.4f}"
        return plots.picture(fig, f"P(spam | word) against the copies of one feature: {said}.")

    return Explorer(
        draw,
        {
            "copies": step_slider("copies", 2, 1, 10),
            "in_spam": real_slider("p(word|spam)", 0.8, 0.05, 0.95),
            "in_ham": real_slider("p(word|ham)", 0.2, 0.05, 0.95),
            "prior": real_slider("P(spam)", 0.5, 0.05, 0.95),
        },
    )


def mixture_explorer(data: ArrayLike | None = None) -> Explorer:
    """The five numbers of a mixture of two normals; density, components and posterior of z.

    Args:
        data: (N,) values whose histogram and mean log-likelihood are shown too.
    """
    values = None if data is None else np.asarray(data, dtype=float).ravel()
    low, high = (-5.0, 5.0) if values is None else (values.min() - 1, values.max() + 1)
    middle, half = (low + high) / 2, (high - low) / 4

    def draw(weight: float, mean_0: float, mean_1: float, sd_0: float, sd_1: float) -> Picture:
        def log_joint(x: np.ndarray) -> np.ndarray:  # (N,) -> (2, N)
            mean, sd = np.array([[mean_0], [mean_1]]), np.array([[sd_0], [sd_1]])
            log_weight = np.log([[1 - weight], [weight]])
            return log_weight - ((x - mean) / sd) ** 2 / 2 - np.log(sd * np.sqrt(2 * np.pi))

        x = np.linspace(low, high, 400)
        joint = np.exp(log_joint(x))
        fig, (left, right) = plots.figure(1, 2, size=(10.0, 3.0))
        said = ""
        if values is not None:
            likelihood = np.logaddexp(*log_joint(values)).mean()
            left.hist(values, 25, density=True, color="#DDDDDD", label="data")
            said = f"mean log-likelihood {likelihood:.3f} nats"
        lines = {"p(x)": joint.sum(0), "p(z=0) p(x|z=0)": joint[0], "p(z=1) p(x|z=1)": joint[1]}
        plots.curves(left, x, lines, legend=False)
        plots.add_legend(left, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        left.set(xlabel="x", ylabel="density", title=said)
        plots.curves(right, x, {"p(z=1 | x)": joint[1] / joint.sum(0)})
        right.set(xlabel="x", ylim=(-0.03, 1.03), title="which component made x?")
        settings = f"weight {weight:g}, means {mean_0:g} and {mean_1:g}, sds {sd_0:g} and {sd_1:g}"
        return plots.picture(fig, f"Mixture of two normals: {settings}. {said}")

    span = 0.8 * (high - low) / 2
    return Explorer(
        draw,
        {
            "weight": real_slider("p(z=1)", 0.5, 0.05, 0.95),
            "mean_0": real_slider("mean 0", middle - half, middle - span, middle + span),
            "mean_1": real_slider("mean 1", middle + half, middle - span, middle + span),
            "sd_0": real_slider("sd 0", 0.6, 0.1, 3.0),
            "sd_1": real_slider("sd 1", 0.6, 0.1, 3.0),
        },
    )


def message_explorer(
    graph: Any,
    messages: Sequence[Any],
    *,
    observed: Mapping[str, Any] | None = None,
    positions: Mapping[str, tuple[float, float]] | None = None,
) -> Explorer:
    """A slider through the steps of belief propagation.

    Args:
        graph: the factor graph.
        messages: what was sent, as for `plots.draw_messages`.
        observed: variable -> its observed value, drawn shaded.
        positions: where nodes stand, as for `plots.draw_graph`.

    Raises:
        ValueError: `messages` is empty.
    """
    if not messages:
        raise ValueError("messages is empty, expected at least one")
    steps = sorted({message.step for message in messages})

    def draw(step: int) -> Picture:
        fig, ax = plots.figure(size=(7.5, 4.2))
        seen = observed or {}
        plots.draw_messages(graph, messages, step=step, observed=seen, positions=positions, ax=ax)
        now = [m for m in messages if m.step == step]
        said = "; ".join(
            f"{m.source} to {m.target} ({', '.join(f'{float(v):.2f}' for v in m.values)})"
            for m in now
        )
        ax.set_title(f"step {step}: {len(now)} message{'s' * (len(now) != 1)}")
        return plots.picture(fig, f"Belief propagation, step {step}. {said}.")

    return Explorer(draw, {"step": step_slider("step", steps[0], steps[0], steps[-1])})


def logistic_explorer() -> Explorer:
    """The logistic plane σ(α0 + α1 x1 + α2 x2): straight contours, and slope p (1 - p) |α|."""

    def draw(alpha_0: float, alpha_1: float, alpha_2: float) -> Picture:
        alpha = torch.tensor([alpha_1, alpha_2], dtype=torch.float64)

        def probability(x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(alpha_0 + x @ alpha)

        def slope(x: torch.Tensor) -> torch.Tensor:
            p = probability(x)
            return p * (1 - p) * alpha.norm()

        fig, (left, right) = plots.figure(1, 2, size=(8.4, 3.6))
        plane = {"x": (-4.0, 4.0), "y": (-4.0, 4.0)}
        if alpha.norm() > 0:
            levels = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
            plots.contours(left, probability, levels=levels, **plane)
            plots.contours(right, slope, levels=6, **plane)
            arrow = {"arrowstyle": "-|>", "lw": 2, "color": plots.VERMILLION}
            left.annotate("", tuple(1.5 * alpha / alpha.norm()), (0, 0), arrowprops=arrow)
        else:
            flat = f"p = {torch.sigmoid(torch.tensor(alpha_0)):.3f} everywhere"
            left.text(0.5, 0.5, flat, ha="center", transform=left.transAxes)
            right.text(0.5, 0.5, "slope 0 everywhere", ha="center", transform=right.transAxes)
        shown = {"xlim": plane["x"], "ylim": plane["y"], "xlabel": "$x_1$", "aspect": "equal"}
        left.set(title="p(Y=1 | x)", ylabel="$x_2$", **shown)
        right.set(title="slope |∇p| = p (1-p) |α|", **shown)
        steepest = f"Steepest slope {float(alpha.norm()) / 4:.3f}, where p = 1/2."
        settings = f"α = ({alpha_0:g}, {alpha_1:g}, {alpha_2:g})"
        return plots.picture(fig, f"Contours of the logistic plane for {settings}. {steepest}")

    return Explorer(
        draw,
        {
            "alpha_0": real_slider("α₀", 0.5, -4.0, 4.0, 0.5),
            "alpha_1": real_slider("α₁", 1.0, -4.0, 4.0, 0.5),
            "alpha_2": real_slider("α₂", -2.0, -4.0, 4.0, 0.5),
        },
    )
