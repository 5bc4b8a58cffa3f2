"""The pieces of the gallery of unit 04: what is trained, shown and measured for each.

Pictures are `data.shapes` of 16 x 16 pixels; the judge is the classifier of shape and colour, and
held-out pictures are its own.

Shapes: N images, C channels, S side of the image in pixels.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from gencourse.data import (
    COLOURS,
    ArrayData,
    Degraded,
    colourisation,
    inpainting,
    shapes,
    super_resolution,
    uncropping,
)
from gencourse.data.captions import MIDDLE, caption_vocabulary, captions, look_like
from gencourse.gan import (
    DCGAN,
    MLPGAN,
    CycleGAN,
    Pix2Pix,
    TransGAN,
    UNetGenerator,
    ViTGAN,
    perceptual_distance,
    sharpness,
    squared_error_loss,
)
from gencourse.gan.applications.caption_to_image import CaptionGAN
from gencourse.gan.guidelines import GUIDELINES, AblatedDCGAN
from gencourse.gan.progressive_gan import ProgressiveGAN
from gencourse.gan.style_gan import StyleGAN
from gencourse.runs.gallery import Exhibit, Numbers, Rows
from gencourse.runs.judge import Judge
from gencourse.train import fit as fit_by_loss
from gencourse.train import fit_adversarial

SIZE = (3, 16, 16)


@functools.cache
def pictures() -> ArrayData:
    """The training pictures."""
    return shapes(6000, seed=0, size=16)


@functools.cache
def judge() -> Judge:
    """The classifier that compares with 1000 held-out pictures."""
    return Judge(pictures(), shapes(1000, seed=1, size=16))


def drawn(model: nn.Module, n: int = 1000, **options: Any) -> Tensor:
    """Samples from fixed noise, -> (n, C, S, S)."""
    return model.sample(n, generator=torch.Generator().manual_seed(1), **options)


def measured(model: nn.Module) -> Numbers:
    """Fréchet distance, precision and recall of 1000 samples."""
    return judge().compare(drawn(model))


def samples(model: nn.Module) -> Rows:
    """Two rows of samples."""
    x = drawn(model, 32)
    return {"samples": x[:16], "more samples": x[16:]}


def played(model: nn.Module, rows: Dataset | Tensor, *, seed: int, **fit: Any) -> nn.Module:
    """Train by `fit_adversarial`; an interruption ends the command, so that nothing is kept."""
    history = fit_adversarial(model, rows, seed=seed, device="cpu", progress=False, **fit)
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    return model


def game(
    name: str,
    kind: Callable[..., nn.Module],
    config: dict[str, Any],
    fit: dict[str, Any],
    *,
    data: Callable[[], Dataset | Tensor] = lambda: pictures().x,
    **options: Any,
) -> Exhibit:
    """An exhibit of one class of GAN, by default samples of shapes and their three measures."""
    return Exhibit(
        name,
        {"class": kind.__name__, "config": config, "fit": fit},
        lambda seed: played(kind(**config), data(), seed=seed, **fit),
        **{"show": samples, "measure": measured, **options},
    )


def guideline(removed: str) -> Exhibit:
    """A small DCGAN that lacks one guideline, over three seeds."""
    config = {"event_shape": SIZE, "removed": removed, "num_latents": 16, "width": 16}
    fit = {"steps": 1000, "lr": 1e-3}
    name = f"without {removed}".replace(" ", "_")
    return game(name, AblatedDCGAN, config, fit, seeds=(0, 1, 2))


SMALL: dict[str, Any] = {"event_shape": SIZE, "num_latents": 16, "width": 16}


def dcgan() -> Exhibit:
    """The generator that the lecture looks into."""
    return game("dcgan", DCGAN, SMALL, {"steps": 6000, "lr": 1e-3}, weights=True)


def dcgan_other() -> Exhibit:
    """The same generator trained from other first weights, for attribution."""
    fit = {"steps": 3000, "lr": 1e-3}
    return game("dcgan_other", DCGAN, SMALL, fit, seeds=(1,), weights=True)


def style() -> Exhibit:
    """A style-based generator."""
    config = {"event_shape": SIZE, "num_latents": 16, "num_styles": 32, "width": 8}
    fit = {"steps": 1000, "lr": 2e-3, "betas": (0.0, 0.99), "batch_size": 32}
    return game("style", StyleGAN, config, fit, weights=True)


def progressive() -> Exhibit:
    """A generator that grows from 4 to 16 pixels; one row of samples of each size."""
    config = {"event_shape": SIZE, "num_latents": 16, "width": 8, "stage_steps": 300}
    fit = {"steps": 1500, "lr": 2e-3, "betas": (0.0, 0.99), "batch_size": 32}
    return game("progressive", ProgressiveGAN, config, fit, show=grown)


def grown(model: nn.Module) -> Rows:
    """The same noise through each stage, at its end."""
    z = model.noise(16, generator=torch.Generator().manual_seed(1))
    stages = {4 * 2**k: model.generator(z, stage=k, alpha=1.0) for k in range(3)}
    return {f"{side} x {side}": enlarged(x) for side, x in stages.items()}


def enlarged(x: Tensor) -> Tensor:
    """Repeat pixels up to 16 x 16."""
    factor = 16 // x.shape[-1]
    return x.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


def transgan() -> Exhibit:
    """Transformers in both networks, with grid self-attention."""
    config = {"event_shape": SIZE, "num_latents": 16, "width": 32, "num_heads": 2, "grid": 4}
    config |= {"depths": (2, 1, 1), "discriminator_depths": (1, 1), "penalty": 1.0}
    fit = {"steps": 600, "lr": 1e-3, "betas": (0.0, 0.99), "batch_size": 32, "average": 0.99}
    return game("transgan", TransGAN, config, fit)


def vitgan() -> Exhibit:
    """Vision transformers in both networks."""
    config = {"event_shape": SIZE, "num_latents": 16, "width": 48, "depth": 2}
    fit = {"steps": 900, "lr": 5e-4, "discriminator_lr": 1e-3, "betas": (0.5, 0.99)}
    return game("vitgan", ViTGAN, config, {**fit, "batch_size": 32, "average": 0.99})


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
    fit = {"steps": 700, "lr": 1e-3}
    game_config = {**config, "event_shape": SIZE, "patch_width": 16, "patch_halvings": 1}
    game_config |= {"l1_weight": 20.0}

    def train(seed: int) -> nn.Module:
        known, held_out = task(name)
        baseline = UNetGenerator(out_channels=3, dropout=0.0, **config)
        fit_by_loss(
            baseline, known.pairs(), loss=squared_error_loss, seed=seed, device="cpu",
            progress=False, **fit,
        )  # fmt: skip
        model = Pix2Pix(**game_config)
        draw = functools.partial(from_inputs, inputs=held_out.input[:16])
        played(model, known.pairs(), seed=seed, draw=draw, num_samples=16, **fit)
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
    return Exhibit(name, settings, train, show, measure)


def from_inputs(model: nn.Module, draws: torch.Generator, *, inputs: Tensor) -> Tensor:
    """What pix2pix makes of inputs."""
    return model.sample(len(inputs), condition=inputs, generator=draws)


def of_colour(data: ArrayData, name: str) -> Tensor:
    """The pictures of one colour."""
    return data.x[data.attributes["colour"] == list(COLOURS).index(name)]


def cycle() -> Exhibit:
    """Red shapes to blue ones and back, from pictures that are no pairs."""
    config = {"event_shape": SIZE, "width": 8, "num_blocks": 2}
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


def caption() -> Exhibit:
    """A generator that reads."""
    words = caption_vocabulary()
    config = {**SMALL, "num_words": len(words), "num_text": 6}
    fit = {"steps": 2200, "lr": 5e-4, "average": 0.99}
    tokens = words.encode(captions(pictures().attributes))

    def train(seed: int) -> nn.Module:
        draw = functools.partial(read, tokens=tokens[:16])
        rows = TensorDataset(pictures().x, tokens)
        return played(CaptionGAN(**config), rows, seed=seed, draw=draw, num_samples=16, **fit)

    def measure(model: nn.Module) -> Numbers:
        known = judge().held_out.attributes
        asked = words.encode(captions(known))
        x = read(model, torch.Generator().manual_seed(1), tokens=asked)
        seen, large = judge().classifier.predict(x), look_like(x) >= MIDDLE
        return {
            "colour as asked": float((seen % 6 == known["colour"]).float().mean()),
            "shape as asked": float((seen // 6 == known["shape"]).float().mean()),
            "size as asked": float((large == (known["scale"] >= MIDDLE)).float().mean()),
        }

    settings = {"class": "CaptionGAN", "config": config, "fit": fit}
    return Exhibit("caption", settings, train, None, measure, weights=True)


def read(model: nn.Module, draws: torch.Generator, *, tokens: Tensor) -> Tensor:
    """Pictures for captions."""
    return model.sample(len(tokens), condition=tokens, generator=draws)


CENTRES = 2 * torch.stack([torch.cos(t := torch.arange(8) * math.pi / 4), torch.sin(t)], 1)
RINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # config and fit of each game
    "non_saturating": ({}, {}),
    "minimax": ({"loss": "minimax"}, {}),
    "k_5": ({}, {"discriminator_steps": 5, "steps": 400}),
    "momentum": ({}, {"betas": (0.9, 0.999)}),
    "least_squares": ({"loss": "least_squares"}, {}),
    "wgan_gp": (
        {"loss": "wasserstein", "penalty": 0.1},
        {"discriminator_steps": 5, "steps": 400, "betas": (0.0, 0.9)},
    ),
    "spectral": ({"spectral": True}, {}),
}


def on_the_ring() -> Tensor:
    """8000 points of eight normals of standard deviation 0.05 on a ring of radius 2."""
    draws = torch.Generator().manual_seed(0)
    which = torch.randint(8, (8000,), generator=draws)
    return CENTRES[which] + 0.05 * torch.randn(8000, 2, generator=draws)


def modes(model: nn.Module) -> Numbers:
    """How many modes have 1 % of the samples within 4 sd, and the share of samples at a mode."""
    points = drawn(model, 1500)
    distance = torch.cdist(points, CENTRES)
    near = distance.amin(1) < 0.2
    counts = torch.bincount(distance.argmin(1)[near], minlength=8)
    return {"modes": int((counts >= 15).sum()), "near a mode": float(near.float().mean())}


def ring(name: str) -> Exhibit:
    """One game on the ring, over five seeds."""
    config, fit = RINGS[name]
    config = {"event_shape": (2,), "num_latents": 4, "hidden": (64, 64), **config}
    fit = {"steps": 1200, "batch_size": 128, "lr": 2e-3, **fit}
    options = {"data": on_the_ring, "show": None, "measure": modes, "seeds": (0, 1, 2, 3, 4)}
    return game(f"ring_{name}", MLPGAN, config, fit, **options)


EXHIBITS: dict[str, Callable[[], Exhibit]] = {
    "dcgan": dcgan,
    "dcgan_other": dcgan_other,
    "style": style,
    "caption": caption,
    **{name: functools.partial(image_to_image, name) for name in TASKS},
    "cycle": cycle,
    "transgan": transgan,
    "vitgan": vitgan,
    "progressive": progressive,
    **{f"ring_{name}": functools.partial(ring, name) for name in RINGS},
    **{
        f"without {name}".replace(" ", "_"): functools.partial(guideline, name)
        for name in ("nothing", *GUIDELINES)
    },
}
