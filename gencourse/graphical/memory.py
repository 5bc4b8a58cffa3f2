"""How large a table may become, asked before it is built.

The exact methods need tables that are exponential in the number of variables they couple. A
table that does not fit should be refused with a reason, not met by the system's memory killer.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

_FALLBACK = 4 * 2**30
_limit: int | None = None


def set_memory_limit(num_bytes: int | None) -> None:
    """Set the largest table allowed, in bytes; None returns to half of the free memory."""
    global _limit
    if num_bytes is not None and num_bytes <= 0:
        raise ValueError(f"num_bytes is {num_bytes}; expected a positive number or None")
    _limit = num_bytes


def memory_limit(device: torch.device | None = None) -> int:
    """Return the largest table allowed, in bytes: what was set, or half of the free memory."""
    if _limit is not None:
        return _limit
    if device is not None and device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return _free_memory() // 2


def check_table(
    variables: Sequence[str],
    cardinalities: Mapping[str, int],
    *,
    itemsize: int,
    batch_size: int = 1,
    device: torch.device | None = None,
    num_entries: int | None = None,
) -> None:
    """Refuse a table that would not fit.

    Args:
        variables: what spans the table.
        cardinalities: variable -> number of states.
        itemsize: bytes of an entry.
        batch_size: how many such tables.
        device: where the table would be.
        num_entries: entries of all tables that must be held with it; the table's own if None.

    Raises:
        ValueError: with the size of the table and the variables that span it.
    """
    entries = math.prod(cardinalities[name] for name in variables)
    num_bytes = itemsize * batch_size * (num_entries or entries)
    if num_bytes < 2**20 and _limit is None:
        return
    limit = memory_limit(device)
    if num_bytes <= limit:
        return
    rows = f" for each of {batch_size} rows" if batch_size > 1 else ""
    spans = ", ".join(f"{name} ({cardinalities[name]})" for name in variables[:20])
    spans += f" and {len(variables) - 20} more" if len(variables) > 20 else ""
    raise ValueError(
        f"this would take {_readable(num_bytes)}, and the limit is {_readable(limit)} "
        f"(see set_memory_limit): the largest table has {_number(entries)} entries{rows} "
        f"over {len(variables)} variables (states): {spans}"
    )


def _free_memory() -> int:
    """Return the memory available to this process in bytes, as far as the system tells."""
    candidates = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                candidates.append(int(line.split()[1]) * 1024)
    except OSError:
        pass
    try:  # the limit of a container, less what it uses already
        group = Path("/sys/fs/cgroup")
        statistics = dict(map(str.split, (group / "memory.stat").read_text().splitlines()))
        used = int((group / "memory.current").read_text()) - int(statistics["inactive_file"])
        candidates.append(int((group / "memory.max").read_text()) - used)
    except (OSError, ValueError, KeyError):  # no container, or "max": no limit
        pass
    if not candidates and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        candidates.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return max(min(candidates), 0) if candidates else _FALLBACK


def _readable(num_bytes: int) -> str:
    if num_bytes < 1024:
        return f"{num_bytes} bytes"
    if num_bytes >= 1024**6:
        return f"{_number(num_bytes)} bytes"
    power = int(math.log(num_bytes, 1024))
    unit = ("KiB", "MiB", "GiB", "TiB", "PiB")[power - 1]
    return f"{num_bytes / 1024**power:,.1f} {unit}"


def _number(count: int) -> str:
    return f"{count:,}" if count < 10**12 else f"about 10^{int(math.log10(count))}"
