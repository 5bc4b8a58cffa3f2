"""Jupyter kernels in the sandbox, as kernel managers of jupyter_client.

`SandboxKernelManager` blocks (the grader's sessions use it); `AsyncSandboxKernelManager` is for
nbclient, and so for stock `nbgrader autograde` through `SandboxExecute` in `stock.py`. Messages
go over Unix sockets in a folder that only this kernel sees; nothing listens on a port.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager, KernelManager

from gencourse.grading import sandbox

LONGEST_SOCKET_PATH = 100  # the system allows 107 bytes


def harden(context: Any, *, longest_message: int) -> None:
    """Bound what the grader's side of a connection can be made to hold in memory.

    A longer message closes the connection; a full queue holds the sender back or drops.
    """
    context.MAXMSGSIZE = longest_message
    context.RCVHWM = 8


def kernel_argv() -> list[str]:
    """Return the command of a kernel; the manager fills in `{connection_file}`."""
    return [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
        "--HistoryManager.enabled=False",
    ]


class _Sandboxed:
    """What both managers add: connection folder, command line, empty environment."""

    def __init__(self, *, limits: sandbox.Limits | None = None, **kwargs: Any) -> None:
        self.limits = limits or sandbox.Limits()
        self.folder = connection_folder()
        sandbox.give_to_sandbox(self.folder)
        kwargs |= {
            "transport": "ipc",
            "ip": str(self.folder / "s"),
            "connection_file": str(self.folder / "kernel.json"),
        }
        super().__init__(**kwargs)

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = sandbox.command(
            kernel_argv(),
            cwd=Path("/tmp"),
            writable=[self.folder],
            env=self._shared_files(),
            limits=self.limits,
        )
        return KernelSpec(
            argv=argv,
            display_name="sandbox",
            language="python",
            interrupt_mode="message",
            env={},
        )

    def _shared_files(self) -> dict[str, str]:
        """Return variables that name files inside the sandbox."""
        return {}

    @property
    def ipykernel(self) -> bool:
        return False  # or jupyter_client would put its own interpreter first

    def client(self, **kwargs: Any) -> Any:
        client = super().client(**kwargs)
        harden(client.context, longest_message=2 * self.limits.reply_bytes)
        return client

    async def _async_pre_start_kernel(self, **kwargs: Any) -> Any:
        sandbox.require()
        kwargs.pop("cwd", None)  # the folder of the notebook with the hidden tests
        kwargs["env"] = sandbox.host_environment()
        command, kwargs = await super()._async_pre_start_kernel(**kwargs)
        if self.folder.stat().st_uid != Path(self.connection_file).stat().st_uid:
            shutil.chown(
                self.connection_file, self.folder.stat().st_uid, self.folder.stat().st_gid
            )
        return command, kwargs

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart=restart)
        if not restart:
            shutil.rmtree(self.folder, ignore_errors=True)


class AsyncSandboxKernelManager(_Sandboxed, AsyncKernelManager):
    """A kernel in the sandbox, for nbclient.

    Stock nbgrader runs the hidden tests in the kernel, so this one sees copies of the case files
    that `GENCOURSE_CASES` and `GENCOURSE_HIDDEN` name.
    """

    pre_start_kernel = _Sandboxed._async_pre_start_kernel
    cleanup_resources = _Sandboxed._async_cleanup_resources

    def _shared_files(self) -> dict[str, str]:
        shared = {}
        for name in ("GENCOURSE_CASES", "GENCOURSE_HIDDEN"):
            if not os.environ.get(name):
                continue
            copy = self.folder / name.lower()
            if not copy.exists():
                copy.mkdir()
                for path in _json_files(Path(os.environ[name])):
                    shutil.copyfile(path, copy / path.name)
                sandbox.give_to_sandbox(copy)
                for path in copy.iterdir():
                    shutil.chown(path, copy.stat().st_uid, copy.stat().st_gid)
            shared[name] = str(copy)
        return shared


class SandboxKernelManager(_Sandboxed, KernelManager):
    """A kernel in the sandbox, for blocking code."""


class PlainKernelManager(KernelManager):
    """A kernel without a sandbox, in an empty folder of its own: `--unsafe`."""

    def __init__(self, *, limits: sandbox.Limits | None = None, **kwargs: Any) -> None:
        self.limits = limits or sandbox.Limits()
        self.folder = connection_folder()
        super().__init__(connection_file=str(self.folder / "kernel.json"), **kwargs)

    @property
    def kernel_spec(self) -> KernelSpec:
        """How to start it."""
        return KernelSpec(
            argv=kernel_argv(),
            display_name="plain",
            language="python",
            interrupt_mode="message",
            env={},
        )

    def client(self, **kwargs: Any) -> Any:
        """Return a client with bounds on what it takes in."""
        client = super().client(**kwargs)
        harden(client.context, longest_message=2 * self.limits.reply_bytes)
        return client

    async def _async_pre_start_kernel(self, **kwargs: Any) -> Any:
        hidden = {"GENCOURSE_HIDDEN", "GENCOURSE_SECRET"}
        kwargs["cwd"] = str(self.folder)
        kwargs["env"] = {k: v for k, v in os.environ.items() if k not in hidden} | {
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "agg",
            "PYTHONPATH": str(sandbox.PACKAGE.parent)
            if _editable()
            else os.environ.get("PYTHONPATH", ""),
        }
        return await super()._async_pre_start_kernel(**kwargs)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart=restart)
        if not restart:
            shutil.rmtree(self.folder, ignore_errors=True)


def connection_folder() -> Path:
    """Make a private folder whose path is short enough for a Unix socket."""
    folder = tempfile.mkdtemp(prefix="gc-")
    if len(os.fsencode(folder)) + len("/s-5") > LONGEST_SOCKET_PATH:
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix="gc-", dir="/tmp")
    return Path(folder).resolve()


def _json_files(path: Path) -> list[Path]:
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _editable() -> bool:
    return "site-packages" not in sandbox.PACKAGE.parts
