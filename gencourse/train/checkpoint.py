"""Checkpoints: the class of a model, the arguments it was made with, and its tensors.

A checkpoint holds plain values and tensors only, and is read with `weights_only`, so that opening
somebody else's file runs no code of theirs.
"""

import importlib
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.protocols import Configurable

FORMAT = 1
_PLAIN = (int, float, str, bool, type(None), Tensor, torch.dtype)


def load(path: Path | str) -> nn.Module:
    """Make the model of a checkpoint again, on the CPU and in evaluation mode.

    With early stopping the parameters are those of the best epoch so far, otherwise the last.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no checkpoint, or of a class that is not part of this package.
    """
    state = read(path)
    module, _, name = state["class"].partition(":")
    if module.split(".")[0] != "gencourse":
        raise ValueError(
            f"{path} holds a {state['class']}, and only classes of gencourse are imported: make "
            "the model yourself, then fit(..., resume=True) or load_state_dict"
        )
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise ValueError(f"{path} holds a {state['class']}, unknown to this version") from None
    if not (isinstance(kind, type) and issubclass(kind, Configurable)):
        raise ValueError(f"{path} holds a {state['class']}, which is no Configurable class")
    model = kind(**state["config"])
    tensors = state["best"] or state["model"]
    for key, tensor in model.state_dict(keep_vars=True).items():
        tensor.data = tensor.data.to(tensors[key].dtype)  # a model that was made double stays so
    model.load_state_dict(tensors)
    return model.eval()


def identity(model: nn.Module) -> dict[str, Any]:
    """Return the class and configuration under which a model is saved.

    Raises:
        ValueError: the model does not know how it was made, or was made with what is no plain
            value; it names the argument.
    """
    kind = type(model)
    if not isinstance(model, Configurable):
        raise ValueError(
            f"{kind.__name__} is not Configurable, so no checkpoint can make it again: "
            "inherit from gencourse.protocols.Configurable, before nn.Module"
        )
    for name, value in model.config.items():
        if not _is_plain(value):
            raise ValueError(
                f"{name} of {kind.__name__} is a {type(value).__name__}, expected a plain value "
                "(number, string, tensor, list, dict) that a checkpoint can hold"
            )
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "config": model.config}


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint in one move: a run that dies meanwhile leaves the one before it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    torch.save({"format": FORMAT, **state}, unfinished)
    os.replace(unfinished, path)


def read(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint to the CPU; a ValueError if the file is none."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(f"{path} is no readable checkpoint ({type(error).__name__})") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} is no checkpoint of format {FORMAT}")
    return state


def check_same_run(path: Path, state: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another model or another run, by the name of what differs."""
    if state["class"] != expected["class"]:
        raise ValueError(f"{path} holds a {state['class']}, expected {expected['class']}")
    for group in ("config", "settings"):
        for name, want in expected[group].items():
            have = state[group].get(name)
            if repr(have) != repr(want):  # repr, because tensors have no single truth value
                raise ValueError(f"{name} is {want!r}, but {have!r} in {path}")


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return type(value) is dict and all(map(_is_plain, [*value, *value.values()]))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN
