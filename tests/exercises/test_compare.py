"""Comparison: what counts as the same answer, and the words for what does not."""

import re

import numpy as np
import pytest

from gencourse.exercises.compare import Tolerance, first_difference

LOOSE = Tolerance(1e-4, 1e-6)
WANT = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (WANT.astype(np.float32).astype(float), WANT),
        (WANT.tolist(), WANT),
        (list(WANT), WANT),
        (WANT[:, None, :], WANT),
        (WANT[None, :, :, None], WANT),
        (np.array([0.25]), np.array(0.25)),
        (0.25, np.array([[0.25]])),
        ([0.25], 0.25),
        (True, 1),
        (1.0, True),
        (np.array([1.0, 0.0]), np.array([True, False])),
        (np.array([3.0, 4.0]), np.array([3, 4])),
        (2**784 - 1, 2**784 - 1),
        (np.array([np.nan, -np.inf]), np.array([np.nan, -np.inf])),
        ({"a": [1.0, 2.0], "b": None}, {"b": None, "a": np.array([1.0, 2.0])}),
        ({0: "x"}, {"0": "x"}),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), [np.array([1.0, 2.0]), np.array([3.0, 4.0])]),
        ([], np.zeros(0)),
    ],
)
def test_the_same_answer_in_another_form_is_right(got, want):
    assert first_difference(got, want, LOOSE) is None


@pytest.mark.parametrize(
    ("got", "want", "kind", "values"),
    [
        (np.full(3, 0.1), np.full((2, 3), 0.1), "shape", "axis of size 2 summed away"),
        (np.full((2, 1), 0.1), np.full((2, 3), 0.1), "shape", "axis of size 3 summed away"),
        (0.1, np.full(3, 0.1), "shape", r"shape \(\), expected \(3,\)"),
        (WANT.T, WANT, "shape", r"shape \(3, 2\), expected \(2, 3\): transposed"),
        (np.full((4, 2), 0.1), np.full(4, 0.1), "shape", "sum over the axis of size 2 missing"),
        (
            WANT + np.array([[0, 0, 0], [0, 0.1, 0]]),
            WANT,
            "value",
            r"entry \(1, 1\) is 0.6, expected 0.5",
        ),
        (WANT * np.nan, WANT, "nan", "holds NaN"),
        (np.array([1.0, np.inf]), np.array([1.0, 2.0]), "value", "entry 1 is inf, expected 2"),
        (7.00001, 7, "value", "is 7.00001, expected 7"),
        (True, 2, "value", "True, expected 2"),
        ("True", True, "type", "a string, expected a number|a string, expected a bool"),
        ("b", "a", "value", "'b', expected 'a'"),
        (None, np.zeros(2), "type", "None, expected an array"),
        (0, None, "type", "a number, expected None"),
        ({"a": 1}, {"a": 1, "b": 2}, "shape", "lacks b"),
        ({"a": 1, "c": 1}, {"a": 1}, "shape", "also holds 'c'"),
        ({"a": [1, 3]}, {"a": [1, 2]}, "value", "entry 1 of 'a' is 3, expected 2"),
        (["x"], ["x", "y"], "shape", "length 1, expected length 2"),
        (float(2**784), 2**784 - 1, "value", "expected"),
        (2**64, np.array(3), "type", "expected an array|expected a number"),
    ],
)
def test_a_different_answer_is_told_in_words(got, want, kind, values):
    difference = first_difference(got, want, LOOSE)
    assert difference is not None
    assert difference.kind == kind
    assert re.search(values, difference.values), difference.values


def test_the_words_without_values_hold_no_number_of_either_answer():
    for got in (WANT + 0.125, WANT.T, WANT * np.nan, WANT[0]):
        assert not any(
            c.isdigit() for c in first_difference(got, WANT, LOOSE).says.split("size")[0]
        )


def test_integers_are_exact_where_floats_have_a_tolerance():
    assert first_difference(np.array([3.00001]), np.array([3.0]), LOOSE) is None
    assert first_difference(np.array([3.00001]), np.array([3]), LOOSE) is not None
    assert first_difference(0.5 + 1e-9, 0.5, Tolerance(0, 0, exact=True)) is not None
