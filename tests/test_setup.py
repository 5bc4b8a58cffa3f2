"""The set-up that the README promises: one lock file, two ways to install it, honest ranges."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from traitlets.config import Config

import gencourse

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
PINS = dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;]+)", LOCK, re.MULTILINE))


def requirement_name(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-")


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("torch", "2.14.1"),
        ("torchvision", "0.29.1"),
        ("jupyterlab", "4.6"),
        ("nbgrader", "0.9.6"),
        ("nbval", "0.11"),
    ],
)
def test_the_lock_pins_what_the_course_is_made_for(package, version):
    assert PINS[package].startswith(version)


def test_the_lock_holds_every_requirement_and_nothing_but_pins():
    wanted = list(PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        wanted += extra
    assert {requirement_name(r) for r in wanted} <= set(PINS)
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"^[a-z0-9][a-z0-9._-]*==[^\s;]+( ; .+)?$", line) for line in lines)
    assert "://" not in LOCK


def test_the_extras_are_those_of_the_readme():
    assert {"lab", "grade", "test", "bench"} <= set(PROJECT["optional-dependencies"])


def test_torch_may_be_any_release_that_is_tested():
    ranges = {requirement_name(r): r for r in PROJECT["dependencies"]}
    assert ranges["torch"] == "torch>=2.11,<2.15"
    assert ranges["torchvision"] == "torchvision>=0.26,<0.30"


def test_conda_installs_the_same_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert pip == ["-r requirements.lock", "-e ."]
    assert any(str(d).startswith("python=3.11") for d in environment["dependencies"])


def test_the_citation_names_every_deck_and_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == gencourse.__version__ == PROJECT["version"]
    assert len(citation["references"]) == 5
    assert "MIT License" in (ROOT / "LICENSE").read_text()


def load_nbgrader_config(root, monkeypatch, *command):
    """Run the course's nbgrader_config.py as nbgrader does, in another course folder."""
    monkeypatch.setattr("sys.argv", ["nbgrader", *command])
    code = (ROOT / "nbgrader_config.py").read_text()
    exec(code, {"get_config": Config, "__file__": str(root / "nbgrader_config.py")})


def test_stock_nbgrader_finds_the_hidden_cases_or_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("GENCOURSE_SECRET", raising=False)
    monkeypatch.setenv("GENCOURSE_HIDDEN", "")  # set, so that it is put back afterwards
    with pytest.raises(SystemExit, match="no hidden cases"):
        load_nbgrader_config(tmp_path, monkeypatch, "autograde", "01_graphical_models")
    load_nbgrader_config(tmp_path, monkeypatch, "list")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "01_graphical_models.json").write_text("{}")
    load_nbgrader_config(tmp_path, monkeypatch, "autograde", "01_graphical_models")
    assert os.environ["GENCOURSE_HIDDEN"] == str(tmp_path / "secret")


def test_a_relative_file_of_hidden_cases_is_found_from_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "cases.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENCOURSE_HIDDEN", "cases.json")
    load_nbgrader_config(tmp_path / "course", monkeypatch, "autograde", "01_graphical_models")
    assert os.environ["GENCOURSE_HIDDEN"] == str(tmp_path / "cases.json")
