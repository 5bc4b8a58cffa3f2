"""MADE's masks and its mixture over orderings, and the loss that trains it."""

import itertools
import math

import pytest
import torch

from gencourse.autoregressive import MADE, made_loss, made_masks
from gencourse.losses import nll_loss
from tests.autoregressive.slow_loops import binary_states, randomised


def test_masks_of_the_paper_s_figure():
    """Ordering (x2, x3, x1), degrees (3, 1, 2) of the inputs; two hidden layers of four."""
    degrees = [torch.tensor([2, 1, 2, 2]), torch.tensor([1, 2, 2, 1])]
    first, second, output = made_masks((1, 2, 0), degrees)
    assert first.int().tolist() == [[0, 1, 1], [0, 1, 0], [0, 1, 1], [0, 1, 1]]
    assert second.int().tolist() == [[0, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 0, 0]]
    assert output.int().tolist() == [[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 1]]


@pytest.mark.parametrize("hidden", [(4,), (11, 5), (4, 9, 4)])
@pytest.mark.parametrize("orders", [1, 3])
def test_every_path_that_is_allowed_is_there(hidden, orders):
    model = MADE(5, hidden=hidden, orders=orders, generator=torch.Generator().manual_seed(0))
    for m in range(orders):
        paths = torch.linalg.multi_dot([mask.double() for mask in model.masks(m)[::-1]]) > 0
        rank = model.orders[m].argsort()
        assert torch.equal(paths, rank[:, None] > rank)


def test_a_variable_without_a_path_is_named():
    with pytest.raises(ValueError, match=r"degrees leave variable 2, place 2 of the ordering"):
        made_masks((1, 2, 0), [torch.tensor([2, 2])])
    with pytest.raises(ValueError, match=r"degrees leave variable 2"):
        made_masks((1, 2, 0), [torch.tensor([1, 2]), torch.tensor([2, 2])])
    assert len(made_masks((1, 2, 0), [torch.tensor([2, 2])], direct=True)) == 3
    with pytest.raises(ValueError, match="expected a permutation"):
        made_masks((1, 1, 0), [torch.tensor([1, 2])])


def test_few_hidden_units_leave_blind_spots_but_no_leak():
    paths = torch.linalg.multi_dot([m.double() for m in MADE(9, hidden=(2,)).masks()[::-1]])
    assert paths.triu().eq(0).all() and paths[1:].any(1).all() and not paths[8].all()


def test_the_density_is_the_mean_over_the_orderings():
    orders = list(itertools.permutations(range(3)))
    model = randomised(MADE(3, hidden=(5,), orders=orders)).double()
    x = binary_states(3).double()
    p = sum(model.log_conditionals(x, ordering=m).sum(1).exp() for m in range(6)) / 6
    torch.testing.assert_close(model.log_prob(x).exp(), p)


def test_loss_is_one_ordering_in_training_and_the_mixture_in_evaluation():
    model = randomised(MADE(3, hidden=(5,), orders=[(0, 1, 2), (2, 1, 0)]))
    x = binary_states(3)[:5]
    alone = {-float(model.log_conditionals(x, ordering=m).sum(1).mean()) for m in range(2)}
    with torch.random.fork_rng():
        drawn = {made_loss(model.train(), (x,)).item() for _ in range(30)}
    assert sorted(drawn) == pytest.approx(sorted(alone))
    assert made_loss(model.eval(), (x,)).item() == pytest.approx(nll_loss(model, (x,)).item())
    assert sum(alone) / 2 > nll_loss(model, (x,)).item()  # an upper bound (Jensen)


def test_loss_of_a_single_ordering_is_the_negative_log_likelihood():
    model = randomised(MADE(3, hidden=(5,)))
    x = binary_states(3)
    before = torch.get_rng_state()
    assert made_loss(model, (x,)).item() == pytest.approx(nll_loss(model, (x,)).item())
    assert torch.equal(before, torch.get_rng_state())


def test_orderings_and_degrees_come_from_the_generator():
    def make(seed):
        return MADE(6, hidden=(7,), orders=3, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(make(0).orders, make(0).orders)
    assert not torch.equal(make(0).orders, make(1).orders)
    model = make(0)
    other = MADE(**model.config)
    other.load_state_dict(model.state_dict())
    x = binary_states(6)
    assert torch.equal(other.log_prob(x), model.log_prob(x))
    assert float(model.log_prob(x).logsumexp(0).detach()) == pytest.approx(0, abs=1e-5)


def test_a_momentum_step_brings_no_hidden_connection_back():
    model = MADE(4, hidden=(6,))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.1)
    x = binary_states(4)[1:6]
    for _ in range(5):
        optimizer.zero_grad()
        nll_loss(model, (x,)).backward()
        optimizer.step()
    total = model.log_prob(binary_states(4)).exp().sum().item()
    assert math.isclose(total, 1, abs_tol=1e-5)
