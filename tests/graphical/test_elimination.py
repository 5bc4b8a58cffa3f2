"""Variable elimination against enumeration: orders, batches, maxima, underflow, memory."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gencourse.graphical import Factor, elimination_order, set_memory_limit, variable_elimination
from gencourse.graphical.bucket_tree import all_marginals, most_probable, posterior_samples
from gencourse.graphical.elimination import eliminate
from gencourse.graphical.examples import lunch_factors
from tests.graphical.enumeration import clamped, joint_of, marginal_of


@st.composite
def factor_lists(draw, *, zeros=True):
    """Random factors over up to five variables, isolated and disconnected ones included."""
    count = draw(st.integers(1, 5))
    names = [f"v{i}" for i in range(count)]
    sizes = {name: draw(st.integers(1, 3)) for name in names}
    scopes = draw(st.lists(st.lists(st.sampled_from(names), unique=True, max_size=3), max_size=6))
    scopes += [[name] for name in names if all(name not in scope for scope in scopes)]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    factors = []
    for scope in scopes:
        values = torch.rand([sizes[n] for n in scope], generator=generator).double() * 3
        if zeros:
            values = values * (torch.rand(values.shape, generator=generator) > 0.15)
        factors.append(Factor(scope, values))
    return factors


@settings(max_examples=120, deadline=None)
@given(factor_lists(), st.sampled_from(["min-fill", "min-weight"]), st.data())
def test_everything_agrees_with_enumeration(factors, heuristic, data):
    variables, joint = joint_of(factors)
    observed = data.draw(st.lists(st.sampled_from(variables), unique=True, max_size=2))
    sizes = dict(zip(variables, joint.shape, strict=True))
    evidence = {name: data.draw(st.integers(0, sizes[name] - 1)) for name in observed}
    joint = clamped(variables, joint, evidence)
    if joint.sum() == 0:
        with pytest.raises(ValueError, match="probability 0"):
            all_marginals(factors, evidence)
        return
    rest = [name for name in variables if name not in evidence]
    query = data.draw(st.permutations(rest))[: data.draw(st.integers(0, len(rest)))]
    found = variable_elimination(factors, query, evidence=evidence, heuristic=heuristic)
    assert found.variables == tuple(query)
    np.testing.assert_allclose(float(found.values.sum()), joint.sum(), rtol=1e-12)
    np.testing.assert_allclose(
        found.values / joint.sum(), marginal_of(variables, joint, query), atol=1e-12
    )
    best = variable_elimination(
        factors, query, evidence=evidence, heuristic=heuristic, reduce="max"
    )
    np.testing.assert_allclose(float(best.values.max()), joint.max(), rtol=1e-12)
    marginals = all_marginals(factors, evidence, heuristic=heuristic)
    assert list(marginals) == variables
    for name, probs in marginals.items():
        np.testing.assert_allclose(probs, marginal_of(variables, joint, [name]), atol=1e-12)
    state = most_probable(factors, evidence, heuristic=heuristic)
    np.testing.assert_allclose(joint[tuple(state[v] for v in variables)], joint.max(), rtol=1e-12)
    drawn = posterior_samples(factors, 8, evidence)
    cells = zip(*(drawn[name].tolist() for name in variables), strict=True)
    assert all(joint[cell] > 0 for cell in cells)


@pytest.fixture
def grid():
    """A 3 x 3 grid of three-state variables: loops, so that fill matters."""
    generator = torch.Generator().manual_seed(3)
    edges = [((r, c), (r, c + 1)) for r in range(3) for c in range(2)]
    edges += [((r, c), (r + 1, c)) for r in range(2) for c in range(3)]
    name = "{0[0]}{0[1]}".format
    return [
        Factor((name(a), name(b)), torch.rand(3, 3, generator=generator).double())
        for a, b in edges
    ]


def test_batched_evidence_equals_one_query_a_row(grid):
    rows = {"00": torch.tensor([0, 1, 2, 2]), "22": torch.tensor([1, 1, 0, 2])}
    evidence = rows | {"02": 1}
    batch = variable_elimination(grid, ("11", "20"), evidence=evidence)
    marginals, states = all_marginals(grid, evidence), most_probable(grid, evidence)
    assert batch.values.shape == (4, 3, 3)
    for b in range(4):
        single = {"00": int(rows["00"][b]), "22": int(rows["22"][b]), "02": 1}
        alone = variable_elimination(grid, ("11", "20"), evidence=single)
        torch.testing.assert_close(batch.values[b], alone.values)
        for name, probs in all_marginals(grid, single).items():
            torch.testing.assert_close(marginals[name][b], probs)
        assert {name: int(s[b]) for name, s in states.items()} == most_probable(grid, single)


def test_batch_of_one_keeps_its_axis(grid):
    evidence = {"00": torch.tensor([1])}
    assert variable_elimination(grid, "11", evidence=evidence).values.shape == (1, 3)
    assert all(p.shape == (1, 3) for p in all_marginals(grid, evidence).values())
    assert all(s.shape == (1,) for s in most_probable(grid, evidence).values())


def test_batched_factors(grid):
    tables = torch.rand(5, 3, generator=torch.Generator().manual_seed(0)).double()
    factors = [*grid, Factor(("11",), tables)]
    together = all_marginals(factors, {"00": torch.tensor([0, 1, 2, 0, 1])})
    for b, state in enumerate([0, 1, 2, 0, 1]):
        alone = all_marginals([*grid, Factor(("11",), tables[b])], {"00": state})
        for name, probs in alone.items():
            torch.testing.assert_close(together[name][b], probs)
    observed = variable_elimination(factors, "22", evidence={"11": 2})
    for b in range(5):
        alone = variable_elimination([*grid, Factor(("11",), tables[b])], "22", evidence={"11": 2})
        torch.testing.assert_close(observed.values[b], alone.values)
    with pytest.raises(ValueError, match="batch sizes"):
        all_marginals(factors, {"00": torch.tensor([0, 1])})


def test_gradient_with_zeros_in_the_tables(grid):
    """The passes do not divide, so a gradient at an entry that is exactly 0 is right as well."""
    table = grid[0].values.clone()
    table[0] = 0
    table[1, 1] = 0
    table.requires_grad_()

    def answers(values):
        factors = [Factor(grid[0].variables, values), *grid[1:]]
        done, _ = eliminate(factors, {"22": 1})
        marginals = all_marginals(factors, {"22": 1})
        return done.log_total(), marginals["11"], marginals["01"]

    def brute(values):
        joint = Factor(grid[0].variables, values)
        for factor in grid[1:]:
            joint = joint * factor
        joint = joint.reduce({"22": 1})
        return (
            joint.values.sum().log().reshape(1),
            joint.marginal("11").normalize().values,
            joint.marginal("01").normalize().values,
        )

    weights = [torch.rand_like(out) for out in brute(table)]
    gradients = [
        torch.autograd.grad(
            sum((w * out).sum() for w, out in zip(weights, f(table), strict=True)), table
        )[0]
        for f in (answers, brute)
    ]
    torch.testing.assert_close(gradients[0], gradients[1])
    assert gradients[1][0].abs().max() > 0


def test_marginals_are_the_gradient_of_log_z(grid):
    """p(x = k) = d log Z / d log of a unary potential at k: an oracle from autograd."""
    logits = {name: torch.zeros(3).double().requires_grad_() for name in all_marginals(grid)}
    factors = grid + [Factor((name,), t.exp()) for name, t in logits.items()]
    done, _ = eliminate(factors, {})
    gradients = torch.autograd.grad(done.log_total().sum(), list(logits.values()))
    for name, gradient in zip(logits, gradients, strict=True):
        torch.testing.assert_close(all_marginals(grid)[name], gradient)


def test_posterior_samples_follow_the_posterior(grid):
    evidence = {"00": 2, "21": 0}
    n = 20_000
    drawn = posterior_samples(grid, n, evidence, generator=torch.Generator().manual_seed(0))
    exact = variable_elimination(grid, ("11", "12"), evidence=evidence).normalize().values
    counts = torch.zeros(3, 3).double()
    counts.index_put_((drawn["11"], drawn["12"]), torch.ones(n).double(), accumulate=True)
    assert (counts / n - exact).abs().max() < 5 * (0.25 / n) ** 0.5
    assert drawn["00"].tolist() == [2] * n
    rows = torch.arange(n) % 3
    drawn = posterior_samples(grid, n, {"00": rows}, generator=torch.Generator().manual_seed(0))
    for state in range(3):
        exact = all_marginals(grid, {"00": state})["11"]
        found = torch.bincount(drawn["11"][rows == state], minlength=3) / (n / 3)
        assert (found - exact).abs().max() < 5 * (0.75 / n) ** 0.5
    with pytest.raises(ValueError, match="3 rows"):
        posterior_samples(grid, 5, {"00": torch.tensor([0, 1, 2])})


def test_orders():
    def pairs(edges):
        return [Factor((*e,), torch.ones(2, 2).double()) for e in edges]

    assert set(elimination_order(pairs(["ab", "bc", "cd"]), "b")) == {"a", "c", "d"}
    star = pairs([("h", f"l{i}") for i in range(6)])
    assert elimination_order(star).index("h") >= 5
    # a costs no edge, but its table has 81 entries; d costs none either, and has 8
    factors = [
        Factor((*"ab",), torch.ones(9, 9).double()),
        Factor((*"bc",), torch.ones(9, 2).double()),
        Factor((*"cd",), torch.ones(2, 2).double()),
        Factor((*"de",), torch.ones(2, 2).double()),
        Factor((*"ec",), torch.ones(2, 2).double()),
        Factor((*"eb",), torch.ones(2, 9).double()),
    ]
    assert elimination_order(factors, heuristic="min-weight")[0] == "d"
    cycle = pairs(["ab", "bc", "cd", "da"])
    for heuristic in ("min-fill", "min-weight"):
        assert sorted(elimination_order(cycle, heuristic=heuristic)) == list("abcd")
    assert "b" not in elimination_order(cycle, evidence=["b"])
    found = [
        float(variable_elimination(lunch_factors(), (), heuristic=order).values)
        for order in itertools.permutations(("first", "second"))
    ]
    np.testing.assert_allclose(found, 399.43)
    with pytest.raises(ValueError, match="heuristic is 'best'"):
        elimination_order(cycle, heuristic="best")
    with pytest.raises(ValueError, match="the order given"):
        variable_elimination(cycle, "a", heuristic=("b", "c"))


def test_greedy_orders_stay_narrow_on_a_tree():
    """On a tree of 500 variables no table may span more than two of them."""
    generator = torch.Generator().manual_seed(0)
    factors = []
    for i in range(1, 500):
        parent = int(torch.randint(i, (), generator=generator))
        factors.append(Factor((f"x{parent}", f"x{i}"), torch.rand(3, 3).double()))
    for heuristic in ("min-fill", "min-weight"):
        done, _ = eliminate(factors, {}, heuristic=heuristic)
        assert len(done.plan.largest) == 2


def test_more_variables_than_there_are_letters():
    """A chain of 200 and a table over 60 variables, both beyond the 52 letters of an einsum."""
    chain = [Factor((f"x{i}", f"x{i + 1}"), [[0.9, 0.1], [0.2, 0.8]]) for i in range(200)]
    power = np.linalg.matrix_power(np.array([[0.9, 0.1], [0.2, 0.8]]), 200)
    np.testing.assert_allclose(variable_elimination(chain, ("x0", "x200")).values, power)
    wide = Factor([f"y{i}" for i in range(60)], torch.ones([2] + [1] * 59).double())
    np.testing.assert_allclose(all_marginals([wide, Factor(("y0",), [1, 3])])["y0"], [0.25, 0.75])


@pytest.mark.parametrize("scale", [1e-250, 1.0, 1e250])
def test_long_products_neither_underflow_nor_overflow(scale):
    """log Z of 2000 factors on a chain, and of 2000 factors on a single variable."""
    generator = torch.Generator().manual_seed(0)
    tables = torch.rand(2000, 3, 3, generator=generator).double() * scale
    forward, log_z = torch.ones(3).double(), 0.0
    for table in tables:
        forward = (forward[:, None] * (table / scale)).sum(0)
        log_z += math.log(forward.sum()) + math.log(scale)
        forward = forward / forward.sum()
    chain = [Factor((f"x{i}", f"x{i + 1}"), table) for i, table in enumerate(tables)]
    done, _ = eliminate(chain, {})
    np.testing.assert_allclose(done.log_total(), [log_z], rtol=1e-12)
    np.testing.assert_allclose(all_marginals(chain)["x2000"], forward, rtol=1e-9)

    logs = torch.log(tables[:, 0]).sum(0)
    star = [Factor(("x",), table) for table in tables[:, 0]]
    done, _ = eliminate(star, {})
    np.testing.assert_allclose(done.log_total(), [logs.logsumexp(0)], rtol=1e-12)
    np.testing.assert_allclose(all_marginals(star)["x"], logs.softmax(0), rtol=1e-9, atol=1e-300)


def test_single_precision_does_not_underflow():
    """Entries of 1e-30 in float32, whose smallest number is 1e-38: two of them are already 0."""
    generator = torch.Generator().manual_seed(0)
    tables = torch.rand(200, 3, 3, generator=generator)
    small = [Factor((f"x{i}", f"x{i + 1}"), t * 1e-30) for i, t in enumerate(tables)]
    exact = [Factor((f"x{i}", f"x{i + 1}"), t.double()) for i, t in enumerate(tables)]
    expected = all_marginals(exact, {"x100": 1})
    for name, probs in all_marginals(small, {"x100": 1}).items():
        assert probs.dtype == torch.float32
        np.testing.assert_allclose(probs, expected[name], atol=1e-5)


def test_large_star_with_unobserved_leaves():
    generator = torch.Generator().manual_seed(0)
    tables = torch.rand(400, 2, 2, generator=generator).double() * 1e-3
    factors = [Factor(("y", f"x{i}"), table) for i, table in enumerate(tables)]
    marginals = all_marginals(factors)
    centre = tables.sum(-1).log().sum(0).softmax(0)
    np.testing.assert_allclose(marginals["y"], centre, rtol=1e-9)
    others = (tables.sum(-1).log().sum(0) - tables[7].sum(-1).log()).softmax(0)
    leaf = others @ tables[7]
    np.testing.assert_allclose(marginals["x7"], leaf / leaf.sum(), rtol=1e-9)


@pytest.fixture
def small_memory():
    set_memory_limit(10_000)
    yield
    set_memory_limit(None)


def test_a_table_too_large_is_refused_before_it_is_built(grid):
    # a clique of 60 ten-state variables: its table would have 10^60 entries
    clique = [
        Factor((f"v{i}", f"v{j}"), torch.ones(10, 10).double())
        for i, j in itertools.combinations(range(60), 2)
    ]
    with pytest.raises(ValueError, match=r"10\^60 entries over 60 variables .*v\d+ \(10\)"):
        variable_elimination(clique, "v0")
    with pytest.raises(ValueError, match="over 60 variables"):
        all_marginals(clique)
    long = [Factor((f"x{i}",), [0.5, 0.5]) for i in range(500)]
    with pytest.raises(ValueError, match=r"about 10\^150 entries .*and 480 more"):
        variable_elimination(long, [f"x{i}" for i in range(500)])


def test_the_limit_counts_the_rows_of_a_batch(grid, small_memory):
    variable_elimination(grid, "11")
    with pytest.raises(ValueError, match="each of 500 rows"):
        variable_elimination(grid, "11", evidence={"00": torch.zeros(500, dtype=torch.long)})
    f = Factor((*"ab",), torch.ones(20, 20).double())
    with pytest.raises(ValueError, match=r"8,000 entries over 3 variables.*a \(20\), b \(20\)"):
        f * Factor((*"bc",), torch.ones(20, 20).double())


def test_bad_limit_is_named():
    with pytest.raises(ValueError, match="num_bytes is -1"):
        set_memory_limit(-1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: variable_elimination(f, "zz"), "unknown variable 'zz'"),
        (lambda f: variable_elimination(f, "11", evidence={"11": 0}), "part of the evidence"),
        (lambda f: variable_elimination(f, "11", evidence={"00": 3}), "state 3"),
        (lambda f: variable_elimination(f, "11", reduce="min"), "reduce is 'min'"),
        (lambda f: variable_elimination([], "11"), "no factors"),
        (lambda f: all_marginals([*f, Factor(("11",), [1, 2])]), "'11' has 3 states"),
        (lambda f: all_marginals([*f, Factor(("11",), [0, 0, 0])]), "every state probability 0"),
        (
            lambda f: all_marginals([*f, Factor(("11",), [1, 0, 1])], {"11": 1, "00": 2}),
            "evidence 11=1, 00=2 has probability 0",
        ),
        (
            lambda f: all_marginals(
                [*f, Factor(("11",), [1, 0, 1])], {"11": torch.tensor([0, 1]), "00": 2}
            ),
            r"evidence 11=1, 00=2 \(row 1\) has probability 0",
        ),
    ],
)
def test_bad_input_is_named(grid, call, words):
    with pytest.raises(ValueError, match=words):
        call(grid)
