"""What all pretext tasks have in common, and the table of them by name.

Self-supervised learning makes up a question whose answer the data itself holds: turn a picture,
and ask by how much. Nobody needs the answer. What is kept is the encoder that had to understand
the picture to give it (Doersch, Gupta & Efros, ICCV 2015, and many after them).

A task is a transform from unlabelled data to (input, target), a head on an encoder, and a loss.
Each is one class in one file, and stands in `TASKS` by its name.

Shapes: B batch, R rows that are answered (often B), D features, C, H and W an image, T frames.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.nets import make_encoder
from gencourse.protocols import Configurable

CATEGORIES = (
    "structure",
    "transformation",
    "reconstruction",
    "instance",
    "time",
    "multimodal",
)
NUM_INPUTS = {"images": 1, "video": 1, "audiovisual": 2, "narrated": 3, "text": 1}
"""How many tensors of a batch a task takes: x; video; video and sound; video, tokens and times."""


class Score(NamedTuple):
    """How well a task is solved, in the task's own measure.

    Attributes:
        value: the mean over all rows.
        chance: the mean of the best answer that does not look at the input.
        metric: what is measured.
        higher_is_better: False for an error.
        num_rows: rows that were answered.
    """

    value: float
    chance: float
    metric: str
    higher_is_better: bool
    num_rows: int

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.4g} (chance {self.chance:.4g}, N = {self.num_rows})"


class PretextTask(Configurable, nn.Module):
    """A question about unlabelled data, with an encoder that has to answer it.

    A task that classifies defines `make` and `forward`, and a head. Others replace `criterion`,
    `measure` and `guess` as well; one with an adversary replaces `loss`. No method loops over the
    rows of a batch.

    Args:
        event_shape: one row of the first tensor: (C, H, W) of images, (T, C, H, W) of video.
        encoder: "conv", "resnet18" or "vit", see `gencourse.nets.make_encoder`.
        widths: of a "conv" encoder; the last is D.
        in_channels: channels that the encoder sees, if they are not C.

    Attributes:
        name: the key in `TASKS`.
        category: one of `CATEGORIES`.
        takes: the kind of data, a key of `NUM_INPUTS`.
        metric: the name of what `measure` returns.
        higher_is_better: False when `measure` is an error.
        encoder: has `maps`, `forward` and `num_features`, and is what is kept.

    Raises:
        ValueError: an event of another kind, an unknown encoder, or a size below 1.
    """

    name: ClassVar[str]
    category: ClassVar[str]
    takes: ClassVar[str] = "images"
    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
        in_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        if self.takes != "text":
            axes = "(C, H, W)" if self.takes == "images" else "(T, C, H, W)"
            if len(self.event_shape) != axes.count(",") + 1 or min(self.event_shape) < 1:
                raise ValueError(
                    f"event_shape of {type(self).__name__} is {self.event_shape}, expected {axes}"
                )
            channels = self.event_shape[-3] if in_channels is None else in_channels
            self.encoder = make_encoder(encoder, (channels, *self.event_shape[-2:]), widths=widths)

    def make(self, *x: Tensor, generator: torch.Generator | None = None) -> tuple[Any, Any]:
        """Return the question and its answer, (input, target), on the device of x.

        The generator must be on that device, as everywhere in torch.
        """
        raise NotImplementedError(f"{type(self).__name__} has no transform")

    def features(self, x: Tensor) -> Tensor:
        """Return what the task is for, (B, C, H, W) -> (B, D): plain images, no transform."""
        return self.encoder(x)

    def criterion(self, output: Any, target: Any) -> Tensor:
        """Return the loss of an answer, -> (); in nats where the target is a class."""
        return F.cross_entropy(output, target)

    def measure(self, output: Any, target: Any) -> Tensor:
        """Return how good each answer is, -> (R,); for a class, whether it is right."""
        return (output.argmax(1) == target).float()

    def guess(self, output: Any, target: Any) -> Tensor | float:
        """Return how good the best answer without looking is, -> (R,) or a number."""
        return 1 / output.shape[1]

    def check(self, *x: Tensor) -> None:
        """Refuse what is no data of this task.

        Raises:
            ValueError: rows of another shape, or none.
        """
        if len(x) != NUM_INPUTS[self.takes]:
            raise ValueError(
                f"{type(self).__name__} got {len(x)} tensors, expected {NUM_INPUTS[self.takes]} "
                f"as it takes {self.takes}"
            )
        if x[0].shape[1:] != self.event_shape or not len(x[0]):
            raise ValueError(
                f"{type(self).__name__} got shape {tuple(x[0].shape)}, expected (B, *event_shape) "
                f"with event_shape {self.event_shape} and at least 1 row"
            )

    def loss(
        self, batch: tuple[Tensor, ...], *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the loss on a batch whose first tensors are the task's data, -> ()."""
        x = batch[: NUM_INPUTS[self.takes]]
        self.check(*x)
        with torch.no_grad():
            question, target = self.make(*x, generator=generator)
        return self.criterion(self(question), target)

    @torch.no_grad()
    def score(
        self, *x: Tensor, generator: torch.Generator | None = None, batch_size: int = 256
    ) -> Score:
        """Return how well the task is solved on data x, in evaluation mode.

        Args:
            *x: the task's data, on any device.
            generator: draws the questions.
            batch_size: most rows at a time; batches differ by one row at most. Where a batch is
                the set of candidates, it is part of the measure.
        """
        self.check(*x)
        where = next(self.parameters()).device
        training = self.training
        self.eval()
        try:
            parts = -(-len(x[0]) // batch_size)
            values, guesses = [], []
            for batch in zip(*(tensor.tensor_split(parts) for tensor in x), strict=True):
                question, target = self.make(*(t.to(where) for t in batch), generator=generator)
                output = self(question)
                values.append(self.measure(output, target).double())
                guess = torch.as_tensor(self.guess(output, target)).to(values[-1])
                guesses.append(guess.expand_as(values[-1]))
        finally:
            self.train(training)
        value, chance = (float(torch.cat(rows).mean()) for rows in (values, guesses))
        return Score(value, chance, self.metric, self.higher_is_better, sum(map(len, values)))


Task = TypeVar("Task", bound=type[PretextTask])
TASKS: dict[str, type[PretextTask]] = {}


def register(task: Task) -> Task:
    """Enter a class in `TASKS`; a decorator.

    Raises:
        ValueError: a name that is taken, an unknown category or kind of data.
    """
    if task.name in TASKS:
        raise ValueError(f"{task.name!r} is {TASKS[task.name].__name__}, expected another name")
    if task.category not in CATEGORIES or task.takes not in NUM_INPUTS:
        raise ValueError(
            f"{task.__name__} has category {task.category!r} and takes {task.takes!r}, "
            f"expected one of {CATEGORIES} and one of {tuple(NUM_INPUTS)}"
        )
    TASKS[task.name] = task
    return task


def make_task(name: str, event_shape: Sequence[int], **options: Any) -> PretextTask:
    """Return a new task of this name.

    Raises:
        ValueError: no such task.
    """
    if name not in TASKS:
        raise ValueError(f"name is {name!r}, expected one of {sorted(TASKS)}")
    return TASKS[name](event_shape, **options)


def pretext_loss(task: PretextTask, batch: tuple[Tensor, ...]) -> Tensor:
    """Return the task's loss on a batch (x, ...); labels that follow are not looked at, -> ()."""
    return task.loss(batch)


def frozen(network: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Return network(*inputs) with its parameters held fixed; a gradient reaches the inputs only.

    With it a game of two players is one scalar: D(real) and D(fake.detach()) teach D, and
    frozen(D, fake) teaches what made the fake, so that `fit` can train both at once.
    """
    tensors = {key: t.detach() for key, t in network.state_dict(keep_vars=True).items()}
    return torch.func.functional_call(network, tensors, inputs)
