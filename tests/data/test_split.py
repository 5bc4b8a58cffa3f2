"""Splits: disjoint, complete, seeded."""

import pytest
import torch
from torch.utils.data import TensorDataset

from gencourse import data

ROWS = data.ArrayData(torch.arange(103.0)[:, None], torch.arange(103), source="rows")


def rows(part):
    return [int(part[i][1]) for i in range(len(part))]


@pytest.mark.parametrize("dataset", [ROWS, TensorDataset(ROWS.x, ROWS.y)], ids=["own", "torch's"])
def test_every_row_is_in_exactly_one_part(dataset):
    train, val, test = data.split(dataset, val=0.1, test=0.2)
    assert [len(train), len(val), len(test)] == [72, 10, 21]
    assert sorted(rows(train) + rows(val) + rows(test)) == list(range(103))
    for part in (train, val, test):
        assert all(float(part[i][0]) == int(part[i][1]) for i in range(len(part)))


def test_the_seed_decides_and_the_kind_of_data_set_does_not():
    def of(seed, dataset=ROWS):
        return [rows(part) for part in data.split(dataset, seed=seed)]

    assert of(0) == of(0) == of(0, TensorDataset(ROWS.x, ROWS.y))
    assert of(0) != of(1)
    assert of(0)[2][:5] == [85, 37, 20, 5, 86], "the same on every machine"


def test_another_validation_share_leaves_the_test_rows_alone():
    tests = [rows(data.split(ROWS, val=share).test) for share in (0, 0.1, 0.3)]
    assert tests[0] == tests[1] == tests[2]


def test_attributes_and_names_go_along():
    shapes = data.shapes(40)
    train, _, test = data.split(shapes)
    assert test.class_names == shapes.class_names and test.source == shapes.source
    assert torch.equal(train.attributes["shape"], train.y)
    assert len(test.attributes["position"]) == len(test) == 8


@pytest.mark.parametrize("shares", [{"val": 0.5, "test": 0.5}, {"val": -0.1}, {"test": 1.2}])
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(ValueError, match="of 103 rows"):
        data.split(ROWS, **shares)


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="y has 2 rows, expected 3"):
        data.ArrayData(torch.zeros(3, 1), torch.zeros(2), source="")
    with pytest.raises(ValueError, match="size has 4 rows"):
        data.ArrayData(
            torch.zeros(3, 1), torch.zeros(3), source="", attributes={"size": torch.zeros(4)}
        )
