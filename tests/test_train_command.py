"""`gencourse train`: what it prints, what it refuses, and how it goes on."""

import json
import signal

import pytest
from typer.testing import CliRunner

from gencourse.cli import app
from gencourse.runs import PRESETS, RECIPES, SOURCES
from tests.test_cli import refused

run = CliRunner().invoke
NADE = ["train", "nade", "--data", "digits", "--binarise", "static", "--hidden", "8"]


@pytest.fixture
def wine(tmp_path, monkeypatch):
    """A folder of data in which there is a small file of red wine only."""
    numbers = [[(7 * i * (d + 1)) % (31 + d) for d in range(11)] for i in range(90)]
    rows = [[*measured, 5] for measured in numbers]
    (tmp_path / "uci").mkdir()
    text = "\n".join(",".join(f"{value:g}" for value in row) for row in rows)
    (tmp_path / "uci" / "winequality-red.csv").write_text(text)
    monkeypatch.setenv("GENCOURSE_DATA", str(tmp_path))
    return tmp_path


def test_a_run_ends_with_a_table_and_goes_on_to_the_same(tmp_path):
    command = [*NADE, "--epochs", "1", "--device", "cpu", "--out", str(tmp_path / "a")]
    done = run(app, command, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "a" / "result.json").read_text())
    for word in ("NADE on digits", "±", "nats", "bits/dim", "static", f"{result['parameters']:,}"):
        assert word in done.stdout
    for word in ("seed", "hardware", result["hardware"]["processor"], result["command"]):
        assert word in done.stdout
    assert run(app, command, env={"COLUMNS": "200"}).stdout == done.stdout
    refused([*command, "--seed", "1"], "another run", "seed 0 and not 1", "--out")


def test_the_list_shows_everything():
    shown = run(app, ["train", "--list"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for name in (*RECIPES, *SOURCES, *PRESETS):
        assert name in shown.stdout


def test_a_preset_on_a_small_file(wine):
    out = wine / "run"
    command = ["train", "--preset", "rnade-wine-red", "--folds", "3", "--epochs", "1"]
    done = run(app, [*command, "--out", str(out)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    result = json.loads((out / "result.json").read_text())
    assert result["command"] == f"gencourse {' '.join(command)}"
    assert "9.36 nats" in done.stdout and "over 3 folds" in done.stdout
    assert result["settings"]["preset"] == "rnade-wine-red"
    assert str(wine) not in (out / "result.json").read_text()


def test_what_is_not_there_says_how_to_mend_it(wine):
    out = ["--out", str(wine / "run")]
    refused(["train", "rnade", "--data", "wine-white", *out], "winequality-white.csv", "place")
    (wine / "MNIST").write_text("")  # so that nothing can be downloaded there either
    refused(["train", "--preset", "fvsbn-mnist", *out], "MNIST is not here", "GENCOURSE_DATA")
    assert not (wine / "run").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], "--list"),
        (["train", "nad", "--data", "digits"], "did you mean"),
        (["train", "nade", "--data", "digits"], "add --binarise static"),
        (["train", "rnade", "--data", "digits", "--binarise", "static"], "choose --data wine"),
        ([*NADE, "--option", "width=3"], "no option 'width'"),
        ([*NADE, "--option", "width"], "NAME=VALUE"),
        ([*NADE, "--option", "activation=gelu"], "activation is 'gelu'"),
        ([*NADE, "--lr", "fast"], "--lr is 'fast'"),
        ([*NADE, "--device", "abacus"], "abacus"),
        ([*NADE, "--batch-size", "0"], "batch_size is 0"),
    ],
)
def test_every_mistake_is_one_line(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    refused(words, said)


def test_ctrl_c_is_one_line_that_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("gencourse.runs.fold.Fold._train", lambda *_: signal.raise_signal(2))
    done = run(app, [*NADE, "--out", str(tmp_path / "a")])
    assert done.exit_code == 130
    said = done.stderr.strip()
    command = "gencourse train nade --data digits --binarise static --option num_hidden=8"
    assert said.endswith(f"saved in {tmp_path / 'a'}; to go on: {command} --out {tmp_path / 'a'}")
    assert "\n" not in said and "Traceback" not in done.output
