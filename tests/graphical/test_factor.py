"""Joint tables by hand: marginal, conditional, chain rule, Bayes' rule, independence."""

import numpy as np
import pytest
import torch

from gencourse.graphical import Factor

# Weather and traffic: p(sun)=0.7; p(jam | sun)=0.2, p(jam | rain)=0.6
JOINT = [[0.56, 0.14], [0.12, 0.18]]
STATES = {"weather": ("sun", "rain"), "traffic": ("free", "jam")}


@pytest.fixture
def joint():
    return Factor(("weather", "traffic"), JOINT, states=STATES)


def three(seed=0):
    values = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(seed)).double()
    return Factor((*"abc",), values / values.sum())


def test_lists_keep_double_precision():
    assert Factor("a", [0.1, 0.9]).values.tolist() == [0.1, 0.9]
    assert Factor("a", np.array([1, 2])).values.dtype == torch.float64
    assert Factor("a", torch.tensor([0.1, 0.9])).values.dtype == torch.float32


def test_marginal_conditional_and_bayes_rule(joint):
    torch.testing.assert_close(joint.marginal("traffic").values.tolist(), [0.68, 0.32])
    given = joint.conditional("traffic", "weather")
    assert given.variables == ("weather", "traffic")
    torch.testing.assert_close(given.values.tolist(), [[0.8, 0.2], [0.4, 0.6]])
    posterior = joint.reduce({"traffic": "jam"}).normalize()
    torch.testing.assert_close(posterior.values.tolist(), [0.14 / 0.32, 0.18 / 0.32])
    bayes = joint.conditional("weather", "traffic")[{"traffic": "jam", "weather": "sun"}]
    torch.testing.assert_close(float(bayes), 0.2 * 0.7 / 0.32)


def test_chain_rule_rebuilds_the_joint():
    f = three()
    product = f.marginal("a") * f.conditional("b", "a") * f.conditional("c", (*"ab",))
    torch.testing.assert_close(product.marginal((*"abc",)).values, f.values)


def test_axes_come_in_the_order_asked():
    f = three()
    np.testing.assert_allclose(f.marginal((*"ca",)).values, np.einsum("abc->ca", f.values.numpy()))
    np.testing.assert_allclose(f.maximum((*"cb",)).values, f.values.numpy().max(0).T)
    product = f * Factor((*"ca",), torch.ones(4, 2).double() * 2)
    assert product.variables == ("a", "b", "c")
    torch.testing.assert_close(product.values, 2 * f.values)


def test_conditional_independence():
    c = torch.tensor([0.3, 0.7]).double()
    a = torch.tensor([[0.2, 0.8], [0.6, 0.4]]).double()
    b = torch.tensor([[0.5, 0.5], [0.9, 0.1]]).double()
    fork = Factor("c", c) * Factor((*"ca",), a) * Factor((*"cb",), b)
    assert fork.is_independent("a", "b", "c")
    assert not fork.is_independent("a", "b")
    collider = Factor("a", c) * Factor("b", [0.5, 0.5]) * Factor(
        (*"abc",), [[[1, 0], [0.3, 0.7]], [[0.2, 0.8], [0.6, 0.4]]]
    )  # fmt: skip
    assert collider.is_independent("a", "b")
    assert not collider.is_independent("a", "b", "c")
    with pytest.raises(ValueError, match="two sides"):
        collider.is_independent("a", "a")


def test_batches_come_first():
    f = three()
    rows = torch.tensor([2, 0, 1, 1])
    reduced = f.reduce({"b": rows})
    assert reduced.batch_size == 4 and reduced.variables == ("a", "c")
    torch.testing.assert_close(reduced.values, f.values[:, rows].movedim(1, 0))
    again = reduced.reduce({"c": torch.tensor([3, 3, 0, 1])})
    torch.testing.assert_close(again.values, f.values[:, rows, [3, 3, 0, 1]].T)
    product = f * again
    assert product.batch_size == 4
    torch.testing.assert_close(
        product.values, f.values[None] * f.values[:, rows, [3, 3, 0, 1]].T[:, :, None, None]
    )
    torch.testing.assert_close(reduced.normalize().values.sum((1, 2)), torch.ones(4).double())
    one = f.reduce({"b": torch.tensor([1])})
    assert one.batch_size == 1 and one.values.shape == (1, 2, 4)


def test_argmax_and_sample():
    f = three()
    best = f.argmax()
    assert f[best] == f.values.max()
    batch = f.reduce({"b": torch.tensor([0, 2])})
    assert batch.argmax()["a"].shape == (2,)
    x = f.sample(40_000, generator=torch.Generator().manual_seed(1))
    counts = torch.zeros(2, 3, 4).double()
    counts.index_put_(tuple(x.T), torch.ones(len(x)).double(), accumulate=True)
    assert (counts / len(x) - f.values).abs().max() < 5 * (0.25 / len(x)) ** 0.5


def test_sampling_never_draws_an_impossible_state():
    f = Factor("a", [0, 0.5, 0, 0.5, 0])
    assert set(f.sample(1000, generator=torch.Generator().manual_seed(0)).flatten().tolist()) == {
        1,
        3,
    }


def test_gradient_reaches_the_table():
    values = torch.rand(2, 3).double().requires_grad_()
    f = Factor((*"ab",), values)
    assert torch.autograd.gradcheck(
        lambda v: (Factor((*"ab",), v).normalize() * Factor("b", [1, 2, 3])).marginal("a").values,
        (values,),
    )
    assert f.values is values


def test_readable_table(joint):
    assert "rain     jam      0.18" in repr(joint)
    html = Factor(("<x>",), [1.0, 2.0])._repr_html_()
    assert "<x>" not in html and "&lt;x&gt;" in html
    assert "batch of 2" in repr(joint.reduce({"weather": torch.tensor([0, 1])}))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Factor((*"ab",), [0.5, 0.5, 0.0]), "a, b needs 2 axes"),
        (lambda: Factor((*"aa",), [[1, 2], [3, 4]]), "named twice"),
        (lambda: Factor((*"ab",), [[0.5, -0.1], [0.3, 0.3]]), "-0.1 at a=0, b=1"),
        (lambda: Factor((*"ab",), [[0.5, 0.1], [float("nan"), 0.3]]), "nan at a=1, b=0"),
        (lambda: Factor("a", [float("inf"), 1]), "inf at a=0"),
        (lambda: Factor("a", [1, 2], states={"a": ("x",)}), "'a' are .*expected 2"),
        (lambda: Factor("a", [1, 2], states={"z": ("x", "y")}), "unknown variable 'z'"),
        (lambda: Factor("a", [1, 2]) * Factor("a", [1, 2, 3]), "'a' has 2 states"),
        (lambda: Factor("a", [1, 2]).marginal("q"), "unknown variable q"),
        (lambda: Factor("a", [0, 0]).normalize(), "sums to 0"),
        (lambda: Factor((*"ab",), [[1, 1], [0, 0]]).conditional("b", "a"), "a=1"),
        (lambda: Factor("a", [1, 2]).reduce({"b": 0}), "unknown variable 'b'"),
        (lambda: Factor("a", [1, 2]).reduce({"a": 2}), "'a' holds state 2"),
        (lambda: Factor("a", [1, 2]).reduce({"a": -1}), "'a' holds state -1"),
        (lambda: Factor("a", [1, 2]).reduce({"a": 0.5}), "'a' is 0.5"),
        (lambda: Factor("a", [1, 2]).reduce({"a": float("nan")}), "'a' is nan"),
        (lambda: Factor("a", [1, 2]).reduce({"a": "x"}), "no names"),
        (lambda: Factor((*"ab",), [[1, 2], [3, 4]])[{"a": 1}], "does not give b"),
        (
            lambda: Factor((*"ab",), [[1, 2], [3, 4]]).reduce(
                {"a": torch.tensor([0, 1]), "b": torch.tensor([0, 1, 1])}
            ),
            "'b' has 3 rows",
        ),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
