"""The table of models: which of them can do what, read off their classes."""

from __future__ import annotations

import importlib
import inspect
from typing import NamedTuple

FAMILIES = ("graphical", "autoregressive", "vae", "gan", "pretext")
BOUNDS = ("elbo", "bound", "importance_weighted_bound")
ENCODERS = ("encode", "posterior", "responsibilities")


class Row(NamedTuple):
    """What one model can do.

    Attributes:
        family: the part of gencourse.
        name: the class.
        what: the first sentence of its documentation.
        log_prob: whether it has an exact log-likelihood.
        bound: whether it bounds the likelihood.
        sample: whether it can be sampled.
        encode: whether it infers latent variables, or features.
    """

    family: str
    name: str
    what: str
    log_prob: bool
    bound: bool
    sample: bool
    encode: bool

    @property
    def reference(self) -> str:
        """The full public name, which the reference documents."""
        return f"gencourse.{self.family}.{self.name}"


def table_of_models() -> list[Row]:
    """Return a row for each public class that has a likelihood, a bound, samples or a code."""
    rows = []
    for family in FAMILIES:
        try:
            module = importlib.import_module(f"gencourse.{family}")
        except ModuleNotFoundError:
            continue
        for name in module.__all__:
            kind = getattr(module, name)
            if not inspect.isclass(kind) or getattr(kind, "_is_protocol", False):
                continue
            has = [
                any(callable(getattr(kind, method, None)) for method in methods)
                for methods in (("log_prob",), BOUNDS, ("sample",), ENCODERS)
            ]
            if any(has):
                what = (inspect.getdoc(kind) or "").partition("\n\n")[0]
                rows.append(Row(family, name, " ".join(what.split()), *has))
    return rows
