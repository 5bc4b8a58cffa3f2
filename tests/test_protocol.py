"""Every exact density passes the shared suite, and the suite catches each kind of mistake."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gencourse.densities import log_bernoulli, sample_bernoulli
from gencourse.graphical.bayes_net import BayesNet
from gencourse.graphical.examples import (
    lunch_graph,
    random_bayes_net,
    red_blue_network,
    student_network,
)
from gencourse.graphical.factor import Factor
from gencourse.graphical.factor_graph import FactorGraph
from gencourse.graphical.gaussian_mixture import GaussianMixture
from gencourse.graphical.gaussian_naive_bayes import GaussianNaiveBayes
from gencourse.graphical.linear_gaussian import LinearGaussian, LinearGaussianNet
from gencourse.graphical.markov_chain import MarkovChain
from gencourse.graphical.naive_bayes import NaiveBayes
from gencourse.graphical.uniform_gaussian import UniformGaussian
from gencourse.nets import MaskedLinear
from gencourse.protocols import Configurable
from tests.density_suite import (
    CHECKS,
    Box,
    Case,
    Finite,
    check_causal,
    check_density,
    check_dtypes,
    check_gradients,
    check_rows_apart,
    check_sampler,
    check_shapes,
    check_state_dict,
    check_sums_to_one,
    check_two_calls,
    dependence,
)


def rows_sum_to_1(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    table = 0.05 + torch.rand(shape, generator=generator, dtype=torch.float64)
    return (table / table.sum(-1, keepdim=True)).requires_grad_()


def bayes_net(seed):
    net = BayesNet(
        {
            "a": ((), rows_sum_to_1(2, seed=seed)),
            "b": (("a",), rows_sum_to_1(2, 3, seed=seed + 10)),
            "c": (("a", "b"), rows_sum_to_1(2, 3, 2, seed=seed + 20)),
        }
    )
    return net


def factor_graph(seed):
    generator = torch.Generator().manual_seed(seed)
    names = [("a", "b"), ("b", "c"), ("c", "a")]  # a cycle
    tables = [
        (0.2 + torch.rand(2, 2, generator=generator, dtype=torch.float64)).requires_grad_()
        for _ in names
    ]
    return FactorGraph([Factor(pair, table) for pair, table in zip(names, tables, strict=True)])


def gaussian_mixture(seed):
    means = torch.tensor([[-1.0, 0.5], [1.5, -0.5]]) + 0.1 * seed
    return GaussianMixture.from_parameters(
        [0.3, 0.7], means, torch.tensor([[0.6, 1.0], [0.9, 0.5]])
    )


def fitted(model, low=0, *, discrete):
    def make(seed):
        generator = torch.Generator().manual_seed(seed)
        y = torch.arange(40) % 2
        x = torch.randn(40, 2, generator=generator).double() + torch.stack([y, -2 * y], 1)
        return model().fit((x > 0).long() if discrete else x, y)

    return make


def linear_gaussian(seed):
    return LinearGaussianNet(
        {
            "x": LinearGaussian(0.5, 1.2),
            "y": LinearGaussian(-1.0, 0.6, {"x": 0.8}),
        }
    )


MODELS = {
    "student network": Case(lambda seed: student_network(), Finite((2, 2, 3, 2, 2))),
    "red-blue network": Case(lambda seed: red_blue_network(), Finite((2,) * 5)),
    "random Bayes net": Case(
        lambda seed: random_bayes_net(7, max_parents=3, seed=seed), Finite((2,) * 7)
    ),
    "Bayes net with gradients": Case(
        bayes_net, Finite((2, 3, 2)), lambda net: [net.cpd(name) for name in "abc"]
    ),
    "lunch factor graph": Case(lambda seed: lunch_graph(), Finite((4, 4))),
    "loopy factor graph": Case(
        factor_graph, Finite((2,) * 3), lambda graph: [f.values for f in graph.factors()]
    ),
    "Markov chain": Case(
        lambda seed: MarkovChain(rows_sum_to_1(3), rows_sum_to_1(3, 3), length=4),
        Finite((3,) * 4),
        lambda chain: [chain.initial, chain.transition],
    ),
    "second-order inhomogeneous chain": Case(
        lambda seed: MarkovChain(
            (rows_sum_to_1(4) * 1.0).reshape(2, 2), rows_sum_to_1(2, 2, 2, 2), order=2
        ),
        Finite((2,) * 4),
    ),
    "linear-Gaussian network": Case(linear_gaussian, Box(((-7, 8), (-8, 8)), bins=14)),
    "Gaussian mixture": Case(gaussian_mixture, Box(((-7, 8), (-6, 7)), bins=14)),
    "uniform to Gaussian": Case(
        lambda seed: UniformGaussian(-1.0, 2.0 + seed, 0.4), Box(((-5, 7),), bins=40)
    ),
    "naive Bayes": Case(fitted(lambda: NaiveBayes(2), discrete=True), Finite((2, 2))),
    "Gaussian naive Bayes": Case(
        fitted(lambda: GaussianNaiveBayes(2), discrete=False), Box(((-8, 9), (-10, 8)), bins=14)
    ),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("case", MODELS.values(), ids=MODELS)
def test_density(case, check):
    check(case)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["Gaussian mixture", "uniform to Gaussian"])
def test_density_on_a_gpu(name):
    for check in CHECKS:
        check(Case(MODELS[name].make, MODELS[name].support, device="cuda"))


class Bits(Configurable, nn.Module):
    """Three bits, each a logistic regression on those before: right in every way."""

    event_shape = (3,)

    def __init__(self, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(3, 3, generator=generator))
        self.bias = nn.Parameter(torch.randn(3, generator=generator))
        self.register_buffer("mask", torch.ones(3, 3).tril(-1))

    def logits(self, x):
        return F.linear(x, self.mask * self.weight, self.bias)

    def log_prob(self, x):
        return log_bernoulli(x, self.logits(x))

    @torch.no_grad()
    def sample(self, n, *, condition=None, generator=None):
        x = self.bias.new_zeros(n, 3)
        for i in range(3):
            x[:, i] = sample_bernoulli(self.logits(x)[:, i], generator=generator)
        return x


def test_check_density_runs_all_of_them_on_a_model():
    check_density(Bits(), Finite((2, 2, 2)))


class Doubled(Bits):
    """The sigmoid applied twice, as in a published NADE: it still sums to 1."""

    def log_prob(self, x):
        return log_bernoulli(x, self.logits(x).sigmoid())


class Unnormalised(Bits):
    def log_prob(self, x):
        return super().log_prob(x) + 0.01


class SeesItself(Bits):
    """No causal mask: a product of terms that are no conditionals."""

    def logits(self, x):
        return F.linear(x, self.weight, self.bias)


class Mixing(Bits):
    """Batch statistics."""

    def log_prob(self, x):
        log_p = super().log_prob(x)
        return log_p - log_p.mean() + 1


class Detached(Bits):
    def logits(self, x):
        return F.linear(x, self.mask * self.weight.detach(), self.bias)


class Forgetful(Bits):
    """State that is no buffer: the state dict does not carry it."""

    def __init__(self, seed=0):
        super().__init__(seed)
        self.shift = float(seed)

    def logits(self, x):
        return super().logits(x) + self.shift


class OwnRandomness(Bits):
    def sample(self, n, *, condition=None, generator=None):
        return super().sample(n)


class WrongShape(Bits):
    def log_prob(self, x):
        return super().log_prob(x)[:, None]


class OneDtype(Bits):
    def log_prob(self, x):
        return super().log_prob(x).float()


@pytest.mark.parametrize(
    "broken, check",
    [
        (Doubled, check_sampler),
        (Unnormalised, check_sums_to_one),
        (SeesItself, check_sums_to_one),
        (Mixing, check_rows_apart),
        (Detached, check_gradients),
        (Forgetful, check_state_dict),
        (OwnRandomness, check_two_calls),
        (WrongShape, check_shapes),
        (OneDtype, check_dtypes),
    ],
    ids=lambda value: value.__name__,
)
def test_the_suite_catches(broken, check):
    check(Case(Bits, Finite((2, 2, 2))))
    with pytest.raises(AssertionError):
        check(Case(broken, Finite((2, 2, 2))))


def test_a_wrong_loss_that_sums_to_1_is_caught_by_the_sampler_only():
    check_sums_to_one(Case(Doubled, Finite((2, 2, 2))))


def test_a_density_twice_too_wide_is_caught():
    case = MODELS["Gaussian mixture"]

    class Wide(GaussianMixture):
        def log_prob(self, x):
            return super().log_prob(x / 2) - 2 * math.log(2)

    def make(seed):
        model = Wide(2, 2, covariance="diag")
        model.load_state_dict(case.make(seed).state_dict())
        return model

    wide = Case(make, Box(((-14, 16), (-12, 14)), bins=20))
    check_sums_to_one(wide)
    with pytest.raises(AssertionError, match="disagree"):
        check_sampler(wide)


def test_dependence_is_the_mask_of_a_masked_layer():
    mask = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1, 0]])
    layer = MaskedLinear(mask)
    assert torch.equal(dependence(layer, (3,)), mask.bool())
    check_causal(layer, (3,))
    reverse = MaskedLinear(mask.T)
    check_causal(reverse, (3,), order=(2, 1, 0))
    with pytest.raises(AssertionError, match="not before it"):
        check_causal(reverse, (3,))
    blind = mask.clone()
    blind[2, 0] = 0
    check_causal(MaskedLinear(blind), (3,), full=False)
    with pytest.raises(AssertionError, match=r"misses input j before it: \(i, j\) in \[\[2, 0\]"):
        check_causal(MaskedLinear(blind), (3,))
