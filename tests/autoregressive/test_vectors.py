"""FVSBN, NADE, RNADE and MADE: what every model over vectors has to satisfy."""

import copy
import math

import pytest
import torch

from gencourse.autoregressive import FVSBN, MADE, NADE, RNADE
from gencourse.losses import nll_loss
from gencourse.train import fit
from tests.autoregressive.slow_loops import (
    binary_states,
    fvsbn_logits,
    nade_logits,
    randomised,
    rnade_log_prob,
)
from tests.density_suite import CHECKS, Box, Case, Finite, check_causal

ORDER = (2, 0, 3, 1, 4)
ORDERS = (ORDER, (4, 3, 2, 1, 0), (0, 1, 2, 3, 4))

BINARY = {
    "FVSBN": lambda: FVSBN(5),
    "FVSBN in another order": lambda: FVSBN(5, order=ORDER),
    "NADE": lambda: NADE(5, num_hidden=4),
    "NADE with ReLU in another order": lambda: NADE(
        5, num_hidden=6, activation="relu", order=ORDER
    ),
    "MADE": lambda: MADE(5, hidden=(9,)),
    "MADE in another order": lambda: MADE(5, hidden=(8, 7), orders=[ORDER], direct=True),
    "MADE in three orders": lambda: MADE(
        5, hidden=(8, 6), orders=ORDERS, activation="tanh", generator=seeded(0)
    ),
}
REAL = {
    "RNADE": lambda: RNADE(2, num_hidden=5, num_components=3, activation="sigmoid"),
    "RNADE in another order": lambda: RNADE(2, num_hidden=5, num_components=2, order=(1, 0)),
}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def real(make, seed):
    model = randomised(make(), seed, scale=0.7)
    with torch.no_grad():
        model.b[2].clamp_(-0.8, 0.3)  # neither too narrow for the quadrature nor too wide
        model.V[2] *= 0.2
    return model


CASES = {
    name: Case(lambda seed, make=make: randomised(make(), seed), Finite((2,) * 5))
    for name, make in BINARY.items()
} | {
    name: Case(lambda seed, make=make: real(make, seed), Box(((-16, 16),) * 2, bins=24))
    for name, make in REAL.items()
}


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
    on_gpu = copy.deepcopy(case.model).cuda().log_prob(x.cuda()).cpu()
    torch.testing.assert_close(on_gpu, case.model.log_prob(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [FVSBN, NADE, MADE])
@pytest.mark.parametrize("num_vars", [1, 12])
def test_sums_to_1_up_to_12_variables(make, num_vars):
    model = randomised(make(num_vars)).double()
    total = model.log_prob(binary_states(num_vars)).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", [n for n in CASES if "three" not in n])
def test_causal_jacobian(name):
    model = CASES[name].model
    order = model.orders[0] if isinstance(model, MADE) else model.order
    function = model.conditionals if isinstance(model, RNADE) else model.logits
    # a ReLU unit that is off passes nothing: only leaks count there
    full = not ("ReLU" in name or "MADE" in name or "RNADE in" in name)
    check_causal(function, model.event_shape, order=order, full=full)


def test_causal_jacobian_of_each_ordering_of_made():
    model = CASES["MADE in three orders"].model
    for m, order in enumerate(ORDERS):
        check_causal(lambda x, m=m: model.logits(x, ordering=m), (5,), order=order)


@pytest.mark.parametrize("name", ["FVSBN", "FVSBN in another order"])
def test_fvsbn_is_one_logistic_regression_a_variable(name):
    model = CASES[name].made(0).double()
    x = binary_states(5).double()
    torch.testing.assert_close(model.logits(x), fvsbn_logits(model, x))


@pytest.mark.parametrize("name", ["NADE", "NADE with ReLU in another order"])
def test_nade_is_the_slow_loop(name):
    model = CASES[name].made(0).double()
    x = binary_states(5).double()
    torch.testing.assert_close(model.logits(x), nade_logits(model, x))


@pytest.mark.parametrize("name", REAL)
def test_rnade_is_the_slow_loop(name):
    model = CASES[name].made(0).double()
    x = 2 * torch.randn(9, 2, generator=seeded(0), dtype=torch.float64)
    torch.testing.assert_close(model.log_prob(x), rnade_log_prob(model, x))


@pytest.mark.parametrize("num_vars", [1, 5, 40])
@pytest.mark.parametrize("name", ["FVSBN", "NADE", "relu", "MADE", "two layers", "orders"])
def test_the_fast_sampler_draws_what_the_slow_one_draws(name, num_vars):
    order = torch.randperm(num_vars, generator=seeded(1)).tolist()
    model = {
        "FVSBN": lambda: FVSBN(num_vars, order=order),
        "NADE": lambda: NADE(num_vars, num_hidden=30, order=order),
        "relu": lambda: NADE(num_vars, num_hidden=30, activation="relu"),
        "MADE": lambda: MADE(num_vars, hidden=(60,), orders=[order]),
        "two layers": lambda: MADE(num_vars, hidden=(17, 50), orders=[order], direct=True),
        "orders": lambda: MADE(num_vars, hidden=(50, 17), orders=4),
    }[name]()
    model = randomised(model, scale=0.5).double()
    fast = model.sample(60, generator=seeded(3))
    assert torch.equal(fast, model.sample_by_full_passes(60, generator=seeded(3)))
    assert num_vars == 1 or fast.std(0).gt(0).any()
    if name != "orders":
        given = torch.zeros(num_vars, dtype=torch.bool)
        first = range(num_vars) if name == "relu" else order
        given[list(first)[: num_vars // 2]] = True
        part = {"condition": (fast, given), "generator": seeded(4)}
        completed = model.sample(60, **part)
        part["generator"] = seeded(4)
        assert torch.equal(completed, model.sample_by_full_passes(60, **part))
        assert torch.equal(completed[:, given], fast[:, given])


def test_rnade_samples_are_those_of_the_slow_loop():
    model = RNADE(6, num_hidden=7, num_components=3, order=(3, 1, 5, 0, 2, 4))
    model = randomised(model, scale=0.3).double()
    n = 400
    found = model.sample(n, generator=seeded(5))
    generator = seeded(5)
    uniform = torch.rand(n, 6, generator=generator, dtype=torch.float64)
    normal = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    x = torch.zeros(n, 6, dtype=torch.float64)
    for i in model.order.tolist():
        log_weights, means, sds = model.conditionals(x).detach()[:, i].unbind(1)
        for row in range(n):
            z = 0
            while z < 2 and uniform[row, i] >= log_weights[row, : z + 1].exp().sum():
                z += 1
            x[row, i] = means[row, z] + sds[row, z] * normal[row, i]
    torch.testing.assert_close(found, x)


@pytest.mark.parametrize("name", CASES)
def test_a_row_alone_and_its_parameters_stay_as_they_are(name):
    """With a single row, c.expand(B, -1).contiguous() is c itself and gets updated in place."""
    model = CASES[name].made(0)
    before = copy.deepcopy(model.state_dict())
    x = model.sample(1, generator=seeded(0))
    model.log_prob(x).sum().backward()
    model.sample(1, condition=(x, torch.ones(model.event_shape)))
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", CASES)
def test_no_rows(name):
    model = CASES[name].model
    x = model.sample(0)
    assert x.shape == (0, *model.event_shape)
    assert model.log_prob(x).shape == (0,)


@pytest.mark.parametrize("name", CASES)
def test_autocast(name):
    model = CASES[name].made(0)
    x = CASES[name].samples(30)
    with torch.autocast("cpu", torch.bfloat16):
        log_p = model.log_prob(x)
        (-log_p.mean()).backward()
    assert log_p.dtype == torch.float32
    exact = name.startswith(("NADE", "RNADE"))  # which keep to float32
    tolerance = 1e-6 if exact else 0.1
    torch.testing.assert_close(log_p, model.log_prob(x), rtol=tolerance, atol=tolerance)
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float64])
@pytest.mark.parametrize("name", BINARY)
def test_bits_of_any_dtype(name, dtype):
    x = CASES[name].samples(8)
    assert torch.equal(CASES[name].model.log_prob(x.to(dtype)), CASES[name].model.log_prob(x))


@pytest.mark.parametrize("name", CASES)
def test_config_makes_the_model_again(name):
    model = CASES[name].model
    again = type(model)(**model.config)
    again.load_state_dict(model.state_dict())
    x = CASES[name].samples(5)
    assert torch.equal(again.log_prob(x), model.log_prob(x))


@pytest.mark.parametrize("name", BINARY)
def test_learns_two_patterns(name):
    """The likelihood comes near the entropy of the data, log 2."""
    patterns = torch.tensor([[0, 1, 1, 0, 1], [1, 0, 0, 1, 0]]).float()
    model = randomised(BINARY[name](), scale=0.3)
    fit(model, patterns.repeat(8, 1), loss=nll_loss, steps=300, lr=0.1, progress=False)
    assert nll_loss(model, (patterns,)).item() == pytest.approx(math.log(2), abs=0.02)


@pytest.mark.parametrize("make", [FVSBN, NADE, MADE, RNADE])
class TestBadInput:
    def test_shape(self, make):
        for shape in [(4,), (2, 3), (2, 1, 4)]:
            with pytest.raises(ValueError, match=r"x has shape .*expected \(B, 4\)"):
                make(4).log_prob(torch.zeros(shape))

    @pytest.mark.parametrize("value", [0.5, 2, -1, math.nan, math.inf])
    def test_value(self, make, value):
        x = torch.zeros(2, 4)
        x[1, 2] = value
        if make is RNADE and math.isfinite(value):
            return
        with pytest.raises(ValueError, match=r"x\[1, 2\] is .*expected"):
            make(4).log_prob(x)

    @pytest.mark.parametrize("order", [[0, 1, 1, 3], [0, 1, 2], [1, 2, 3, 4]])
    def test_order(self, make, order):
        orders = {"orders": [order]} if make is MADE else {"order": order}
        with pytest.raises(ValueError, match=r"order is \[.*expected a permutation of 0\.\.3"):
            make(4, **orders)

    def test_size(self, make):
        with pytest.raises(ValueError, match="num_vars is 0"):
            make(0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: NADE(3, num_hidden=0), "num_hidden is 0"),
        (lambda: NADE(3, activation="tanh"), "activation is 'tanh', expected one of"),
        (lambda: RNADE(3, num_components=0), "expected at least 1"),
        (lambda: RNADE(3, activation="no"), "activation is 'no'"),
        (lambda: RNADE(3, min_sd=-1.0), "min_sd is -1.0"),
        (lambda: MADE(3, hidden=()), r"hidden is \[\]"),
        (lambda: MADE(3, hidden=(4, 0)), r"hidden is \[4, 0\]"),
        (lambda: MADE(3, activation="no"), "activation is 'no'"),
        (lambda: MADE(3, orders=0), "orders is 0"),
        (lambda: MADE(3, orders=[]), r"orders is \[\]"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
