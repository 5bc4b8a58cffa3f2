"""The training loop of a game: Algorithm 1 of Goodfellow et al. (NIPS 2014).

The lines under "one step" are the method: k steps of the discriminator with the generator held
fixed, then one of the generator with the discriminator held fixed. Neither loss says how good the
samples are, so samples are drawn along the way, from the same noise each time.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from gencourse.train import checkpoint as checkpoints
from gencourse.train import machine
from gencourse.train.averaging import RunningAverage
from gencourse.train.loop import Batch, _batches, _check_finite, _num_batches

logger = logging.getLogger(__name__)

COLLAPSED = 0.02  # spread of the samples, relative to the data's
Draw = Callable[[nn.Module, torch.Generator], Tensor]


class Adversarial(Protocol):
    """A module of two players; each loss is a scalar that its own player minimises."""

    generator: nn.Module
    discriminator: nn.Module

    def discriminator_loss(self, batch: Batch) -> Tensor:
        """Return the discriminator's loss on data and on samples of its own, -> ()."""

    def generator_loss(self, batch: Batch) -> Tensor:
        """Return the generator's loss; from the batch it may take conditions, -> ()."""


@dataclass
class AdversarialHistory:
    """What happened in training.

    Attributes:
        discriminator_loss: before each step of the discriminator; k of them for each step.
        generator_loss: before each step of the generator.
        spread: for each step at which samples were drawn, their root mean square distance from
            their mean, relative to that of a batch of data. Near 0 the generator has collapsed.
        stopped: why training ended: "finished" or "interrupted".
    """

    discriminator_loss: list[float] = field(default_factory=list)
    generator_loss: list[float] = field(default_factory=list)
    spread: dict[int, float] = field(default_factory=dict)
    stopped: str = "finished"

    @property
    def collapsed(self) -> list[int]:
        """The steps at which all samples were nearly equal."""
        return [step for step, spread in self.spread.items() if spread < COLLAPSED]


def fit_adversarial(
    model: Adversarial,
    data: Dataset | Tensor,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    discriminator_steps: int = 1,
    batch_size: int = 64,
    lr: float = 2e-4,
    discriminator_lr: float | None = None,
    betas: tuple[float, float] = (0.5, 0.999),
    clip: float | None = None,
    average: float | None = None,
    seed: int = 0,
    sample_steps: int | None = None,
    num_samples: int = 64,
    draw: Draw | None = None,
    on_samples: Callable[[int, Tensor], None] | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_steps: int | None = None,
    resume: bool = False,
    device: str | None = None,
    mixed_precision: str = "no",
    num_workers: int = 0,
    progress: bool = True,
) -> AdversarialHistory:
    """Play `model.discriminator_loss` against `model.generator_loss`, and return the history.

    Each player has an Adam of its own. As in `fit`, the seed decides everything; on a CPU a
    resumed run ends bit by bit like an uninterrupted one; Ctrl-C finishes the step, saves and
    returns. A warning is logged when all samples of the fixed noise are nearly equal; training
    goes on, because some games recover.

    Args:
        model: trained in place; in the end in evaluation mode and on the device it came from.
        data: yields tuples of tensors, which the losses get as a batch; or one tensor.
        epochs: passes over the data in all; or
        steps: steps of the generator in all.
        discriminator_steps: k, each on a batch of its own.
        batch_size: rows in a batch; the last one of an epoch may have fewer.
        lr: step size of both players, the default from DCGAN (Radford et al., ICLR 2016).
        discriminator_lr: step size of the discriminator if it has another.
        betas: Adam's decay rates, as in DCGAN; (0, 0.9) with a gradient penalty.
        clip: largest norm of each player's gradient; a longer one is scaled down.
        average: decay of a running average of the generator, such as 0.99: samples along the way,
            the model in the end and `load` have the average, while the game goes on without it.
        seed: of the order of the data and of torch's default generators.
        sample_steps: draw samples after so many steps; when None, after each epoch. They change
            nothing in the run.
        num_samples: samples drawn, at least 2.
        draw: draws them, `(model, torch.Generator) -> (n, ...)`, where `model.sample` needs more
            than a number, such as an input picture.
        on_samples: gets the step and the samples, (num_samples, ...), on the CPU.
        checkpoint: file written at the start, after each epoch and at the end; see `load`.
        checkpoint_steps: write it after so many steps, too.
        resume: go on from `checkpoint` if that file exists.
        device: as in `fit`.
        mixed_precision: "no" or "bf16".
        num_workers: processes that load data; they change the speed, not the order.
        progress: whether to show a bar, with both losses.

    Raises:
        NonFiniteLossError: a player's loss or gradient is no number, before that player moves. The
            last checkpoint stays as it is.
        ValueError: arguments that do not fit together, or do not fit the checkpoint; a parameter
            that belongs to no player, or to both.
    """
    from tqdm.auto import tqdm

    data = TensorDataset(data) if isinstance(data, Tensor) else data
    num_batches, k = _num_batches(data, batch_size), discriminator_steps
    if (epochs is None) == (steps is None):
        raise ValueError(f"epochs is {epochs} and steps is {steps}, expected one of the two")
    if k < 1 or num_samples < 2:
        raise ValueError(
            f"discriminator_steps is {k} and num_samples is {num_samples}, "
            "expected at least 1 and at least 2"
        )
    if mixed_precision not in ("no", "bf16"):
        raise ValueError(f"mixed_precision is {mixed_precision!r}, expected 'no' or 'bf16'")
    if checkpoint is None and (resume or checkpoint_steps is not None):
        raise ValueError("checkpoint is None, expected the file to resume from or write to")
    last_step = steps if steps is not None else math.ceil(epochs * num_batches / k)
    path = Path(checkpoint) if checkpoint is not None else None
    history, players = AdversarialHistory(), _players(model)
    rates = {"discriminator": discriminator_lr or lr, "generator": lr}
    run = checkpoints.identity(model) if path else {}
    run["settings"] = {"rows": len(data), "batch_size": batch_size, "discriminator_steps": k}
    run["settings"] |= {"lr": rates, "betas": tuple(betas), "clip": clip, "seed": seed}
    run["settings"] |= {"mixed_precision": mixed_precision, "average": average}

    accelerator, home = machine.accelerator_for(model, device, mixed_precision)
    where = accelerator.device
    model.to(where)
    optimizers = {
        name: torch.optim.Adam(parameters, lr=rates[name], betas=betas)
        for name, parameters in players.items()
    }
    averaged = None if average is None else RunningAverage(model.generator, average)
    shown = averaged.swapped_in if averaged else nullcontext

    def save() -> None:
        if path:
            with shown():  # which `load` prefers; of all names under which a tensor is known
                best = {n: t.clone() for n, t in model.state_dict().items()} if averaged else {}
            state = {"model": model.state_dict(), "best": best, "history": asdict(history)}
            state |= {"optimizers": {name: o.state_dict() for name, o in optimizers.items()}}
            state |= {"generators": machine.generator_states(where)}
            checkpoints.write(path, {**run, **state})

    def restore() -> AdversarialHistory:
        state = checkpoints.read(path)
        checkpoints.check_same_run(path, state, run)
        model.load_state_dict(state["model"])
        if averaged:
            averaged.load({name: state["best"][f"generator.{name}"] for name in averaged.state})
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        machine.set_generator_states(state["generators"], where)
        return AdversarialHistory(**state["history"])

    def move(player: str, batch: Batch, step: int) -> float:
        """Make one step of one player while the other is held fixed; return its loss."""
        parameters, optimizer = players[player], optimizers[player]
        other = next(name for name in players if name != player)
        with held_fixed(players[other]):
            with accelerator.autocast():
                value = getattr(model, f"{player}_loss")(batch)
            if value.ndim:
                raise ValueError(
                    f"{player}_loss has shape {tuple(value.shape)}, expected a scalar ()"
                )
            optimizer.zero_grad()
            value.backward()
        norm = nn.utils.clip_grad_norm_(parameters, clip or math.inf)
        value, norm = torch.stack([value.detach(), norm.to(value.dtype)]).tolist()
        _check_finite(f"{player}'s loss", value, step, path)
        _check_finite(f"{player}'s gradient's norm", norm, step, path)
        optimizer.step()
        return value

    def look(step: int, batch: Batch) -> None:
        """Draw samples from the fixed noise, note how far they spread and show them."""
        model.eval()
        with machine.own_randomness(seed, where), torch.no_grad(), shown():
            noise = torch.Generator(where).manual_seed(seed)
            x = draw(model, noise) if draw else model.sample(num_samples, generator=noise)
        if len(batch[0]) > 1:
            history.spread[step] = _spread(x) / max(_spread(batch[0]), 1e-12)
            if history.spread[step] < COLLAPSED:
                logger.warning("at step %d all %d samples are nearly equal", step, len(x))
        if on_samples:
            on_samples(step, x.cpu())

    with machine.own_randomness(seed, where), machine.deferred_interrupt() as interrupted:
        try:
            if path and resume and path.exists():
                history = restore()
            else:
                save()  # now, rather than after an hour, if it cannot be saved
            history.stopped, step = "finished", len(history.generator_loss)
            batches = _batches(
                data, batch_size, seed=seed, start=k * step, num_workers=num_workers
            )
            bar = tqdm(total=last_step, initial=step, disable=not progress, unit="step")
            while step < last_step and history.stopped == "finished":
                # one step
                model.train()
                step += 1
                for _ in range(k):
                    batch = tuple(part.to(where) for part in next(batches))
                    loss_d = move("discriminator", batch, step)
                    history.discriminator_loss.append(loss_d)
                loss_g = move("generator", batch, step)
                history.generator_loss.append(loss_g)
                if averaged:
                    averaged.update(step - 1)

                bar.set_postfix(D=f"{loss_d:.4g}", G=f"{loss_g:.4g}", refresh=False)
                bar.update()
                epoch_ends = k * step // num_batches > k * (step - 1) // num_batches
                if step % sample_steps == 0 if sample_steps else epoch_ends:
                    look(step, batch)
                if interrupted() and step < last_step:
                    history.stopped = "interrupted"
                ends = epoch_ends or step == last_step or history.stopped != "finished"
                if ends or (checkpoint_steps and step % checkpoint_steps == 0):
                    save()
            bar.close()
        finally:
            if averaged:
                model.generator.load_state_dict(averaged.state)
            model.to(home).eval()
    logger.info("%s after %d steps", history.stopped, step)
    return history


@contextmanager
def held_fixed(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Let gradients pass through a network without one for its parameters, which saves time."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _players(model: Adversarial) -> dict[str, list[nn.Parameter]]:
    """Return what each player may move: its parameters, less those that the caller froze."""
    players = {}
    for name in ("discriminator", "generator"):
        module = getattr(model, name, None)
        if not isinstance(module, nn.Module):
            raise ValueError(f"{name} of {type(model).__name__} is {module!r}, expected a module")
        players[name] = [p for p in module.parameters() if p.requires_grad]
        if not players[name]:
            raise ValueError(f"{name} of {type(model).__name__} has no parameters to train")
    owners = {id(p): 0 for p in model.parameters() if p.requires_grad}
    for parameters in players.values():
        for p in parameters:
            owners[id(p)] += 1
    names = {id(p): name for name, p in model.named_parameters()}
    wrong = [names[key] for key, count in owners.items() if count != 1]
    if wrong:
        raise ValueError(
            f"{wrong[0]} belongs to neither or both of discriminator and generator, "
            "expected one owner for each parameter"
        )
    return players


def _spread(x: Tensor) -> float:
    """Return the root mean square distance of rows from their mean, (n, ...) -> ()."""
    x = x.detach().flatten(1).float()
    return float((x - x.mean(0)).square().sum(1).mean().sqrt())
