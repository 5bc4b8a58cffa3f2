"""What longer trainings left: pictures, measured numbers and small generators, all in the package.

`python -m gencourse.runs.gallery` makes them again. A piece is NAME.json, beside it NAME.png with
rows of pictures, and for some NAME.safetensors with the generator's weights in half precision.

Shapes: N images, C channels, S side of the image in pixels.
"""

import functools
import importlib.resources
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

FOLDER = importlib.resources.files("gencourse.gan") / "trained"


@dataclass(frozen=True)
class Piece:
    """One training and what it led to.

    Attributes:
        name: of the piece.
        rows: name -> images (N, C, S, S) in [0, 1].
        numbers: what was measured, by name; a list has one number for each seed.
        facts: settings, seconds of processor time, commit, hardware and date.
    """

    name: str
    rows: dict[str, Tensor]
    numbers: dict[str, Any]
    facts: dict[str, Any]

    @property
    def made(self) -> str:
        """Where the piece comes from, in one sentence."""
        facts = self.facts
        hardware = facts["hardware"]
        return (
            f"{self.name}: {facts['seconds']:.0f} s of processor time, seeds {facts['seeds']}, "
            f"{hardware['processor']}, {hardware['threads']} thread, torch "
            f"{facts['versions']['torch']}, commit {facts['commit']}, {facts['finished'][:10]}"
        )


def pieces() -> list[str]:
    """Return the names of all pieces."""
    return sorted(f.name.removesuffix(".json") for f in FOLDER.iterdir() if f.name[-5:] == ".json")


def piece(name: str) -> Piece:
    """Read a piece.

    Raises:
        ValueError: there is none of this name.
    """
    from PIL import Image

    facts = _facts(name)
    rows = {}
    if (layout := facts["layout"]) is not None:
        with (FOLDER / f"{name}.png").open("rb") as file:
            canvas = np.asarray(Image.open(file).convert("RGB"))
        count, side = layout["columns"], layout["side"]
        tiles = canvas.reshape(-1, side, count, side, 3).transpose(0, 2, 4, 1, 3)
        images = torch.from_numpy(tiles.copy()).float() / 255  # (R, N, 3, S, S)
        rows = dict(zip(layout["rows"], images, strict=True))
        rows = {key: x[:, : layout["channels"]] for key, x in rows.items()}
    return Piece(name, rows, facts["numbers"], facts)


def model(name: str) -> nn.Module:
    """Make a trained model again, in evaluation mode; its discriminator is not trained.

    Raises:
        ValueError: there is no such piece, or it has no weights.
    """
    from safetensors.torch import load

    facts, file = _facts(name), FOLDER / f"{name}.safetensors"
    if not file.is_file():
        raise ValueError(f"piece {name!r} has no weights, expected one of {_with_weights()}")
    module, kind = facts["class"].split(":")
    made = getattr(importlib.import_module(module), kind)(**facts["config"])
    weights = {key: value.float() for key, value in load(file.read_bytes()).items()}
    state = made.generator.state_dict()
    made.generator.load_state_dict(
        {key: weights[key].to(value.dtype) if key in weights else value
         for key, value in state.items()}
    )  # fmt: skip
    return made.eval()


@functools.cache
def _facts(name: str) -> dict[str, Any]:
    file = FOLDER / f"{name}.json"
    if not file.is_file():
        raise ValueError(f"there is no piece {name!r}, expected one of {pieces()}")
    return json.loads(file.read_text())


def _with_weights() -> list[str]:
    return [name for name in pieces() if (FOLDER / f"{name}.safetensors").is_file()]
