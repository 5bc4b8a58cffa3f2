"""Pieces of the gallery that answer a picture: four tasks by pix2pix, red to blue by CycleGAN.

Shapes: N images, C channels, S side of the image in pixels.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from gencourse.data import (
    COLOURS,
    ArrayData,
    Degraded,
    colourisation,
    inpainting,
    super_resolution,
    uncropping,
)
from gencourse.gan import (
    CycleGAN,
    Pix2Pix,
    UNetGenerator,
    perceptual_distance,
    sharpness,
    squared_error_loss,
)
from gencourse.runs.exhibits.parts import AVERAGE, played
from gencourse.runs.gallery import Exhibit, Numbers, Rows
from gencourse.runs.scores.shapes import EVENT, judge, pictures
from gencourse.train import fit as fit_by_loss

TASKS: dict[str, Callable[[Tensor, torch.Generator], Degraded]] = {
    "inpainting": lambda x, draws: inpainting(x, hole=0.5, generator=draws),
    "uncropping": lambda x, draws: uncropping(x, generator=draws),
    "super_resolution": lambda x, draws: super_resolution(x, factor=4),
    "colourisation": lambda x, draws: colourisation(x),
}


def task(name: str) -> tuple[Degraded, Degraded]:
    """The pairs of one task, to train on and held out."""
    draws = torch.Generator().manual_seed(0)
    return tuple(TASKS[name](data.x, draws) for data in (pictures(), judge().held_out))


def image_to_image(name: str) -> Exhibit:
    """pix2pix on one task, beside the same U-Net trained by squared error alone."""
    channels = {"inpainting": 4, "uncropping": 4, "super_resolution": 3, "colourisation": 1}
    config = {"in_channels": channels[name], "width": 16, "num_halvings": 2}
    fit = {"steps": 900, "lr": 1e-3}
    game_config = {**config, "event_shape": EVENT, "patch_width": 16, "patch_halvings": 1}
    game_config |= {"l1_weight": 10.0, "norm": "instance"}
    game_config |= {"patch_norm": "instance"}

    def train(seed: int) -> nn.Module:
        known, held_out = task(name)
        baseline = UNetGenerator(out_channels=3, dropout=0.0, **config)
        fit_by_loss(
            baseline, known.pairs(), loss=squared_error_loss, seed=seed, device="cpu",
            progress=False, **fit,
        )  # fmt: skip
        model = Pix2Pix(**game_config)
        draw = functools.partial(from_inputs, inputs=held_out.input[:16])
        played(model, known.pairs(), seed=seed, draw=draw, num_samples=16, average=AVERAGE, **fit)
        model.baseline = baseline.eval()
        return model

    def answers(model: nn.Module, n: int) -> dict[str, Tensor]:
        _, held_out = task(name)
        inputs = held_out.input[:n]
        with torch.no_grad():
            by_game = from_inputs(model, torch.Generator().manual_seed(1), inputs=inputs)
            return {"squared error": model.baseline(inputs).clamp(0, 1), "pix2pix": by_game}

    def show(model: nn.Module) -> Rows:
        _, held_out = task(name)
        seen = held_out.input[:16, :3].expand(-1, 3, -1, -1)
        return {"input": seen, **answers(model, 16), "truth": held_out.x[:16]}

    def measure(model: nn.Module) -> Numbers:
        _, held_out = task(name)
        numbers, encoder = {}, judge().classifier.encoder
        for who, x in answers(model, 1000).items():
            far = perceptual_distance(encoder, x, held_out.x)
            numbers |= {
                f"{who}: rmse": float((x - held_out.x).square().mean().sqrt()),
                f"{who}: sharpness": float(sharpness(x) / sharpness(held_out.x)),
                f"{who}: perceptual": float(far.mean()),
                f"{who}: Fréchet distance": judge().compare(x)["Fréchet distance"],
            }
        return numbers

    settings = {"class": "Pix2Pix", "config": game_config, "fit": fit, "task": name}
    settings["average"] = AVERAGE
    return Exhibit(name, settings, train, show, measure)


def from_inputs(model: nn.Module, draws: torch.Generator, *, inputs: Tensor) -> Tensor:
    """What pix2pix makes of inputs."""
    return model.sample(len(inputs), condition=inputs, generator=draws)


def of_colour(data: ArrayData, name: str) -> Tensor:
    """The pictures of one colour."""
    return data.x[data.attributes["colour"] == list(COLOURS).index(name)]


def cycle() -> Exhibit:
    """Red shapes to blue ones and back, from pictures that are no pairs."""
    config = {"event_shape": EVENT, "width": 8, "num_blocks": 2}
    config |= {"patch_width": 16, "patch_halvings": 1}
    fit = {"steps": 900, "lr": 1e-3, "batch_size": 16}

    def train(seed: int) -> nn.Module:
        red, blue = of_colour(pictures(), "red"), of_colour(pictures(), "blue")
        n = min(len(red), len(blue))
        rows = TensorDataset(red[:n], blue[:n])  # in the order of the data: no pairs
        seen = of_colour(judge().held_out, "red")[:16]
        draw = functools.partial(to_blue, x=seen)
        return played(CycleGAN(**config), rows, seed=seed, draw=draw, num_samples=16, **fit)

    def show(model: nn.Module) -> Rows:
        red = of_colour(judge().held_out, "red")[:16]
        blue = model.translate(red, "x_to_y")
        return {"red, real": red, "to blue": blue, "and back": model.translate(blue, "y_to_x")}

    def measure(model: nn.Module) -> Numbers:
        with torch.no_grad():
            known = judge().held_out.attributes
            red = of_colour(judge().held_out, "red")
            shape = known["shape"][known["colour"] == list(COLOURS).index("red")]
            blue = model.translate(red, "x_to_y")
            back = model.translate(blue, "y_to_x")
            seen = judge().classifier.predict(blue)
        return {
            "seen as blue": float((seen % 6 == list(COLOURS).index("blue")).float().mean()),
            "same shape": float((seen // 6 == shape).float().mean()),
            "rmse of the cycle": float((back - red).square().mean().sqrt()),
            "place moved, pixels": float((centre(blue) - centre(red)).norm(dim=1).mean()),
        }

    settings = {"class": "CycleGAN", "config": config, "fit": fit}
    return Exhibit("cycle", settings, train, show, measure)


def to_blue(model: nn.Module, draws: torch.Generator, *, x: Tensor) -> Tensor:
    """Translate; nothing is drawn."""
    return model.translate(x, "x_to_y")


def centre(x: Tensor) -> Tensor:
    """The centre of brightness in pixels, (N, C, S, S) -> (N, 2)."""
    light = x.sum(1)
    at = torch.arange(x.shape[-1], dtype=x.dtype)
    total = light.sum((1, 2)).clamp(min=1e-6)
    return torch.stack([light.sum(1) @ at / total, light.sum(2) @ at / total], 1)
