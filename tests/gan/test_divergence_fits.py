"""One Gaussian against a mixture: each divergence and its best fit against other formulas."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from gencourse.gan.divergence_fits import (
    DIVERGENCES,
    Mixture,
    fit_gaussian,
    mmd,
    normal_quantile,
)

WEIGHTS, MEANS, SDS = (0.6, 0.4), (-2.0, 2.5), (0.7, 1.0)
P = Mixture(WEIGHTS, MEANS, SDS)
Q = (0.3, 1.4)  # a Gaussian that is no optimum


def double(*values):
    return [torch.tensor(value, dtype=torch.float64) for value in values]


def density(x):
    return sum(w * stats.norm.pdf(x, m, s) for w, m, s in zip(WEIGHTS, MEANS, SDS, strict=True))


def below(x):
    return sum(w * stats.norm.cdf(x, m, s) for w, m, s in zip(WEIGHTS, MEANS, SDS, strict=True))


def integral(f):
    return integrate.quad(f, -14, 14, points=[*MEANS, 0.3], limit=400, epsabs=1e-11)[0]


def by_scipy(name):
    """The divergences of Q by their definitions as integrals over x, or over the quantile u."""
    p, q = density, lambda x: stats.norm.pdf(x, *Q)
    if name == "kl":
        return integral(lambda x: p(x) * math.log(p(x) / q(x)))
    if name == "reverse_kl":
        return integral(lambda x: q(x) * (stats.norm.logpdf(x, *Q) - math.log(p(x))))
    if name == "jsd":
        m = lambda x: (p(x) + q(x)) / 2  # noqa: E731
        one = integral(lambda x: p(x) * math.log(p(x) / m(x)))
        return (one + integral(lambda x: q(x) * math.log(q(x) / m(x)))) / 2
    if name == "wasserstein_1":
        return integral(lambda x: abs(below(x) - stats.norm.cdf(x, *Q)))
    if name == "wasserstein_2":  # ∫ (F⁻¹(u) - G⁻¹(u))² du, F⁻¹ by interpolation
        x = torch.linspace(-9, 10, 400_001, dtype=torch.float64).numpy()
        u = torch.linspace(0, 1, 400_002, dtype=torch.float64).numpy()[1:-1]
        there = torch.from_numpy(stats.norm.ppf(u, *Q))
        here = torch.from_numpy(np.interp(u, below(x), x))
        return float((here - there).square().mean())

    # of normals, E k has a closed form: the sum of three variances under a root
    def expected(a, b):
        variance = 1 + a[1] ** 2 + b[1] ** 2
        return math.exp(-((a[0] - b[0]) ** 2) / (2 * variance)) / math.sqrt(variance)

    signed = [*zip(WEIGHTS, zip(MEANS, SDS, strict=True), strict=True), (-1.0, Q)]
    return sum(u * v * expected(a, b) for u, a in signed for v, b in signed)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_value_is_that_of_the_definition(name):
    found = float(DIVERGENCES[name](P, *double(*Q)))
    tolerance = 2e-4 if name == "wasserstein_2" else 1e-6
    assert found == pytest.approx(by_scipy(name), abs=tolerance) and found > 0.05


@pytest.mark.parametrize("name", DIVERGENCES)
def test_no_other_gaussian_is_closer(name):
    fit = fit_gaussian(P, name)
    found = DIVERGENCES[name](P, *double(fit.mean, fit.sd))
    assert float(found) == pytest.approx(fit.value, abs=1e-12)
    for mean in torch.linspace(-3, 3.5, 14).tolist():
        for sd in (0.4, 0.7, 1.0, 1.5, 2.0, 2.5, 3.2):
            assert fit.value <= float(DIVERGENCES[name](P, *double(mean, sd)))


def test_kl_matches_the_moments():
    fit = fit_gaussian(P, "kl")
    assert fit.mean == pytest.approx(0.6 * -2 + 0.4 * 2.5, abs=1e-5)
    variance = 0.6 * (0.49 + 4) + 0.4 * (1 + 6.25) - 0.2**2
    assert fit.sd == pytest.approx(math.sqrt(variance), abs=1e-5)


def test_reverse_kl_sits_on_the_heavier_mode():
    fit = fit_gaussian(P, "reverse_kl")
    assert abs(fit.mean + 2) < 0.05 and abs(fit.sd - 0.7) < 0.05
    # all of q is on a mode of weight 0.6: log 1/0.6 is what is left
    assert fit.value == pytest.approx(-math.log(0.6), abs=0.02)
    other = fit_gaussian(Mixture((0.4, 0.6), MEANS, SDS), "reverse_kl")
    assert abs(other.mean - 2.5) < 0.1


def test_wasserstein_2_is_a_regression_on_quantiles():
    """E (x - μ - σ t)² with t the normal quantile of x: μ = E x, σ = E x t (t has variance 1)."""
    fit, x = fit_gaussian(P, "wasserstein_2"), P.nodes
    u = torch.linspace(0, 1, 200_002, dtype=torch.float64)[1:-1].numpy()
    grid = torch.linspace(-9, 10, 200_001, dtype=torch.float64).numpy()
    quantiles = torch.from_numpy(np.interp(u, below(grid), grid))
    slope = float((quantiles * torch.from_numpy(stats.norm.ppf(u))).mean())
    assert fit.mean == pytest.approx(P.mean, abs=1e-6) and fit.sd == pytest.approx(slope, abs=1e-3)
    assert fit.value == pytest.approx(P.sd**2 - fit.sd**2, abs=1e-6)  # what is not explained
    assert normal_quantile(P, x).isfinite().all()


def test_the_order_of_what_is_covered():
    """The share of p within two standard deviations of the fit: by KL(q ‖ p) one mode only."""
    covered = {}
    for name in DIVERGENCES:
        fit = fit_gaussian(P, name)
        covered[name] = below(fit.mean + 2 * fit.sd) - below(fit.mean - 2 * fit.sd)
    assert covered["reverse_kl"] < 0.63
    assert all(share > 0.95 for name, share in covered.items() if name != "reverse_kl")


@pytest.mark.parametrize("name", DIVERGENCES)
def test_one_gaussian_is_found(name):
    fit = fit_gaussian(Mixture([1.0], [1.5], [0.8]), name)
    assert fit.mean == pytest.approx(1.5, abs=2e-3) and fit.sd == pytest.approx(0.8, abs=2e-3)
    assert fit.value == pytest.approx(0, abs=2e-3)


def test_jsd_far_apart_is_log_2_and_gives_no_slope():
    mean, sd = double(40.0, 0.5)
    mean.requires_grad_()
    value = DIVERGENCES["jsd"](P, mean, sd)
    (slope,) = torch.autograd.grad(value, mean)
    assert (
        float(value.detach()) == pytest.approx(math.log(2), abs=1e-9) and abs(float(slope)) < 1e-9
    )
    far = [float(DIVERGENCES["wasserstein_1"](P, *double(m, 0.5))) for m in (40.0, 41.0)]
    assert far[1] - far[0] == pytest.approx(1, abs=1e-6)


def test_a_wide_kernel_compares_the_means_only():
    """For s far above all distances MMD² is (E x - E y)² / s² to first order."""
    mean, sd = double(1.0, 1.4)
    found = float(mmd(P, mean, sd, bandwidth=1000.0)) * 1000**2
    assert found == pytest.approx((1.0 - P.mean) ** 2, rel=1e-3)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: Mixture((0.6, 0.6), MEANS, SDS), r"weights sum to 1\.2, expected 1"),
        (lambda: Mixture((0.6, 0.4), MEANS, (1.0, 0.0)), r"sds \[1\.0, 0\.0\]"),
        (lambda: Mixture((0.6, 0.4), MEANS, (1.0,)), "as many of each"),
        (lambda: fit_gaussian(P, "hellinger"), "divergence is 'hellinger', expected one of"),
        (lambda: fit_gaussian(P, "mmd", bandwidth=0.0), r"bandwidth is 0\.0"),
    ],
)
def test_arguments_that_do_not_fit(call, words):
    with pytest.raises(ValueError, match=words):
        call()
