"""Trainings too long for a lecture, kept as pictures, numbers and small weights in the package.

    python -m gencourse.runs.gallery [NAME ...] [--out FOLDER] [--work FOLDER]

makes the pieces that are missing or whose settings have changed; `gan.gallery` reads them. What is
finished for one seed stands in the work folder, so that the same command goes on after an
interruption, from the seed that was interrupted.

Shapes: N images, C channels, S side of the image in pixels.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.gan import gallery
from gencourse.runs.circumstances import circumstances
from gencourse.runs.folder import write_json
from gencourse.train.machine import own_randomness

Rows = dict[str, Tensor]
Numbers = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """One thing to train and to show.

    Args:
        name: of its files.
        settings: everything it depends on, as plain values; a change makes it stale.
        train: seed -> the trained model.
        show: model of the first seed -> rows of pictures, all of one shape (N, C, S, S).
        measure: model -> numbers, for each seed.
        seeds: as many trainings.
        weights: whether to keep the generator of the first seed.
    """

    name: str
    settings: Mapping[str, Any]
    train: Callable[[int], nn.Module]
    show: Callable[[nn.Module], Rows] | None
    measure: Callable[[nn.Module], Numbers]
    seeds: tuple[int, ...] = (0,)
    weights: bool = False


def make(exhibit: Exhibit, out: Path, work: Path) -> bool:
    """Train what is missing of one exhibit and write its files; say whether there was work."""
    settings = json.loads(json.dumps(dict(exhibit.settings)))
    target = out / f"{exhibit.name}.json"
    if target.is_file() and json.loads(target.read_text())["settings"] == settings:
        return False
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    parts = []
    for seed in exhibit.seeds:
        finished = work / f"{exhibit.name}-seed{seed}.json"
        if finished.is_file():
            part = json.loads(finished.read_text())
            kept = part["layout"] is None or (out / f"{exhibit.name}.png").is_file()
            if part["settings"] == settings and kept:
                parts.append(part)
                continue
        began = time.process_time()
        with own_randomness(seed, torch.device("cpu")):
            model = exhibit.train(seed)
        seconds = time.process_time() - began
        part = {"settings": settings, "seed": seed, "seconds": seconds}
        with own_randomness(seed, torch.device("cpu")):
            part |= {"numbers": exhibit.measure(model), "layout": None}
        if seed == exhibit.seeds[0]:
            part |= _keep(exhibit, model, out)
        write_json(finished, part)
        parts.append(part)
    first = parts[0]
    numbers = {key: [part["numbers"][key] for part in parts] for key in first["numbers"]}
    written = {
        "settings": settings,
        "seeds": list(exhibit.seeds),
        "seconds": sum(part["seconds"] for part in parts),
        "numbers": numbers,
        "layout": first["layout"],
        "class": first.get("class"),
        "config": first.get("config"),
        **circumstances("cpu"),
    }
    write_json(target, written)
    return True


def _keep(exhibit: Exhibit, model: nn.Module, out: Path) -> dict[str, Any]:
    """Write pictures and weights of the first seed; return what describes them."""
    kept: dict[str, Any] = {}
    if exhibit.show is not None:
        with own_randomness(0, torch.device("cpu")), torch.no_grad():
            kept["layout"] = write_rows(exhibit.show(model), out / f"{exhibit.name}.png")
    if exhibit.weights:
        kept |= write_weights(model, out / f"{exhibit.name}.safetensors")
    return kept


def write_rows(rows: Rows, path: Path) -> dict[str, Any]:
    """Tile rows of images (N, C, S, S) into one file of 8 bits a colour; return the layout."""
    from PIL import Image

    shapes = {tuple(row.shape) for row in rows.values()}
    if len(shapes) != 1:
        raise ValueError(f"rows have shapes {sorted(shapes)}, expected one")
    images = torch.stack(list(rows.values())).clamp(0, 1)  # (R, N, C, S, S)
    _, columns, channels, side, _ = images.shape
    coloured = images.expand(-1, -1, 3, -1, -1)
    canvas = coloured.permute(0, 3, 1, 4, 2).reshape(len(rows) * side, columns * side, 3)
    Image.fromarray((canvas * 255).round().to(torch.uint8).numpy()).save(path, optimize=True)
    return {"rows": list(rows), "columns": columns, "side": side, "channels": channels}


def write_weights(model: nn.Module, path: Path) -> dict[str, Any]:
    """Write the generator in half precision; return how the model is made."""
    from safetensors.torch import save

    state = model.generator.state_dict()
    halves = {k: v.half().contiguous() for k, v in state.items() if v.is_floating_point()}
    path.write_bytes(save(halves))
    kind = type(model)
    config = {k: v for k, v in model.config.items() if v is not None}
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "config": config}


def main(arguments: list[str] | None = None) -> None:
    """Make the pieces that are named, or all."""
    from gencourse.runs.exhibits import EXHIBITS

    parser = argparse.ArgumentParser(prog="python -m gencourse.runs.gallery", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(EXHIBITS)}")
    parser.add_argument("--out", type=Path, default=Path(str(gallery.FOLDER)))
    parser.add_argument("--work", type=Path, default=Path("runs/gallery"))
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - set(EXHIBITS):
        parser.error(f"no piece is called {sorted(unknown)}, choose of {list(EXHIBITS)}")
    torch.set_num_threads(1)
    for name in chosen.names or EXHIBITS:
        done = make(EXHIBITS[name](), chosen.out, chosen.work)
        print(f"{name}: {'made' if done else 'is there'}", flush=True)


if __name__ == "__main__":
    main()
