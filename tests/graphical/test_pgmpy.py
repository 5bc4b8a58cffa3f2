"""Networks of pgmpy: brought in, and answering alike."""

import gzip
import warnings
from importlib.resources import files

import numpy as np
import pytest

from gencourse.graphical import BayesNet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.inference import VariableElimination
    from pgmpy.models import DiscreteBayesianNetwork
    from pgmpy.readwrite import BIFReader

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def random_pgmpy(seed):
    """Five variables of 2 to 4 states, one with three parents of different sizes."""
    rng = np.random.default_rng(seed)
    sizes = {"a": 2, "b": 3, "c": 4, "d": 2, "e": 3}
    parents = {"a": [], "b": ["a"], "c": [], "d": ["c", "a", "b"], "e": ["d", "c"]}
    model = DiscreteBayesianNetwork()
    model.add_nodes_from(sizes)
    for name, above in parents.items():
        columns = int(np.prod([sizes[p] for p in above]))
        table = rng.dirichlet(np.ones(sizes[name]), columns).T
        model.add_edges_from((p, name) for p in above)
        model.add_cpds(
            TabularCPD(name, sizes[name], table, above or None, [sizes[p] for p in above] or None)
        )
    return model, sizes


@pytest.mark.parametrize("seed", range(3))
def test_answers_are_the_same(seed):
    model, sizes = random_pgmpy(seed)
    net, inference = BayesNet.from_pgmpy(model), VariableElimination(model)
    assert net.cardinalities == {name: sizes[name] for name in net.variables}
    assert net.parents("d") == ("c", "a", "b")
    for evidence in ({}, {"e": 2}, {"d": 1, "b": 0}):
        marginals = net.marginals(evidence)
        for name in set(sizes) - set(evidence):
            theirs = inference.query([name], evidence=evidence, show_progress=False).values
            np.testing.assert_allclose(marginals[name], theirs, atol=1e-12)
        free = [name for name in sizes if name not in evidence]
        theirs = inference.map_query(free, evidence=evidence, show_progress=False)
        assert {name: net.map(evidence)[name] for name in free} == theirs
    joint = inference.query(["a", "d"], evidence={"e": 0}, show_progress=False)
    ours = net.query(joint.variables, {"e": 0}).values
    np.testing.assert_allclose(ours, joint.values, atol=1e-12)


def test_columns_of_two_parents_and_state_names():
    """The child lists its parents' states in another order than the parents do themselves."""
    model = DiscreteBayesianNetwork([("rain", "wet"), ("hose", "wet")])
    model.add_cpds(
        TabularCPD("rain", 2, [[0.8], [0.2]], state_names={"rain": ["no", "yes"]}),
        TabularCPD("hose", 3, [[0.5], [0.3], [0.2]], state_names={"hose": ["off", "low", "high"]}),
        TabularCPD(
            "wet",
            2,
            [[0.01, 0.02, 0.03, 0.1, 0.2, 0.9], [0.99, 0.98, 0.97, 0.9, 0.8, 0.1]],
            evidence=["rain", "hose"],
            evidence_card=[2, 3],
            state_names={
                "wet": ["dry", "wet"],
                "rain": ["yes", "no"],
                "hose": ["high", "low", "off"],
            },
        ),
    )
    net = BayesNet.from_pgmpy(model)
    assert net.states["hose"] == ("off", "low", "high")
    assert net.parents("wet") == ("rain", "hose")
    table = net.cpd("wet")  # [rain no/yes, hose off/low/high, wet dry/wet]
    np.testing.assert_allclose(table[..., 0], [[0.9, 0.2, 0.1], [0.03, 0.02, 0.01]])
    dry = net.query("wet", {"rain": "yes", "hose": "high"}).values[0]
    np.testing.assert_allclose(dry, 0.01)
    probs = net.marginals({"wet": "dry"})["rain"]
    yes = 0.2 * (0.5 * 0.03 + 0.3 * 0.02 + 0.2 * 0.01)
    no = 0.8 * (0.5 * 0.9 + 0.3 * 0.2 + 0.2 * 0.1)
    np.testing.assert_allclose(probs, [no / (yes + no), yes / (yes + no)])


def test_networks_that_cannot_be_read():
    model = DiscreteBayesianNetwork([("a", "b")])
    model.add_cpds(TabularCPD("a", 2, [[0.5], [0.5]]))
    with pytest.raises(ValueError, match="no CPD for 'b'"):
        BayesNet.from_pgmpy(model)
    names = {"b": [0, 1], "a": ["x", "y"]}
    half = [[0.5, 0.5], [0.5, 0.5]]
    model.add_cpds(TabularCPD("b", 2, half, evidence=["a"], evidence_card=[2], state_names=names))
    with pytest.raises(ValueError, match="gives 'a' the states"):
        BayesNet.from_pgmpy(model)


@pytest.mark.parametrize(
    ("name", "evidence"),
    [("asia", {"xray": "yes", "smoke": "no"}), ("alarm", {"HRBP": "HIGH", "PRESS": "LOW"})],
)
def test_standard_networks_agree(name, evidence):
    """Networks that come with pgmpy: Asia has 8 variables, ALARM has 37."""
    packed = (files("pgmpy") / f"utils/example_models/{name}.bif.gz").read_bytes()
    model = BIFReader(string=gzip.decompress(packed).decode()).get_model()
    net, inference = BayesNet.from_pgmpy(model), VariableElimination(model)
    assert len(net.variables) == {"asia": 8, "alarm": 37}[name]
    marginals = net.marginals(evidence)
    for variable in set(net.variables) - set(evidence):
        theirs = inference.query([variable], evidence=evidence, show_progress=False)
        assert net.states[variable] == tuple(theirs.state_names[variable])
        np.testing.assert_allclose(marginals[variable], theirs.values, atol=1e-9)
