"""What `gencourse train` knows about each model: how to make, train and measure it.

A model of another family joins with one more entry of `RECIPES`: what it takes, how it is made
from the shape of an event, its loss, and, where that is no exact likelihood, a function that
measures it or another training loop than `train.fit`.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from torch import nn
from torch.utils.data import Dataset

from gencourse import autoregressive as ar
from gencourse import gan, vae
from gencourse.losses import nll_loss
from gencourse.runs.games import play
from gencourse.runs.measures import (
    Measure,
    exact_likelihood,
    frechet_of_columns,
    frechet_of_pictures,
    importance_weighted_likelihood,
)
from gencourse.runs.sources import Kind, Source
from gencourse.train import History, fit
from gencourse.train.loop import Loss

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Form(NamedTuple):
    """What a model takes, and how it is made from that.

    Attributes:
        what: the model in words.
        kinds: of data; see `Source`.
        arguments: (shape of an event, levels, classes) -> the constructor's arguments beside the
            options.
    """

    what: str
    kinds: tuple[Kind, ...]
    arguments: Callable[[tuple[int, ...], int, int], Arguments]


FORMS: dict[str, Form] = {
    "bits": Form("a model of 0 and 1", ("grey",), lambda shape, *_: ((math.prod(shape),), {})),
    "bit images": Form("a model of 0 and 1", ("grey",), lambda shape, *_: ((shape,), {})),
    "levels": Form(
        "a model of images",
        ("grey", "colour"),
        lambda shape, levels, _: ((shape,), {"num_levels": levels}),
    ),
    "labelled images": Form(
        "a model of images given their class",
        ("grey", "colour"),
        lambda shape, _, classes: ((shape,), {"num_classes": classes}),
    ),
    "vectors": Form("a model of vectors", ("table",), lambda shape, *_: ((shape,), {})),
    "images": Form("a model of images", ("grey", "colour"), lambda shape, *_: ((shape,), {})),
    "reals": Form(
        "a density over real numbers", ("table",), lambda shape, *_: ((math.prod(shape),), {})
    ),
    "tokens": Form(
        "a model of sequences", ("text", "sound"), lambda shape, levels, _: ((levels, *shape), {})
    ),
    "codes": Form(
        "a model of sequences",
        ("sound", "text"),
        lambda shape, levels, _: (shape, {"num_levels": levels}),
    ),
}
KINDS: dict[str, tuple[str, str]] = {  # in words, and an example of a data set
    "grey": ("holds grey images", "digits"),
    "colour": ("holds images in colour", "shapes"),
    "table": ("is a table of real numbers", "wine"),
    "text": ("holds text", "sentences"),
    "sound": ("holds sound", "tones"),
}


@dataclass(frozen=True)
class Recipe:
    """A model by name.

    Args:
        model: the class; `--option` sets the keyword arguments of its constructor.
        takes: a name in `FORMS`.
        paper: where it comes from.
        loss: `(model, batch) -> scalar`; None for a game, whose players have their own.
        hidden: the argument that `--hidden` sets.
        options: arguments with another default here than in the constructor.
        training: settings with another default here than in `Settings`.
        train: the training loop, called as `train.fit` is.
        measure: `(model, test rows, source) -> measures`, the first one being the headline.
        unit: of the loss; empty when it has none.
        inherited: options that the constructor passes on to that of its base class.
    """

    model: type[nn.Module]
    takes: str
    paper: str
    loss: Loss | None = nll_loss
    hidden: str | None = "num_hidden"
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    train: Callable[..., History] = fit
    measure: Callable[[nn.Module, Dataset, Source], list[Measure]] = exact_likelihood
    unit: str = "nats"
    inherited: tuple[str, ...] = ()

    @property
    def is_game(self) -> bool:
        """Whether two players are trained, which have no validation loss."""
        return self.loss is None

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.model.__name__

    def make(
        self, shape: tuple[int, ...], levels: int, options: Mapping[str, Any], *, classes: int = 0
    ) -> nn.Module:
        """Make the model for events of this shape, with so many values of each pixel or symbol.

        Args:
            shape: of one event.
            levels: values of each pixel or symbol.
            options: further arguments of the model.
            classes: of the labels, for a model of images given their class.

        Raises:
            ValueError: an option that the model has not, or whose value it refuses.
        """
        keywords = inspect.signature(self.model).parameters.values()
        known = [p.name for p in keywords if p.kind is p.KEYWORD_ONLY and p.name not in _SET_HERE]
        known += [name for name in self.inherited if name not in known]
        for name in options:
            if name not in known:
                raise ValueError(
                    f"{self.name} has no option {name!r}, expected one of "
                    f"{', '.join(known) or 'none at all'}"
                )
        positional, keyword = FORMS[self.takes].arguments(shape, levels, classes)
        try:
            return self.model(*positional, **keyword, **options)
        except TypeError as error:  # a word where a number belongs
            raise ValueError(f"{self.name} refuses the options {dict(options)}: {error}") from None


_SET_HERE = ("generator", "num_levels", "num_classes")
_OF_VAES = {"hidden": "hidden", "training": {"batch_size": 20}}
_OF_GANS = {
    "loss": None,
    "hidden": "width",
    "training": {"batch_size": 64, "lr": (1e-3, 2e-4), "epochs": 20},
    "train": play,
    "measure": frechet_of_pictures,
    "unit": "",
    "inherited": ("loss", "penalty"),
}
_GROWN = {
    **_OF_GANS,
    "training": {"batch_size": 32, "lr": (2e-3, 5e-4), "epochs": 20},
    "train": partial(play, betas=(0.0, 0.99)),
}

RECIPES: dict[str, Recipe] = {
    "fvsbn": Recipe(
        ar.FVSBN,
        "bits",
        "Frey, Hinton & Dayan, NIPS 1995",
        hidden=None,
    ),
    "nade": Recipe(ar.NADE, "bits", "Larochelle & Murray, AISTATS 2011"),
    "made": Recipe(
        ar.MADE,
        "bits",
        "Germain et al., ICML 2015",
        loss=ar.made_loss,
        hidden="hidden",
    ),
    "rnade": Recipe(
        ar.RNADE,
        "reals",
        "Uria, Murray & Larochelle, NIPS 2013",
        training={"epochs": 500, "patience": 30, "clip": 10.0},
    ),
    "pixel-cnn": Recipe(
        ar.PixelCNN,
        "levels",
        "van den Oord, Kalchbrenner & Kavukcuoglu, ICML 2016",
        training={"batch_size": 16},
    ),
    "gated-pixel-cnn": Recipe(
        ar.GatedPixelCNN,
        "levels",
        "van den Oord et al., NeurIPS 2016",
        training={"batch_size": 16},
    ),
    "row-lstm": Recipe(
        ar.RowLSTM,
        "levels",
        "van den Oord, Kalchbrenner & Kavukcuoglu, ICML 2016",
        training={"batch_size": 16},
    ),
    "diagonal-bilstm": Recipe(
        ar.DiagonalBiLSTM,
        "levels",
        "van den Oord, Kalchbrenner & Kavukcuoglu, ICML 2016",
        training={"batch_size": 16},
    ),
    "rnn-language-model": Recipe(
        ar.RNNLanguageModel,
        "tokens",
        "Mikolov et al., Interspeech 2010; Hochreiter & Schmidhuber, 1997",
    ),
    "causal-transformer": Recipe(
        ar.CausalTransformer, "tokens", "Vaswani et al., NeurIPS 2017", hidden="width"
    ),
    "wavenet": Recipe(
        ar.WaveNet,
        "codes",
        "van den Oord et al., 2016",
        hidden="num_channels",
        training={"batch_size": 16},
    ),
    "vae": Recipe(
        vae.VAE,
        "bit images",
        "Kingma & Welling, ICLR 2014",
        loss=vae.vae_loss,
        measure=importance_weighted_likelihood,
        **_OF_VAES,
    ),
    **{
        f"iwae-{k}": Recipe(
            vae.VAE,
            "bit images",
            "Burda, Grosse & Salakhutdinov, ICLR 2016",
            loss=partial(vae.iwae_loss, num_samples=k),
            measure=importance_weighted_likelihood,
            **_OF_VAES,
        )
        for k in (5, 50)
    },
    "gan": Recipe(
        gan.MLPGAN,
        "vectors",
        "Goodfellow et al., NIPS 2014",
        **{**_OF_GANS, "hidden": "hidden", "measure": frechet_of_columns},
    ),
    "dcgan": Recipe(gan.DCGAN, "images", "Radford, Metz & Chintala, ICLR 2016", **_OF_GANS),
    "conditional-gan": Recipe(
        gan.ConditionalGAN, "labelled images", "Mirza & Osindero, 2014", **_OF_GANS
    ),
    "info-gan": Recipe(gan.InfoGAN, "images", "Chen et al., NIPS 2016", **_OF_GANS),
    "bigan": Recipe(gan.BiGAN, "images", "Donahue, Krähenbühl & Darrell, ICLR 2017", **_OF_GANS),
    "progressive-gan": Recipe(gan.ProgressiveGAN, "images", "Karras et al., ICLR 2018", **_GROWN),
    "style-gan": Recipe(gan.StyleGAN, "images", "Karras, Laine & Aila, CVPR 2019", **_GROWN),
    "trans-gan": Recipe(gan.TransGAN, "images", "Jiang, Chang & Wang, NeurIPS 2021", **_OF_GANS),
    "vit-gan": Recipe(gan.ViTGAN, "images", "Lee et al., ICLR 2022", **_OF_GANS),
}


def check_fit(model: str, data: str, source: Source, binarise: str | None) -> None:
    """Refuse a data set that a model has no probability for.

    Raises:
        ValueError: saying what the two are and what to do.
    """
    recipe = RECIPES[model]
    form, (holds, _) = FORMS[recipe.takes], KINDS[source.kind]
    if binarise is not None and source.kind != "grey":
        raise ValueError(f"--binarise {binarise} is for grey images, and {data} {holds}")
    if source.kind not in form.kinds:
        why = ""
        if recipe.takes == "reals":
            why = f" of {2 if binarise else source.levels} values, where it has no upper bound"
        choices = " or ".join(f"--data {KINDS[kind][1]}" for kind in form.kinds)
        other = next(n for n, r in RECIPES.items() if source.kind in FORMS[r.takes].kinds)
        raise ValueError(
            f"{recipe.name} is {form.what} and {data} {holds}{why}: choose {choices}, "
            f"or another model, such as {other}"
        )
    if recipe.takes in ("bits", "bit images") and binarise is None:
        raise ValueError(
            f"{recipe.name} is a model of 0 and 1 and {data} has {source.levels} grey levels: add "
            "--binarise static (drawn once), dynamic (drawn anew each time) or threshold"
        )
