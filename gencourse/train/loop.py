"""The training loop: gradient descent on a model's loss, with the same result every time.

The lines under "one step" are the method; around them stands what a real run needs: an order of
the data that a seed decides, a stop when the loss is no number or the validation loss has stopped
falling, and a checkpoint from which a run goes on as if it had never stopped.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gencourse.train import checkpoint as checkpoints
from gencourse.train import machine

if TYPE_CHECKING:
    from accelerate import Accelerator

logger = logging.getLogger(__name__)

Batch = tuple[Tensor, ...]
Loss = Callable[[Any, Batch], Tensor]


class NonFiniteLossError(ArithmeticError):
    """The loss or its gradient is no finite number; `step`, from 1, says when."""

    def __init__(self, what: str, value: float, step: int, checkpoint: Path | None) -> None:
        kept = f"; {checkpoint} holds the last good checkpoint" if checkpoint else ""
        super().__init__(f"the {what} is {value} at step {step}: try a smaller lr, or clip{kept}")
        self.step = step


@dataclass
class History:
    """What happened in training.

    Attributes:
        loss: the training loss at each step, before the step.
        val_loss: the mean validation loss after each epoch.
        stopped: why training ended: "finished", "early stop" or "interrupted".
    """

    loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    stopped: str = "finished"

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation loss, from 1; 0 before there is one."""
        return int(np.argmin(self.val_loss)) + 1 if self.val_loss else 0


def fit(
    model: nn.Module,
    data: Dataset | Tensor,
    *,
    loss: Loss,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 128,
    lr: float = 1e-3,
    clip: float | None = None,
    seed: int = 0,
    val: Dataset | Tensor | None = None,
    patience: int | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_steps: int | None = None,
    resume: bool = False,
    device: str | None = None,
    mixed_precision: str = "no",
    num_workers: int = 0,
    progress: bool = True,
) -> History:
    """Minimise `loss(model, batch)` with Adam (Kingma & Ba, ICLR 2015), and return the history.

    The order of the rows depends on `seed`, the epoch and their number only. Randomness in the
    loss and the data comes from torch's default generators, which `fit` seeds and afterwards puts
    back. On a CPU, a resumed run ends with bit by bit the parameters of an uninterrupted one
    (unless workers draw random numbers). Ctrl-C finishes the step, saves and returns; a second
    Ctrl-C interrupts at once.

    Args:
        model: trained in place; in the end in evaluation mode and on the device it came from.
        data: yields tuples of tensors such as (x, y), which `loss` gets as a batch; or one tensor.
        loss: the function `(model, batch) -> scalar` that comes with the model.
        epochs: passes over the data in all; or
        steps: batches in all.
        batch_size: rows in a batch; the last one of an epoch may have fewer.
        lr: Adam's step size.
        clip: largest norm of the gradient; a longer one is scaled down.
        seed: of the order of the data and of torch's default generators.
        val: validation data: its mean loss is taken after each epoch.
        patience: stop after so many epochs without a lower validation loss. When the run returns,
            the parameters of the best epoch are put back.
        checkpoint: file written at the start, after each epoch and at the end; see `load`.
        checkpoint_steps: write it after so many steps, too.
        resume: go on from `checkpoint` if that file exists. `epochs` and `steps` still count from
            the beginning.
        device: "cpu", "cuda" or "mps". When None, a model stays on a GPU, and from the CPU goes to
            the device that accelerate finds, unless it is in double precision.
        mixed_precision: "no", "bf16", or on CUDA "fp16".
        num_workers: processes that load data; they change the speed, not the order.
        progress: whether to show a bar.

    Raises:
        NonFiniteLossError: the loss or its gradient is no number, before the step is made; or the
            validation loss. The last checkpoint stays as it is.
        ValueError: arguments that do not fit together, or do not fit the checkpoint.
    """
    from tqdm.auto import tqdm

    data, val = (TensorDataset(d) if isinstance(d, Tensor) else d for d in (data, val))
    num_batches = _num_batches(data, batch_size)
    if (epochs is None) == (steps is None):
        raise ValueError(f"epochs is {epochs} and steps is {steps}, expected one of the two")
    if patience is not None and (patience < 1 or val is None):
        raise ValueError(
            f"patience is {patience} and val is {type(val).__name__}, "
            "expected at least 1 epoch, and validation data"
        )
    if checkpoint is None and (resume or checkpoint_steps is not None):
        raise ValueError("checkpoint is None, expected the file to resume from or write to")
    last_step = steps if steps is not None else epochs * num_batches
    path = Path(checkpoint) if checkpoint is not None else None
    history, best = History(), {}
    run = checkpoints.identity(model) if path else {}
    run["settings"] = {"rows": len(data), "batch_size": batch_size, "lr": lr, "clip": clip}
    run["settings"] |= {"seed": seed, "mixed_precision": mixed_precision}

    accelerator, home = machine.accelerator_for(model, device, mixed_precision)
    where, scaler = accelerator.device, accelerator.scaler
    model.to(where)
    optimizer = accelerator.prepare(torch.optim.Adam(model.parameters(), lr=lr))

    def save() -> None:
        if path:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            state |= {"scaler": scaler.state_dict() if scaler else {}, "best": best}
            state |= {"generators": machine.generator_states(where), "history": asdict(history)}
            checkpoints.write(path, {**run, **state})

    def restore() -> tuple[History, dict[str, Tensor]]:
        state = checkpoints.read(path)
        checkpoints.check_same_run(path, state, run)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        if scaler and state["scaler"]:
            scaler.load_state_dict(state["scaler"])
        machine.set_generator_states(state["generators"], where)
        return History(**state["history"]), state["best"]

    with machine.own_randomness(seed, where), machine.deferred_interrupt() as interrupted:
        try:
            if path and resume and path.exists():
                history, best = restore()
            else:
                save()  # now, rather than after an hour, if it cannot be saved
            history.stopped = "early stop" if _is_over(history, patience) else "finished"
            step = len(history.loss)
            batches = _batches(data, batch_size, seed=seed, start=step, num_workers=num_workers)
            bar = tqdm(total=last_step, initial=step, disable=not progress, unit="step")
            while step < last_step and history.stopped == "finished":
                # one step
                model.train()
                batch = tuple(part.to(where) for part in next(batches))
                with accelerator.autocast():
                    value = loss(model, batch)
                if value.ndim:
                    raise ValueError(f"loss has shape {tuple(value.shape)}, expected a scalar ()")
                optimizer.zero_grad()
                accelerator.backward(value)
                norm = accelerator.clip_grad_norm_(model.parameters(), clip or math.inf)
                step += 1
                value, norm = torch.stack([value.detach(), norm.to(value.dtype)]).tolist()
                _check_finite("loss", value, step, path)
                if not scaler:  # which skips a step whose gradient overflows half precision
                    _check_finite("gradient's norm", norm, step, path)
                optimizer.step()

                history.loss.append(value)
                bar.set_postfix(loss=f"{value:.4g}", refresh=False)
                bar.update()
                epoch_ends = step % num_batches == 0
                if epoch_ends and val is not None:
                    with machine.own_randomness(seed, where):  # the same numbers for each epoch
                        mean = _mean_loss(model, val, loss, batch_size, accelerator)
                    _check_finite("validation loss", mean, step, path)
                    history.val_loss.append(mean)
                    if patience is not None and history.best_epoch == len(history.val_loss):
                        best = {key: t.detach().clone() for key, t in model.state_dict().items()}
                if _is_over(history, patience):
                    history.stopped = "early stop"
                elif interrupted() and step < last_step:
                    history.stopped = "interrupted"
                ends = epoch_ends or step == last_step or history.stopped != "finished"
                if ends or (checkpoint_steps and step % checkpoint_steps == 0):
                    save()
            bar.close()
            if best:
                model.load_state_dict(best)
        finally:
            model.to(home).eval()
    logger.info("%s after %d steps", history.stopped, step)
    return history


def _check_finite(what: str, value: float, step: int, path: Path | None) -> None:
    if not math.isfinite(value):
        raise NonFiniteLossError(what, value, step, path)


def _num_batches(data: Dataset, batch_size: int) -> int:
    if batch_size < 1 or not len(data):
        raise ValueError(
            f"batch_size is {batch_size} and data has {len(data)} rows, expected at least 1 each"
        )
    return math.ceil(len(data) / batch_size)


def _is_over(history: History, patience: int | None) -> bool:
    return patience is not None and len(history.val_loss) - history.best_epoch >= patience


def _batches(
    data: Dataset, batch_size: int, *, seed: int, start: int, num_workers: int
) -> Iterator[Batch]:
    """Yield batches without end, from the step `start` on; each epoch has an order of its own."""
    epoch, done = divmod(start, _num_batches(data, batch_size))
    while True:
        order = np.random.default_rng([seed, epoch]).permutation(len(data))
        rows = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        yield from _loader(data, rows[done:], num_workers, seed=seed + epoch)
        epoch, done = epoch + 1, 0


def _loader(
    data: Dataset, rows: Sequence[np.ndarray], num_workers: int, *, seed: int
) -> DataLoader:
    """Return the loader of the batches that hold these rows."""
    options: dict[str, Any] = {"num_workers": num_workers}
    options["worker_init_fn"] = machine.ignore_interrupt
    options["generator"] = torch.Generator().manual_seed(seed)  # leaves torch's default one alone
    if isinstance(data, TensorDataset):  # one look-up a batch, not one a row
        return DataLoader(data, sampler=rows, batch_size=None, **options)
    return DataLoader(data, batch_sampler=[row.tolist() for row in rows], **options)


@torch.no_grad()
def _mean_loss(
    model: nn.Module, data: Dataset, loss: Loss, batch_size: int, accelerator: "Accelerator"
) -> float:
    """Return the mean loss over all rows in evaluation mode."""
    model.eval()
    rows = np.split(np.arange(len(data)), range(batch_size, len(data), batch_size))
    total = 0.0
    for batch in _loader(data, rows, 0, seed=0):
        batch = tuple(part.to(accelerator.device) for part in batch)
        with accelerator.autocast():
            total += float(loss(model, batch)) * len(batch[0])
    return total / len(data)
