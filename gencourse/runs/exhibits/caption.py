"""The piece of the gallery that answers a caption.

Shapes: N images, C channels, S side of the image in pixels.
"""

import functools

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from gencourse.data.captions import caption_vocabulary, captions, look_like
from gencourse.gan.applications.caption_to_image import CaptionGAN
from gencourse.runs.exhibits.parts import AVERAGE, SMALL, played
from gencourse.runs.gallery import Exhibit, Numbers
from gencourse.runs.scores.shapes import judge, pictures

MIDDLE = 0.39  # a shape of this scale or more is large


def caption() -> Exhibit:
    """A generator that reads."""
    words = caption_vocabulary()
    config = {**SMALL, "num_words": len(words)}
    fit = {"steps": 1500, "lr": 1e-3, "average": AVERAGE}
    tokens = words.encode(captions(pictures().attributes, middle=MIDDLE))

    def train(seed: int) -> nn.Module:
        draw = functools.partial(read, tokens=tokens[:16])
        rows = TensorDataset(pictures().x, tokens)
        return played(CaptionGAN(**config), rows, seed=seed, draw=draw, num_samples=16, **fit)

    def measure(model: nn.Module) -> Numbers:
        known = judge().held_out.attributes
        asked = words.encode(captions(known, middle=MIDDLE))
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
