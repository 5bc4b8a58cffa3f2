"""Drawing inputs on which no listed mistake passes by luck."""

import numpy as np
import pytest
import torch

from gencourse.authoring.draws import apart, as_tensors, flat, run, separated


def double(x):
    return 2 * x


def square(x):
    return x * x


def negative(x):
    return -2 * x


class Total:
    def __init__(self, start):
        self.total = start

    def add(self, x):
        self.total = self.total + x.sum()
        return self.total


def draw_integer(rng):
    x = int(rng.integers(4))
    return {"x": np.array([x])} if x != 3 else None


def test_the_inputs_tell_everything_apart():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        found = separated(rng, draw_integer, double, [square, negative], 0.5)
        assert found["x"].tolist() == [1]  # at 0 all agree, at 2 double and square do


def test_what_cannot_be_told_apart_is_named():
    with pytest.raises(RuntimeError, match="draw_integer: no draw tells double from double"):
        separated(np.random.default_rng(0), draw_integer, double, [double], 0.5)


def test_mistakes_are_told_from_each_other_too():
    with pytest.raises(RuntimeError, match="no draw tells negative from negative"):
        separated(np.random.default_rng(0), draw_integer, double, [negative, negative], 0.5)


def test_another_measure_decides():
    def size(answer, inputs):
        return abs(float(run(answer, inputs)))

    with pytest.raises(RuntimeError, match="double from negative"):
        separated(np.random.default_rng(0), draw_integer, double, [negative], 0.5, measure=size)


def test_classes_are_run_call_by_call():
    calls = [["add", {"x": np.array([1.0, 2.0])}], ["add", {"x": np.array([4.0])}]]
    found = run(Total, {"init": {"start": 1.0}, "calls": calls})
    assert [float(total) for total in found] == [4.0, 8.0]


def test_arrays_become_tensors_and_trees_become_flat():
    made = as_tensors({"a": [np.array([1, 2])], "b": None})
    assert torch.equal(made["a"][0], torch.tensor([1, 2])) and made["b"] is None
    tree = {"b": 3, "a": [torch.tensor([[1.0], [2.0]]), np.array(True)]}
    assert flat(tree).tolist() == [1, 2, 1, 3]


def test_infinities_agree_with_themselves_only():
    assert not apart([np.inf, 1.0], [np.inf, 1.0], 0.1)
    assert apart([np.inf], [-np.inf], 0.1) and apart([np.nan], [1.0], 0.1)
    assert apart([1.0], [1.0, 1.0], 0.1)
