"""The pictures of a run: the learning curve, and samples beside rows of the test data."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gencourse import plots
from gencourse.autoregressive import mu_law_decode
from gencourse.data import ArrayData, Split, TextData, Vocabulary
from gencourse.protocols import Sampler
from gencourse.runs.games import GameHistory
from gencourse.train import History

NUM_IMAGES = 40
NUM_LINES = 10
NUM_WAVES = 5
NUM_POINTS = 500


def draw(
    out: Path,
    model: nn.Module,
    histories: Sequence[History],
    split: Split,
    *,
    batch_size: int,
    unit: str,
) -> None:
    """Write `curve.png`, and `samples.png` if the model draws samples."""
    batches = -(-len(split.train) // batch_size)
    curve(histories, batches, unit=unit).save(out / "curve.png")
    if isinstance(model, Sampler):
        samples(model, split).save(out / "samples.png")


def curve(histories: Sequence[History], batches: int, *, unit: str) -> plots.Picture:
    """Return the training and validation loss after each epoch, stage after stage."""
    if all(isinstance(history, GameHistory) for history in histories):
        return _curves_of_game(histories, batches)
    train, val = [], []
    for history in histories:
        for k in range(0, len(history.loss), batches):
            train.append(float(np.mean(history.loss[k : k + batches])))
            after = history.val_loss[k // batches : k // batches + 1]
            val += after or [np.nan]
    fig, ax = plots.figure()
    epochs = np.arange(1, len(train) + 1)
    plots.curves(ax, epochs, {"training": train, "validation": val}, markers=len(train) < 30)
    ax.set(xlabel="epoch", ylabel=f"loss [{unit}]")
    best = f"{np.nanmin(val):.2f}" if np.isfinite(val).any() else "not measured"
    alt = f"Loss over {len(train)} epochs: training ends at {train[-1]:.2f} {unit}, the lowest "
    return plots.picture(fig, f"{alt}validation loss is {best}.")


def _curves_of_game(histories: Sequence[GameHistory], batches: int) -> plots.Picture:
    """Return both losses, each the mean over an epoch; neither says how good samples are."""
    losses = {"generator": [], "discriminator": []}
    for history in histories:
        both = history.loss, history.discriminator_loss
        for means, loss in zip(losses.values(), both, strict=True):
            means += [float(np.mean(loss[k : k + batches])) for k in range(0, len(loss), batches)]
    fig, ax = plots.figure()
    epochs = np.arange(1, len(losses["generator"]) + 1)
    plots.curves(ax, epochs, losses, markers=len(epochs) < 30)
    ax.set(xlabel="epoch", ylabel="loss")
    ends = ", ".join(f"the {name}'s ends at {loss[-1]:.2f}" for name, loss in losses.items())
    return plots.picture(fig, f"Losses of both players over {len(epochs)} epochs: {ends}.")


@torch.no_grad()
def samples(model: Sampler, split: Split) -> plots.Picture:
    """Return samples beside rows of the test data: images, lines of text, waves, or points."""
    test = split.test
    if test.x.ndim == 4:
        number, draw_in = NUM_IMAGES, _images
    elif isinstance(test, TextData):
        number, draw_in = NUM_LINES, partial(_lines, vocabulary=test.vocabulary)
    elif not test.x.is_floating_point():
        number, draw_in = NUM_WAVES, _waves
    else:
        number, draw_in = NUM_POINTS, partial(_points, like=split.train)
    real = test[range(min(number, len(test)))][0]
    drawn = model.sample(len(real)).reshape(real.shape)
    fig, axes = plots.figure(1, 2, size=(8.4, 3.2), sharex=True, sharey=True)
    for ax, rows, title in ((axes[0], real, "test data"), (axes[1], drawn, "samples")):
        draw_in(ax, rows)
        ax.set_title(title)
    if test.x.is_floating_point() and test.x.ndim == 2:
        axes[0].set(xlim=_range(axes[0], 0), ylim=_range(axes[0], 1))
    alt = f"{len(drawn)} samples of {type(model).__name__} beside {len(real)} rows of test data."
    return plots.picture(fig, alt)


def _images(ax: Any, images: Tensor) -> None:
    if images.shape[1] == 1:
        plots.image_grid(ax, images, columns=8)
        return
    from torchvision.utils import make_grid

    ax.imshow(make_grid(images, nrow=8, padding=1, pad_value=0.55).permute(1, 2, 0).numpy())
    ax.axis("off")


def _lines(ax: Any, tokens: Tensor, *, vocabulary: Vocabulary) -> None:
    for k, line in enumerate(vocabulary.decode(tokens)):
        ax.text(0, 1 - k / len(tokens), line, fontsize=plots.SMALL, va="top")
    ax.axis("off")


def _waves(ax: Any, codes: Tensor) -> None:
    for k, wave in enumerate(mu_law_decode(codes)):
        ax.plot(wave.numpy() - 2 * k, color=plots.BLUE, linewidth=0.7)
    ax.set(yticks=[], xlabel="sample")


def _points(ax: Any, rows: Tensor, *, like: ArrayData) -> None:
    """Draw the two columns that go together most."""
    a, b = _closest(like.x)
    x = rows[:, [a, b]].numpy()
    ax.scatter(*x.T, s=9, color=plots.BLUE, alpha=0.5, linewidths=0)
    ax.set(xlabel=like.feature_names[a], ylabel=like.feature_names[b])


def _range(ax: Any, axis: int) -> tuple[float, float]:
    """Return the range of the points of the test data, so that no wild sample shrinks them."""
    values = ax.collections[0].get_offsets()[:, axis]
    return float(values.min()) - 0.5, float(values.max()) + 0.5


def _closest(x: Tensor) -> tuple[int, int]:
    """Return the two columns with the strongest correlation."""
    if x.shape[1] == 1:
        return 0, 0
    correlation = torch.corrcoef(x.T.double()).abs().fill_diagonal_(0)
    return divmod(int(correlation.argmax()), x.shape[1])
