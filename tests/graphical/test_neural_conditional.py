"""Three conditionals of one binary variable: parameter counts, tables, and what each can fit."""

from itertools import product

import pytest
import torch

from gencourse.graphical.logistic_regression import LogisticRegression
from gencourse.graphical.neural_conditional import (
    LogisticConditional,
    NeuralConditional,
    TableConditional,
    negative_log_likelihood,
)

KINDS = [
    TableConditional,
    LogisticConditional,
    lambda n: NeuralConditional(n, 4, generator=torch.Generator().manual_seed(0)),
]


def states(n):
    return torch.tensor(list(product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def minimise(model, batch, steps=200):
    optimiser = torch.optim.LBFGS(
        model.parameters(), max_iter=steps, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        loss = negative_log_likelihood(model, batch)
        loss.backward()
        return loss

    optimiser.step(closure)
    return negative_log_likelihood(model, batch).item()


def test_parameter_counts():
    assert [TableConditional(n).num_parameters() for n in (0, 1, 10)] == [1, 2, 1024]
    assert LogisticConditional(10).num_parameters() == 11
    assert NeuralConditional(10, 5).num_parameters() == 10 * 5 + 5 + 5 + 1


@pytest.mark.parametrize("kind", KINDS)
def test_table_holds_the_same_probabilities_with_the_child_last(kind):
    model = kind(3)
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter += torch.linspace(-1, 1, parameter.numel()).view_as(parameter) * (i + 1)
    table = model.table()
    assert table.shape == (2, 2, 2, 2)
    torch.testing.assert_close(table.sum(-1), torch.ones(2, 2, 2).double())
    for x in states(3):
        for y in (0, 1):
            log_p = model.log_prob(torch.tensor([y]), x[None]).item()
            entry = table[tuple(x.long().tolist())][y].log().item()
            assert entry == pytest.approx(log_p)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_reaches_every_parameter(kind):
    model, x = kind(3), states(3).float()
    negative_log_likelihood(model, (x, torch.tensor([1, 0, 0, 1, 1, 1, 0, 1]))).backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_network_is_the_formula_of_the_deck():
    model = NeuralConditional(2, 3, generator=torch.Generator().manual_seed(0))
    x = states(2)[2]
    hidden = [torch.tanh(model.A[j] @ x + model.b[j]) for j in range(3)]
    z = model.alpha_0 + sum(model.alpha[j] * hidden[j] for j in range(3))
    assert model.probability(x[None]).item() == pytest.approx((1 / (1 + torch.exp(-z))).item())


def test_exclusive_or_needs_more_than_a_logistic_function():
    x = states(2).repeat(25, 1)
    y = (x[:, 0] != x[:, 1]).double()
    y[:4] = 1 - y[:4]  # 1 of 25 is noise
    best = -(0.96 * torch.tensor(0.96).log() + 0.04 * torch.tensor(0.04).log()).item()
    assert minimise(TableConditional(2), (x, y)) == pytest.approx(best, abs=1e-4)
    network = NeuralConditional(2, 8, generator=torch.Generator().manual_seed(1))
    assert minimise(network, (x, y)) == pytest.approx(best, abs=1e-3)
    linear = minimise(LogisticConditional(2), (x, y))
    assert linear == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-6)


def test_logistic_conditional_trained_by_gradient_is_the_newton_fit():
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(2, (200, 3), generator=generator)
    y = torch.bernoulli((x.double() @ torch.tensor([1.0, -2, 0.5]).double()).sigmoid())
    model = LogisticConditional(3)
    minimise(model, (x, y))
    newton = LogisticRegression(3).fit(x, y.long())
    torch.testing.assert_close(model.weight, newton.weight[0], rtol=1e-3, atol=1e-3)


def test_table_by_counting_is_the_maximum_likelihood_and_smooths():
    x = torch.tensor([[0, 1], [0, 1], [0, 1], [0, 1], [1, 0]])
    y = torch.tensor([1, 1, 1, 0, 1])
    table = TableConditional(2).fit(x, y).table()
    assert table[0, 1, 1].item() == pytest.approx(0.75)
    assert table[1, 0, 1].item() == 1.0
    assert table[1, 1, 1].item() == 0.5  # never seen
    assert TableConditional(2).fit(x, y, smoothing=1).table()[0, 1, 1].item() == pytest.approx(
        2 / 3
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: TableConditional(2).logits(torch.tensor([[0.5, 1]])), "expected 0 or 1"),
        (lambda: TableConditional(2).logits(torch.tensor([[2, 1]])), "expected 0 or 1"),
        (lambda: LogisticConditional(2).logits(torch.ones(1, 3)), r"x has shape \(1, 3\)"),
        (lambda: LogisticConditional(2).log_prob(torch.ones(3), torch.ones(1, 2)), "y has shape"),
        (lambda: LogisticConditional(-1), "num_parents is -1"),
        (lambda: NeuralConditional(2, 0), "num_hidden is 0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
