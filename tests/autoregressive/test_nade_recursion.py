"""The hand-written backward pass of NADE against autograd and finite differences."""

import pytest
import torch

from gencourse.autoregressive import NADE, nade_recursion
from tests.autoregressive import slow_loops
from tests.autoregressive.slow_loops import randomised


def leaves(num_vars, num_hidden, batch, *, dtype=torch.float64, bits=False):
    generator = torch.Generator().manual_seed(0)
    shapes = [(num_hidden, num_vars), (num_vars, num_hidden), (num_vars,), (num_hidden,)]
    x = torch.randn(batch, num_vars, generator=generator, dtype=dtype)
    parameters = [torch.randn(s, generator=generator, dtype=dtype) for s in shapes]
    return [t.requires_grad_() for t in ((x > 0).to(dtype) if bits else x, *parameters)]


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
@pytest.mark.parametrize("num_vars, batch", [(1, 2), (5, 3), (4, 1), (30, 2)])
@pytest.mark.parametrize("bits", [False, True])
def test_gradcheck(activation, num_vars, batch, bits):
    def logits(*tensors):
        return nade_logits(*tensors, activation)

    assert torch.autograd.gradcheck(logits, leaves(num_vars, 3, batch, bits=bits), atol=1e-7)


def nade_logits(x, W, V, b, c, activation):
    """In the shapes of the paper, (B, D) -> (B, D)."""
    return nade_recursion.nade_logits(x.T, W.T, V, b, c, activation).T


def plain_loop(x, W, V, b, c, activation):
    """What autograd differentiates by itself."""
    a, logits = c.expand(len(x), -1), []
    for i in range(x.shape[1]):
        h = torch.sigmoid(a) if activation == "sigmoid" else torch.relu(a)
        logits.append(h @ V[i] + b[i])
        a = a + x[:, i, None] * W[:, i]
    return torch.stack(logits, 1)


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
@pytest.mark.parametrize("ones", [0.0, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("layers", [1, 40, 10_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("of_x", [False, True])
def test_agrees_with_autograd(activation, ones, layers, dtype, of_x, monkeypatch):
    """Rows with no, some and only ones; in one block, and in blocks of one and of some rows."""
    monkeypatch.setattr(nade_recursion, "LAYERS", layers)
    generator = torch.Generator().manual_seed(1)
    _, *parameters = leaves(19, 12, 7, dtype=dtype)
    x = (torch.rand(7, 19, generator=generator) < ones).to(dtype).requires_grad_(of_x)
    weight = torch.randn(7, 19, generator=generator, dtype=dtype)
    of = [x, *parameters] if of_x else parameters
    found, expected = (f(x, *parameters, activation) for f in (nade_logits, plain_loop))
    torch.testing.assert_close(found, expected)
    gradients = (torch.autograd.grad((y * weight).sum(), of) for y in (found, expected))
    tolerance = 1e-3 if dtype == torch.float32 else 1e-10
    for name, a, b in zip("xWVbc"[-len(of) :], *gradients, strict=True):
        torch.testing.assert_close(
            a, b, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: n + m
        )


def test_rows_in_one_block_differ_in_their_number_of_ones():
    _, *parameters = leaves(6, 4, 3)
    x = torch.tensor([[0.0] * 6, [1.0] * 6, [0, 1, 0, 0, 1, 0]], dtype=torch.float64)
    found, expected = (
        torch.autograd.grad(f(x, *parameters, "sigmoid").square().sum(), parameters)
        for f in (nade_logits, plain_loop)
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_relu_gates_are_those_of_the_forward_pass():
    """Integers scaled by powers of ten round in every sum, and pre-activations come back to 0.

    Recomputed by subtraction, as a - x W, some of these zeros would be tiny positive numbers.
    """
    num_vars, num_hidden = 56, 8
    generator = torch.Generator().manual_seed(0)
    half = torch.randn(num_hidden, num_vars // 2, generator=generator)
    W = torch.stack([half, -half], 2).flatten(1).requires_grad_()  # every second sum is near 0
    x = torch.ones(3, num_vars)
    V, b = torch.ones(num_vars, num_hidden), torch.zeros(num_vars)
    c = torch.full((num_hidden,), 0.1).requires_grad_()
    found, expected = (
        torch.autograd.grad(f(x, W, V, b, c, "relu").sum(), (W, c))
        for f in (nade_logits, plain_loop)
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_backward_of_a_backward_is_refused_rather_than_wrong():
    tensors = leaves(3, 2, 2)
    squares = nade_logits(*tensors, "sigmoid").square().sum()
    (grad,) = torch.autograd.grad(squares, tensors[2], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_backward_under_autocast_stays_in_float32():
    tensors = leaves(6, 5, 4, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        under = torch.autograd.grad(nade_logits(*tensors, "sigmoid").square().sum(), tensors)
    plain = torch.autograd.grad(nade_logits(*tensors, "sigmoid").square().sum(), tensors)
    for a, b in zip(under, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_the_last_column_of_W_is_never_used():
    model = randomised(NADE(5, num_hidden=4, order=(2, 0, 3, 1, 4)))
    x = torch.tensor([[1.0, 0, 1, 0, 1], [0, 1, 0, 1, 0]])
    model.log_prob(x).sum().backward()
    assert not model.W.grad[:, 4].any() and model.W.grad[:, :4].any(0).all()


def test_the_gradient_of_the_likelihood_is_that_of_the_slow_loop():
    model = randomised(NADE(7, num_hidden=6, order=(2, 0, 3, 1, 4, 6, 5))).double()
    x = model.sample(9, generator=torch.Generator().manual_seed(0))
    parameters = list(model.parameters())
    found = torch.autograd.grad(model.log_prob(x).sum(), parameters)
    logits = slow_loops.nade_logits(model, x)
    slow = -torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    for a, b in zip(found, torch.autograd.grad(slow, parameters), strict=True):
        torch.testing.assert_close(a, b)
