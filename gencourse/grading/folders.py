"""Private folders for sockets, which do not outlive the process that made them for long.

A folder is locked by its maker. Whoever makes one first removes those whose maker was killed.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no locks, and nothing is swept
    fcntl = None

PREFIX = "gc-kernel-"
LONGEST_SOCKET_PATH = 100  # the system allows 107 bytes
YOUNG_SECONDS = 60.0  # a folder may not be locked yet


class ConnectionFolder:
    """A private folder whose path is short enough for a Unix socket."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix=PREFIX)
        if len(os.fsencode(folder)) + len("/s-5") > LONGEST_SOCKET_PATH:
            os.rmdir(folder)
            folder = tempfile.mkdtemp(prefix=PREFIX, dir="/tmp")
        self.path = Path(folder).resolve()
        self._lock = _lock(self.path)
        _sweep(self.path.parent)

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock(folder: Path) -> int | None:
    """Return a handle that holds the folder's lock, or None where another holds it."""
    if fcntl is None:
        return None
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


@functools.cache
def _sweep(parent: Path) -> None:
    """Remove, once a process, the folders of this user that no process holds."""
    if fcntl is None:
        return
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            status = folder.lstat()
            if status.st_uid != os.geteuid() or time.time() - status.st_mtime < YOUNG_SECONDS:
                continue
            handle = _lock(folder)
        except OSError:
            continue
        if handle is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)
