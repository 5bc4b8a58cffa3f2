"""The folder of a run: what it holds, whose it is, and how long the training took.

`run.json` holds the settings and is written first, `result.json` last: a folder with both is
finished. Nothing in a folder of another run is ever touched.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = 1


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a ValueError says which file is damaged."""
    try:
        value = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): choose another folder") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no JSON object: choose another folder")
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object in one move."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    os.replace(unfinished, path)


def check(out: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the result of a finished run of these settings, or None when there is work to do.

    Raises:
        ValueError: the folder belongs to another run, or holds something else.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file, expected a folder: choose another --out")
    path = out / "run.json"
    if not path.exists():
        if out.is_dir() and any(out.iterdir()):
            raise ValueError(f"{out} holds files that are no run: choose an empty --out")
        return None
    run = read_json(path)
    have = run.get("settings", {})
    for name in {**settings, **have}:
        if have.get(name) != settings.get(name):
            raise ValueError(
                f"{out} holds another run, with {name} {have.get(name)!r} and not "
                f"{settings.get(name)!r}: choose another --out, or go on with that one by "
                f"{run.get('command', '')} --out {out}"
            )
    return read_json(out / "result.json") if (out / "result.json").exists() else None


def claim(out: Path, settings: Mapping[str, Any], command: str) -> None:
    """Make the folder, and write whose it is."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "run.json").exists():
        run = {"format": FORMAT, "command": command, "settings": settings}
        write_json(out / "run.json", run)


class Clock:
    """Seconds of training, over all sessions of a run, also of those that were killed.

    Args:
        path: the file that keeps them.
        last: the file whose time of writing tells when a killed session was last at work.
    """

    def __init__(self, path: Path, last: Path) -> None:
        self.path = path
        kept = read_json(path) if path.exists() else {"seconds": 0.0, "since": None}
        self.before, since = kept["seconds"], kept["since"]
        if since is not None and last.exists():
            self.before += max(0.0, last.stat().st_mtime - since)
        self.start = time.time()
        self._write(self.before, self.start)

    @property
    def seconds(self) -> float:
        """Seconds until now."""
        return self.before + time.time() - self.start

    def stop(self) -> float:
        """Note that the session has ended, and return the seconds of all of them."""
        total = self.seconds
        self._write(total, None)
        return total

    def _write(self, seconds: float, since: float | None) -> None:
        write_json(self.path, {"seconds": seconds, "since": since})
