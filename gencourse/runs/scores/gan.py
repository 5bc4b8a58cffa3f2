"""The trials of GANs: points in the plane, and small pictures judged by a classifier.

Goals leave room for other seeds: a game swings from hundred to hundred steps.
"""

from collections.abc import Sequence

from gencourse.gan import (
    DCGAN,
    GAN,
    MLPGAN,
    BiGAN,
    ConditionalGAN,
    CycleGAN,
    DCGANGenerator,
    InfoGAN,
    PatchGANDiscriminator,
    Pix2Pix,
    ProgressiveGAN,
    StyleGAN,
    TransGAN,
    ViTGAN,
)
from gencourse.runs.scores import points, shapes, translations
from gencourse.runs.scores.suite import Suite
from gencourse.runs.scores.trial import Goal, Trial

INTRODUCTION = f"""
A GAN has no likelihood, so that its samples are compared with data that it has not seen.

- **Points** come from a ring of {points.MODES} normals in the plane. A mode is found when the
  points within 3 standard deviations of it are at least a fifth of its share; *near a mode* is
  the share of points that are that close to one; MMD² is the unbiased estimate between
  {points.NUM_POINTS} samples and as many fresh points, with a Gaussian kernel of bandwidth
  {points.BANDWIDTH:g}.
- **Pictures** are rendered shapes of {shapes.SIZE}x{shapes.SIZE} pixels (`data.large_shapes`).
  The judge is a classifier of their {shapes.NUM_CLASSES} pairs of shape and colour, trained
  here in seconds. On its features {shapes.NUM_SAMPLES} samples are compared with as many held-out
  pictures: Fréchet distance, and precision and recall with 3 neighbours. These distances
  compare with each other and with no FID elsewhere. Where a model is told the colour,
  *agreement* is the share of samples in which the judge sees the colour that was asked for.
- **Translations** have a right answer, since all pictures are rendered: a red shape should become
  the same shape in green, and *agreement* is the share in which the judge sees it. A frame of
  ping-pong should have *one ball*, where the mean over the moves shows none.

The rows of fresh data say what perfect samples would get.
"""


def patch_gan(
    event_shape: Sequence[int], *, num_latents: int, width: int, num_halvings: int
) -> GAN:
    """Return DCGAN's generator against a discriminator of patches."""
    return GAN(
        DCGANGenerator(event_shape, num_latents=num_latents, width=width),
        PatchGANDiscriminator(event_shape[0], width=width, num_halvings=num_halvings),
        event_shape=event_shape,
        num_latents=num_latents,
    )


_RING = {"data": "8000 points of the ring", "rows": points.rows, "yardstick": points.YARDSTICK}
_SHAPES = {"data": shapes.WORDS, "rows": shapes.rows, "yardstick": shapes.UNCONDITIONAL}
_DCGAN = {"event_shape": shapes.EVENT, "num_latents": 16, "width": 16}
AVERAGE = 0.99  # of the generator, over about 100 steps
_BETAS = {"betas": (0.0, 0.9)}  # of the paper on the gradient penalty

SUITE = Suite(
    "gan",
    "Scores of GANs",
    INTRODUCTION,
    [
        Trial(
            "mlp-gan",
            MLPGAN,
            {"event_shape": (2,), "num_latents": 8, "hidden": (128, 128)},
            training={
                "average": AVERAGE,
                "stages": ((3000, 1e-3), (1000, 2e-4)),
                "batch_size": 256,
            },
            goal=Goal("near a mode", at_least=0.7, margin=0.5),
            remark="Modes may be missing: nothing in the game asks for all of them.",
            **_RING,
        ),
        Trial(
            "mlp-wgan-gp",
            MLPGAN,
            {"event_shape": (2,), "hidden": (64, 64), "loss": "wasserstein", "penalty": 1.0},
            training={
                "average": AVERAGE,
                "stages": ((2000, 1e-3), (1000, 2e-4)),
                "batch_size": 256,
                "discriminator_steps": 2,
                **_BETAS,
            },
            goal=Goal("modes", at_least=8, margin=6),
            **_RING,
        ),
        Trial(
            "dcgan",
            DCGAN,
            _DCGAN,
            training={"average": AVERAGE, "stages": ((1700, 1e-3), (600, 2e-4))},
            goal=Goal("Fréchet distance", at_most=15, margin=60),
            **_SHAPES,
        ),
        Trial(
            "dcgan-spectral",
            DCGAN,
            {**_DCGAN, "norm": "spectral"},
            training={
                "average": AVERAGE,
                "stages": ((700, 1e-3), (700, 2e-4)),
                "discriminator_steps": 2,
            },
            goal=Goal("Fréchet distance", at_most=40, margin=60),
            **_SHAPES,
        ),
        Trial(
            "dcgan-least-squares",
            DCGAN,
            {**_DCGAN, "loss": "least_squares"},
            training={"average": AVERAGE, "stages": ((1500, 1e-3), (500, 2e-4))},
            goal=Goal("Fréchet distance", at_most=20, margin=60),
            **_SHAPES,
        ),
        Trial(
            "dcgan-patches",
            patch_gan,
            {**_DCGAN, "num_halvings": 2},
            training={"average": AVERAGE, "stages": ((1200, 1e-3), (500, 2e-4))},
            goal=Goal("Fréchet distance", at_most=40, margin=60),
            **_SHAPES,
        ),
        Trial(
            "conditional-gan",
            ConditionalGAN,
            {**_DCGAN, "num_classes": shapes.NUM_COLOURS},
            training={"average": AVERAGE, "stages": ((1300, 1e-3), (500, 2e-4))},
            goal=Goal("agreement", at_least=0.8, margin=0.5),
            data=f"{shapes.WORDS} and their {shapes.NUM_COLOURS} colours",
            rows=shapes.coloured_rows,
            yardstick=shapes.COLOURED,
        ),
        Trial(
            "trans-gan",
            TransGAN,
            {
                "event_shape": shapes.EVENT,
                "depths": (2, 1, 1),
                "discriminator_depths": (1, 1),
                "num_heads": 2,
                "grid": 4,
                "penalty": 1.0,
            },
            training={
                "average": AVERAGE,
                "stages": ((300, 1e-3), (60, 2e-4)),
                "batch_size": 32,
                "betas": (0.0, 0.99),
            },
            goal=Goal("Fréchet distance", at_most=50, margin=60),
            **_SHAPES,
        ),
        Trial(
            "vit-gan",
            ViTGAN,
            {"event_shape": shapes.EVENT, "num_latents": 16, "width": 48, "depth": 2},
            training={
                "average": AVERAGE,
                "stages": ((600, 5e-4), (200, 1e-4)),
                "discriminator_rate": 2.0,
                "batch_size": 32,
                "betas": (0.5, 0.99),
            },
            goal=Goal("Fréchet distance", at_most=50, margin=60),
            **_SHAPES,
        ),
        Trial(
            "info-gan",
            InfoGAN,
            {**_DCGAN, "categorical": (6,)},
            training={"average": AVERAGE, "stages": ((900, 1e-3), (300, 2e-4))},
            goal=Goal("information", at_least=1.5, margin=1.0),
            remark="Information is the bound on I(c; x) for a code of 6 values, at most log 6 = "
            "1.79 nats. What the values mean is up to the game.",
            **{**_SHAPES, "yardstick": shapes.CODES},
        ),
        Trial(
            "bigan",
            BiGAN,
            {**_DCGAN, "norm": "batch"},
            training={"average": AVERAGE, "stages": ((1000, 1e-3), (400, 2e-4))},
            goal=Goal("Fréchet distance", at_most=40, margin=60),
            remark="Agreement is of reconstructions with the class of their originals, by chance "
            "0.056: so short a game teaches the encoder little.",
            **{**_SHAPES, "yardstick": shapes.RECONSTRUCTIONS},
        ),
        Trial(
            "style-gan",
            StyleGAN,
            {"event_shape": shapes.EVENT, "width": 8},
            training={
                "average": AVERAGE,
                "stages": ((500, 3e-3), (200, 6e-4)),
                "batch_size": 32,
                "betas": (0.0, 0.99),
            },
            goal=Goal("Fréchet distance", at_most=30, margin=60),
            **_SHAPES,
        ),
        Trial(
            "progressive-gan",
            ProgressiveGAN,
            {"event_shape": shapes.EVENT, "width": 8, "stage_steps": 100},
            training={
                "average": AVERAGE,
                "stages": ((600, 3e-3), (200, 6e-4)),
                "batch_size": 32,
                "betas": (0.0, 0.99),
            },
            goal=Goal("Fréchet distance", at_most=40, margin=60),
            **_SHAPES,
        ),
        Trial(
            "cycle-gan",
            CycleGAN,
            {
                "event_shape": shapes.EVENT,
                "width": 8,
                "num_blocks": 1,
                "norm": "batch",
                "patch_width": 16,
                "patch_halvings": 1,
            },
            data="1500 red and as many green large 16x16 shapes, unpaired",
            rows=translations.unpaired,
            training={"stages": ((600, 1e-3),), "batch_size": 16},
            yardstick=translations.COLOURS,
            goal=Goal("agreement", at_least=0.7, margin=0.5),
            remark="Agreement is with the green shape that a red one should become.",
        ),
        Trial(
            "pix2pix",
            Pix2Pix,
            {
                "event_shape": (1, 16, 16),
                "in_channels": 1,
                "width": 16,
                "dropout": 0.2,
                "norm": "instance",
                "patch_width": 16,
                "patch_halvings": 1,
                "patch_norm": "instance",
                "l1_weight": 3.0,
            },
            data="4000 frames of ping-pong, each with the next one",
            rows=translations.rallies,
            training={"stages": ((300, 1e-3),), "batch_size": 32},
            yardstick=translations.FRAMES,
            goal=Goal("one ball", at_least=0.7, margin=0.5),
            remark="The ball is there, and sharp; it is not always in one of the 8 places that it "
            "may have moved to.",
        ),
    ],
)
