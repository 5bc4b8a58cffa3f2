"""How data is divided: no row in two parts, nothing of the test rows in the scale."""

import pytest
import torch

from gencourse.runs import sources
from gencourse.runs.sources import SOURCES


def rows(part):
    return {tuple(row) for row in part.x.flatten(1).tolist()}


def test_five_folds_test_each_row_once():
    whole = SOURCES["wine"].whole(None)
    splits = sources.load("wine", None, 5)
    assert sum(len(s.test) for s in splits) == len(whole)
    for s in splits:
        assert len(s.train) + len(s.val) + len(s.test) == len(whole)
        assert not rows(s.train) & rows(s.test)
        assert not rows(s.val) & rows(s.test) and not rows(s.train) & rows(s.val)
    tests = torch.cat([s.test.y for s in splits])
    assert tests.bincount().tolist() == whole.y.bincount().tolist()


@pytest.mark.parametrize("folds", [1, 5])
def test_tables_are_standardised_without_their_test_rows(folds):
    for s in sources.load("breast-cancer", None, folds):
        known = torch.cat([s.train.x, s.val.x])
        torch.testing.assert_close(known.mean(0), torch.zeros(known.shape[1]), atol=1e-4, rtol=0)
        torch.testing.assert_close(known.std(0, correction=0), torch.ones(known.shape[1]))
        assert s.test.x.mean(0).abs().max() > 1e-3
    assert known.shape[1] < 30  # radius, perimeter and area say the same


def test_digits_keep_their_draw_in_every_part():
    (s,) = sources.load("digits", "static", 1)
    assert set(s.train.x.unique().tolist()) == {0.0, 1.0}
    (again,) = sources.load("digits", "static", 1)
    assert torch.equal(s.test.x, again.test.x)
    (dynamic,) = sources.load("digits", "dynamic", 1)
    assert not torch.equal(dynamic.train[:50][0], dynamic.train[:50][0])


def test_folds_of_what_has_a_test_part_or_too_few_rows():
    with pytest.raises(ValueError, match="official test part"):
        sources.load("mnist", "static", 10)
    for folds in (2, 90):
        with pytest.raises(ValueError, match=f"folds is {folds}"):
            sources.load("wine", None, folds)
