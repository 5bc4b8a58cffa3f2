"""The machine under a training run: device and precision, random numbers, Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from accelerate import Accelerator

PRECISIONS = ("no", "bf16", "fp16")


def accelerator_for(
    model: nn.Module, device: str | None, mixed_precision: str
) -> "tuple[Accelerator, torch.device]":
    """Return an Accelerator for this run, and the device where the model was until now.

    Raises:
        ValueError: no parameters, an unknown precision, or a device that is not here.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    parameters = list(model.parameters())
    if not parameters:
        raise ValueError(f"{type(model).__name__} has no parameters, expected something to train")
    if mixed_precision not in PRECISIONS:
        raise ValueError(f"mixed_precision is {mixed_precision!r}, expected one of {PRECISIONS}")
    home = parameters[0].device
    if device is None:
        # double precision is made for the CPU: slow on most GPUs, unknown to Apple's
        double = any(parameter.dtype == torch.float64 for parameter in parameters)
        device = "cpu" if home.type == "cpu" and double else None
        device = home.type if home.type != "cpu" else device
    AcceleratorState._reset_state(True)  # one process trains many models, each in its own way
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision=mixed_precision)
    if device is not None and accelerator.device.type != torch.device(device).type:
        raise ValueError(f"device is {device!r}, but this machine has {accelerator.device.type!r}")
    return accelerator, home


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's default generators, and put them back afterwards as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of torch's default generators that a run on this device uses."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_generator_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Put back what `generator_states` returned."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold back the first Ctrl-C, and yield a function that says whether it came.

    A step that ends in its middle leaves some parameters moved and some not, and nothing could go
    on from there. The second Ctrl-C interrupts at once.
    """
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or before is signal.SIG_IGN:  # then no Ctrl-C comes here
        yield pressed.is_set
        return

    def note(*_: object) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before or signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)


def ignore_interrupt(_worker: int = 0) -> None:
    """Let a worker that loads data outlive Ctrl-C: the main process decides when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
