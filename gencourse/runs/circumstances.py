"""Where and with what a result was made: hardware, versions, commit, date."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import gencourse


def circumstances(device: str | None) -> dict[str, Any]:
    """Return what a result depends on beside its settings.

    Args:
        device: as it was asked for; None took a GPU where there is one.
    """
    on_gpu = device != "cpu" and torch.cuda.is_available()
    return {
        "hardware": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if on_gpu else None,
        },
        "versions": {
            "gencourse": gencourse.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "accelerate")},
        },
        "commit": _commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    """Return the commit of the package's own clone, and whether its code differs from it."""
    package = Path(gencourse.__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(package), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        return done.stdout.strip()

    try:
        if not git("ls-files", "__init__.py"):  # installed below somebody else's repository
            return None
        head, changed = git("rev-parse", "HEAD"), git("status", "--porcelain", "--", ".")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head[:12]} with changes" if changed else head[:12]
