"""Results as tables on the screen, and the lists of what there is to train."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from gencourse.runs.presets import PRESETS
from gencourse.runs.recipes import FORMS, RECIPES
from gencourse.runs.sources import SOURCES


def with_error(value: float, error: float) -> str:
    """Return `value ± error` with as many decimals as the error deserves."""
    if not math.isfinite(error) or error == 0:
        return f"{value:.4g}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def hardware(result: Mapping[str, Any]) -> str:
    """Return the hardware in a few words."""
    had = result["hardware"]
    threads = f"{had['processor']}, {had['threads']} thread{'s' * (had['threads'] > 1)}"
    return had["gpu"] or threads


def stages(result: Mapping[str, Any]) -> str:
    """Return why each stage of training ended and after how many epochs, over all folds."""
    told = []
    folds = zip(*result["stopped"], strict=True), zip(*result["epochs"], strict=True)
    for reasons, epochs in zip(*folds, strict=True):
        few, many = min(epochs), max(epochs)
        number = str(few) if few == many else f"{few} to {many}"
        unit = "epoch" if number == "1" else "epochs"
        told.append(f"{' or '.join(dict.fromkeys(reasons))} after {number} {unit}")
    return ", then ".join(told)


def table_of(result: Mapping[str, Any]) -> Table:
    """Return the result of a run as a table."""
    table = Table("", "", title=f"{result['model']} on {result['data']}", show_header=False)

    def row(name: str, value: object) -> None:
        table.add_row(name, escape(str(value)))

    for m in result["test"]:
        value = with_error(m["value"], m["standard_error"])
        row(f"test {m['name']}", f"{value} {m['unit']}")
    row("standard error", f"over {result['standard_error_over']}")
    if result["validation"] is not None:
        unit = RECIPES[result["settings"]["model"]].unit
        row("validation loss", f"{result['validation']:.4f} {unit}, the lowest")
    row("binarisation", result["binarisation"])
    rows = result["rows"]
    row("rows", f"{rows['train']} train, {rows['val']} validation, {rows['test']} test")
    row("parameters", f"{result['parameters']:,}")
    row("training time", duration(result["seconds"]))
    row("stages", stages(result))
    row("seed", result["seed"])
    row("hardware", hardware(result))
    row("commit", result["commit"] or "not in a clone")
    row("command", result["command"])
    if preset := PRESETS.get(result["settings"]["preset"]):
        row("paper", f"{preset.paper:.2f} nats, {preset.cited}")
    return table


def tables_of_choices() -> Iterator[Table]:
    """Yield the tables of models, data sets and presets."""
    models = Table("model", "class", "takes", "paper", title="Models")
    models.columns[0].no_wrap = True
    for name, recipe in RECIPES.items():
        form = FORMS[recipe.takes]
        takes = (
            "grey images with --binarise" if recipe.takes == "bits" else " or ".join(form.kinds)
        )
        models.add_row(name, recipe.name, takes, recipe.paper)
    yield models
    data = Table("data set", "what", title="Data sets")
    for name, source in SOURCES.items():
        data.add_row(name, source.what)
    yield data
    presets = Table("preset", "row", "data", "paper's nats", "", title="Presets")
    presets.columns[0].no_wrap = True
    for name, p in PRESETS.items():
        needs = "needs a GPU" if p.needs_gpu else ""
        presets.add_row(name, p.row, p.data, f"{p.paper:.2f}", needs)
    yield presets
