"""What the parts of the course know about a model: its event, its density, its sampler.

`train` and `evaluate` see models through this file only, so that a model of any family can be
trained and measured by the same code.

Shapes: B batch, ... the axes of one event (`event_shape`).
"""

import copy
import inspect
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class Sampler(Protocol):
    """Something that draws events, for instance a GAN."""

    event_shape: tuple[int, ...]

    def sample(
        self, n: int, *, condition: Any = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n samples, -> (n, *event_shape); the same `generator` state, the same samples."""


@runtime_checkable
class Density(Sampler, Protocol):
    """An exact density or probability mass: `log_prob` sums or integrates to 1 when exponentiated.

    A model with a bound only (a VAE) has no `log_prob`, and so is no Density.
    """

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (B, *event_shape) -> (B,)."""


def as_events(x: Tensor, event_shape: tuple[int, ...]) -> Tensor:
    """Reshape a batch to what a model takes, (B, ...) -> (B, *event_shape), without copying.

    The only place where images become the vectors of a model over D variables. Only the grouping
    of axes changes, never the order of the numbers: a picture (B, 1, 28, 28) becomes (B, 784) row
    by row.

    Raises:
        ValueError: one row of `x` holds another number of values than one event.
    """
    have, want = x.shape[1:].numel(), torch.Size(event_shape).numel()
    if x.ndim == 0 or have != want:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, expected (B, ...) with {want} values a row "
            f"for event_shape {tuple(event_shape)}"
        )
    return x.reshape(len(x), *event_shape)


class Configurable:
    """Mixin that remembers how a model was made, so that a checkpoint can make it again.

    `class NADE(Configurable, nn.Module)`: after `NADE(784, num_hidden=500)`, `config` is
    `{"num_vars": 784, "num_hidden": 500}`, defaults included, and `NADE(**model.config)` has the
    same shape. For a checkpoint the arguments must be plain: numbers, strings, booleans, None,
    tensors, dtypes, and lists, tuples or dicts of these. A `torch.Generator` is left out: it only
    decides the initial values, which the state dict replaces.

    Raises:
        TypeError: when a class is defined whose constructor takes arguments that have no name.
    """

    config: dict[str, Any]
    _signature: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = cls.__init__ in (object.__init__, nn.Module.__init__)  # no arguments
        cls._signature = inspect.Signature() if inherited else _signature_of(cls)
        for name, parameter in cls._signature.parameters.items():
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
                raise TypeError(f"{cls.__name__} takes {name} by position, expected only by name")

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the empty object and note the arguments, before any `__init__` runs."""
        self = super().__new__(cls)
        # partial, because copy and pickle call __new__ without arguments and fill in the rest
        bound = cls._signature.bind_partial(*args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        for name, parameter in cls._signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                arguments |= arguments.pop(name)
        config = {k: v for k, v in arguments.items() if not isinstance(v, torch.Generator)}
        # a copy, so that the caller's list may change; not through nn.Module, which isn't set up
        object.__setattr__(self, "config", {k: _copy(v) for k, v in config.items()})
        return self


def _signature_of(cls: type) -> inspect.Signature:
    """Return the signature of the constructor without `self`."""
    signature = inspect.signature(cls.__init__)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _copy(value: Any) -> Any:
    """Copy containers; share what is no plain value (a checkpoint will refuse it by name)."""
    return copy.deepcopy(value) if isinstance(value, list | tuple | dict) else value
