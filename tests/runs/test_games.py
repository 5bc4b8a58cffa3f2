"""`gencourse train` on GANs: two losses in the curve, a Fréchet distance in the result."""

import pytest
import torch

from gencourse import data
from gencourse.evaluate import frechet_distance
from gencourse.gan import ConditionalGAN
from gencourse.runs import RECIPES, measures, pictures, settings_of, sources, train_model
from gencourse.runs.games import GameHistory
from gencourse.runs.judge import Judge
from gencourse.train import load


@pytest.fixture
def few(monkeypatch):
    """A small data set of pictures, under the name of the large one."""
    small = sources.Source(
        "few", "colour", 256, whole=lambda _: data.shapes(150, size=8), classes=3
    )
    monkeypatch.setitem(sources.SOURCES, "shapes", small)
    return sources.load("shapes", None, 1)[0]


def trained(out, model, rows="shapes", **given):
    return train_model(settings_of(model, rows, **given), out, device="cpu", progress=False)


@pytest.mark.parametrize("model", ["dcgan", "conditional-gan"])
def test_the_result_is_the_distance_of_the_checkpoints_samples(tmp_path, few, model):
    result = trained(tmp_path, model, hidden=(4,), epochs=2, batch_size=32)
    (measure,) = result["test"]
    assert measure["name"].startswith("Fréchet distance") and measure["standard_error"] > 0
    gan = load(tmp_path / "checkpoint-2.pt")
    judge = Judge(few.train, few.test)
    x = gan.sample(len(few.test), generator=torch.Generator().manual_seed(0))
    assert measure["value"] == pytest.approx(judge.compare(x)["Fréchet distance"], rel=1e-6)
    assert result["validation"] is None and result["epochs"] == [[2, 2]]
    assert result["config"]["width"] == 4
    for name in ("samples.png", "curve.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    if model == "conditional-gan":
        assert isinstance(gan, ConditionalGAN) and gan.num_classes == 3


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("info-gan", {}),
        ("bigan", {}),
        ("progressive-gan", {"stage_steps": 2}),
        ("style-gan", {}),
        ("trans-gan", {"grid": 4, "num_heads": 2}),
        ("vit-gan", {"depth": 1}),
    ],
)
def test_the_other_games_run(tmp_path, few, model, options):
    given = {"hidden": (8,), "options": options, "steps": 3, "batch_size": 16, "lr": (1e-3,)}
    result = trained(tmp_path, model, **given)
    assert result["test"][0]["value"] > 0 and (tmp_path / "samples.png").exists()
    assert load(tmp_path / "checkpoint-1.pt").sample(2).shape == (2, 3, 8, 8)


def test_a_table_is_compared_in_its_columns(tmp_path):
    result = trained(tmp_path, "gan", "iris", hidden=(8,), steps=30, lr=(1e-3,))
    split = sources.load("iris", None, 1)[0]
    gan = load(tmp_path / "checkpoint-1.pt")
    x = gan.sample(len(split.test), generator=torch.Generator().manual_seed(0))
    (measure,) = result["test"]
    assert measure["value"] == pytest.approx(frechet_distance(split.test.x, x))
    again = load(tmp_path / "checkpoint-1.pt").config
    assert again["hidden"] == (8,) or again["hidden"] == [8]


def test_the_jackknife_is_the_spread_over_test_sets():
    """The error of one data set against the standard deviation over many."""
    generator = torch.Generator().manual_seed(0)
    fake = torch.randn(400, 3, generator=generator) + 1
    many = [
        measures._frechet("", torch.randn(400, 3, generator=generator), fake) for _ in range(60)
    ]
    spread = torch.tensor([m.value for m in many]).std()
    mean = torch.tensor([m.standard_error for m in many]).mean()
    assert mean == pytest.approx(float(spread), rel=0.3)


def test_both_losses_are_in_the_curve():
    stages = [GameHistory([1.0, 3.0, 5.0, 7.0], discriminator_loss=[0.5, 1.5, 2.5, 3.5])] * 2
    fig = pictures.curve(stages, 2, unit="")
    assert fig.alt.startswith("Losses of both players over 4 epochs")
    assert "generator's ends at 6.00" in fig.alt and "discriminator's ends at 3.00" in fig.alt


def test_every_game_is_trained_by_its_loop():
    games = [name for name, recipe in RECIPES.items() if recipe.is_game]
    assert {"gan", "dcgan", "conditional-gan", "style-gan"} <= set(games)
    for name in games:
        assert {"generator_loss", "discriminator_loss"} <= set(dir(RECIPES[name].model))


@pytest.mark.parametrize(
    ("model", "rows", "given", "words"),
    [
        (
            "dcgan",
            "digits",
            {"patience": 3},
            "DCGAN has no validation loss, expected no --patience",
        ),
        ("dcgan", "digits", {"folds": 3}, "expected no --folds: 3"),
        ("dcgan", "wine", {}, r"DCGAN is a model of images and wine is a table .* choose --data"),
        ("gan", "digits", {}, r"MLPGAN is a model of vectors and digits .* choose --data wine"),
    ],
)
def test_what_does_not_fit_is_refused(model, rows, given, words):
    with pytest.raises(ValueError, match=words):
        settings_of(model, rows, **given)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": "hinge"}, "loss is 'hinge', expected one of"),
        ({"depth": 3}, "DCGAN has no option 'depth', expected one of .*width.*loss, penalty"),
        ({"penalty": -1.0}, "penalty is -1.0"),
    ],
)
def test_a_bad_option_leaves_no_folder(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        trained(tmp_path / "a", "dcgan", "digits", options=options)
    assert not (tmp_path / "a").exists()


def test_images_of_a_side_that_doubling_cannot_make(tmp_path, monkeypatch):
    odd = sources.Source("odd", "colour", 256, whole=lambda _: data.shapes(40, size=12))
    monkeypatch.setitem(sources.SOURCES, "shapes", odd)
    with pytest.raises(ValueError, match="a power of 2 from 8"):
        trained(tmp_path / "a", "dcgan")


def test_a_stopped_game_goes_on_to_the_same_numbers(tmp_path, few, monkeypatch):
    given = {"hidden": (4,), "epochs": 2, "batch_size": 32}
    whole = trained(tmp_path / "whole", "dcgan", **given)
    from gencourse.runs import fold

    train, calls = fold.Fold._train, []

    def stopping(self, checkpoint, stage, *rest):
        if stage == 2 and not calls:
            calls.append(stage)
            raise KeyboardInterrupt
        train(self, checkpoint, stage, *rest)

    monkeypatch.setattr(fold.Fold, "_train", stopping)
    with pytest.raises(KeyboardInterrupt, match="to go on: gencourse train dcgan"):
        trained(tmp_path / "stopped", "dcgan", **given)
    assert trained(tmp_path / "stopped", "dcgan", **given)["test"] == whole["test"]
