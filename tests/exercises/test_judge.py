"""The judge's diagnosis: known mistakes, properties, shapes; and no values on hidden cases."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencourse.exercises.encoding import encode
from gencourse.exercises.judge import HIDDEN, judge, judge_reply, judge_test

EXERCISE = {"answer": "f", "kind": "function", "wrt": [], "evaluator": None}


def case(expected, mistakes=(), properties=(), **more):
    return {
        "call": encode({}),
        "expected": encode(expected),
        "rtol": 1e-4,
        "atol": 1e-6,
        "exact": False,
        "properties": list(properties),
        "mistakes": [{"says": says, "output": encode(output)} for says, output in mistakes],
        **more,
    }


def verdict(got, asked, show=True):
    return judge(encode(got), asked, exercise=EXERCISE, show_values=show)


P = np.array([[0.2, 0.8], [0.5, 0.5]])


def test_right_is_right():
    assert verdict(P.tolist(), case(P)).right
    assert verdict(P.tolist(), case(P), show=False).says == ""


def test_a_known_mistake_is_named_in_its_own_words_and_values_come_after():
    asked = case(P, [("twice too large: did you forget the 1/2?", 2 * P)])
    seen = verdict(2 * P, asked)
    assert seen.mistake == "twice too large: did you forget the 1/2?"
    assert seen.says.startswith("twice too large: did you forget the 1/2? (entry (0, 0) is 0.4")
    hidden = verdict(2 * P, asked, show=False)
    assert hidden.says == f"{HIDDEN}: twice too large: did you forget the 1/2?"
    assert not verdict(3 * P, asked).mistake


def test_a_mistake_of_another_shape_is_named():
    assert verdict(P.sum(), case(P, [("summed", P.sum())])).mistake == "summed"


@pytest.mark.parametrize(
    ("spec", "bad", "words"),
    [
        (
            {"name": "sums_to", "axis": -1, "value": 1.0},
            2 * P,
            "the sum along axis -1 is 2, expected 1",
        ),
        ({"name": "nonnegative"}, P - 1, "an entry is negative"),
        ({"name": "at_most", "value": 1.0}, P + 1, "above 1"),
        ({"name": "at_least", "value": 0.0}, P - 1, "below 0"),
        ({"name": "integers"}, P + 0.1, "not a whole one"),
        ({"name": "finite"}, P * np.array([np.inf, 1.0]), "must be finite"),
        ({"name": "log_prob_sum", "axis": -1}, P + 1, "exponentials sum"),
        ({"name": "symmetric"}, P + 1, "must be symmetric"),
        (
            {"name": "sums_to", "axis": -1, "says": "each row is a distribution"},
            2 * P,
            "each row is a",
        ),
    ],
)
def test_a_property_that_fails_is_said_before_the_values(spec, bad, words):
    seen = verdict(bad, case(P, properties=[spec]))
    assert words in seen.says
    assert "entry (" not in seen.says


def test_a_property_is_asked_of_the_expected_shape():
    spec = {"name": "sums_to", "axis": -1, "value": 1.0}
    seen = verdict(P[:, :, None] + np.array([[[0.1], [-0.1]]]), case(P, properties=[spec]))
    assert seen.says == "entry (0, 0) is 0.3, expected 0.2"


def test_hidden_cases_never_show_a_value():
    asked = case(
        P, [("known", P + 7.125)], [{"name": "nonnegative"}, {"name": "sums_to", "axis": 0}]
    )
    for got in (P + 7.125, P + 0.0625, -P, P.T[0], None, "text", {"a": P}, P * np.nan, [P, P]):
        says = verdict(got, asked, show=False).says
        assert says.startswith(HIDDEN)
        assert not any(v in says for v in ("7.1", "0.2", "0.8", "0.5", "0.26", "text"))


@pytest.mark.parametrize(
    "got", [P + 0.0625, P * np.nan, P[0], P.T, 3, None, "x", {"a": P}, [P, "x"]]
)
def test_a_hidden_case_without_properties_shows_no_digit(got):
    for want in (P + 0.5, {"a": P + 0.5}, [P + 0.5, "y"], 2**90, [1, 2, 4]):
        says = verdict(got, case(want), show=False).says
        assert says.startswith(HIDDEN)
        assert not re.search(r"\d", says), says
    assert verdict(P + 0.0625, case(P), show=False).says == HIDDEN


def reply(got):
    return json.dumps({"ok": encode(got)})


def test_a_mistake_must_explain_every_wrong_case():
    first = case(1.0, [("off by one", 2.0), ("doubled", 2.0)])
    second = case(3.0, [("off by one", 4.0), ("doubled", 6.0)])
    seen = {"cases": [first, second]}

    def says(*outputs):
        return judge_test([reply(x) for x in outputs], seen, exercise=EXERCISE, show_values=True)

    assert says(2.0, 6.0).mistake == "doubled"
    assert says(2.0, 4.0).mistake == "off by one"
    assert says(1.0, 6.0).mistake == "doubled"
    odd = says(2.0, 9.0)
    assert odd.mistake is None
    assert odd.says == "your answer is 2, expected 1"


def test_a_mistake_that_agrees_with_the_answer_on_a_case_may_still_explain_the_others():
    first = case(0.0, [])  # doubling zero is right
    second = case(3.0, [("doubled", 6.0)])
    asked = {"cases": [first, second]}
    assert judge_test([reply(0.0), reply(6.0)], asked, exercise=EXERCISE, show_values=True).mistake


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"ok": {"array": [1], "shape": [9], "dtype": "int64"}}',
        '{"ok": NaN, "error": 1}',
        '{"error": "x"}',
        "[" * 100_000,
        '{"ok": {"dict": [[{}, 1]]}}',
    ],
)
def test_a_reply_that_is_no_reply_is_wrong_in_words(text):
    seen = judge_reply(text, case(1.0), exercise=EXERCISE, show_values=True)
    assert not seen.right
    assert seen.says


def test_errors_become_words_and_their_messages_stay_out_of_hidden_cases():
    error = json.dumps({"error": {"ename": "ValueError", "message": "got 0.123"}})
    assert "0.123" in judge_reply(error, case(1.0), exercise=EXERCISE, show_values=True).says
    hidden = judge_reply(error, case(1.0), exercise=EXERCISE, show_values=False).says
    assert hidden == f"{HIDDEN}: your answer raises ValueError"
    blank = json.dumps({"error": {"ename": "NotImplementedError", "message": ""}})
    assert (
        judge_reply(blank, case(1.0), exercise=EXERCISE, show_values=False).says
        == "not answered yet"
    )


@pytest.mark.parametrize("ename", ["Got0_123", "ValueError0_123", "x = 0.5", "", "Error\x1b[2J"])
def test_a_name_of_its_own_tells_nothing_of_a_hidden_case(ename):
    error = json.dumps({"error": {"ename": ename, "message": "m"}})
    hidden = judge_reply(error, case(1.0), exercise=EXERCISE, show_values=False).says
    assert hidden == f"{HIDDEN}: your answer raises an exception"
    assert (
        ename.split("\x1b")[0]
        in judge_reply(error, case(1.0), exercise=EXERCISE, show_values=True).says
    )


def test_no_diagnosis_holds_what_a_terminal_or_page_would_obey():
    trick = "\x1b[2J\u202e\x00\ud800" * 1000
    weights = EXERCISE | {"kind": "weights", "evaluator": "binary_logistic"}
    asked = case({"nll": 0.3}) | {"call": encode({"x": P, "y": P[0]})}
    replies = [
        json.dumps({"error": {"ename": trick, "message": trick}}),
        json.dumps({"error": {"ename": "AnswerError", "message": trick}}),
        json.dumps({"ok": {"dict": [[trick, 1.0]]}}),
        json.dumps({"ok": trick}),
    ]
    for text in replies:
        for exercise, one in ((EXERCISE, case(1.0)), (weights, asked), (EXERCISE, case({"a": 1}))):
            for show in (True, False):
                says = judge_reply(text, one, exercise=exercise, show_values=show).says
                assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e\ud800]", says)
                assert len(says) < 10_000


@pytest.mark.parametrize("text", ['{"ok": [' + "[0]," * 10**6 + "0]}", "[" * 10**6])
def test_a_reply_that_would_be_large_in_memory_is_not_read(text):
    seen = judge_reply(text, case(1.0), exercise=EXERCISE, show_values=True)
    assert seen.says == "your answer gave no readable reply"


def test_trained_weights_are_measured_here_and_may_be_better_than_the_reference():
    x = np.array([[1.0], [-1.0], [2.0], [-2.0]])
    y = np.array([1.0, 0.0, 1.0, 0.0])
    exercise = EXERCISE | {"kind": "weights", "evaluator": "binary_logistic"}
    asked = case({"nll": 0.3, "accuracy": 1.0}, metrics={"nll": {"at_most": 0.01}})
    asked["call"] = encode({"x": x, "y": y})

    def says(weights):
        return judge(encode(weights), asked, exercise=exercise, show_values=True)

    assert says({"weight": np.array([9.0]), "bias": 0.0}).right
    assert "'nll' is" in says({"weight": np.array([0.1]), "bias": 0.0}).says
    assert "no parameter weight" in says({"bias": 0.0}).says
    assert "diverged" in says({"weight": np.array([np.nan]), "bias": 0.0}).says
    assert "holds 2 numbers, expected 1" in says({"weight": np.ones(2), "bias": 0.0}).says
    assert not says([1.0]).right
    assert not says({"weight": "abc", "bias": 0.0}).right
    assert not says({"weight": 2**3000, "bias": {}}).right
    assert not says({"weight": None, "bias": [[], "x"]}).right


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
anything = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["array", "shape", "dtype", "dict", "float"]), inner)
        | st.builds(lambda a, s: {"array": a, "shape": s, "dtype": "float64"}, inner, inner)
        | st.builds(lambda a: {"dict": [["a", a]]}, inner)
    ),
    max_leaves=12,
)
CASES = [case(P), case({"a": 3, "b": [P, "x"]}), case(2**90), case([1, 2]), case(None)]
WEIGHTS = case({"nll": 0.3}) | {"call": encode({"x": P, "y": P[0]})}


@given(anything)
def test_whatever_a_kernel_replies_there_is_a_verdict(data):
    text = json.dumps({"ok": data})
    for asked in CASES:
        judge_reply(text, asked, exercise=EXERCISE, show_values=True)
        judge_reply(text, asked, exercise=EXERCISE, show_values=False)
    weights = EXERCISE | {"kind": "weights", "evaluator": "binary_logistic"}
    assert not judge_reply(text, WEIGHTS, exercise=weights, show_values=True).right
    for kind, call in (
        ("class", {"init": {}, "calls": [["f", {}], ["g", {}]]}),
        ("gradient", {}),
    ):
        want = [P, 1] if kind == "class" else {"value": 1.0, "grad": {"x": P}}
        asked = case(want) | {"call": encode(call)}
        judge_reply(text, asked, exercise=EXERCISE | {"kind": kind}, show_values=True)
