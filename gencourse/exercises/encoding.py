"""Answers and cases as plain JSON: arrays, numbers, strings and trees of them, and nothing else.

What a student's code returns is copied into exact built-in types before anything looks at it, so
a subclass with its own `__eq__`, a cyclic list or ten gigabytes of numbers cannot reach the
judge. Strict JSON has no infinities; they travel as `{"float": "inf"}`.

| value | encoded |
|---|---|
| array or tensor | `{"array": flat list, "shape": [...], "dtype": one of DTYPES}` |
| dict | `{"dict": [[key, value], ...]}` |
| list, tuple | list; a set becomes a sorted list |
| None, bool, int, float, str | itself |
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_NUMBERS = 1_000_000
MAX_DEPTH = 20
MAX_PARTS = 20_000
MAX_INT_BITS = 8192
DTYPES = ("float64", "int64", "bool")


class EncodingError(ValueError):
    """A value that has no place in a case file; the message is fit for the student to read."""


def encode(value: Any) -> Any:
    """Return `value` as strict JSON data of exact built-in types.

    Raises:
        EncodingError: an unsupported type, too many numbers, too deep, or cyclic.
    """
    return _Encoder().encode(value, 0)


class _Encoder:
    """One walk through a value, counting what it has copied."""

    def __init__(self) -> None:
        self.left = MAX_NUMBERS
        self.parts_left = MAX_PARTS

    def spend(self, n: int) -> None:
        self.left -= n
        if self.left < 0:
            raise EncodingError(
                f"your answer holds more than {MAX_NUMBERS:,} numbers or characters"
            )

    def encode(self, value: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise EncodingError(f"your answer is nested more than {MAX_DEPTH} levels deep")
        kind = type(value)
        if value is None or kind is bool:
            self.spend(1)
            return value
        if isinstance(value, np.ndarray):
            return self.array(np.asarray(value))
        if isinstance(value, np.generic) and not isinstance(value, str):
            return self.array(np.asarray(value))["array"][0]
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return self.array(_tensor_to_numpy(torch, value))
        if isinstance(value, int):
            self.spend(1)
            return _exact_int(value)
        if isinstance(value, float):
            self.spend(1)
            return encode_float(float.__float__(value))
        if isinstance(value, str):
            self.spend(str.__len__(value))
            return str.__str__(value).encode("utf-8", "replace").decode()
        self.parts_left -= 1
        if self.parts_left < 0:
            raise EncodingError(
                f"your answer holds more than {MAX_PARTS:,} lists and dicts; "
                "a tensor or an array could hold their numbers"
            )
        if isinstance(value, dict):
            return self.dict(value, depth)
        if isinstance(value, (list, tuple)):
            items = list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)
            return [self.item(item, depth) for item in items]
        if isinstance(value, (set, frozenset)):
            items = set.__iter__(value) if isinstance(value, set) else frozenset.__iter__(value)
            return sorted((self.item(item, depth) for item in items), key=json.dumps)
        raise EncodingError(
            f"your answer is a {kind.__name__[:80]}; expected a tensor, an array, a number, "
            "or a list or dict of them"
        )

    def item(self, value: Any, depth: int) -> Any:
        self.spend(1)
        return self.encode(value, depth + 1)

    def dict(self, value: dict, depth: int) -> dict:
        pairs = []
        for key, item in dict.items(value):
            if not isinstance(key, (str, int)):
                raise EncodingError(
                    f"a key of your dict is a {type(key).__name__[:80]}; expected str or int"
                )
            pairs.append([self.encode(key, depth + 1), self.item(item, depth)])
        return {"dict": pairs}

    def array(self, array: np.ndarray) -> dict:
        self.spend(max(array.size, 1))
        if array.dtype.kind == "b":
            dtype = "bool"
        elif array.dtype.kind in "iu":
            dtype = "int64"
        elif array.dtype.kind == "f":
            dtype = "float64"
        else:
            raise EncodingError(
                f"your answer is an array of {array.dtype}; expected floats, integers or bools"
            )
        flat = array.astype(dtype).ravel().tolist()
        if dtype == "float64" and not np.isfinite(array).all():
            flat = [encode_float(x) for x in flat]
        return {"array": flat, "shape": list(array.shape), "dtype": dtype}


def _tensor_to_numpy(torch: Any, tensor: Any) -> np.ndarray:
    with torch._C.DisableTorchFunctionSubclass():
        plain = torch.Tensor.detach(tensor).as_subclass(torch.Tensor)
        if plain.is_complex():
            raise EncodingError(
                "your answer is a complex tensor; expected floats, integers or bools"
            )
        if plain.numel() > MAX_NUMBERS:  # before a broadcast view becomes real memory
            raise EncodingError(
                f"your answer holds more than {MAX_NUMBERS:,} numbers or characters"
            )
        plain = plain.resolve_neg().cpu()
        return (plain.double() if plain.is_floating_point() else plain).numpy()


def _exact_int(value: int) -> int:
    exact = int.__index__(value)
    if exact.bit_length() > MAX_INT_BITS:
        raise EncodingError(f"your answer is an integer of more than {MAX_INT_BITS} bits")
    return exact


def encode_float(x: float) -> float | dict[str, str]:
    """Return a finite float as itself and the others as `{"float": "nan" | "inf" | "-inf"}`."""
    return x if math.isfinite(x) else {"float": repr(x)}


def decode(data: Any, *, array: Callable[[np.ndarray], Any] = lambda a: a) -> Any:
    """Return the value that encoded `data` stands for, with every array passed through `array`.

    Raises:
        EncodingError: `data` is not what `encode` makes; safe for data from an untrusted process.
    """
    return _decode(data, array, 0)


def _decode(data: Any, array: Callable[[np.ndarray], Any], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise EncodingError(f"data nested more than {MAX_DEPTH} levels deep")
    if data is None or type(data) in (bool, int, float, str):
        return data
    if type(data) is list:
        return [_decode(item, array, depth + 1) for item in data]
    if type(data) is dict:
        if set(data) == {"float"}:
            return _decode_float(data)
        if set(data) == {"array", "shape", "dtype"}:
            return array(_decode_array(data))
        if set(data) == {"dict"} and type(data["dict"]) is list:
            if all(
                type(p) is list and len(p) == 2 and type(p[0]) in (str, int) for p in data["dict"]
            ):
                return {key: _decode(item, array, depth + 1) for key, item in data["dict"]}
    raise EncodingError(f"not an encoded value: {str(data)[:80]}")


def _decode_float(data: Any) -> float:
    if type(data) is float or (type(data) is int and abs(data) < 2**53):
        return float(data)
    if type(data) is dict and set(data) == {"float"} and data["float"] in ("nan", "inf", "-inf"):
        return float(data["float"])
    raise EncodingError(f"not an encoded float: {str(data)[:80]}")


def _decode_array(data: dict) -> np.ndarray:
    flat, shape, dtype = data["array"], data["shape"], data["dtype"]
    if type(flat) is not list or type(shape) is not list or dtype not in DTYPES:
        raise EncodingError("not an encoded array")
    if len(shape) > 32 or not all(type(n) is int and 0 <= n <= MAX_NUMBERS for n in shape):
        raise EncodingError(f"not the shape of an array: {str(shape)[:80]}")
    if math.prod(shape) != len(flat) or len(flat) > MAX_NUMBERS:
        raise EncodingError(
            f"an array of shape {shape} holds {math.prod(shape)} numbers, not {len(flat)}"
        )
    if dtype == "float64":
        flat = [_decode_float(x) for x in flat]
    elif not all(type(x) is (bool if dtype == "bool" else int) for x in flat):
        raise EncodingError(f"an array of {dtype} holds something else")
    try:
        return np.array(flat, dtype=dtype).reshape(shape)
    except (OverflowError, ValueError) as error:
        raise EncodingError(f"not an array of {dtype}: {error}") from None
