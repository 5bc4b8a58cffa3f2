"""Pieces of the gallery that are samples of one generator, and a DCGAN without each guideline."""

import torch
from torch import Tensor, nn

from gencourse.gan import DCGAN, TransGAN, ViTGAN
from gencourse.gan.guidelines import AblatedDCGAN
from gencourse.gan.progressive_gan import ProgressiveGAN
from gencourse.gan.style_gan import StyleGAN
from gencourse.runs.exhibits.parts import AVERAGE, LONG, SMALL, game
from gencourse.runs.gallery import Exhibit, Rows
from gencourse.runs.scores.shapes import EVENT


def guideline(removed: str) -> Exhibit:
    """A small DCGAN that lacks one guideline, over three seeds."""
    config = {"event_shape": EVENT, "removed": removed, "num_latents": 16, "width": 16}
    fit = {"steps": 1000, "lr": 1e-3, "average": AVERAGE}
    name = f"without {removed}".replace(" ", "_")
    return game(name, AblatedDCGAN, config, fit, seeds=(0, 1, 2))


def dcgan() -> Exhibit:
    """The generator that the lecture looks into."""
    return game("dcgan", DCGAN, SMALL, LONG, weights=True)


def dcgan_other() -> Exhibit:
    """The same generator trained from other first weights, for attribution."""
    return game("dcgan_other", DCGAN, SMALL, LONG, seeds=(1,), weights=True)


def style() -> Exhibit:
    """A style-based generator."""
    config = {"event_shape": EVENT, "num_latents": 16, "num_styles": 32, "width": 8}
    fit = {"steps": 1000, "lr": 2e-3, "betas": (0.0, 0.99), "batch_size": 32}
    fit["average"] = AVERAGE
    return game("style", StyleGAN, config, fit, weights=True)


def progressive() -> Exhibit:
    """A generator that grows from 4 to 16 pixels; one row of samples of each size."""
    config = {"event_shape": EVENT, "num_latents": 16, "width": 8, "stage_steps": 300}
    fit = {"steps": 1500, "lr": 2e-3, "betas": (0.0, 0.99), "batch_size": 32}
    fit["average"] = AVERAGE
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
    config = {"event_shape": EVENT, "depths": (2, 1, 1), "discriminator_depths": (1, 1)}
    config |= {"num_heads": 2, "grid": 4, "penalty": 1.0}
    fit = {"steps": 600, "lr": 1e-3, "batch_size": 32, "betas": (0.0, 0.99), "average": AVERAGE}
    return game("transgan", TransGAN, config, fit)


def vitgan() -> Exhibit:
    """Vision transformers in both networks."""
    config = {"event_shape": EVENT, "num_latents": 16, "width": 48, "depth": 2}
    fit = {"steps": 900, "lr": 5e-4, "discriminator_lr": 1e-3, "betas": (0.5, 0.99)}
    fit |= {"batch_size": 32, "average": AVERAGE}
    return game("vitgan", ViTGAN, config, fit)
