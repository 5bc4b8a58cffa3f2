"""Unit 01's homework: what it covers, and its references against the library and known numbers."""

import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB

from gencourse.authoring.contract import load_exercises
from gencourse.course import Course
from gencourse.exercises.adapter import KINDS
from gencourse.graphical import (
    BayesNet,
    Factor,
    FactorGraph,
    NaiveBayes,
    belief_propagation,
    chow_liu,
    num_parameters_bayes_net,
)

COURSE = Course(Path(__file__).parents[1])
UNIT = "01_graphical_models"
EXERCISES = {e.id: e for e in load_exercises(COURSE, UNIT)}
FILE = sys.modules[f"gencourse_exercises_{UNIT}"]
HOMEWORK = COURSE.source(UNIT, "homework").read_text()


def drawn(name, test, seeds=4):
    """Calls of a test, as the reference receives them."""
    inputs = EXERCISES[name].test(test).inputs
    return [FILE.as_tensors(inputs(np.random.default_rng(seed))) for seed in range(seeds)]


def names(indices):
    return [f"x{i}" for i in indices]


def network(tables, parents):
    return BayesNet({f"x{i}": (names(p), tables[i]) for i, p in enumerate(parents)})


# -- what it covers --------------------------------------------------------------------------


def written():
    found = re.findall(r'written="(.+)" points=(\d+)', HOMEWORK)
    return {name: int(points) for name, points in found}


def test_forty_points_in_all_five_kinds():
    assert sum(e.points for e in EXERCISES.values()) + sum(written().values()) == 40
    assert len(EXERCISES) >= 8
    assert {e.kind for e in EXERCISES.values()} == set(KINDS)


def test_every_row_of_the_curriculum_is_asked():
    assert list(FILE.ROWS) == [f"1.{k}" for k in range(1, 14)]
    asked = {name for row in FILE.ROWS.values() for name in row}
    assert asked == {*EXERCISES, *written()}


def test_headings_tell_titles_points_and_minutes_as_declared():
    headings = re.findall(r"^# ## \d+\. (.+) \((\d+) points, about (\d+) minutes", HOMEWORK, re.M)
    declared = [(e.title, str(e.points), str(e.minutes)) for e in EXERCISES.values()]
    assert headings[:-1] == declared
    assert headings[-1][1] == str(sum(written().values()))


# -- known numbers ---------------------------------------------------------------------------


def test_parameters_of_the_red_blue_network():
    call = EXERCISES["count-parameters"].test("tables").fixed[0]
    answers = (FILE.count_joint, FILE.count_unnormalised, FILE.count_independent)
    assert FILE.count_reference(**call) == 10
    assert [answer(**call) for answer in answers] == [31, 20, 5]


@pytest.mark.parametrize(
    ("answer", "probability"),
    [
        (FILE.infer_reference, 0.010515),
        (FILE.infer_locally_normalised, 0.0399),
        (FILE.infer_unary_only, 0.1578),
        (FILE.infer_unnormalised, 4.2),
    ],
)
def test_lunch(answer, probability):
    call = FILE.as_tensors(EXERCISES["three-tasks"].test("probability").fixed[0])
    assert math.exp(answer(**call)) == pytest.approx(probability, rel=5e-3)


def test_explaining_away_and_the_best_assignment():
    tests = EXERCISES["three-tasks"]
    red = [
        FILE.infer_reference(**FILE.as_tensors(call))[2][0].item()
        for call in tests.test("marginals").fixed
    ]
    assert red == pytest.approx([0.5795, 0.4839, 0.7500], abs=5e-5)
    call = FILE.as_tensors(tests.test("map").fixed[0])
    assert FILE.infer_reference(**call) == [1, 1, 0, 0, 0]
    assert FILE.map_of_marginals(**call) == [1, 0, 0, 0, 0]


def test_duplicated_word_and_smoothing():
    spam = EXERCISES["spam-filter"]
    (odds,) = FILE.run_class(FILE.FilterReference, FILE.as_tensors(spam.test("unread").fixed[0]))
    assert torch.sigmoid(odds).tolist() == pytest.approx([0.9412, 0.8, 0.5], abs=5e-5)
    call = FILE.as_tensors(spam.test("estimate").fixed[0])
    assert FILE.run_class(FILE.FilterReference, call)[0][1, 0].item() == pytest.approx(4 / 6)
    assert FILE.run_class(FILE.FilterOneInDenominator, call)[0][1, 0].item() == pytest.approx(0.8)


def test_the_world_of_the_written_question():
    counts = {(0, 0): (2, 1), (0, 1): (0, 3), (1, 0): (0, 2), (1, 1): (8, 4)}
    rows = [(x, y) for x, n in counts.items() for y in (0, 1) for _ in range(n[y])]
    x, y = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    found = []
    for model in (BernoulliNB(alpha=1e-10), LogisticRegression(C=1e8, tol=1e-10)):
        p = model.fit(x, y).predict_proba(x)
        found += [np.mean(p.argmax(1) != y), -np.log(p[np.arange(len(y)), y]).mean()]
    assert found == pytest.approx([0.30, 0.6714, 0.40, 0.6683], abs=5e-5)
    assert "naive Bayes | 0.30 | 0.6714 |" in HOMEWORK
    assert "logistic regression | 0.40 | 0.6683 |" in HOMEWORK


# -- references against the library ----------------------------------------------------------


def test_counts_agree_with_the_library():
    for call in drawn("count-parameters", "tables"):
        assert FILE.count_reference(**call) == num_parameters_bayes_net(
            {f"x{i}": names(p) for i, p in enumerate(call["parents"])},
            {f"x{i}": k for i, k in enumerate(call["cardinalities"])},
        )


def test_the_gap_agrees_with_the_library_s_tables():
    for call in drawn("independence-gap", "conditional"):
        joint, (a, b, c) = call["joint"], names((call["a"], call["b"], *call["given"]))
        table, gaps = Factor(names(range(joint.ndim)), joint).marginal([c, a, b]), []
        for state in range(joint.shape[call["given"][0]]):
            slice_ = table.reduce({c: state})
            if slice_.values.sum() > 0:
                p = slice_.normalize()
                product = (p.marginal([a]) * p.marginal([b])).marginal([a, b])
                gaps.append((p.values - product.values).abs().max().item())
        assert len(gaps) == joint.shape[call["given"][0]] - 1  # one setting never happens
        assert FILE.gap_reference(**call) == pytest.approx(max(gaps))


def test_samples_have_the_frequencies_of_the_network():
    call = drawn("ancestral-sampler", "any-order", seeds=1)[0]
    n = 40_000
    uniforms = torch.rand(n, 5, generator=torch.Generator().manual_seed(3))
    states = FILE.sample_reference(call["tables"], call["parents"], uniforms)
    net = network(call["tables"], call["parents"])
    columns = torch.tensor([int(name[1:]) for name in net.variables])
    distinct, counts = torch.tensor(states)[:, columns].unique(dim=0, return_counts=True)
    p = net.log_prob(distinct).exp()
    assert p.sum() > 0.99
    assert ((counts / n - p).abs() < 5 * (p / n).sqrt() + 1e-4).all()


def test_d_connection_agrees_with_the_library():
    for test in ("chains-and-forks", "colliders"):
        for call in drawn("d-connected", test):
            parents, source, given = call["parents"], call["source"], call["given"]
            net = network([torch.full([2] * (len(p) + 1), 0.5) for p in parents], parents)
            for j, connected in enumerate(FILE.connected_reference(**call)):
                if j != source and j not in given:
                    separated = net.d_separated(f"x{source}", f"x{j}", names(given))
                    assert connected != separated


def graph_of(call):
    pairs = zip(call["factors"], call["scopes"], strict=True)
    return FactorGraph([Factor(names(scope), table) for table, scope in pairs])


def test_inference_agrees_with_the_library():
    for test in ("probability", "marginals", "map"):
        for call in drawn("three-tasks", test):
            graph, found = graph_of(call), FILE.infer_reference(**call)
            seen = {f"x{i}": e for i, e in enumerate(call["evidence"]) if e is not None}
            if test == "probability":
                expected = graph.log_partition(seen) - graph.log_partition()
                torch.testing.assert_close(found, expected)
            elif test == "map":
                assert found == [int(graph.map(seen)[f"x{i}"]) for i in range(4)]
            else:
                marginals = graph.marginals(seen)
                for i, p in enumerate(found):
                    torch.testing.assert_close(p, marginals[f"x{i}"])


def test_a_message_agrees_with_belief_propagation_up_to_scale():
    for call in drawn("tree-message", "inner"):
        factors = [Factor([f"x{i}"], t) for i, t in enumerate(call["unaries"])]
        factors += [
            Factor(names(e), t) for e, t in zip(call["edges"], call["pairwise"], strict=True)
        ]
        target = call["target"]
        belief = belief_propagation(FactorGraph(factors)).marginals[f"x{target}"]
        product = call["unaries"][target]
        for source in FILE.neighbours_of(call["edges"], target):
            product = product * FILE.message_reference(**(call | {"source": source}))
        torch.testing.assert_close(product / product.sum(), belief)
        torch.testing.assert_close(product.sum().log(), FactorGraph(factors).log_partition())


def test_the_filter_agrees_with_the_library():
    for call in drawn("spam-filter", "together"):
        mails, new = call["calls"][0][1], call["calls"][1][1]
        _, odds = FILE.run_class(FILE.FilterReference, call)
        model = NaiveBayes(5, smoothing=mails["smoothing"]).fit(mails["x"], mails["y"])
        p = model.predict_proba(new["x"], observed=new["observed"])
        torch.testing.assert_close(odds, (p[:, 1] / p[:, 0]).log())


def test_the_tree_agrees_with_the_library():
    for call in drawn("learn-tree", "states"):
        net = chow_liu(call["x"], cardinalities=call["cardinalities"])
        digits = {name: int(re.sub(r"\D", "", str(name))) for name in net.variables}
        edges = [sorted((digits[c], digits[p])) for c in net.variables for p in net.parents(c)]
        low = min(digits.values())
        assert sorted([i - low, j - low] for i, j in edges) == FILE.tree_reference(**call)
