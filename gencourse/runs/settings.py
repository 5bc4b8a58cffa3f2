"""The settings of a run: defaults, then the model's, then the preset's, then what is given.

They decide the result on a CPU bit by bit, so that equal settings are the same run.
"""

import ast
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from gencourse.data.binarise import check_protocol
from gencourse.runs.presets import PRESETS
from gencourse.runs.recipes import RECIPES, check_fit
from gencourse.runs.sources import SOURCES


@dataclass(frozen=True)
class Settings:
    """What decides a run.

    Args:
        model: a name in `RECIPES`.
        data: a name in `SOURCES`.
        preset: the row of a paper that the others started from.
        binarise: protocol that makes grey images binary.
        options: arguments of the model.
        folds: folds of a cross-validation; 1 for one split.
        epochs: largest number of passes over the training rows in each stage; or
        steps: number of batches in each stage.
        batch_size: rows in a batch.
        lr: Adam's step size in each stage. A stage starts from the best parameters of the one
            before.
        clip: largest norm of the gradient.
        patience: a stage stops after so many epochs without a lower validation loss.
        minutes: of training, for each fold, divided equally among the stages; measured after each
            epoch.
        seed: of the initial parameters, the order of the rows, and all draws.
    """

    model: str
    data: str
    preset: str | None = None
    binarise: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 1
    epochs: int | None = 50
    steps: int | None = None
    batch_size: int = 100
    lr: tuple[float, ...] = (1e-3,)
    clip: float | None = None
    patience: int = 5
    minutes: float | None = None
    seed: int = 0

    def plain(self) -> dict[str, Any]:
        """Return the settings as JSON has them."""
        return as_json(asdict(self))

    def command(self) -> str:
        """Return the command that makes these settings, without its folder."""
        preset = PRESETS.get(self.preset)
        words = ["gencourse train", *([f"--preset {self.preset}"] if preset else [self.model])]
        base = settings_of(self.model, self.data, preset=self.preset, binarise=self.binarise)
        if not preset:
            words.append(f"--data {self.data}")
        for item in fields(Settings):
            name, value = item.name, getattr(self, item.name)
            if name in ("model", "data", "preset"):
                continue
            if name == "options":
                changed = {k: v for k, v in value.items() if base.options.get(k) != v}
                words += [f"--option {k}={_tuple_or_word(v)}" for k, v in changed.items()]
            elif name == "binarise" and value and not preset:
                words.append(f"--binarise {value}")
            elif value != getattr(base, name) and value is not None:
                words.append(f"--{name.replace('_', '-')} {_word(value)}")
        return " ".join(words)


def settings_of(
    model: str | None = None,
    data: str | None = None,
    *,
    preset: str | None = None,
    hidden: Sequence[int] = (),
    options: Mapping[str, Any] | None = None,
    **given: Any,
) -> Settings:
    """Return the settings of a run.

    Args:
        model: a name in `RECIPES`, in any spelling (`PixelCNN`, `pixel_cnn`).
        data: a name in `SOURCES`.
        preset: a name in `PRESETS`, which then gives model and data.
        hidden: widths of the hidden layers, for the argument that the model has for it.
        options: arguments of the model by name.
        **given: other fields of `Settings`; None stands for the default.

    Raises:
        ValueError: an unknown name, data that does not fit the model, or a number out of range.
    """
    chosen: dict[str, Any] = {}
    base_options: dict[str, Any] = {}
    if preset is not None:
        row = PRESETS[_known("preset", preset, PRESETS)]
        for name, have, want in (("MODEL", model, row.model), ("--data", data, row.data)):
            if have is not None and _key(have) != _key(want):
                raise ValueError(f"{name} is {have!r}, but the preset {preset} has {want!r}")
        model, data = row.model, row.data
        chosen = {"preset": preset, **row.settings}
        base_options = dict(chosen.pop("options", {}))
    if model is None or data is None:
        raise ValueError("expected a MODEL and --data, or --preset; --list shows them all")
    model, data = _known("model", model, RECIPES), _known("data set", data, SOURCES)
    recipe = RECIPES[model]
    check_protocol(given.get("binarise"))
    if recipe.is_game:
        for name, why in (("patience", "no validation loss"), ("folds", "one judge of samples")):
            if given.get(name) is not None:
                raise ValueError(f"{recipe.name} has {why}, expected no --{name}: {given[name]}")
    chosen = {**recipe.training, **chosen}
    chosen |= {name: value for name, value in given.items() if value is not None}
    if given.get("steps") is not None:
        if given.get("epochs") is not None or given.get("minutes") is not None:
            raise ValueError(f"steps is {given['steps']}, expected no epochs and no minutes then")
        chosen["epochs"] = None
    merged = {**recipe.options, **base_options, **(options or {}), **_hidden(model, hidden)}
    settings = Settings(model=model, data=data, options=merged, **chosen)
    check_fit(model, data, SOURCES[data], settings.binarise)
    _check_numbers(settings)
    return settings


def options_from(words: Sequence[str]) -> dict[str, Any]:
    """Read `NAME=VALUE`, where the value is a number, a list with commas, or a word.

    Raises:
        ValueError: a word without `=`.
    """
    options = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"--option is {word!r}, expected NAME=VALUE")
        try:
            options[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            options[name] = text
    return options


def numbers_from(name: str, text: str | None, kind: type) -> tuple[Any, ...]:
    """Read numbers between commas.

    Raises:
        ValueError: something else.
    """
    try:
        return tuple(kind(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ValueError(f"--{name} is {text!r}, expected numbers between commas") from None


def as_json(value: Any) -> Any:
    """Return plain values as JSON has them: tuples become lists."""
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    return [as_json(v) for v in value] if isinstance(value, list | tuple) else value


def _hidden(model: str, widths: Sequence[int]) -> dict[str, Any]:
    argument = RECIPES[model].hidden
    if not widths:
        return {}
    if argument is None:
        raise ValueError(f"{RECIPES[model].name} has no hidden units, expected no --hidden")
    if argument == "hidden":
        return {argument: tuple(widths)}
    if len(widths) > 1:
        raise ValueError(f"--hidden is {list(widths)}, expected one width for {model}")
    return {argument: widths[0]}


def _key(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _known(what: str, name: str, among: Collection[str]) -> str:
    """Return the name in its own spelling, or refuse it with the nearest ones."""
    keys = {_key(n): n for n in among}
    if _key(name) in keys:
        return keys[_key(name)]
    near = [keys[k] for k in get_close_matches(_key(name), keys, 1)]
    hint = f"did you mean {near[0]}? " if near else ""
    raise ValueError(f"there is no {what} {name!r}: {hint}expected one of {', '.join(among)}")


def _check_numbers(settings: Settings) -> None:
    """Refuse numbers that `fit` would refuse only after data and folder are made."""
    for name in ("epochs", "steps", "batch_size", "patience", "folds"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}, expected at least 1")
    for name, values in (
        ("lr", settings.lr),
        ("clip", [settings.clip]),
        ("minutes", [settings.minutes]),
    ):
        for value in values:
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}, expected a number above 0")
    if not settings.lr:
        raise ValueError("lr is empty, expected at least one number")


def _tuple_or_word(value: Any) -> str:
    """Return what `options_from` reads as the same value: one number in a tuple has a comma."""
    return f"{value[0]}," if isinstance(value, tuple) and len(value) == 1 else _word(value)


def _word(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
