"""A run from settings to result: the same after a stop, measured once, never another's folder."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from torch import nn

from gencourse.evaluate import bits_per_dim, negative_log_likelihood
from gencourse.protocols import Configurable
from gencourse.runs import RECIPES, Recipe, folder, report, run, settings_of, sources, train_model
from gencourse.runs.recipes import Measure
from gencourse.train import load

SMALL = {"binarise": "static", "hidden": (12,), "epochs": 2}


def trained(out, model="nade", data="digits", **given):
    return train_model(settings_of(model, data, **given), out, device="cpu", progress=False)


def kept(result):
    """What must agree between two runs of the same settings."""
    return {k: v for k, v in result.items() if k not in ("seconds", "finished")}


def test_the_result_is_what_the_checkpoint_measures(tmp_path):
    result = trained(tmp_path / "a", **SMALL)
    model = load(tmp_path / "a" / "checkpoint-1.pt")
    (split,) = sources.load("digits", "static", 1)
    nll = negative_log_likelihood(model, split.test)
    have = {m["name"]: m for m in result["test"]}
    assert have["NLL"]["value"] == pytest.approx(nll.mean, abs=1e-9)
    assert have["NLL"]["standard_error"] == pytest.approx(nll.standard_error)
    bits = have["NLL per dimension"]
    assert bits["value"] == pytest.approx(nll.mean / (64 * math.log(2)))
    assert bits["value"] == pytest.approx(bits_per_dim(nll.mean, (64,)))
    assert result["parameters"] == 64 * 12 * 2 + 64 + 12
    assert "static" in result["binarisation"] and result["rows"]["test"] == len(split.test)
    assert result["epochs"] == [[2]] and result["stopped"] == [["finished"]]
    assert result == json.loads((tmp_path / "a" / "result.json").read_text())
    for name in ("samples.png", "curve.png"):
        assert (tmp_path / "a" / name).read_bytes().startswith(b"\x89PNG")


def test_a_finished_run_is_not_made_again(tmp_path, monkeypatch):
    result = trained(tmp_path, **SMALL)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    monkeypatch.setattr(run.sources, "load", None)  # not even the data is read
    assert trained(tmp_path, **SMALL) == result
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "with seed 0 and not 1"),
        ({"hidden": (13,)}, "options {'num_hidden': 12}"),
        ({"model": "made"}, "with model 'nade' and not 'made'"),
        ({"binarise": "threshold"}, "with binarise 'static'"),
    ],
)
def test_the_folder_of_another_run_is_refused_untouched(tmp_path, change, words):
    trained(tmp_path, **SMALL)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=words) as refused:
        trained(tmp_path, **{**SMALL, **change})
    assert "gencourse train nade --data digits" in str(refused.value)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="files that are no run"):
        trained(tmp_path, **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(ValueError, match="is a file"):
        trained(tmp_path / "thesis.tex", **SMALL)
    (tmp_path / "thesis.tex").rename(tmp_path / "run.json")
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        trained(tmp_path, **SMALL)


def test_no_folder_is_made_for_what_cannot_begin(tmp_path):
    with pytest.raises(ValueError, match="no option"):
        trained(tmp_path / "a", **SMALL, options={"depth": 3})
    assert not (tmp_path / "a").exists()


def counted_losses(monkeypatch, *, interrupt_at=None):
    """Count the losses that training asks for, and press Ctrl-C at one of them."""
    recipe, calls = RECIPES["nade"], []

    def loss(model, batch):
        calls.append(1)
        if len(calls) == interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        return recipe.loss(model, batch)

    changed = dict(recipe.__dict__) | {"loss": loss}
    monkeypatch.setitem(run.RECIPES, "nade", type(recipe)(**changed))
    return calls


@pytest.mark.parametrize("after", [3, 20, 33])
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path, monkeypatch, after):
    stages = {**SMALL, "lr": (1e-2, 1e-3)}
    with monkeypatch.context() as patch:
        all_calls = counted_losses(patch)
        whole = trained(tmp_path / "whole", **stages)
    with monkeypatch.context() as patch:
        calls = counted_losses(patch, interrupt_at=after)
        with pytest.raises(KeyboardInterrupt, match=r"to go on: gencourse train nade .*--out"):
            trained(tmp_path / "stopped", **stages)
    assert not (tmp_path / "stopped" / "result.json").exists()
    with monkeypatch.context() as patch:
        rest = counted_losses(patch)
        assert kept(trained(tmp_path / "stopped", **stages)) == kept(whole)
    assert len(calls) + len(rest) == len(all_calls)  # nothing was trained twice


def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path):
    command = [sys.executable, "-m", "gencourse.cli", "train", "nade", "--data", "digits"]
    command += ["--binarise", "static", "--hidden", "12", "--epochs", "30", "--patience", "30"]
    out = tmp_path / "killed"
    killed = subprocess.Popen([*command, "--device", "cpu", "--out", str(out)])
    checkpoint = out / "checkpoint-1.pt"
    for _ in range(1200):
        if checkpoint.exists() and folder.read_json(out / "time.json")["since"] is not None:
            if checkpoint.stat().st_mtime > folder.read_json(out / "time.json")["since"] + 0.3:
                break
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert checkpoint.exists() and not (out / "result.json").exists()
    long = {**SMALL, "epochs": 30, "patience": 30}
    result = trained(out, **long)
    assert result["seconds"] > 0.3
    whole = trained(tmp_path / "whole", **long)
    assert result["test"] == whole["test"] and result["epochs"] == whole["epochs"]


def test_folds_are_averaged_and_kept(tmp_path, monkeypatch):
    given = {"folds": 3, "epochs": 2, "hidden": (5,), "lr": (1e-2,)}
    result = trained(tmp_path, "rnade", "iris", **given)
    values = [
        json.loads((tmp_path / f"fold-{k}" / "measures.json").read_text())["test"][0]["value"]
        for k in (1, 2, 3)
    ]
    mean = sum(values) / 3
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / 2 / 3)
    (nll,) = result["test"]  # a density has no bits/dim
    assert nll["value"] == pytest.approx(mean)
    assert nll["standard_error"] == pytest.approx(spread)
    assert result["standard_error_over"] == "3 folds" and len(result["epochs"]) == 3
    # fold by fold, what was measured is not measured again
    (tmp_path / "result.json").unlink()
    changed = dict(RECIPES["rnade"].__dict__) | {"measure": None}
    monkeypatch.setitem(run.RECIPES, "rnade", type(RECIPES["rnade"])(**changed))
    assert kept(trained(tmp_path, "rnade", "iris", **given)) == kept(result)


def test_the_best_stage_is_the_one_that_counts(tmp_path):
    result = trained(tmp_path, **{**SMALL, "lr": (1e-2, 50.0)})  # the second one spoils it
    first = load(tmp_path / "checkpoint-1.pt")
    (split,) = sources.load("digits", "static", 1)
    assert result["test"][0]["value"] == pytest.approx(
        negative_log_likelihood(first, split.test).mean, abs=1e-9
    )


def test_early_stopping_is_by_validation(tmp_path):
    result = trained(tmp_path, **{**SMALL, "epochs": 60, "lr": (1.0,), "patience": 2})
    assert result["stopped"] == [["early stop"]]
    history = torch.load(tmp_path / "checkpoint-1.pt", weights_only=True)["history"]
    assert result["epochs"] == [[len(history["val_loss"])]]
    assert result["validation"] == min(history["val_loss"]) < history["val_loss"][-1]
    (split,) = sources.load("digits", "static", 1)
    best = negative_log_likelihood(load(tmp_path / "checkpoint-1.pt"), split.val)
    assert result["validation"] == pytest.approx(best.mean, rel=1e-5)


def test_minutes_are_divided_among_the_stages(tmp_path, monkeypatch):
    class TenSecondsEachTime(folder.Clock):
        told = 0.0

        @property
        def seconds(self):
            self.told += 10
            return self.told

    monkeypatch.setattr(run.folder, "Clock", TenSecondsEachTime)
    given = {**SMALL, "epochs": 50, "patience": 50, "lr": (1e-3, 1e-4)}
    result = trained(tmp_path, **given, minutes=1.0)
    assert result["stopped"] == [["time is up", "time is up"]]
    assert result["epochs"] == [[4, 3]]  # at 40 s of 30, and at 70 s of 60


def test_a_loss_that_is_no_number_names_the_options(tmp_path):
    with pytest.raises(ValueError, match=r"nan|inf.*--lr and --clip"):
        trained(tmp_path, "rnade", "iris", epochs=50, lr=(1e30,), clip=1e30)


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("fvsbn", {"binarise": "dynamic"}),
        ("made", {"binarise": "threshold", "options": {"orders": 2}, "hidden": (20, 20)}),
        ("pixel-cnn", {"options": {"num_layers": 2, "num_hidden": 4, "first_kernel": 3}}),
        ("gated-pixel-cnn", {"options": {"num_layers": 2, "num_hidden": 4}}),
        ("row-lstm", {"options": {"num_layers": 1, "num_hidden": 4}, "binarise": "static"}),
        ("diagonal-bilstm", {"options": {"num_layers": 1, "num_hidden": 4}, "binarise": "static"}),
    ],
)
def test_every_model_of_images_runs(tmp_path, model, given):
    result = trained(tmp_path, model, steps=2, **given)
    nll, bits = result["test"]
    assert 0 < nll["value"] < 64 * math.log(17) * 1.5
    assert bits["unit"] == "bits/dim" and (tmp_path / "samples.png").exists()
    assert result["validation"] is None and result["epochs"] == [[0]]


@pytest.mark.parametrize(("model", "samples"), [("vae", 1), ("iwae-5", 5)])
def test_a_vae_is_trained_on_its_bound_and_measured_by_5000_samples(tmp_path, model, samples):
    given = {"hidden": (16,), "options": {"num_latents": 2}, "binarise": "static"}
    result = trained(tmp_path, model, steps=200, **given)
    (nll,) = result["test"]
    assert nll["name"] == "NLL, L_5000" and nll["unit"] == "nats"
    vae = load(tmp_path / "checkpoint-1.pt").eval()
    (split,) = sources.load("digits", "static", 1)
    x = split.test.x
    with torch.no_grad():
        bound = -vae.iwae_bound(x, 500, generator=torch.Generator().manual_seed(1)).mean().item()
        torch.manual_seed(2)
        own = torch.stack([RECIPES[model].loss(vae, (x,)) for _ in range(50)]).mean().item()
        few = torch.stack([-vae.iwae_bound(x, samples).mean() for _ in range(50)]).mean().item()
    assert nll["value"] == pytest.approx(bound, abs=0.02)
    assert own == pytest.approx(few, abs=0.02)  # what training descends
    assert nll["value"] < own  # and it lies above
    with pytest.raises(ValueError, match=r"VAE is a model of 0 and 1 .* --binarise"):
        settings_of(model, "digits")


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ("rnn-language-model", "sentences"),
        ("causal-transformer", "sentences"),
        ("wavenet", "tones"),
        ("rnn-language-model", "tones"),
    ],
)
def test_sequences_run(tmp_path, model, data):
    result = trained(tmp_path, model, data, steps=2, hidden=(8,), batch_size=8)
    nll, per_symbol = result["test"]
    levels = sources.SOURCES[data].levels
    places = nll["value"] / per_symbol["value"] / math.log(2)
    assert places == pytest.approx(len(sources.SOURCES[data].whole(None).x[0]))
    assert 0 < per_symbol["value"] < math.log2(levels) * 1.5
    assert (tmp_path / "samples.png").exists()


def test_colour_images_run(tmp_path, monkeypatch):
    from gencourse import data

    few = sources.Source("few", "colour", 256, whole=lambda _: data.shapes(30, size=8))
    monkeypatch.setitem(sources.SOURCES, "shapes", few)
    options = {"num_layers": 2, "num_hidden": 6}
    result = trained(tmp_path, "gated-pixel-cnn", "shapes", epochs=1, options=options)
    assert result["test"][1]["value"] == pytest.approx(
        result["test"][0]["value"] / (192 * math.log(2))
    )
    assert (tmp_path / "samples.png").exists()


class Template(Configurable, nn.Module):
    """A model of another family: one image, the mean, without a density or samples."""

    def __init__(self, event_shape, *, start=0.5):
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.image = nn.Parameter(torch.full(self.event_shape, start))


def squared_error(model, batch):
    return (batch[0] - model.image).square().sum((1, 2, 3)).mean()


def test_a_model_of_another_family_joins_with_one_recipe(tmp_path, monkeypatch):
    def measure(model, rows, source):
        assert source.levels == 17
        return [Measure("error", squared_error(model, (rows.x,)).item(), 0.1, "squared grey")]

    recipe = Recipe(
        Template,
        "images",
        "none",
        squared_error,
        hidden=None,
        measure=measure,
        unit="squared grey",
    )
    monkeypatch.setitem(RECIPES, "template", recipe)
    result = trained(
        tmp_path, "template", epochs=2, lr=(0.1, 0.01), batch_size=10, options={"start": 0.3}
    )
    (split,) = sources.load("digits", None, 1)
    least = squared_error(SimpleNamespace(image=split.train.x.mean(0)), (split.test.x,))
    assert result["test"][0]["value"] == pytest.approx(float(least), rel=0.02)
    assert result["config"] == {"event_shape": [1, 8, 8], "start": 0.3}
    assert not (tmp_path / "samples.png").exists() and (tmp_path / "curve.png").exists()
    console = Console(width=120, record=True)
    console.print(report.table_of(result))
    assert "squared grey" in console.export_text()
