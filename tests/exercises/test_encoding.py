"""Encoding: a round trip loses nothing, and nothing but exact built-in types comes out."""

import json
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gencourse.exercises.encoding import MAX_NUMBERS, EncodingError, decode, encode

BUILTIN = (bool, int, float, str, list, dict, type(None))


def types_in(data):
    yield type(data)
    if isinstance(data, dict):
        for item in data.values():
            yield from types_in(item)
    elif isinstance(data, list):
        for item in data:
            yield from types_in(item)


def through_json(value):
    data = encode(value)
    assert set(types_in(data)) <= set(BUILTIN)
    return decode(json.loads(json.dumps(data, allow_nan=False)))


scalars = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(trees)
def test_a_round_trip_keeps_every_tree(tree):
    back = through_json(tree)
    assert repr(back) == repr(tree) or repr(back).encode("utf-8", "replace") == repr(tree).encode(
        "utf-8", "replace"
    )


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int32, torch.bool]
)
def test_tensors_come_back_as_arrays_of_the_same_shape_and_values(dtype):
    tensor = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(dtype)
    back = through_json(tensor)
    assert back.shape == (2, 3)
    np.testing.assert_array_equal(back, tensor.double().numpy())


def test_infinities_and_nan_travel_in_strict_json():
    back = through_json(torch.tensor([float("nan"), float("inf"), -float("inf"), 1.5]))
    np.testing.assert_array_equal(back, [np.nan, np.inf, -np.inf, 1.5])
    assert np.isnan(through_json(float("nan")))


def test_empty_and_zero_dimensional_arrays_keep_their_shape():
    assert through_json(np.zeros((0, 3))).shape == (0, 3)
    assert through_json(torch.tensor(2.0)).shape == ()
    assert through_json(np.float32(0.5)) == 0.5


class Liar(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__

    def __index__(self):
        return 1

    def __repr__(self):
        return "42"


class LyingFloat(float):
    def __float__(self):
        return 42.0


class LyingStr(str):
    def __str__(self):
        return "right"

    def encode(self, *args):
        return b"right"


class LyingList(list):
    def __iter__(self):
        return iter([42])

    def __len__(self):
        return 1


class LyingDict(dict):
    def items(self):
        return [("right", 42)]


class LyingArray(np.ndarray):
    def tolist(self):
        return [42]

    def astype(self, *args, **kwargs):
        return np.full(1, 42.0)

    def __array__(self, *args, **kwargs):
        return np.full(1, 42.0)


class LyingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return torch.full((1,), 42.0)


def test_subclasses_that_lie_are_read_by_their_exact_value():
    lying_tensor = torch.Tensor._make_subclass(LyingTensor, torch.tensor([3.0]))
    pairs = [
        (Liar(7), 7),
        (LyingFloat(0.5), 0.5),
        (LyingStr("wrong"), "wrong"),
        (LyingList([1, 2]), [1, 2]),
        (LyingDict(a=1), {"a": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (namedtuple("P", "x y")(1, 2), [1, 2]),
    ]
    for value, expected in pairs:
        back = through_json(value)
        assert type(back) is type(expected)
        assert back == expected
    np.testing.assert_array_equal(through_json(np.array([3.0]).view(LyingArray)), [3.0])
    np.testing.assert_array_equal(through_json(lying_tensor), [3.0])


def cyclic():
    loop = []
    loop.append(loop)
    return loop


def deep():
    inner = 1
    for _ in range(100_000):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (cyclic, "nested more than"),
        (deep, "nested more than"),
        (lambda: torch.zeros(()).expand(10**12), "holds more than"),
        (lambda: np.broadcast_to(np.float64(0), (10**12,)), "holds more than"),
        (lambda: "x" * (MAX_NUMBERS + 1), "holds more than"),
        (lambda: [[0] * 1000] * 1001, "holds more than"),
        (lambda: [[0]] * 20_001, "lists and dicts; a tensor"),
        (lambda: 1 << 100_000, "bits"),
        (lambda: object(), "is a object"),
        (lambda: (x for x in [1]), "is a generator"),
        (lambda: np.array(["a", None], dtype=object), "array of object"),
        (lambda: torch.zeros(2, dtype=torch.complex64), "complex"),
        (lambda: {(1, 2): 3}, "a key of your dict"),
    ],
)
def test_what_has_no_place_in_a_case_is_refused_in_words(make, words):
    with pytest.raises(EncodingError, match=words):
        encode(make())


@pytest.mark.parametrize(
    "data",
    [
        {"array": [1.0], "shape": [2], "dtype": "float64"},
        {"array": [1.0], "shape": [-1, -1], "dtype": "float64"},
        {"array": [1.0], "shape": [1], "dtype": "object"},
        {"array": ["1"], "shape": [1], "dtype": "float64"},
        {"array": [True], "shape": [1], "dtype": "int64"},
        {"array": [2**64], "shape": [1], "dtype": "int64"},
        {"array": [1], "shape": [1.0], "dtype": "int64"},
        {"dict": [["a"]]},
        {"dict": [[[], 1]]},
        {"float": "1e9999"},
        {"float": "0x"},
        {"unknown": 1},
    ],
)
def test_damaged_data_is_refused(data):
    with pytest.raises(EncodingError):
        decode(data)
