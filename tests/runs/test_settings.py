"""The settings of a run: where each value comes from, and what is refused."""

import shlex

import pytest

from gencourse.data.storage import data_root
from gencourse.runs import PRESETS, RECIPES, SOURCES, settings_of
from gencourse.runs.recipes import Recipe
from gencourse.runs.settings import numbers_from, options_from


def test_what_is_given_wins_over_preset_model_and_default():
    assert settings_of("nade", "digits", binarise="static").batch_size == 100
    assert settings_of("pixel-cnn", "digits").batch_size == 16  # the model's
    rnade = settings_of(preset="rnade-wine-red")
    assert rnade.patience == PRESETS["rnade-wine-red"].settings["patience"] != 30  # the model's
    assert rnade.clip == 10.0  # the model's
    made = settings_of(preset="made-mnist")
    assert made.options == {"hidden": (2000,), "direct": True} and made.binarise == "static"
    changed = settings_of(preset="made-mnist", hidden=(30,), epochs=2, lr=(0.1,))
    assert changed.options == {"hidden": (30,), "direct": True}
    assert (changed.epochs, changed.lr, changed.patience) == (2, (0.1,), made.patience)


@pytest.mark.parametrize("spelling", ["PixelCNN", "pixel_cnn", "pixel-cnn", "PIXELCNN"])
def test_a_model_has_any_spelling(spelling):
    assert settings_of(spelling, "digits").model == "pixel-cnn"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_sound(name):
    settings, preset = settings_of(preset=name), PRESETS[name]
    recipe, source = RECIPES[settings.model], SOURCES[settings.data]
    shape = (11,) if source.kind == "table" else (1, 28, 28)
    model = recipe.make(shape, 2 if settings.binarise else source.levels, settings.options)
    assert model.event_shape in (shape, (784,))
    assert preset.paper > 0 and "(" in preset.cited and preset.protocol
    assert settings.command() == f"gencourse train --preset {name}"


@pytest.mark.parametrize(
    "given",
    [
        {"model": "nade", "data": "digits", "binarise": "dynamic", "hidden": (30,), "seed": 3},
        {"model": "made", "data": "digits", "binarise": "static", "hidden": (30, 20)},
        {"model": "made", "data": "digits", "binarise": "static", "hidden": (30,)},
        {"model": "rnade", "data": "iris", "folds": 5, "lr": (0.01, 0.001), "clip": 3.0},
        {"model": "pixel-cnn", "data": "digits", "steps": 3, "options": {"num_layers": 2}},
        {"preset": "made-mnist", "minutes": 20.0, "batch_size": 50},
    ],
)
def test_the_command_makes_the_same_settings_again(given):
    settings = settings_of(**given)
    words = shlex.split(settings.command())[2:]
    again, options = {}, []
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            again["model"] = word
        elif word == "--option":
            options.append(words.pop(0))
        else:
            name, value = word[2:].replace("-", "_"), words.pop(0)
            kind = {"minutes": float, "clip": float, "lr": lambda v: numbers_from("lr", v, float)}
            number = kind.get(name, int if value.isdigit() else str)
            again[name] = number(value)
    assert settings_of(**again, options=options_from(options)).plain() == settings.plain()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": "nada", "data": "digits"}, "no model 'nada': did you mean nade"),
        ({"model": "nade", "data": "digit"}, "no data set 'digit': did you mean digits"),
        ({"preset": "nade"}, "no preset 'nade'.*nade-mnist"),
        ({"model": "nade"}, "--data"),
        ({"model": "nade", "data": "digits"}, "17 grey levels: add --binarise static"),
        ({"model": "nade", "data": "shapes"}, "in colour"),
        ({"model": "nade", "data": "iris"}, "table of real numbers"),
        (
            {"model": "rnade", "data": "digits", "binarise": "static"},
            "of 2 values, where it has no upper",
        ),
        ({"model": "rnade", "data": "mnist"}, "of 256 values"),
        ({"model": "pixel-cnn", "data": "wine"}, "table of real numbers"),
        ({"model": "wavenet", "data": "digits"}, "grey images: choose --data tones or"),
        ({"model": "nade", "data": "sentences"}, "holds text: .*, such as rnn-language-model"),
        ({"model": "pixel-cnn", "data": "shapes", "binarise": "static"}, "in colour"),
        ({"model": "nade", "data": "digits", "binarise": "otsu"}, "protocol is 'otsu'"),
        ({"preset": "nade-mnist", "model": "made"}, "preset nade-mnist has 'nade'"),
        ({"preset": "nade-mnist", "data": "digits"}, "has 'mnist'"),
        ({"model": "fvsbn", "data": "digits", "binarise": "static", "hidden": (3,)}, "no hidden"),
        ({"model": "nade", "data": "digits", "binarise": "static", "hidden": (3, 4)}, "one width"),
        ({"model": "pixel-cnn", "data": "digits", "epochs": 0}, "epochs is 0"),
        ({"model": "pixel-cnn", "data": "digits", "epochs": 2, "steps": 3}, "no epochs"),
        ({"model": "pixel-cnn", "data": "digits", "lr": (-1.0,)}, "lr is -1.0"),
        ({"model": "pixel-cnn", "data": "digits", "minutes": float("nan")}, "minutes is nan"),
    ],
)
def test_what_does_not_fit_is_named(given, words):
    with pytest.raises(ValueError, match=words):
        settings_of(**given)


def test_options_of_the_model():
    assert options_from(["a=3", "b=1e-3", "c=4,5", "d=relu", "e=None"]) == {
        "a": 3,
        "b": 1e-3,
        "c": (4, 5),
        "d": "relu",
        "e": None,
    }
    with pytest.raises(ValueError, match="NAME=VALUE"):
        options_from(["num_hidden"])
    with pytest.raises(ValueError, match="--lr is 'fast'"):
        numbers_from("lr", "fast", float)


def test_an_option_that_the_model_has_not():
    nade: Recipe = RECIPES["nade"]
    with pytest.raises(ValueError, match=r"NADE has no option 'width', .* num_hidden, activation"):
        nade.make((4,), 2, {"width": 3})
    with pytest.raises(ValueError, match="NADE refuses the options"):
        nade.make((4,), 2, {"num_hidden": "many"})
    with pytest.raises(ValueError, match="PixelCNN has no option 'num_levels'"):
        RECIPES["pixel-cnn"].make((1, 8, 8), 2, {"num_levels": 4})


def test_every_bundled_source_is_named_without_a_path():
    assert not [s.what for s in SOURCES.values() if str(data_root()) in s.what]
