"""Unit 02's homework: what it covers, and its references against the library and known numbers."""

import itertools
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gencourse.authoring.contract import load_exercises
from gencourse.authoring.draws import as_tensors, run
from gencourse.autoregressive import (
    FVSBN,
    MADE,
    NADE,
    RNADE,
    GatedPixelCNN,
    PixelCNN,
    RowLSTM,
    made_masks,
)
from gencourse.autoregressive.causal_conv import causal_mask
from gencourse.autoregressive.diagonal_bilstm import skew, unskew
from gencourse.course import Course
from gencourse.evaluate import bits_per_dim
from gencourse.exercises.adapter import KINDS
from tests.density_suite import dependence

COURSE = Course(Path(__file__).parents[1])
UNIT = "02_autoregressive"
EXERCISES = {e.id: e for e in load_exercises(COURSE, UNIT)}
FILE = sys.modules[f"gencourse_exercises_{UNIT}"]
HOMEWORK = COURSE.source(UNIT, "homework").read_text()


def drawn(name, test, seeds=3):
    """Inputs of a test, as they are declared."""
    inputs = EXERCISES[name].test(test).inputs
    return [inputs(np.random.default_rng(seed)) for seed in range(seeds)]


def variants(name):
    """The declared wrong answers of an exercise by their names."""
    declared = (*EXERCISES[name].mistakes, *EXERCISES[name].wrong)
    return {item.answer.__name__: item.answer for item in declared}


def with_parameters(model, **values):
    """A double-precision model with these parameters."""
    model = model.double()
    with torch.no_grad():
        for name, value in values.items():
            getattr(model, name).copy_(torch.as_tensor(value))
    return model


def states(d):
    return torch.tensor(list(itertools.product((0, 1), repeat=d)))


# -- what it covers --------------------------------------------------------------------------


def written():
    return {n: int(p) for n, p in re.findall(r'written="(.+)" points=(\d+)', HOMEWORK)}


def test_forty_points_in_all_five_kinds():
    assert sum(e.points for e in EXERCISES.values()) + sum(written().values()) == 40
    assert len(EXERCISES) >= 8
    assert {e.kind for e in EXERCISES.values()} == set(KINDS)


def test_every_row_of_the_curriculum_is_asked():
    assert list(FILE.ROWS) == [f"2.{k}" for k in range(1, 13)]
    asked = {name for row in FILE.ROWS.values() for name in row}
    assert asked == {*EXERCISES, *written()}


def test_headings_tell_titles_points_and_minutes_as_declared():
    headings = re.findall(r"^# ## \d+\. (.+) \((\d+) points, about (\d+) minutes", HOMEWORK, re.M)
    declared = [(e.title, str(e.points), str(e.minutes)) for e in EXERCISES.values()]
    assert headings[:-1] == declared
    assert headings[-1][1] == str(sum(written().values()))
    assert 330 <= sum(int(minutes) for _, _, minutes in headings) <= 390  # "about six hours"


# -- known numbers ---------------------------------------------------------------------------


def test_a_mask_that_shows_the_pixel_itself_sums_to_1_3808():
    call = EXERCISES["fvsbn"].test("log-prob").fixed[0]
    (log_p,) = run(variants("fvsbn")["FvsbnSeesItself"], call)
    assert log_p.exp().sum().item() == pytest.approx(1.3808, abs=5e-5)
    assert run(FILE.Fvsbn, call)[0].exp().sum().item() == pytest.approx(1)


def test_a_sigmoid_twice_sums_to_1_and_stays_between_one_half_and_0_7311():
    for call in drawn("nade", "value-and-gradient"):
        log_p = run(variants("nade")["nade_twice"], call)
        assert log_p.exp().sum().item() == pytest.approx(1)
        assert (log_p >= 4 * math.log(1 - 0.7311) - 1e-3).all()
        assert (log_p <= 4 * math.log(0.7311) + 1e-3).all()


def test_clamping_is_not_conditioning():
    call = EXERCISES["completion"].test("late").fixed[0]
    assert run(FILE.complete_reference, call)["marginals"][0].item() == pytest.approx(0.9)
    for name in ("complete_clamped", "complete_clamped_marginals"):
        clamped = run(variants("completion")[name], call)
        assert clamped["marginals"][0].item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "number"),
    [(None, 0.1625), ("MeasuresInNats", 0.1127), ("MeasuresPerEvent", 127.4)],
)
def test_units_of_88_33_nats(name, number):
    answer = variants("measures")[name] if name else FILE.Measures
    assert float(run(answer, FILE.MNIST_ROW)[0]) == pytest.approx(number, rel=4e-4)


def test_the_temperatures_of_the_written_question():
    first, second = [0.4, 0.6], [[0.9, 0.1], [0.5, 0.5]]

    def sharpened(p):
        return [q**2 / sum(r**2 for r in p) for q in p]

    local = sharpened(first)[0] * sharpened(second[0])[0]
    joint = [first[i] * second[i][j] for i in (0, 1) for j in (0, 1)]
    assert local == pytest.approx(0.3039, abs=5e-5)
    assert sharpened(joint)[0] == pytest.approx(0.4165, abs=5e-5)
    assert "Step by step 0.3039, globally 0.4165" in HOMEWORK


def test_the_black_image_of_the_written_question():
    p, d = 0.1, 784
    mean = -d * (p * math.log(p) + (1 - p) * math.log(1 - p))
    sd = math.sqrt(d * p * (1 - p)) * math.log((1 - p) / p)
    black = -d * math.log(1 - p)
    assert [round(v, 1) for v in (mean, sd, black)] == [254.9, 18.5, 82.6]
    assert all(f"{v:.1f}" in HOMEWORK for v in (mean, sd, black))


def test_what_independent_pixels_and_the_reference_reach_on_bars():
    for call in drawn("train-nade", "held-out", seeds=2):
        assert FILE.nll_of(FILE.train_factorised, call) == pytest.approx(5.8, abs=0.15)
        assert FILE.nll_of(FILE.train_nothing, call) == pytest.approx(9 * math.log(2))
        assert 2.6 < FILE.nll_of(FILE.train_reference, call) < 3.7
        assert FILE.nll_of(FILE.train_own_context, call) > 9 * math.log(2)


# -- references against the library ----------------------------------------------------------


def test_fvsbn_agrees_with_the_library():
    for call in drawn("fvsbn", "log-prob"):
        init = call["init"]
        model = with_parameters(FVSBN(4, order=init["order"].tolist()), W=init["W"], b=init["b"])
        torch.testing.assert_close(run(FILE.Fvsbn, call)[0], model.log_prob(states(4)))


def test_samples_of_fvsbn_have_its_frequencies():
    init = as_tensors(drawn("fvsbn", "log-prob", seeds=1)[0]["init"])
    model, n = FILE.Fvsbn(**init), 40_000
    uniforms = torch.rand(n, 4, generator=torch.Generator().manual_seed(1)).double()
    found, counts = model.sample(uniforms).unique(dim=0, return_counts=True)
    p = model.log_prob(found).exp()
    assert p.sum() > 0.99
    assert ((counts / n - p).abs() < 5 * (p / n).sqrt() + 1e-4).all()


def test_nade_agrees_with_the_library_and_the_last_column_has_no_gradient():
    for test in ("value-and-gradient", "far"):
        for call in drawn("nade", test):
            x, parameters = torch.tensor(call["x"]), {k: call[k] for k in "WVbc"}
            model = with_parameters(NADE(4, num_hidden=3), **parameters)
            torch.testing.assert_close(run(FILE.nade_reference, call), model.log_prob(x))
            W = torch.tensor(call["W"], requires_grad=True)
            FILE.nade_reference(**(as_tensors(call) | {"W": W})).sum().backward()
            assert (W.grad[:, -1] == 0).all() and (W.grad[:, 0] != 0).any()


def test_rnade_agrees_with_the_library():
    for call in (*drawn("rnade", "conditionals"), *drawn("rnade", "far-away")):
        d, k = call["b"].shape[1:]
        model = RNADE(d, num_hidden=3, num_components=k, min_sd=0.0)
        values = {name: call[name] for name in ("W", "V", "b", "c", "rho")}
        model = with_parameters(model, **values)
        expected = model.log_conditionals(torch.tensor(call["x"]))
        torch.testing.assert_close(run(FILE.rnade_reference, call), expected)


def test_rnade_integrates_to_1_in_two_dimensions():
    call = FILE.draw_rnade(np.random.default_rng(5), 2, np.zeros((1, 2)))
    call["V"][2] *= 0.1  # far out, too, a component is wider than the grid's spacing
    axis = np.arange(-15, 15, 0.1)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    log_p = run(FILE.rnade_reference, call | {"x": grid}).sum(1)
    assert log_p.exp().sum().item() * 0.1**2 == pytest.approx(1, abs=1e-4)


def test_made_s_masks_agree_with_the_library():
    for test in ("masks", "orderings"):
        for call in drawn("made", test):
            degrees = as_tensors(call["init"]["degrees"])
            found = run(FILE.Made, call)
            for (_, kwargs), masks in zip(call["calls"], found, strict=True):
                expected = made_masks(kwargs["order"].tolist(), degrees)
                assert all(torch.equal(m, e) for m, e in zip(masks, expected, strict=True))


def test_made_agrees_with_the_library():
    for call in drawn("made", "log-prob"):
        init, orders = as_tensors(call["init"]), call["calls"][0][1]["orders"]
        model = MADE(4, hidden=(5, 6), orders=orders.tolist()).double()
        with torch.no_grad():
            for layer in (0, 1):
                getattr(model, f"degrees_{layer}").copy_(init["degrees"][layer].expand(3, -1))
                model.W[layer].copy_(init["weights"][layer])
                model.b[layer].copy_(init["biases"][layer])
            model.V.copy_(init["weights"][2])
            model.c.copy_(init["biases"][2])
        torch.testing.assert_close(run(FILE.Made, call)[0], model.log_prob(states(4)))


@pytest.mark.parametrize("colours", [1, 3])
def test_masks_agree_with_the_library(colours):
    inputs = [k * colours // 6 for k in range(6)]
    outputs = [k * colours // 4 for k in range(4)]
    found = FILE.masks_reference(inputs, outputs, 5)
    for kind in "AB":
        expected = causal_mask(kind, 6, 4, (5, 5), num_colours=colours)
        assert torch.equal(found[kind], expected.bool())


MODELS = {
    "pixelcnn": lambda shape, n: PixelCNN(shape, num_layers=n, num_hidden=2, first_kernel=3),
    "two-stacks": lambda shape, n: GatedPixelCNN(
        shape, num_layers=n + 1, num_hidden=2, first_kernel=3
    ),
    "row-lstm": lambda shape, n: RowLSTM(shape, num_layers=n, num_hidden=2, first_kernel=3),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("layers", [1, 2])
def test_contexts_are_those_of_the_library_s_models(name, layers):
    height, width = 6, 7
    model = MODELS[name]((1, height, width), layers).double()
    with torch.no_grad():
        for parameter in model.parameters():  # positive, so that nothing cancels
            parameter.copy_(0.05 + 0.1 * torch.rand_like(parameter))
    seen = dependence(model.logits, (1, height, width)).reshape(height, width, height, width)
    for row, column in itertools.product(range(height), range(width)):
        found = FILE.context_reference(name, height, width, layers, row, column)
        assert torch.equal(torch.tensor(found), seen[row, column]), (row, column)


def test_skewing_agrees_with_the_library_and_is_undone():
    for call in drawn("diagonal-bilstm", "skew"):
        x = torch.tensor(call["calls"][0][1]["x"])
        (found,) = run(FILE.Diagonal, call)
        assert torch.equal(found, skew(x)) and torch.equal(unskew(found), x)


def test_both_scans_see_all_rows_above_and_the_row_to_the_left():
    scan, (height, width) = FILE.Diagonal(0.5, -0.8), (4, 5)
    x = torch.randn(height, width, generator=torch.Generator().manual_seed(0)).double()
    seen = torch.autograd.functional.jacobian(scan.both, x) != 0
    for i, j, k, m in itertools.product(range(height), range(width), repeat=2):
        assert seen[i, j, k, m] == (k < i or (k == i and m <= j))


def test_generated_texts_have_the_chain_rule_s_frequencies():
    call = as_tensors(drawn("language-model", "prefix", seeds=1)[0])
    weights, n = {k: call[k] for k in "ERUc"}, 30_000
    prefix, temperature = call["prefix"], 0.6
    uniforms = torch.rand(n, 3, generator=torch.Generator().manual_seed(2)).double()
    found = FILE.generate_reference(
        **weights, prefix=prefix, uniforms=uniforms, temperature=temperature
    )
    tokens, counts = found.unique(dim=0, return_counts=True)
    for text, count in zip(tokens.tolist(), counts.tolist(), strict=True):
        h, p = torch.zeros(3).double(), 1.0
        for k, token in enumerate([*prefix, *text]):
            if k >= len(prefix):
                scores = ((weights["U"] @ h + weights["c"]) / temperature).exp()
                p *= (scores[token] / scores.sum()).item()
            h = torch.tanh(weights["R"] @ h + weights["E"][token])
        assert abs(count / n - p) < 5 * math.sqrt(p / n) + 1e-4


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_a_stack_of_l_layers_sees_two_to_the_l_samples(layers):
    stack = FILE.Wave(torch.full((layers, 2), 0.5).double(), 256)
    impulse = torch.zeros(2**layers + 6).double()
    impulse[2] = 1
    heard = stack.forward(impulse).nonzero()[:, 0]
    assert heard.tolist() == list(range(2, 2 + 2**layers))


def test_streaming_gives_what_one_pass_gives():
    for call in drawn("wavenet", "stream"):
        sound = [kwargs["value"] for _, kwargs in call["calls"]]
        whole = FILE.Wave(**as_tensors(call["init"])).forward(torch.tensor(sound).double())
        torch.testing.assert_close(torch.stack(run(FILE.Wave, call)), whole)


def test_codes_decode_to_the_middle_of_their_sounds():
    wave, codes = FILE.Wave(torch.zeros(1, 2), 256), torch.arange(256)
    assert torch.equal(wave.encode(wave.decode(codes)), codes)
    assert wave.decode(codes)[[0, 255]].tolist() == pytest.approx([-1, 1])


def test_completions_agree_with_a_model_s_probabilities():
    model, d = NADE(4, num_hidden=3, generator=torch.Generator().manual_seed(4)).double(), 4
    x = states(d)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
        p, p_one = model.log_prob(x).exp(), model.logits(x.double()).sigmoid()
    tables = [p_one[:, i].reshape((2,) * d)[(...,) + (0,) * (d - i)] for i in range(d)]
    found = FILE.complete_reference(tables, [None, 1, None, 0])
    agree = (x[:, 1] == 1) & (x[:, 3] == 0)
    assert found["log_evidence"].exp().item() == pytest.approx(p[agree].sum().item())
    expected = (p[agree, None] * x[agree]).sum(0) / p[agree].sum()
    torch.testing.assert_close(found["marginals"], expected)


def test_bits_agree_with_the_library():
    for call in drawn("measures", "bits"):
        shape = tuple(call["init"]["event_shape"])
        (_, plain), (_, scaled) = call["calls"]
        found = run(FILE.Measures, call)
        nats = -plain["log_probs"].mean()
        assert found[0].item() == pytest.approx(bits_per_dim(nats, shape))
        nats = -scaled["log_probs"].mean() + math.prod(shape) * math.log(scaled["levels"])
        assert found[1].item() == pytest.approx(bits_per_dim(nats, shape))


def test_p_values_by_hand():
    measures = FILE.Measures(torch.tensor([-3.0, -1.0, -2.0, -5.0]), [1])
    found = measures.p_values(torch.tensor([-2.0, -9.0, 0.0]))
    assert found.tolist() == pytest.approx([4 / 5, 1 / 5, 5 / 5])


def test_uniforms_decide_as_the_homework_says():
    """What no frequency can tell: which number decides what, and from which end."""
    order, b = torch.tensor([1, 0]), torch.tensor([0.3, 0.6]).double().logit()
    model = FILE.Fvsbn(torch.zeros(2, 2).double(), b, order)
    assert model.sample(torch.tensor([[0.2, 0.9]]).double()).tolist() == [[1, 0]]
    zeros, c = torch.zeros(3, 3).double(), torch.tensor([0.2, 0.3, 0.5]).double().log()
    uniforms = torch.tensor([[0.1, 0.4, 0.6, 0.99]]).double()
    found = FILE.generate_reference(zeros, zeros, zeros, c, [], uniforms, 1.0)
    assert found.tolist() == [[0, 1, 2, 2]]


def test_a_scan_by_hand():
    x = torch.tensor([[0.3, -0.7], [1.1, 0.4]]).double()
    s = [[math.tanh(0.3), 0.0], [0.0, 0.0]]
    s[0][1] = math.tanh(-0.7 + 0.5 * s[0][0])
    s[1][0] = math.tanh(1.1 - 0.8 * s[0][0])
    s[1][1] = math.tanh(0.4 + 0.5 * s[1][0] - 0.8 * s[0][1])
    torch.testing.assert_close(FILE.Diagonal(0.5, -0.8).states(x), torch.tensor(s).double())
