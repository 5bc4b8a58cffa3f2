"""RNN language model, causal transformer and WaveNet: what every model over tokens satisfies."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gencourse.autoregressive import (
    CausalTransformer,
    RNNLanguageModel,
    WaveNet,
    complete_by_importance,
)
from gencourse.autoregressive.token_chain import TokenChain
from gencourse.losses import nll_loss
from gencourse.train import fit
from tests.autoregressive.slow_loops import randomised
from tests.density_suite import CHECKS, Case, Finite, cells, check_causal

K, T = 3, 5

MODELS = {
    "LSTM": lambda k=K, t=T: RNNLanguageModel(k, t, num_hidden=6),
    "GRU of two layers": lambda k=K, t=T: RNNLanguageModel(
        k, t, cell="gru", num_hidden=5, num_layers=2
    ),
    "plain RNN": lambda k=K, t=T: RNNLanguageModel(k, t, cell="rnn", num_hidden=7),
    "transformer": lambda k=K, t=T: CausalTransformer(k, t, width=8, num_heads=2),
    "transformer of one head and layer": lambda k=K, t=T: CausalTransformer(
        k, t, width=6, num_heads=1, num_layers=1
    ),
    "WaveNet": lambda k=K, t=T: WaveNet(t, num_levels=k, num_channels=6, num_skip=5, num_layers=2),
    "WaveNet of two blocks with kernel 3": lambda k=K, t=T: WaveNet(
        t, num_levels=k, num_channels=4, num_skip=5, num_layers=2, num_blocks=2, kernel_size=3
    ),
    "WaveNet with a context": lambda k=K, t=T: with_context(k, t),
}


def with_context(k, t):
    """p(x | one context) of a WaveNet, a density like the others."""
    model = WaveNet(t, num_levels=k, num_channels=5, num_skip=4, num_layers=2, context_stride=t)
    return model.given(torch.tensor([0.7]))


def make(name, seed=0, **sizes):
    return randomised(MODELS[name](**sizes), seed, scale=0.6)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


CASES = {name: Case(lambda seed, name=name: make(name, seed), Finite((K,) * T)) for name in MODELS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_density(case, check):
    check(case)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", CASES)
def test_density_on_a_gpu(name):
    case = CASES[name]
    for check in CHECKS:
        check(Case(case.make, case.support, device="cuda"))
    x = case.samples(50)
    there = copy.deepcopy(case.model).cuda()
    torch.testing.assert_close(
        there.log_prob(x.cuda()).cpu(), case.model.log_prob(x), rtol=1e-3, atol=1e-3
    )
    with torch.autocast("cuda", torch.bfloat16):
        low = there.log_prob(x.cuda()).cpu()
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, case.model.log_prob(x), rtol=0.05, atol=0.2)
    fast, slow = (
        draw(200, generator=torch.Generator("cuda").manual_seed(1))
        for draw in (there.double().sample, there.double().sample_by_full_passes)
    )
    assert torch.equal(fast, slow)


@pytest.mark.parametrize("name", MODELS)
def test_the_chain_rule_summed_by_hand(name):
    """p(x) is the product of conditionals that are themselves sums over all continuations."""
    model = make(name).double()
    sequences = torch.cartesian_prod(*[torch.arange(K)] * T)
    p = model.log_prob(sequences).exp().detach()
    assert float(p.sum()) == pytest.approx(1, abs=1e-12)
    conditionals = model.log_conditionals(sequences).exp().detach()
    for t in range(T):
        begins_alike = (sequences[:, None, :t] == sequences[:, :t]).all(-1)  # (K^T, K^T)
        goes_on_alike = begins_alike & (sequences[:, None, t] == sequences[:, t])
        by_sums = goes_on_alike.double() @ p / (begins_alike.double() @ p)
        torch.testing.assert_close(conditionals[:, t], by_sums)


@pytest.mark.parametrize("name", MODELS)
def test_causal_by_jacobian(name):
    model = make(name).double()

    def function(x):  # a straight line through the one-hot rows, (B, T) -> (B, T, K)
        direction = torch.tensor([1.0, -0.7, 0.2], dtype=torch.float64)
        return model.logits(0.3 + x.double()[..., None] * direction)

    check_causal(function, (T,))


@pytest.mark.parametrize("name", MODELS)
def test_one_hot_rows_are_the_tokens(name):
    model = make(name).double()
    x = model.sample(9, generator=seeded())
    torch.testing.assert_close(model.logits(F.one_hot(x, K).double()), model.logits(x))


@pytest.mark.parametrize("k, t, n", [(5, 12, 40), (2, 1, 7), (7, 3, 1)])
@pytest.mark.parametrize("name", MODELS)
def test_the_fast_sampler_draws_what_full_passes_draw(name, k, t, n):
    model = make(name, k=k, t=t).double()
    for temperature in (1.0, 0.6, 2.5):
        options = {"temperature": temperature}
        fast = model.sample(n, **options, generator=seeded(1))
        slow = model.sample_by_full_passes(n, **options, generator=seeded(1))
        assert torch.equal(fast, slow)
        assert fast.dtype == torch.int64
    assert 1 in (n, t) or len(fast.unique()) > 1, "constant tokens would prove nothing"

    given = torch.arange(t) < t // 2
    options = {"condition": (fast, given), "temperature": 0.8}
    completed = model.sample(n, **options, generator=seeded(2))
    assert torch.equal(completed, model.sample_by_full_passes(n, **options, generator=seeded(2)))
    assert torch.equal(completed[:, given], fast[:, given])
    everything = (fast, torch.tensor(True))
    assert torch.equal(model.sample(n, condition=everything, generator=seeded()), fast)


@pytest.mark.parametrize("name", MODELS)
def test_continuations_follow_the_conditional_distribution(name):
    model = make(name)
    sequences, _ = cells(CASES[name])
    prefix = torch.tensor([2, 0, 1, 0, 0])
    given = torch.arange(T) < 3
    with torch.no_grad():
        fits = (sequences[:, given] == prefix[given]).all(1)
        p = model.log_prob(sequences[fits]).double().softmax(0)
    n = 6000
    drawn = model.sample(n, condition=(prefix, given), generator=seeded(4))
    assert torch.equal(drawn[:, given], prefix[given].expand(n, -1))
    share = torch.bincount(drawn[:, 3] * K + drawn[:, 4], minlength=K * K) / n
    assert ((share - p).abs() < 4.5 * (p * (1 - p) / n).sqrt() + 1e-9).all()


@pytest.mark.parametrize("name", ["LSTM", "transformer", "WaveNet"])
def test_late_tokens_by_importance_sampling(name):
    model = make(name)
    sequences, _ = cells(CASES[name])
    given = torch.tensor([False, True, False, False, True])
    with torch.no_grad():
        p = model.log_prob(sequences).double().exp()
    fits = (sequences[:, given] == 1).all(1)
    found = complete_by_importance(
        model, 20_000, (torch.ones(T), given), num_proposals=20_000, generator=seeded()
    )
    assert abs(found.log_evidence - float(p[fits].sum().log())) < 0.03
    mean = (p[fits] / p[fits].sum()) @ sequences[fits].double()
    assert (found.samples.double().mean(0) - mean).abs().max() < 0.04


class TwoSteps(TokenChain):
    """p(x_1 = 1) = 0.4, then p(x_2 = 1) is 0.5 after a 0 and 0.9 after a 1."""

    def __init__(self):
        super().__init__(2, 2)
        table = torch.tensor([[0.5, 0.5], [0.1, 0.9], [0.6, 0.4]]).double()
        self.table = nn.Parameter(table.log())  # the last row comes after the start symbol

    def features(self, previous):
        return self.table[previous]

    def memory(self, n):
        return lambda previous: self.table[previous]


def test_temperature_is_local():
    """p(1, 1) at temperature 1/2: 0.3039 where each step is sharpened, 0.4165 as a whole."""
    model, pairs = TwoSteps(), torch.cartesian_prod(torch.arange(2), torch.arange(2))
    log_p = model.log_prob(pairs).detach()
    torch.testing.assert_close(log_p.exp(), torch.tensor([0.3, 0.3, 0.04, 0.36]).double())
    whole = (log_p / 0.5).softmax(0)
    steps = (model.logits(pairs) / 0.5).log_softmax(-1).detach()
    local = steps.gather(-1, pairs[..., None])[..., 0].sum(-1).exp()
    assert float(whole[3]) == pytest.approx(0.4165, abs=5e-5)
    assert float(local[3]) == pytest.approx(0.3039, abs=5e-5)
    n = 200_000
    drawn = model.sample(n, temperature=0.5, generator=seeded())
    share = float(drawn.all(1).double().mean())
    assert share == pytest.approx(float(local[3]), abs=5 * math.sqrt(0.21 / n))
    # a temperature near 0 takes the likeliest token each time, which is not the likeliest pair
    assert not model.sample(50, temperature=1e-4, generator=seeded())[:, 0].any()
    assert int(whole.argmax()) == 3
    flat = model.sample(n, temperature=1e6, generator=seeded())
    assert float(flat.all(1).double().mean()) == pytest.approx(0.25, abs=0.006)


@pytest.mark.parametrize("name", MODELS)
def test_a_row_alone_and_its_parameters_stay_as_they_are(name):
    model = make(name)
    before = copy.deepcopy(model.state_dict())
    x = model.sample(1, generator=seeded())
    copied = x.clone()
    model.log_prob(x).sum().backward()
    model.sample(1, condition=(x, torch.arange(T) < 2), generator=seeded(1))
    assert torch.equal(x, copied), "the condition's values are the caller's"
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", MODELS)
def test_no_rows(name):
    model = make(name)
    x = model.sample(0)
    assert x.shape == (0, T)
    assert model.log_prob(x).shape == (0,)


@pytest.mark.parametrize("name", MODELS)
def test_autocast(name):
    model = make(name)
    x = model.sample(30, generator=seeded())
    with torch.autocast("cpu", torch.bfloat16):
        log_p = model.log_prob(x)
        (-log_p.mean()).backward()
    assert log_p.dtype == torch.float32
    torch.testing.assert_close(log_p, model.log_prob(x), rtol=0.05, atol=0.2)
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.float64])
@pytest.mark.parametrize("name", MODELS)
def test_tokens_of_any_dtype(name, dtype):
    model = make(name)
    x = model.sample(8, generator=seeded())
    assert torch.equal(model.log_prob(x.to(dtype)), model.log_prob(x))


@pytest.mark.parametrize("name", [name for name in MODELS if "context" not in name])
def test_config_makes_the_model_again(name):
    model = make(name)
    again = type(model)(**model.config)
    again.load_state_dict(model.state_dict())
    x = model.sample(5, generator=seeded())
    assert torch.equal(again.log_prob(x), model.log_prob(x))


@pytest.mark.parametrize("name", MODELS)
def test_learns_two_patterns(name):
    """The likelihood comes near the entropy of the data, log 2."""
    patterns = torch.tensor([[0, 2, 1, 0, 1], [1, 0, 0, 1, 0]])
    model = randomised(MODELS[name](), scale=0.3)
    fit(model, patterns.repeat(4, 1), loss=nll_loss, steps=200, lr=0.03, progress=False)
    assert float(nll_loss(model, (patterns,)).detach()) == pytest.approx(math.log(2), abs=0.02)


@pytest.mark.parametrize("name", MODELS)
class TestBadInput:
    def test_shape(self, name):
        for shape in [(T,), (2, T - 1), (2, 1, T)]:
            with pytest.raises(ValueError, match=rf"x has shape .*expected \(B, {T}\)"):
                make(name).log_prob(torch.zeros(shape).long())

    @pytest.mark.parametrize("value", [-1, K, 0.5, math.nan, math.inf])
    def test_token(self, name, value):
        x = torch.zeros(2, T)
        x[1, 2] = value
        with pytest.raises(ValueError, match=r"x\[1, 2\] is .*expected a token 0\.\.2"):
            make(name).log_prob(x)

    @pytest.mark.parametrize("temperature", [0, -1.0, math.nan, math.inf])
    def test_temperature(self, name, temperature):
        for sample in (make(name).sample, make(name).sample_by_full_passes):
            with pytest.raises(ValueError, match=r"temperature is .*expected a positive"):
                sample(2, temperature=temperature)

    def test_condition(self, name):
        model, x = make(name), torch.zeros(T)
        late = torch.arange(T) > 2
        for sample in (model.sample, model.sample_by_full_passes):
            with pytest.raises(ValueError, match="variable 4 but not variable 0"):
                sample(2, condition=(x, late))
        with pytest.raises(ValueError, match=r"x\[0, 0\] is 7"):
            model.sample(2, condition=(x + 7, ~late))
        with pytest.raises(ValueError, match=r"x\[0, 0\] is 0\.5"):
            model.sample(2, condition=(x + 0.5, ~late))
        with pytest.raises(ValueError, match=r"shape \(4,\), expected \(5,\)"):
            model.sample(2, condition=(x[:4], ~late))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: RNNLanguageModel(0, 4), "num_tokens is 0"),
        (lambda: RNNLanguageModel(3, 0), "length is 0"),
        (lambda: RNNLanguageModel(3, 4, num_hidden=0), "num_hidden is 0"),
        (lambda: RNNLanguageModel(3, 4, num_layers=0), "num_layers is 0"),
        (lambda: RNNLanguageModel(3, 4, cell="LSTM"), "cell is 'LSTM', expected one of"),
        (lambda: CausalTransformer(3, 4, width=10, num_heads=4), "width is 10 and num_heads is 4"),
        (lambda: CausalTransformer(3, 4, num_heads=0), "num_heads is 0"),
        (lambda: CausalTransformer(3, 4, num_layers=0), "num_layers is 0"),
        (lambda: WaveNet(0), "length is 0"),
        (lambda: WaveNet(8, num_levels=0), "num_tokens is 0"),
        (lambda: WaveNet(8, num_channels=0), "num_channels is 0"),
        (lambda: WaveNet(8, num_skip=0), "num_skip is 0"),
        (lambda: WaveNet(8, num_layers=0), "num_layers is 0"),
        (lambda: WaveNet(8, num_blocks=0), "num_blocks is 0"),
        (lambda: WaveNet(8, kernel_size=1), "kernel_size is 1, expected at least 2"),
        (lambda: WaveNet(8, context_stride=3), "context_stride is 3, expected .* the length 8"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
