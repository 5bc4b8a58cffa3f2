"""The data sets of `gencourse train`: how each is loaded, divided and made fit for a model.

A data set with an official test part keeps it. The others are divided by a fixed seed, or into
folds for cross-validation. Tables are standardised by the rows that are no test rows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from gencourse import data
from gencourse.autoregressive import mu_law_encode
from gencourse.data import ArrayData, Split

Kind = Literal["grey", "colour", "table", "text", "sound"]


@dataclass(frozen=True)
class Source:
    """A data set by name.

    Args:
        what: it in words, and where it comes from.
        kind: grey or colour images, a table of real numbers, or sequences: text or sound.
        levels: how many values a pixel, symbol or sample has; 0 for a table.
        whole: returns all rows of a data set that has no official test part; or
        parts: returns one part, "train", "val" or "test". Both take the binarisation's protocol.
        classes: how many the labels have, for images.
    """

    what: str
    kind: Kind
    levels: int = 0
    whole: Callable[[str | None], ArrayData] | None = None
    parts: Callable[[str, str | None], ArrayData] | None = None
    classes: int = 0


def _table(load: Callable[[], ArrayData]) -> Callable[[str | None], ArrayData]:
    def whole(_: str | None) -> ArrayData:
        table = load()
        kept = data.continuous_columns(table.x)
        names = [table.feature_names[d] for d in kept]
        return ArrayData(table.x[:, kept], table.y, source=table.source, feature_names=names)

    return whole


def _cifar10(part: str, _: str | None) -> ArrayData:
    loaded = data.cifar10(part)
    return loaded if isinstance(loaded, ArrayData) else loaded.load()


def _tones(_: str | None) -> ArrayData:
    clips = data.tones(2000, length=512)
    return ArrayData(mu_law_encode(clips.x), clips.y, source=clips.source)


SOURCES: dict[str, Source] = {
    "digits": Source(
        "8x8 digits of scikit-learn, 17 grey levels",
        "grey",
        17,
        whole=lambda protocol: data.digits(binarise=protocol),
        classes=10,
    ),
    "mnist": Source(
        "28x28 digits, from GENCOURSE_DATA or downloaded",
        "grey",
        256,
        parts=lambda part, protocol: data.mnist(part, binarise=protocol),
        classes=10,
    ),
    "fashion-mnist": Source(
        "28x28 clothes, from GENCOURSE_DATA or downloaded",
        "grey",
        256,
        parts=lambda part, protocol: data.fashion_mnist(part, binarise=protocol),
        classes=10,
    ),
    "cifar10": Source(
        "32x32 photographs in colour, from GENCOURSE_DATA or downloaded",
        "colour",
        256,
        parts=_cifar10,
        classes=10,
    ),
    "shapes": Source(
        "5000 rendered 32x32 shapes in colour",
        "colour",
        256,
        whole=lambda _: data.shapes(5000),
        classes=len(data.SHAPES),
    ),
    "sentences": Source(
        "5000 sentences of a small grammar, as characters",
        "text",
        len(data.sentences(1).vocabulary),
        whole=lambda _: data.sentences(5000),
    ),
    "tones": Source(
        "2000 rendered chords of 512 samples, μ-law with 256 codes", "sound", 256, whole=_tones
    ),
    "wine-red": Source(
        "11 measurements of 1599 red wines, from GENCOURSE_DATA/uci",
        "table",
        whole=_table(lambda: data.wine_quality("red")),
    ),
    "wine-white": Source(
        "11 measurements of 4898 white wines, from GENCOURSE_DATA/uci",
        "table",
        whole=_table(lambda: data.wine_quality("white")),
    ),
    **{
        name.replace("_", "-"): Source(
            f"scikit-learn's table {name}",
            "table",
            whole=_table(lambda name=name: data.tabular(name)),
        )
        for name in data.TABLES
    },
}


def load(name: str, binarise: str | None, folds: int) -> list[Split]:
    """Return training, validation and test rows, one `Split` for each fold.

    In k folds, each k-th of the rows is once the test part, and the next k-th the validation
    part; the order of the rows is that of a fixed seed.

    Raises:
        ValueError: folds of a data set with an official test part, or of too few rows.
        FileNotFoundError: the data is not here; the message says what to do.
    """
    source = SOURCES[name]
    if source.parts is not None:
        if folds != 1:
            raise ValueError(f"{name} has an official test part, expected no --folds: {folds}")
        return [Split(*(source.parts(part, binarise) for part in ("train", "val", "test")))]
    rows = source.whole(binarise)
    if folds == 1:
        splits = [data.split(rows)]
    else:
        splits = [Split(*map(rows.subset, part)) for part in _folds(len(rows), folds)]
    return [_standardised(s) for s in splits] if source.kind == "table" else splits


def training_rows(source: Source) -> ArrayData:
    """Return the training rows of a data set in one split, as they are before binarisation."""
    if source.parts is not None:
        return source.parts("train", None)
    return data.split(source.whole(None)).train


def _folds(n: int, folds: int) -> Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the numbers of the training, validation and test rows of each fold."""
    if not 3 <= folds <= n // 2:
        raise ValueError(f"folds is {folds}, expected 1, or from 3 to half of the {n} rows")
    parts = np.array_split(np.random.default_rng(0).permutation(n), folds)
    for k in range(folds):
        val = (k + 1) % folds
        train = [part for i, part in enumerate(parts) if i not in (k, val)]
        yield np.concatenate(train), parts[val], parts[k]


def _standardised(parts: Split) -> Split:
    """Subtract the mean and divide by the standard deviation of all rows that are no test rows."""
    known = torch.cat([parts.train.x, parts.val.x]).double()
    mean, sd = known.mean(0), known.std(0, correction=0)

    def scaled(part: ArrayData) -> ArrayData:
        x: Tensor = ((part.x.double() - mean) / sd).float()
        return ArrayData(x, part.y, source=part.source, feature_names=part.feature_names)

    return Split(*map(scaled, parts))
