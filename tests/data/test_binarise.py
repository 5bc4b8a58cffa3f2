"""The three protocols: what each keeps fixed, and what it expects."""

import math

import pytest
import torch

from gencourse import data
from gencourse.data import binarise

X = torch.tensor([0.0, 0.1, 0.5, 0.75, 1.0]).repeat(20_000, 1)


def test_threshold():
    assert binarise(X, "threshold")[0].tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("protocol", ["static", "dynamic"])
def test_the_grey_value_is_the_expectation(protocol):
    drawn = binarise(X, protocol, generator=torch.Generator().manual_seed(0))
    assert drawn.dtype == X.dtype and drawn.unique().tolist() == [0, 1]
    p = X[0]
    error = (p * (1 - p) / len(X)).sqrt()
    assert ((drawn.mean(0) - p).abs() <= 4 * error).all()
    assert not drawn[:, 0].any() and drawn[:, -1].all()
    # pixels are drawn apart from each other
    assert abs(float(torch.corrcoef(drawn[:, 1:4].T)[0, 1])) < 4 / math.sqrt(len(X))


def test_static_is_one_draw_and_dynamic_is_many():
    assert torch.equal(binarise(X, "static"), binarise(X, "static"))
    torch.manual_seed(0)
    assert not torch.equal(binarise(X, "dynamic"), binarise(X, "dynamic"))
    a, b = (binarise(X, "dynamic", generator=torch.Generator().manual_seed(5)) for _ in "ab")
    assert torch.equal(a, b)


def test_static_leaves_the_default_generator_alone():
    before = torch.get_rng_state()
    binarise(X, "static")
    assert torch.equal(before, torch.get_rng_state())


def test_a_data_set_keeps_its_protocol():
    torch.manual_seed(0)
    grey = data.digits().x
    for protocol in ("threshold", "static", "dynamic"):
        digits = data.digits(binarise=protocol)
        assert digits.binarisation == protocol and protocol in repr(digits)
        for part in (digits, digits.subset([5, 7, 9])):
            first, second = part[[0, 2]][0], part[[0, 2]][0]
            assert ((first == 0) | (first == 1)).all()
            assert torch.equal(first, second) == (protocol != "dynamic")
        rows = digits.subset([5, 9]).x
        assert torch.equal(rows, digits.x[[5, 9]])
    assert torch.equal(data.digits(binarise="dynamic").x, grey)
    assert torch.equal(data.digits(binarise="static").x, data.digits(binarise="static").x)
    assert torch.equal(data.digits(binarise="threshold").x, (grey > 0.5).float())


def test_what_is_refused():
    with pytest.raises(ValueError, match="protocol is 'random', expected one of"):
        binarise(X, "random")
    with pytest.raises(ValueError, match="protocol is 'random'"):
        data.digits(binarise="random")
    with pytest.raises(ValueError, match="values from 0 to 255"):
        binarise(torch.tensor([0.0, 255.0]), "static")
    with pytest.raises(ValueError, match="nan"):
        binarise(torch.tensor([float("nan")]), "dynamic")
