import ast
import math
import re
from pathlib import Path

import ipywidgets
import pytest
import torch

from gencourse import plots, widgets
from gencourse.graphical import BayesNet, FactorGraph, GaussianMixture, belief_propagation
from gencourse.graphical.examples import red_blue_network, student_network

WALKTHROUGHS = sorted((Path(__file__).parents[1] / "solutions").glob("*_walkthrough.py"))
LIVE = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def coarse_pictures(monkeypatch):
    monkeypatch.setattr(plots.pictures, "DOTS_PER_INCH", 40)  # a quarter of the time


def other_values(control):
    """Return values that `control` can take and does not have now."""
    if isinstance(control, ipywidgets.Dropdown | ipywidgets.ToggleButtons):
        candidates = [o[1] if isinstance(o, tuple) else o for o in control.options]
    else:
        candidates = [control.min, control.max]
    return [value for value in candidates if value != control.value]


def drive(explorer):
    """Move every control through values that it does not begin with; return the pictures."""
    seen = []
    for name, control in explorer.controls.items():
        start = control.value
        values = other_values(control)
        assert values, f"{name} cannot be moved"
        for value in values:
            before = explorer.picture
            control.value = value
            assert explorer.picture is not before, f"{name} = {value} drew nothing"
            assert explorer.shown == explorer.picture.html
            seen.append(explorer.picture)
        control.value = start
    return seen


def message_explorer():
    graph = FactorGraph.from_bayes_net(red_blue_network())
    return widgets.message_explorer(graph, belief_propagation(graph).messages)


EXPLORERS = {
    "evidence": lambda: widgets.evidence_explorer(red_blue_network(), evidence={"x4": 0}),
    "duplicated": widgets.duplicated_evidence_explorer,
    "mixture": lambda: widgets.mixture_explorer([0.0, 1.0, 5.0]),
    "mixture without data": widgets.mixture_explorer,
    "messages": message_explorer,
    "logistic": widgets.logistic_explorer,
}


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_control_moves_its_picture(name):
    explorer = EXPLORERS[name]()
    first = explorer.picture
    pictures = drive(explorer)
    assert all(picture.png != first.png for picture in pictures)
    assert all(picture.alt != first.alt for picture in pictures)


@pytest.mark.parametrize("name", EXPLORERS)
def test_the_output_holds_a_static_picture_and_the_live_widget(name):
    explorer = EXPLORERS[name]()
    data, metadata = explorer._repr_mimebundle_()
    assert data[LIVE]["model_id"] == explorer.widget.model_id
    assert data["image/png"] == explorer.picture.png and "<img alt=" in data["text/html"]
    assert metadata["image/png"]["alt"] == explorer.picture.alt


def test_an_error_in_a_callback_is_shown_and_raised():
    control = ipywidgets.IntSlider(value=1, min=0, max=2)

    def draw(n):
        if n == 0:
            raise ValueError("n is 0 <expected> 1")
        fig, _ = plots.figure()
        return plots.picture(fig, f"n = {n}")

    explorer = widgets.Explorer(draw, {"n": control})
    with pytest.raises(ValueError, match="n is 0"):
        control.value = 0
    assert "ValueError: n is 0 &lt;expected&gt; 1" in explorer.shown
    control.value = 2
    assert 'alt="n = 2"' in explorer.shown


def probabilities(picture):
    found = re.findall(r"P\((\w+) = (\w+)\) = (\d\.\d+)", picture.alt)
    return {(name, state): float(p) for name, state, p in found}


def test_evidence_explorer_shows_the_exact_posterior():
    explorer = widgets.evidence_explorer(red_blue_network())
    assert probabilities(explorer.picture)["x3", "red"] == 0.6
    for x2, expected in ((None, 0.5795), (0, 0.4839), (1, 0.75)):
        explorer.controls["x4"].value, explorer.controls["x2"].value = 0, x2
        assert probabilities(explorer.picture)["x3", "red"] == pytest.approx(expected, abs=5e-5)


def test_evidence_explorer_lists_all_states_where_there_are_more_than_two():
    explorer = widgets.evidence_explorer(student_network(), evidence={"i": 1})
    shown = probabilities(explorer.picture)
    assert sum(shown["g", grade] for grade in "ABC") == pytest.approx(1, abs=2e-4)
    assert shown["g", "A"] == pytest.approx(0.6 * 0.9 + 0.4 * 0.5)
    assert ("i", "high") not in shown


def test_impossible_evidence_is_told_and_not_drawn():
    copy = BayesNet({"a": ((), [0.5, 0.5]), "b": (("a",), [[1.0, 0.0], [0.0, 1.0]])})
    explorer = widgets.evidence_explorer(copy, evidence={"a": 0})
    assert probabilities(explorer.picture)["b", "0"] == 1
    with pytest.raises(ValueError, match="a=0, b=1 has probability 0"):
        explorer.controls["b"].value = 1
    assert 'role="alert"' in explorer.shown


def test_duplicated_evidence_counts_as_often_as_it_is_copied():
    explorer = widgets.duplicated_evidence_explorer()
    assert "naive Bayes 0.9412 at 2 copies, exact 0.8000" in explorer.picture.alt
    explorer.controls["copies"].value = 1
    assert "naive Bayes 0.8000 at 1 copies" in explorer.picture.alt
    for name, value in {"copies": 3, "in_spam": 0.3, "in_ham": 0.6, "prior": 0.9}.items():
        explorer.controls[name].value = value
    expected = 0.9 * 0.3**3 / (0.9 * 0.3**3 + 0.1 * 0.6**3)
    assert f"naive Bayes {expected:.4f} at 3 copies" in explorer.picture.alt


def test_mixture_explorer_shows_the_mean_log_likelihood():
    data = torch.tensor([-1.0, 0.5, 4.0])
    explorer = widgets.mixture_explorer(data)
    settings = {"weight": 0.3, "mean_0": -0.5, "mean_1": 3.0, "sd_0": 1.2, "sd_1": 0.4}
    picture = explorer.draw(**settings)
    parameters = [0.7, 0.3], [-0.5, 3.0], [1.2, 0.4]
    model = GaussianMixture.from_parameters(*map(torch.tensor, parameters))
    expected = model.log_prob(data[:, None].double()).mean()
    assert f"mean log-likelihood {expected:.3f} nats" in picture.alt


def test_message_explorer_tells_the_messages_of_the_step():
    explorer = message_explorer()
    graph = FactorGraph.from_bayes_net(red_blue_network())
    messages = belief_propagation(graph).messages
    explorer.controls["step"].value = max(m.step for m in messages)
    last = messages[-1]
    assert f"{last.source} to {last.target} ({last.values[0]:.2f}, " in explorer.picture.alt
    with pytest.raises(ValueError, match="messages is empty"):
        widgets.message_explorer(graph, [])


def test_logistic_explorer_states_the_steepest_slope_and_survives_a_flat_plane():
    explorer = widgets.logistic_explorer()
    picture = explorer.draw(alpha_0=1.0, alpha_1=3.0, alpha_2=-4.0)
    assert f"Steepest slope {math.hypot(3, 4) / 4:.3f}" in picture.alt
    assert "Steepest slope 0.000" in explorer.draw(alpha_0=1.0, alpha_1=0.0, alpha_2=0.0).alt


def cells(path, tag):
    """Return the code of the cells of a percent source that carry `tag`."""
    parts = re.split(r"(?m)^# %%(.*)$", path.read_text())
    found = zip(parts[1::2], parts[2::2], strict=True)
    return [code for head, code in found if f'"{tag}"' in head]


@pytest.mark.parametrize("path", WALKTHROUGHS, ids=lambda p: p.stem)
def test_every_widget_of_the_walkthrough_can_be_driven(path):
    """Cells tagged `widget` need only the cells tagged `setup` and end in an `Explorer`."""
    scope = {}
    for code in cells(path, "setup"):
        exec(code, scope)
    sources = cells(path, "widget")
    assert len(sources) == len(re.findall(r"(?m)^widgets\.", path.read_text()))
    for source in sources:
        tree = ast.parse(source)
        last = ast.Expression(tree.body.pop().value)
        own = dict(scope)
        exec(compile(tree, str(path), "exec"), own)
        explorer = eval(compile(last, str(path), "eval"), own)
        assert isinstance(explorer, widgets.Explorer)
        drive(explorer)
