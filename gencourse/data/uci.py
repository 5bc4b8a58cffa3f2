"""Wine quality, a table of the UCI repository (Cortez et al., 2009), read from a local folder.

Shapes: N rows, D columns.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gencourse.data.array_data import ArrayData
from gencourse.data.storage import data_root, missing

COLOURS = ("red", "white")
COLUMNS = (
    "fixed acidity",
    "volatile acidity",
    "citric acid",
    "residual sugar",
    "chlorides",
    "free sulfur dioxide",
    "total sulfur dioxide",
    "density",
    "pH",
    "sulphates",
    "alcohol",
)


def wine_quality(colour: str = "red", *, root: Path | str | None = None) -> ArrayData:
    """Return what was measured in 1599 red or 4898 white wines: x (N, 11), y the quality 0..10.

    Columns are in the units of the source. About a sixth of the rows repeat another one.

    Args:
        colour: "red" or "white".
        root: the folder that holds `uci/winequality-red.csv`; `data_root()` when None. The file
            may have a header, and commas or semicolons.

    Raises:
        ValueError: another colour, or a file that is no such table.
        FileNotFoundError: no such file; the message says what to do.
    """
    if colour not in COLOURS:
        raise ValueError(f"colour is {colour!r}, expected one of {', '.join(COLOURS)}")
    root = Path(root) if root is not None else data_root()
    path = root / "uci" / f"winequality-{colour}.csv"
    if not path.is_file():
        why = "is not downloaded by this package"
        place = f"the UCI repository's {path.name} in {path.parent}"
        raise missing("Wine quality", why, 'gencourse.data.tabular("wine")', place)
    lines = path.read_text().replace(";", ",").splitlines()
    lines = lines[1:] if lines and '"' in lines[0] else lines
    try:
        table = np.array([[float(cell) for cell in line.split(",")] for line in lines if line])
    except ValueError as error:
        raise ValueError(f"{path} is no table of numbers: {error}") from None
    if table.ndim != 2 or table.shape[1] != len(COLUMNS) + 1:
        raise ValueError(f"{path} has shape {table.shape}, expected (N, {len(COLUMNS) + 1})")
    return ArrayData(
        torch.from_numpy(table[:, :-1]).float(),
        torch.from_numpy(table[:, -1]).long(),
        source=f"UCI wine quality ({colour}) from {path}",
        feature_names=COLUMNS,
    )


def continuous_columns(x: Tensor, *, least_values: int = 20, most: float = 0.98) -> list[int]:
    """Return the columns of a table that a density is fitted to, after Uria et al. (NIPS 2013).

    They leave out discrete-valued attributes, and one of each pair whose Pearson correlation is
    above 0.98: along both, a density has no upper bound.

    Args:
        x: (N, D).
        least_values: a column with fewer different values is discrete.
        most: the largest correlation of a column with an earlier one, in absolute value.

    Raises:
        ValueError: no column is continuous.
    """
    varied = [d for d in range(x.shape[1]) if len(x[:, d].unique()) >= least_values]
    if not varied:
        raise ValueError(f"none of {x.shape[1]} columns has {least_values} different values")
    table = x[:, varied].double().numpy()
    correlation = np.abs(np.atleast_2d(np.corrcoef(table, rowvar=False)))
    kept: list[int] = []  # numbers into `varied`
    for d in range(len(varied)):
        if all(correlation[d, k] <= most for k in kept):
            kept.append(d)
    return [varied[d] for d in kept]
