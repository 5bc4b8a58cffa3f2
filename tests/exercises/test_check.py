"""`check`, as a test cell of a homework uses it."""

import json
import sys
from unittest import mock

import pytest
import torch

from gencourse.authoring.build import public_cases_file
from gencourse.authoring.cases import dumps, make_cases
from gencourse.exercises import CheckFailed, check, store

from ..conftest import SMALL_UNIT


@pytest.fixture
def cases(small_course, tmp_path, monkeypatch):
    path = public_cases_file(small_course, SMALL_UNIT)
    path.parent.mkdir(parents=True)
    path.write_text(dumps(make_cases(small_course, SMALL_UNIT, "public")))
    hidden = tmp_path / "hidden.json"
    hidden.write_text(dumps(make_cases(small_course, SMALL_UNIT, "development")))
    monkeypatch.setenv("GENCOURSE_HIDDEN", str(hidden))


def kl(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(-1)


def half(mu, logvar):
    return 2 * kl(mu, logvar)


def test_a_right_answer_prints_one_line_and_hidden_cases_none(cases, capsys):
    check("kl-normal", "values", kl)
    assert capsys.readouterr().out == "kl-normal / values: right (4 cases)\n"
    check("kl-normal", "values", kl, hidden=True)
    assert capsys.readouterr().out == ""


def test_a_wrong_answer_raises_an_assertion_with_the_diagnosis(cases):
    with pytest.raises(AssertionError, match=r"twice too large: did you forget the 1/2\? \(your"):
        check("kl-normal", "values", half)
    with pytest.raises(CheckFailed) as caught:
        check("kl-normal", "values", half, hidden=True)
    assert str(caught.value).endswith(
        "wrong on a hidden case: twice too large: did you forget the 1/2?"
    )


def test_an_error_of_the_answer_keeps_its_traceback_but_not_on_hidden_cases(cases):
    def broken(mu, logvar):
        raise ValueError(f"got {mu}")

    with pytest.raises(ValueError, match="got tensor"):
        check("kl-normal", "values", broken)
    with pytest.raises(CheckFailed) as caught:
        check("kl-normal", "values", broken, hidden=True)
    assert (
        str(caught.value)
        == "kl-normal / values: wrong on a hidden case: your answer raises ValueError"
    )
    assert caught.value.__suppress_context__


def test_a_stub_is_not_answered_yet(cases):
    def stub(mu, logvar):
        raise NotImplementedError

    with pytest.raises(CheckFailed, match="not answered yet"):
        check("kl-normal", "values", stub)


def test_an_output_of_no_use_is_told_without_a_traceback(cases):
    with pytest.raises(CheckFailed, match="your answer is a generator; expected a tensor"):
        check("kl-normal", "values", lambda mu, logvar: (x for x in mu))


def test_a_stub_and_a_wrong_name_are_told(cases, monkeypatch):
    with pytest.raises(store.CasesNotFound, match="no public cases for exercise 'unknown'"):
        check("unknown", "values", kl)
    with pytest.raises(store.CasesNotFound, match="has no test 'shape', only values, scale"):
        check("kl-normal", "shape", kl)
    monkeypatch.delenv("GENCOURSE_HIDDEN")
    with pytest.raises(store.CasesNotFound, match="GENCOURSE_HIDDEN"):
        check("kl-normal", "values", kl, hidden=True)


def test_a_folder_of_hidden_cases_will_do(cases, tmp_path, monkeypatch):
    monkeypatch.setenv("GENCOURSE_HIDDEN", str(tmp_path))
    check("kl-normal", "values", kl, hidden=True)


def test_a_case_file_of_another_format_is_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"format": 99}))
    with pytest.raises(store.CasesNotFound, match="format"):
        store.load(path)


def test_tensors_that_answer_every_comparison_with_true_are_no_answer(cases):
    class Agreeable(torch.Tensor):
        def __eq__(self, other):
            return torch.ones(4, dtype=torch.bool)

        __hash__ = torch.Tensor.__hash__

    with pytest.raises(CheckFailed):
        check("kl-normal", "values", lambda mu, logvar: half(mu, logvar).as_subclass(Agreeable))
    with mock.patch.object(torch, "allclose", lambda *a, **k: True), pytest.raises(CheckFailed):
        check("kl-normal", "values", half)


def test_judging_needs_no_torch():
    import subprocess

    code = "import sys, gencourse.exercises.judge as j; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
