"""Compares two decoded answers, trees of arrays and scalars, and says where they first differ.

Numbers compare as numbers whatever their type: True, 1, 1.0, a tensor of shape (1,) and a list of
one all agree. Axes of size 1 may be missing or extra; any other difference of shape is a
difference, never broadcast away. Expected integers and bools are compared exactly, expected
floats within a tolerance; NaN agrees with NaN and infinity with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Tolerance:
    """How far a float may be off: atol + rtol |expected|, or nothing when `exact`."""

    rtol: float
    atol: float
    exact: bool = False


@dataclass(frozen=True)
class Difference:
    """The first place where an answer differs.

    Args:
        kind: `shape`, `nan`, `value` or `type`.
        where: words for the place, such as "entry (1, 2)".
        says: the difference in words without values.
        values: the difference with values.
    """

    kind: str
    where: str
    says: str
    values: str


def first_difference(
    got: Any, want: Any, tolerance: Tolerance, path: str = ""
) -> Difference | None:
    """Return the first difference between two decoded trees, or None where they agree.

    Args:
        got: the answer.
        want: what is expected.
        tolerance: for floats.
        path: what the trees are called in the words of a difference.
    """
    if isinstance(want, dict):
        return _dicts(got, want, tolerance, path)
    if want is None or isinstance(want, str):
        same = type(got) is type(want) and got == want
        return None if same else _other(got, want, path)
    if isinstance(want, list) and any(isinstance(item, np.ndarray) for item in want):
        return _lists(got, want, tolerance, path)
    numbers = as_array(want)
    if numbers is None:
        if isinstance(want, list):
            return _lists(got, want, tolerance, path)
        return _integers(got, want, path)
    mine = as_array(got)
    if mine is None:
        return _other(got, want, path)
    return _arrays(mine, numbers, tolerance, path)


def as_array(tree: Any) -> np.ndarray | None:
    """Return a number, an array or a rectangular nest of lists as one array, or else None."""
    if isinstance(tree, np.ndarray):
        return tree
    if isinstance(tree, int) and tree not in INT64:
        return None
    if isinstance(tree, (bool, int, float)):
        return np.asarray(tree)
    if not isinstance(tree, list):
        return None
    if all(type(item) in (bool, int, float) for item in tree):
        flat = np.array(tree)
        return flat if flat.dtype.kind in "bif" else None
    parts = [as_array(item) for item in tree]
    if any(p is None or p.shape != parts[0].shape for p in parts):
        return None
    return np.stack(parts)


def squeezed(array: np.ndarray) -> np.ndarray:
    """Return the array without its axes of size 1."""
    return array.reshape([n for n in array.shape if n != 1])


def is_close(got: np.ndarray, want: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    """Return for each entry of two arrays of one shape whether it is right."""
    if tolerance.exact or want.dtype.kind in "bi":
        if got.dtype.kind in "bi" and want.dtype.kind in "bi":
            return got.astype(np.int64) == want.astype(np.int64)
        return np.asarray(
            (got == want) | (np.isnan(got.astype(float)) & np.isnan(want.astype(float)))
        )
    got = got.astype(float)
    return np.isclose(got, want, rtol=tolerance.rtol, atol=tolerance.atol, equal_nan=True)


def _arrays(
    got: np.ndarray, want: np.ndarray, tolerance: Tolerance, path: str
) -> Difference | None:
    mine, right = squeezed(got), squeezed(want)
    if mine.shape != right.shape:
        hint = _shape_hint(got.shape, want.shape)
        return Difference(
            "shape",
            path,
            f"{_at(path)}the shape is wrong{hint}",
            f"{_at(path)}shape {_tuple(got.shape)}, expected {_tuple(want.shape)}{hint}",
        )
    wrong = np.argwhere(~is_close(mine, right, tolerance))
    if not len(wrong):
        return None
    bad_nan = [i for i in wrong if mine.dtype.kind == "f" and np.isnan(mine[tuple(i)])]
    index = tuple(int(i) for i in (bad_nan or wrong)[0])
    full = np.unravel_index(np.ravel_multi_index(index, right.shape), want.shape) if index else ()
    where = _place(path, full if right.size > 1 else ())
    if bad_nan:
        text = f"your answer holds NaN{f' ({where})' if mine.size > 1 or path else ''}"
        return Difference("nan", where, "your answer holds NaN", text)
    text = f"{where} is {_number(mine[index])}, expected {_number(right[index])}"
    return Difference("value", where, f"{_place(path, ())} is wrong", text)


def _dicts(got: Any, want: dict, tolerance: Tolerance, path: str) -> Difference | None:
    if not isinstance(got, dict):
        return _other(got, want, path)
    by_name = {str(key): item for key, item in got.items()}
    missing = [str(key) for key in want if str(key) not in by_name]
    extra = [key for key in by_name if key not in {str(k) for k in want}]
    if missing or extra:
        parts = [f"lacks {', '.join(missing)}"] * bool(missing)
        parts += [f"also holds {_short(repr(extra)[1:-1])}"] * bool(extra)
        says, text = "the keys are wrong", f"your dict {' and '.join(parts)}"
        return Difference("shape", path, _at(path) + says, _at(path) + text)
    for key, item in want.items():
        found = first_difference(by_name[str(key)], item, tolerance, _inside(repr(str(key)), path))
        if found:
            return found
    return None


def _lists(got: Any, want: list, tolerance: Tolerance, path: str) -> Difference | None:
    if isinstance(got, np.ndarray) and got.ndim:
        got = [got[i, ...] for i in range(len(got))]
    if not isinstance(got, list):
        return _other(got, want, path)
    if len(got) != len(want):
        text = f"{_at(path)}a list of length {len(got)}, expected length {len(want)}"
        return Difference("shape", path, f"{_at(path)}the length of the list is wrong", text)
    for i, (mine, item) in enumerate(zip(got, want, strict=True)):
        found = first_difference(mine, item, tolerance, _inside(f"item {i}", path))
        if found:
            return found
    return None


def _integers(got: Any, want: int, path: str) -> Difference | None:
    """Compare with a Python integer too large for an array."""
    array = None if isinstance(got, int) else as_array(got)
    value = array.ravel()[0].item() if array is not None and array.size == 1 else got
    if isinstance(value, (int, float)) and value == want:
        return None
    return _other(value, want, path)


def _other(got: Any, want: Any, path: str) -> Difference:
    kind = "value" if type(got) is type(want) or (_is_number(got) and _is_number(want)) else "type"
    place = _place(path, ())
    if kind == "value":
        text = f"{place} is {_show(got)}, expected {_show(want)}"
        return Difference(kind, place, f"{_place(path, ())} is wrong", text)
    text = f"{place} is {_kind(got)}, expected {_kind(want)}"
    return Difference(kind, place, text, text)


def _shape_hint(got: Sequence[int], want: Sequence[int]) -> str:
    mine, right = ([n for n in shape if n != 1] for shape in (got, want))
    if len(mine) > 1 and mine == right[::-1]:
        return ": transposed?"
    if len(mine) < len(right):
        for axis in range(len(right)):
            if mine == right[:axis] + right[axis + 1 :]:
                return f": is the axis of size {right[axis]} summed away?"
        return ": too few axes" if mine else ": one number where an array belongs"
    if len(mine) > len(right):
        for axis in range(len(mine)):
            if right == mine[:axis] + mine[axis + 1 :]:
                return f": is a sum over the axis of size {mine[axis]} missing?"
        return ": too many axes"
    return ""


def _place(path: str, index: Sequence[int]) -> str:
    where = f"entry {_tuple(index)}" if len(index) > 1 else f"entry {index[0]}" if index else ""
    if path and where:
        return f"{where} of {path}"
    return where or path or "your answer"


def _at(path: str) -> str:
    return f"{path}: " if path else ""


def _inside(name: str, path: str) -> str:
    return f"{name} of {path}" if path else name


def _tuple(shape: Sequence[int]) -> str:
    return str(tuple(int(n) for n in shape))


def _number(x: Any) -> str:
    return str(x) if x.dtype.kind in "bi" else f"{float(x):.6g}"


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float))


def _kind(x: Any) -> str:
    names = {type(None): "None", str: "a string", dict: "a dict", list: "a list", bool: "a bool"}
    return names.get(type(x)) or (
        "an array" if isinstance(x, np.ndarray) and x.ndim else "a number"
    )


def _show(x: Any) -> str:
    if isinstance(x, int) and not isinstance(x, bool) and x.bit_length() > 200:
        return f"an integer of {x.bit_length()} bits" if x.bit_length() > 4000 else _short(str(x))
    return _short(repr(x))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
