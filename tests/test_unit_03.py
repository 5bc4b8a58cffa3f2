"""Unit 03's homework: what it covers, and its references against the library and known numbers."""

import math
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gencourse.authoring.contract import load_exercises
from gencourse.authoring.draws import as_tensors, run
from gencourse.course import Course
from gencourse.densities import kl_discrete, kl_gaussian, log_bernoulli, log_normal
from gencourse.exercises.adapter import KINDS
from gencourse.vae import (
    NormalPosterior,
    ProbabilisticPCA,
    active_units,
    factorised_gaussian,
    iwae_bound,
    pathwise_gradient,
    score_function_gradient,
)

COURSE = Course(Path(__file__).parents[1])
UNIT = "03_vae"
EXERCISES = {e.id: e for e in load_exercises(COURSE, UNIT)}
FILE = sys.modules[f"gencourse_exercises_{UNIT}"]
HOMEWORK = COURSE.source(UNIT, "homework").read_text()


def drawn(name, test, seeds=4):
    """Calls of a test, as the reference receives them."""
    inputs = EXERCISES[name].test(test).inputs
    return [as_tensors(inputs(np.random.default_rng(seed))) for seed in range(seeds)]


def named(name):
    """The declared wrong answers of an exercise by their names."""
    declared = (*EXERCISES[name].mistakes, *EXERCISES[name].wrong)
    return {item.answer.__name__: item.answer for item in declared}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# -- what it covers --------------------------------------------------------------------------


def written():
    found = re.findall(r'written="(.+)" points=(\d+)', HOMEWORK)
    return {name: int(points) for name, points in found}


def test_forty_points_in_all_five_kinds():
    assert sum(e.points for e in EXERCISES.values()) + sum(written().values()) == 40
    assert len(EXERCISES) >= 8
    assert {e.kind for e in EXERCISES.values()} == set(KINDS)


def test_every_row_of_the_curriculum_is_asked():
    assert list(FILE.ROWS) == [f"3.{k}" for k in range(1, 11)]
    asked = {name for row in FILE.ROWS.values() for name in row}
    assert asked == {*EXERCISES, *written()}


def test_no_row_is_left_to_the_written_question_alone():
    assert all(set(names) & set(EXERCISES) for names in FILE.ROWS.values())


def test_headings_tell_titles_points_and_minutes_as_declared():
    headings = re.findall(r"^# ## \d+\. (.+) \((\d+) points, about (\d+) minutes", HOMEWORK, re.M)
    declared = [(e.title, str(e.points), str(e.minutes)) for e in EXERCISES.values()]
    assert headings[:-1] == declared
    assert headings[-1][1] == str(sum(written().values()))
    assert 330 <= sum(int(minutes) for *_, minutes in headings) <= 390


# -- known numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (FILE.kl_gaussian, 1.3069),
        (named("kl-gaussian")["gauss_no_half"], 2.6137),
        (named("kl-gaussian")["gauss_sd"], 0.6534),
        (named("kl-gaussian")["gauss_reversed"], 0.4431),
        (named("kl-gaussian")["gauss_both_signs"], -2.6931),
    ],
)
def test_one_gaussian_against_the_standard_one(answer, value):
    (call,) = EXERCISES["kl-gaussian"].test("standard-prior").fixed
    assert run(answer, call).item() == pytest.approx(value, abs=5e-5)


def test_the_lecture_s_table_of_terms():
    (call,) = EXERCISES["kl-discrete"].test("values").fixed
    terms = run(FILE.kl_both_ways, call)["terms"]
    assert terms.tolist() == pytest.approx([1.9775, -0.2197], abs=5e-5)
    assert "1.9775 and -0.2197" in HOMEWORK


def test_the_narrow_and_the_wide_factorised_gaussian():
    for test, variance in (("q-to-p", 0.19), ("p-to-q", 1.0)):
        (call,) = EXERCISES["best-factorised"].test(test).fixed
        assert run(FILE.best_factorised, call)["var"].tolist() == pytest.approx([variance] * 2)
        swapped = run(named("best-factorised")["best_swapped"], call)["var"][0].item()
        assert swapped == pytest.approx(1.19 - variance)


def test_evidence_and_elbo_of_one_pixel():
    for test, value in (("evidence", -1.5155), ("elbo", -1.9189)):
        (call,) = EXERCISES["encoder-gaps"].test(test).fixed
        assert run(FILE.evidence_and_gaps, call).item() == pytest.approx(value, abs=5e-5)
        assert f"{value}" in HOMEWORK


def test_the_importance_weighted_bound_lies_between_and_the_mean_of_logs_does_not():
    z = torch.randn(400_000, 1, 1, generator=generator(1), dtype=torch.float64)
    zeros = torch.zeros(1, 1, dtype=torch.float64)
    call = {"log_lik": log_normal(1 - z[:, :, 0], 0.0, 1.0, event_dims=0), "z": z}
    call |= {"mean": zeros, "log_var": zeros, "k": 5}
    assert FILE.importance_weighted_bound(**call).item() == pytest.approx(-1.557, abs=3e-3)
    constant = named("iwae")["bound_of_logs"](**call).item()
    assert constant == pytest.approx(-1.9189, abs=5e-3)


def test_the_gradient_of_a_square_is_three_and_one():
    (call,) = EXERCISES["two-gradients"].test("pathwise").fixed
    estimates = run(FILE.gradient_estimates, call)
    assert estimates.mean(0).tolist() == pytest.approx([3.0, 1.0])
    assert run(named("two-gradients")["estimates_detached"], call).abs().max() == 0
    eps = torch.randn(1_000_000, generator=generator(), dtype=torch.float64)
    many = FILE.gradient_estimates(
        **(as_tensors(call) | {"eps": eps, "estimator": "score", "baseline": 2.5})
    )
    assert many.mean(0).tolist() == pytest.approx([3.0, 1.0], abs=0.03)
    assert many.var(0).min() > 4 * 1.0  # the pathwise one has variances 1 and 10 at most here


def test_the_mean_over_the_pixels_is_a_beta():
    for call in drawn("bernoulli-elbo", "one-sample"):
        averaged = named("bernoulli-elbo")["elbo_mean_over_pixels"](**call)
        pixels = call["x"].shape[1]
        torch.testing.assert_close(
            pixels * averaged, FILE.elbo(**(call | {"beta": float(pixels)}))
        )


# -- the written question --------------------------------------------------------------------

EIGENVALUES = torch.tensor([4.0, 1.0, 0.4, 0.1, 0.1, 0.1], dtype=torch.float64)
NOISE, PIXELS, UNITS = 0.1, 6, 3


def averages(W, A, log_var):
    """Mean squared error, KL of each unit and log p(x) for data of covariance diag(EIGENVALUES)
    and a linear encoder q(z|x) = N(A x, exp(log_var))."""
    S = EIGENVALUES.diag()
    left = torch.eye(PIXELS, dtype=W.dtype) - W @ A
    error = (left @ S @ left.T).trace() + (log_var.exp() * W.square().sum(0)).sum()
    kl = 0.5 * (log_var.exp() + (A @ S @ A.T).diag() - 1 - log_var)
    cov = W @ W.T + NOISE * torch.eye(PIXELS, dtype=W.dtype)
    fit = torch.linalg.solve(cov, S).trace() + torch.logdet(2 * math.pi * cov)
    return error, kl, -0.5 * fit


def elbo_of(error, kl, beta=1.0):
    log_lik = -0.5 * (error / NOISE + PIXELS * math.log(2 * math.pi * NOISE))
    return log_lik - beta * kl.sum()


def trained(beta):
    """Train the linear VAE of the written question."""
    W = torch.randn(PIXELS, UNITS, generator=generator(2), dtype=torch.float64)
    W, A = (W * 0.5).requires_grad_(), (0.3 * W.T).contiguous().requires_grad_()
    log_var = torch.full((UNITS,), -0.5, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [W, A, log_var],
        max_iter=3000,
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimiser.zero_grad()
        error, kl, _ = averages(W, A, log_var)
        loss = -elbo_of(error, kl, beta)
        loss.backward()
        return loss

    optimiser.step(closure)
    return W.detach(), A.detach(), log_var.detach()


@pytest.mark.parametrize("beta", [1, 6, 20, 60])
def test_the_written_question_s_table_is_what_training_finds(beta):
    error, kl, log_p = averages(*trained(float(beta)))
    units = ", ".join(f"{abs(k):.2f}" for k in kl.sort(descending=True).values.tolist())
    row = f"| {beta} | {units} | {error:.2f} | {elbo_of(error, kl):.2f} | {log_p:.2f} |"
    assert row in HOMEWORK


def test_the_written_question_s_rotation_keeps_the_evidence_and_costs_elbo():
    W = torch.zeros(PIXELS, UNITS, dtype=torch.float64)
    W[range(UNITS), range(UNITS)] = (EIGENVALUES[:UNITS] - NOISE).sqrt()
    turn = torch.eye(UNITS, dtype=torch.float64)
    turn[:2, :2] = torch.tensor([[1.0, -1.0], [1.0, 1.0]]) / math.sqrt(2)
    for name, decoder in (("$W$", W), ("$WR$", W @ turn)):
        precision = torch.eye(UNITS, dtype=torch.float64) + decoder.T @ decoder / NOISE
        A = torch.linalg.solve(precision, decoder.T) / NOISE
        error, kl, log_p = averages(decoder, A, -precision.diag().log())
        assert f"| {name} | {log_p:.2f} | {elbo_of(error, kl):.2f} |" in HOMEWORK


def test_the_written_question_s_autoencoder_has_half_the_error():
    assert EIGENVALUES[UNITS:].sum().item() == pytest.approx(0.30)
    assert "squared error of 0.30, half of the" in HOMEWORK


# -- references against the library and other oracles ----------------------------------------


def test_no_other_linear_autoencoder_reconstructs_better():
    for call in drawn("linear-autoencoder", "training-data"):
        x, k = call["x"], call["num_units"]
        best = (FILE.reconstruct(**call) - x).square().sum()
        rest = torch.linalg.svdvals(x - x.mean(0))[k:].square().sum()
        torch.testing.assert_close(best, rest)  # Eckart and Young
        for seed in range(20):
            draw = {"generator": generator(seed), "dtype": x.dtype}
            code = torch.cat([torch.randn(len(x), k, **draw), torch.ones(len(x), 1)], 1)
            fitted = code @ torch.linalg.lstsq(code, x).solution
            assert (fitted - x).square().sum() > best


def test_the_code_is_all_that_the_classifier_sees():
    for call in drawn("few-labels", "code", seeds=2):
        found = FILE.train_on_code(**call)
        cov = torch.cov(call["unlabelled"].T)
        hidden = torch.linalg.eigh(cov)[1][:, : -call["num_units"]]  # directions not in the code
        assert (hidden.T @ found["weight"]).abs().max() < 1e-10


def test_divergences_agree_with_the_library():
    for call in drawn("kl-discrete", "zeros"):
        found = FILE.kl_both_ways(**call)
        q, p = (call[k].log()[None] for k in ("q", "p"))
        torch.testing.assert_close(found["q_to_p"], kl_discrete(q, p)[0])
        torch.testing.assert_close(found["p_to_q"], kl_discrete(p, q)[0])
    for call in drawn("kl-gaussian", "any-prior"):
        sds = [(call[k] / 2).exp() for k in ("log_var_q", "log_var_p")]
        expected = kl_gaussian(call["mean_q"], sds[0], call["mean_p"], sds[1])
        torch.testing.assert_close(FILE.kl_gaussian(**call), expected)


def test_the_best_factorised_gaussian_agrees_with_the_library_and_with_torch_s_divergence():
    for test in ("q-to-p", "p-to-q"):
        for call in drawn("best-factorised", test):
            found = FILE.best_factorised(**call)
            var = factorised_gaussian(call["cov"], direction=call["direction"])
            torch.testing.assert_close(found["var"], var)
            normals = [
                torch.distributions.MultivariateNormal(call["mean"], cov)
                for cov in (var.diag(), call["cov"])
            ]
            pair = normals if call["direction"] == "q||p" else normals[::-1]
            torch.testing.assert_close(found["kl"], torch.distributions.kl_divergence(*pair))


def test_the_elbo_agrees_with_the_library_s_densities():
    for call in drawn("bernoulli-elbo", "samples"):
        q = NormalPosterior(call["mean"], call["log_var"] / 2)
        logits = (q.mean + q.sd * call["eps"]) @ call["W"].T + call["b"]
        x = call["x"].expand_as(logits)
        expected = log_bernoulli(x, logits, event_dims=1).mean(0) - call["beta"] * q.kl().sum(1)
        torch.testing.assert_close(FILE.elbo(**call), expected)


def test_the_elbo_is_below_the_evidence_that_quadrature_finds():
    """Two units: log p(x) on a grid of 400 x 400 codes; the samples' noise is averaged out."""
    line = torch.linspace(-8, 8, 400, dtype=torch.float64)
    z = torch.cartesian_prod(line, line)  # (G, 2)
    log_prior = log_normal(z, 0.0, 1.0, event_dims=1)
    for call in drawn("bernoulli-elbo", "one-sample", seeds=2):
        logits = z @ call["W"].T + call["b"]
        log_p = [
            (log_bernoulli(x.expand_as(logits), logits, event_dims=1) + log_prior).logsumexp(0)
            + 2 * math.log(float(line[1] - line[0]))
            for x in call["x"]
        ]
        eps = torch.randn(4000, 2, 2, generator=generator(), dtype=torch.float64)
        bound = FILE.elbo(**(call | {"eps": eps}))
        assert (bound < torch.stack(log_p)).all()
        q = (call["mean"], (call["log_var"] / 2).exp())
        log_q = log_normal(z[:, None], *q, event_dims=1)  # (G, B)
        posterior = torch.stack(
            [
                log_bernoulli(x.expand_as(logits), logits, event_dims=1) + log_prior
                for x in call["x"]
            ]
        ).T - torch.stack(log_p)
        area = float(line[1] - line[0]) ** 2
        gap = (log_q.exp() * (log_q - posterior)).sum(0) * area  # KL(q || posterior)
        torch.testing.assert_close(torch.stack(log_p) - bound, gap, rtol=0.05, atol=0.2)


def test_the_gaussian_decoder_agrees_with_the_library():
    for test in ("pixelwise", "shared"):
        for call in drawn("gaussian-decoder", test):
            sd = (call["log_var"] / 2).exp().expand_as(call["x"])
            expected = log_normal(call["x"], call["mean"], sd, event_dims=1)
            torch.testing.assert_close(FILE.gaussian_log_likelihood(**call), expected)


def test_gradient_estimates_agree_with_the_library_sample_by_sample():
    for estimator, of_library in (
        ("pathwise", pathwise_gradient),
        ("score", score_function_gradient),
    ):
        for call in drawn("two-gradients", estimator):
            mean, sd = (torch.tensor(call[k], dtype=torch.float64) for k in ("mean", "sd"))
            coefficients = call["coefficients"].tolist()

            def f(z, coefficients=coefficients):
                return sum(a * z**j for j, a in enumerate(coefficients))

            expected = of_library(f, mean, sd, num_samples=6, generator=generator(5))
            eps = torch.randn(6, generator=generator(5), dtype=torch.float64)
            found = FILE.gradient_estimates(**(call | {"eps": eps, "baseline": 0.0}))
            torch.testing.assert_close(found, torch.stack(list(expected), 1))


def test_the_importance_weighted_bound_agrees_with_the_library():
    for call in drawn("iwae", "bound"):
        q = NormalPosterior(call["mean"], call["log_var"] / 2)

        def log_lik(z):
            return -(z**4).sum(-1)

        def log_joint(z):
            return log_lik(z) + log_normal(z, 0.0, 1.0, event_dims=1)

        z = q.draw(6, generator=generator(7)).z
        expected = iwae_bound(log_joint, q, 6, generator=generator(7))
        found = FILE.importance_weighted_bound(log_lik(z), z, call["mean"], call["log_var"], 6)
        torch.testing.assert_close(found, expected)


def ppca(W, b, noise_var):
    model = ProbabilisticPCA(*W.shape[:1], num_latents=W.shape[1]).double()
    with torch.no_grad():
        model.W.copy_(W)
        model.mu.copy_(b)
        model.log_sigma.fill_(math.log(noise_var) / 2)
    return model


@torch.no_grad()
def test_evidence_and_gaps_agree_with_probabilistic_pca():
    for call in drawn("encoder-gaps", "gaps"):
        model = ppca(call["W"], call["b"], call["noise_var"])
        evidence, bound, gaps = (
            FILE.evidence_and_gaps(**(call | {"part": part}))
            for part in ("log-evidence", "elbo", "gaps")
        )
        torch.testing.assert_close(evidence, model.log_prob(call["x"]))
        at, cov = model.posterior(call["x"])
        q = NormalPosterior(call["mean"], call["log_var"] / 2)
        posterior = torch.distributions.MultivariateNormal(at, cov)
        factorised = torch.distributions.MultivariateNormal(q.mean, (q.sd**2).diag_embed())
        gap = torch.distributions.kl_divergence(factorised, posterior)
        torch.testing.assert_close(evidence - bound, gap)
        torch.testing.assert_close(gaps["approximation"] + gaps["amortisation"], gap)
        draws = q.draw(20_000, generator=generator(3))
        estimate = (model.log_joint(call["x"], draws.z) - draws.log_q).mean(0)
        torch.testing.assert_close(estimate, bound, rtol=0, atol=0.1)
        best = torch.distributions.MultivariateNormal(
            at, factorised_gaussian(cov).diag().expand(len(at), -1, -1)
        )
        least = torch.distributions.kl_divergence(best, posterior)
        torch.testing.assert_close(gaps["approximation"], least)


@torch.no_grad()
def test_filled_pixels_and_densities_agree_with_probabilistic_pca():
    for call in drawn("fill-in", "fill"):
        model = ppca(**call["init"])
        given = call["calls"][0][1]
        filler = FILE.PixelFiller(**call["init"])
        filled, densities = filler.fill_in(**given), filler.log_prob(**given)
        for row, seen, mine, log_p in zip(*given.values(), filled, densities, strict=True):
            torch.testing.assert_close(mine, model.complete(row[None], seen).mean[0])
            cov = model.covariance()[seen][:, seen]
            marginal = torch.distributions.MultivariateNormal(model.mu[seen], cov)
            torch.testing.assert_close(log_p, marginal.log_prob(row[seen]))


def test_hard_gumbel_samples_have_the_frequencies_of_the_softmax():
    n, logits = 200_000, torch.tensor([0.7, -1.1, 0.2, 1.4], dtype=torch.float64)
    u = torch.rand(n, 4, generator=generator(), dtype=torch.float64)
    p = logits.softmax(0)
    hard = FILE.gumbel_softmax(logits.expand(n, -1), u, 0.5, True)
    assert ((hard.mean(0) - p).abs() < 5 * (p / n).sqrt()).all()
    soft = FILE.gumbel_softmax(logits.expand(n, -1), u, 1e-3, False)
    assert (soft - hard).abs().mean() < 1e-3


def test_the_bound_with_a_latent_class_is_exact_for_the_exact_classifier():
    for call in drawn("class-conditional", "bound"):
        evidence = (call["elbos"] + call["class_prior"].log()).logsumexp(1)
        assert (FILE.with_classes(**call) < evidence).all()
        classes = FILE.with_classes(**(call | {"part": "classify"}))
        exact = FILE.with_classes(**(call | {"q_class": classes}))
        torch.testing.assert_close(exact, evidence)


def test_activity_and_free_bits_agree_with_the_library():
    for call in drawn("collapse", "activity"):
        model = SimpleNamespace(event_shape=(4,), encode=lambda rows: SimpleNamespace(mean=rows))
        torch.testing.assert_close(
            FILE.collapse_report(**call), active_units(model, call["mean"]).variance
        )
    for call in drawn("collapse", "free-bits"):
        kl = NormalPosterior(call["mean"], call["log_var"] / 2).kl().mean(0)
        below = (kl < call["free_bits"]).sum()
        assert 0 < below < len(kl)
        expected = kl[kl > call["free_bits"]].sum() + below * call["free_bits"]
        torch.testing.assert_close(FILE.collapse_report(**call), expected)
