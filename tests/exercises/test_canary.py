"""The description of an interpreter: the same twice, and another when something is replaced."""

import ast
import json
import sys
from pathlib import Path

import numpy
import pytest
import torch

from gencourse.exercises import adapter, canary, check, judge  # noqa: F401


def changed(before):
    after = json.loads(canary.fingerprint())
    return [name for name in canary.NAMES if before[name] != after[name]]


@pytest.fixture
def before():
    return json.loads(canary.fingerprint())


def test_nothing_has_changed_when_nothing_was_replaced(before):
    torch.set_default_dtype(torch.get_default_dtype())
    numpy.random.seed(0)
    assert set(before) == set(canary.NAMES)
    assert changed(before) == []


@pytest.mark.parametrize(
    ("owner", "name", "called"),
    [
        (numpy, "allclose", "numpy.allclose"),
        (torch, "equal", "torch.equal"),
        (torch.Tensor, "__eq__", "torch.Tensor.__eq__"),
        (adapter, "reply", "gencourse.exercises.adapter.reply"),
        (judge, "judge", "gencourse.exercises.judge.judge"),
        (json.JSONEncoder, "encode", "json.JSONEncoder.encode"),
    ],
)
def test_what_is_replaced_is_named(before, monkeypatch, owner, name, called):
    original = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args, **kwargs: original(*args, **kwargs))
    assert changed(before) == [called]


def test_another_code_in_the_same_function_is_seen(before, monkeypatch):
    def reply(answer, request):
        return "{}"

    monkeypatch.setattr(adapter.reply, "__code__", reply.__code__)
    assert changed(before) == ["gencourse.exercises.adapter.reply"]


def test_another_module_is_seen(before, monkeypatch):
    monkeypatch.setitem(sys.modules, "gencourse.exercises.adapter", None)
    assert "sys.modules['gencourse.exercises.adapter']" in changed(before)


def test_its_source_runs_alone():
    source = Path(canary.__file__).read_text(encoding="utf-8")
    imported = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom)]
    assert not [n for n in imported if (n.module or "").startswith("gencourse")]
    names = {}
    exec(source, names)
    assert json.loads(names["fingerprint"]()) == json.loads(canary.fingerprint())
