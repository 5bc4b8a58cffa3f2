"""A data set that is in memory: rows x, labels y, and the names that go with them.

Shapes: N rows; images are (N, C, H, W).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from gencourse.data.binarise import Protocol, binarise, check_protocol


class ArrayData(TensorDataset):
    """Rows (x, y) in memory; `data[i]` is one row, `data[[3, 1, 4]]` a batch.

    Args:
        x: (N, ...), float32; images in [0, 1].
        y: (N,) or (N, ...), classes 0..K-1 as int64, or real targets.
        source: where the numbers come from, in words.
        class_names: the names of the classes.
        feature_names: the names of the columns of a table.
        attributes: further known facts about each row, name -> (N, ...).
        binarisation: protocol by which images are made binary (see `binarise`), or None.
            "threshold" and "static" replace `x` here; "dynamic" draws at every access.
        generator: randomness of a static draw; a fixed seed when None.

    Raises:
        ValueError: `y` or an attribute has another number of rows than `x`.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        *,
        source: str,
        class_names: Sequence[str] = (),
        feature_names: Sequence[str] = (),
        attributes: Mapping[str, Tensor] | None = None,
        binarisation: Protocol | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        columns = {"y": y, **(attributes or {})}
        for name, column in columns.items():
            if len(column) != len(x):
                raise ValueError(f"{name} has {len(column)} rows, expected {len(x)} as in x")
        check_protocol(binarisation)
        if binarisation in ("threshold", "static"):
            x = binarise(x, binarisation, generator=generator)
        super().__init__(x, y)
        self.source = source
        self.class_names, self.feature_names = tuple(class_names), tuple(feature_names)
        self.attributes = dict(attributes or {})
        self.binarisation = binarisation

    @property
    def x(self) -> Tensor:
        """All rows, (N, ...); grey images under "dynamic" binarisation."""
        return self.tensors[0]

    @property
    def y(self) -> Tensor:
        """All labels, (N, ...)."""
        return self.tensors[1]

    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor]:
        """Return one row, or the batch that a slice, list or array of numbers picks."""
        x, y = super().__getitem__(index)
        return (binarise(x, "dynamic") if self.binarisation == "dynamic" else x), y

    def subset(self, rows: Any) -> Self:
        """Return the data set of these rows, in this order; a static draw is kept as it is."""
        part = object.__new__(type(self))
        part.__dict__ = {
            **self.__dict__,
            "tensors": tuple(tensor[rows] for tensor in self.tensors),
            "attributes": {name: column[rows] for name, column in self.attributes.items()},
        }
        return part

    def __repr__(self) -> str:
        binary = f", {self.binarisation} binarisation" if self.binarisation else ""
        return f"{type(self).__name__}({self.source}: x {tuple(self.x.shape)}{binary})"
