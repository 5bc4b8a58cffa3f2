"""Evidence: which variables were observed, and in which state.

A state is an integer, or its name where the names are known. One integer observes one case;
a tensor of B integers observes B cases at once, and every answer then has B rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Evidence:
    """Checked evidence.

    Attributes:
        observed: variable -> int64 states, (1,) or (B,).
        batch_size: B, or None when every state was given as a single value.
    """

    observed: dict[str, Tensor]
    batch_size: int | None

    def describe(self, row: int = 0) -> str:
        """Return the evidence of one row in words, such as ``x1=0, x4=1``."""
        values = {name: states.expand(row + 1)[row] if len(states) == 1 else states[row]
                  for name, states in self.observed.items()}  # fmt: skip
        return ", ".join(f"{name}={int(state)}" for name, state in values.items())


def parse_evidence(
    evidence: Mapping[str, Any] | None,
    cardinalities: Mapping[str, int],
    *,
    states: Mapping[str, Sequence[str]] | None = None,
    device: torch.device | None = None,
) -> Evidence:
    """Check evidence against the variables of a model.

    Args:
        evidence: variable -> state, state name, or a (B,) tensor (array, list) of states.
        cardinalities: variable -> number of states.
        states: variable -> names of its states.
        device: where the indices are put.

    Raises:
        ValueError: for an unknown variable, a state out of range, a value that is no
            integer, or batches of different lengths; the variable and the value are named.
    """
    observed: dict[str, Tensor] = {}
    batch: tuple[str, int] | None = None
    for name, value in (evidence or {}).items():
        if name not in cardinalities:
            raise ValueError(
                f"evidence names an unknown variable {name!r}; the variables are "
                f"{', '.join(map(str, cardinalities))}"
            )
        index = _state_indices(name, value, (states or {}).get(name))
        if isinstance(index, int):
            lowest = highest = index
            index = [index]
        elif index.ndim == 1 and len(index):
            lowest, highest = int(index.min()), int(index.max())
        else:
            raise ValueError(
                f"evidence for {name!r} has shape {tuple(index.shape)}; "
                "expected one state or a (B,) tensor of states"
            )
        if lowest < 0 or highest >= cardinalities[name]:
            raise ValueError(
                f"evidence for {name!r} holds state {lowest if lowest < 0 else highest}; "
                f"its states are 0 to {cardinalities[name] - 1}"
            )
        if not isinstance(index, list):
            if batch is not None and batch[1] != len(index):
                raise ValueError(
                    f"evidence for {name!r} has {len(index)} rows, "
                    f"but {batch[0]!r} has {batch[1]} rows"
                )
            batch = (name, len(index))
        observed[name] = torch.as_tensor(index, device=device)
    return Evidence(observed, None if batch is None else batch[1])


def _state_indices(name: str, value: Any, names: Sequence[str] | None) -> int | Tensor:
    """Turn one value of an evidence mapping into an int or a tensor of int64."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return _state_of(name, value, names)
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        return torch.tensor([_state_of(name, v, names) for v in value])
    index = torch.as_tensor(value)
    if index.is_floating_point() or index.is_complex():
        raise ValueError(
            f"evidence for {name!r} is {value!r}; a state is an integer or a state's name"
        )
    return index.long() if index.ndim else int(index)


def _state_of(name: str, state: str, names: Sequence[str] | None) -> int:
    if names is None:
        raise ValueError(f"evidence for {name!r} is {state!r}, but its states have no names")
    if state not in names:
        raise ValueError(f"evidence for {name!r} is {state!r}; its states are {', '.join(names)}")
    return list(names).index(state)
