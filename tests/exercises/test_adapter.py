"""The adapter: how each kind of answer is called, and that one call cannot touch the next."""

import json

import numpy as np
import pytest
import torch

from gencourse.exercises.adapter import AnswerError, call, reply
from gencourse.exercises.encoding import decode, encode


def run(answer, inputs, kind="function", **more):
    return decode(call(answer, kind=kind, call=encode(inputs), **more))


def test_arrays_arrive_as_tensors_and_the_rest_as_it_is():
    seen = {}

    def answer(**kwargs):
        seen.update(kwargs)
        return 0

    table = np.ones((2, 3))
    run(
        answer,
        {"x": table, "i": np.array([1]), "b": np.array([True]), "n": 3, "names": ["a", None]},
    )
    assert seen["x"].dtype == torch.float64 and seen["x"].shape == (2, 3)
    assert seen["i"].dtype == torch.int64 and seen["b"].dtype == torch.bool
    assert type(seen["n"]) is int and seen["names"] == ["a", None]


def test_a_numpy_scalar_among_the_inputs_is_a_number():
    assert run(lambda n: isinstance(n, int), {"n": np.int64(3)}) is True


def test_inputs_changed_in_place_do_not_reach_the_next_call():
    data = encode({"x": np.zeros(2)})

    def answer(x):
        x += 1
        return x

    for _ in range(2):
        assert decode(call(answer, kind="function", call=data)).tolist() == [1.0, 1.0]


def test_global_generators_are_seeded_before_each_call():
    def answer():
        return [torch.rand(3), np.random.rand(3)]

    first, second = run(answer, {}), run(answer, {})
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


class Accumulator:
    def __init__(self, start):
        self.total = start.clone()

    def add(self, x):
        self.total += x
        return self.total


def test_a_class_gives_the_output_of_each_method_as_it_was_then():
    calls = [["add", {"x": np.ones(2)}], ["add", {"x": np.ones(2)}]]
    outputs = run(Accumulator, {"init": {"start": np.zeros(2)}, "calls": calls}, "class")
    assert [o.tolist() for o in outputs] == [[1, 1], [2, 2]]
    with pytest.raises(AnswerError, match="no method subtract"):
        run(Accumulator, {"init": {"start": np.zeros(2)}, "calls": [["subtract", {}]]}, "class")


def test_a_gradient_is_that_of_the_sum_of_all_outputs():
    x = np.array([1.0, -2.0])
    out = run(lambda x, c: {"a": c * x**2, "n": 3}, {"x": x, "c": 5.0}, "gradient", wrt=["x"])
    np.testing.assert_allclose(out["grad"]["x"], 10 * x)
    np.testing.assert_allclose(out["value"]["a"], 5 * x**2)


def test_an_answer_may_change_what_it_differentiates_in_place():
    out = run(lambda x: x.mul_(3.0), {"x": np.ones(2)}, "gradient", wrt=["x"])
    np.testing.assert_allclose(out["grad"]["x"], [3, 3])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, y: (x * y).detach(), "no gradient flows"),
        (lambda x, y: (x * y).sum().item(), "no gradient flows"),
        (lambda x, y: (x * y.detach()).sum(), "no gradient reaches y"),
    ],
)
def test_a_detached_answer_is_told(answer, words):
    with pytest.raises(AnswerError, match=words):
        run(answer, {"x": np.ones(2), "y": np.ones(2)}, "gradient", wrt=["x", "y"])


def test_a_gradient_is_taken_even_where_gradients_are_off():
    with torch.no_grad():
        out = run(lambda x: x**2, {"x": np.ones(1)}, "gradient", wrt=["x"])
    assert out["grad"]["x"].tolist() == [2.0]


def test_weights_come_from_a_module_or_a_dict():
    def train(n):
        return torch.nn.Linear(n, 1)

    assert set(run(train, {"n": 3}, "weights")) == {"weight", "bias"}
    assert run(lambda: {"w": torch.ones(2, requires_grad=True)}, {}, "weights")["w"].tolist() == [
        1,
        1,
    ]
    with pytest.raises(AnswerError, match="is a float; expected a model"):
        run(lambda: 0.5, {}, "weights")


class Nasty(Exception):
    def __str__(self):
        raise RuntimeError("no message")


@pytest.mark.parametrize(
    ("answer", "ename", "message"),
    [
        (lambda x: 1 / 0, "ZeroDivisionError", "division by zero"),
        (lambda: 0, "TypeError", "unexpected keyword"),
        (lambda x: (_ for _ in ()).throw(Nasty()), "Nasty", "no readable message"),
        (lambda x: exit(3), "SystemExit", "3"),
        (lambda x: object(), "EncodingError", "expected a tensor"),
        (lambda x: (_ for _ in ()).throw(ValueError("\ud800" * 9999)), "ValueError", "?"),
    ],
)
def test_a_reply_is_always_strict_json(answer, ename, message):
    text = reply(answer, json.dumps({"kind": "function", "call": encode({"x": 1}), "wrt": []}))
    error = json.loads(text)["error"]
    assert error["ename"] == ename
    assert message in error["message"] and len(error["message"]) <= 500
    text.encode()


def test_a_reply_holds_the_encoded_output():
    request = json.dumps({"kind": "function", "call": encode({"x": np.array([2.0])})})
    assert decode(json.loads(reply(lambda x: x * 2, request))["ok"]).tolist() == [4.0]
