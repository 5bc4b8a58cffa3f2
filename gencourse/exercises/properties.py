"""Named facts that every right answer has: a row of probabilities sums to 1, and so on.

A property is plain data: `{"name": "sums_to", "axis": -1, "value": 1.0, "says": "each row is a
distribution"}`. `key` picks an entry of a dict or list answer; `says` replaces the default words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gencourse.exercises.compare import as_array

SLACK = 1e-5
Found = tuple[str, str] | None  # words without and with values; None where the property holds


def _sums_to(x: np.ndarray, spec: Mapping[str, Any]) -> Found:
    return _along(x.sum(axis=spec.get("axis")), spec, "sum")


def _log_prob_sum(x: np.ndarray, spec: Mapping[str, Any]) -> Found:
    with np.errstate(over="ignore", divide="ignore"):
        total = np.exp(x).sum(axis=spec.get("axis"))
    return _along(total, spec, "exponentials sum")


def _along(totals: np.ndarray, spec: Mapping[str, Any], what: str) -> Found:
    value, axis = float(spec.get("value", 1.0)), spec.get("axis")
    wrong = np.argwhere(~np.isclose(totals, value, rtol=SLACK, atol=SLACK))
    if not len(wrong):
        return None
    along = "" if axis is None else f" along axis {axis}"
    got = float(totals[tuple(wrong[0])])
    words = f"the {what}{along}"
    return f"{words} must be {value:g}", f"{words} is {got:.6g}, expected {value:g}"


def _at_least(x: np.ndarray, spec: Mapping[str, Any]) -> Found:
    value = float(spec["value"])
    low = float(x.min(initial=np.inf))
    if low >= value - SLACK:
        return None
    return f"no entry may be below {value:g}", f"an entry is {low:.6g}, below {value:g}"


def _at_most(x: np.ndarray, spec: Mapping[str, Any]) -> Found:
    value = float(spec["value"])
    top = float(x.max(initial=-np.inf))
    if top <= value + SLACK:
        return None
    return f"no entry may be above {value:g}", f"an entry is {top:.6g}, above {value:g}"


def _nonnegative(x: np.ndarray, spec: Mapping[str, Any]) -> Found:
    low = float(x.min(initial=0.0))
    return (
        None
        if low >= -SLACK
        else ("no entry may be negative", f"an entry is negative ({low:.6g})")
    )


def _symmetric(x: np.ndarray, spec: Mapping[str, Any]) -> Found:
    square = x.ndim >= 2 and x.shape[-1] == x.shape[-2]
    if square and np.allclose(x, np.swapaxes(x, -1, -2), rtol=SLACK, atol=SLACK):
        return None
    return ("the matrix must be symmetric",) * 2


def _integers(x: np.ndarray, spec: Mapping[str, Any]) -> Found:
    wrong = x[x != np.round(x)]
    if not wrong.size:
        return None
    return "every entry is a whole number", f"an entry is {float(wrong[0]):.6g}, not a whole one"


def _finite(x: np.ndarray, spec: Mapping[str, Any]) -> Found:
    return None if np.isfinite(x).all() else ("every entry must be finite",) * 2


PROPERTIES: dict[str, Callable[[np.ndarray, Mapping[str, Any]], Found]] = {
    "sums_to": _sums_to,
    "log_prob_sum": _log_prob_sum,
    "at_least": _at_least,
    "at_most": _at_most,
    "nonnegative": _nonnegative,
    "symmetric": _symmetric,
    "integers": _integers,
    "finite": _finite,
}


def broken(output: Any, spec: Mapping[str, Any]) -> Found:
    """Return the words for a property that a decoded output lacks, or None where it holds.

    A property about an axis holds for an answer without that axis: its shape is the judge's
    business.
    """
    if "key" in spec:
        try:
            output = output[spec["key"]]
        except (KeyError, IndexError, TypeError):
            return None
    array = as_array(output)
    if array is None or array.dtype.kind not in "bif" or np.isnan(array.astype(float)).any():
        return None
    axis = spec.get("axis")
    if axis is not None and not -array.ndim <= axis < array.ndim:
        return None
    found = PROPERTIES[spec["name"]](array.astype(float), spec)
    if found and spec.get("says"):
        return spec["says"], f"{spec['says']}: {found[1]}"
    return found
