"""Where downloaded data is kept, and what is said when it is not there."""

import logging
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

PARTS = ("train", "val", "test")


def data_root() -> Path:
    """Return the folder of downloaded data: `GENCOURSE_DATA`, or `~/.cache/gencourse`."""
    return Path(os.environ.get("GENCOURSE_DATA") or Path.home() / ".cache" / "gencourse")


def check_part(part: str) -> None:
    """Refuse a part that is none of PARTS with a ValueError."""
    if part not in PARTS:
        raise ValueError(f"part is {part!r}, expected one of {', '.join(PARTS)}")


def fetch(
    name: str, url: str, download: Callable[[], object], *, offline: str, place: str
) -> None:
    """Fetch a data set with progress, or say what to do without a network.

    Args:
        name: of the data set.
        url: one of its files, asked for first, so that a missing network is known in seconds.
        download: downloads everything.
        offline: the call that gives data without a network.
        place: which files to put where.

    Raises:
        FileNotFoundError: the data could not be fetched.
    """
    try:
        _reach(url)
        logger.info("downloading %s", name)
        download()
    except (OSError, RuntimeError) as error:  # torchvision raises RuntimeError
        reason = getattr(error, "reason", None) or str(error).strip().splitlines()[0]
        raise missing(name, f"cannot be downloaded ({reason})", offline, place) from None


def missing(name: str, why: str, offline: str, place: str) -> FileNotFoundError:
    """Return the error that names the offline default and how to place the files."""
    return FileNotFoundError(
        f"{name} is not here and {why}. Without it, use {offline}, which needs no download; "
        f"or place {place} (the environment variable GENCOURSE_DATA moves this folder)"
    )


def _reach(url: str, *, seconds: float = 5) -> None:
    """Ask for a file's header; any answer of a server will do. An OSError after `seconds`."""
    problems: list[Exception] = [TimeoutError(f"no answer in {seconds:g} s")]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=seconds).close()
            problems.clear()
        except urllib.error.HTTPError:
            problems.clear()
        except OSError as error:
            problems[:] = [error]

    # in a thread, because the look-up of a name knows no time limit
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    for problem in list(problems):
        raise problem
