"""The receipt that `gencourse submit` puts beside a notebook, as a grader sees it.

It is the student's own word: a hash that fits says that the notebook is the one handed in, its
time is that of the student's clock.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from gencourse.exercises.submit import RECEIPT
from gencourse.grading.files import File

RECEIPT_BYTES = 1 << 16

__all__ = ["RECEIPT", "check_receipt"]


def check_receipt(
    file: File, notebook: bytes, unit: str, notes: list[str]
) -> dict[str, Any] | None:
    """Return `sha256`, `time` and `release` of a receipt, noting where it does not fit.

    Args:
        file: the receipt.
        notebook: the bytes of the notebook that came with it.
        unit: full name of the unit.
        notes: gets what does not fit.
    """
    try:
        data = json.loads(file.read(RECEIPT_BYTES))
        receipt = {key: str(data[key])[:100] for key in ("sha256", "time", "release")}
    except (ValueError, KeyError, TypeError, RecursionError):
        notes.append("its receipt cannot be read")
        return None
    if receipt["sha256"] != hashlib.sha256(notebook).hexdigest():
        notes.append("the notebook is not the one that its receipt names: it was changed later")
    if data.get("unit") != unit:
        notes.append(f"its receipt is for {str(data.get('unit'))[:40]!r}")
    return receipt
