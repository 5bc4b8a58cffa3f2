"""Kernels as jupyter_client knows them: managers, and the provisioner that starts one sandboxed.

`SandboxKernelManager` blocks (the grader's sessions use it); `AsyncSandboxKernelManager` is for
nbclient, and so for stock `nbgrader autograde` through `SandboxExecute` in `stock.py`. Messages
go over Unix sockets in a folder of the grader's that no kernel sees; nothing listens on a port.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager, KernelManager
from jupyter_client.provisioning import KernelProvisionerBase

from gencourse.grading import sandbox, warm
from gencourse.grading.folders import ConnectionFolder

CHANNELS = ("shell", "iopub", "stdin", "control")
HEARTBEAT = len(CHANNELS) + 1  # a port that nobody listens on


def harden(context: Any, *, longest_message: int) -> None:
    """Bound what the grader's side of a connection can be made to hold in memory.

    A longer message closes the connection; a full queue holds the sender back or drops.
    """
    context.MAXMSGSIZE = longest_message
    context.RCVHWM = 8


class SandboxProvisioner(KernelProvisionerBase):
    """Starts the kernel of a `_Sandboxed` manager in the sandbox and ends it."""

    _kernel: warm.Kernel | None = None

    @property
    def has_process(self) -> bool:
        """Whether a kernel was started and not yet ended."""
        return self._kernel is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Refuse to go on without a sandbox; nothing that the caller sets reaches the kernel."""
        sandbox.require()
        return {"cmd": []}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """Start the kernel and return how to connect to it."""
        manager: Any = self.parent
        ports = {f"{name}_port": i for i, name in enumerate((*CHANNELS, "hb"), 1)}
        here = {
            "transport": "ipc",
            "ip": str(manager.folder.path / "s"),
            "key": manager.session.key,
            "signature_scheme": manager.session.signature_scheme,
            "kernel_name": "",
            **ports,
        }
        listeners = [_listen(f"{here['ip']}-{ports[f'{name}_port']}") for name in CHANNELS]
        try:
            shared = manager.shared_files()
            request = warm.Request(
                listeners=listeners,
                connection=here | {"ip": "", "key": here["key"].decode()},
                limits=manager.limits,
                readable=list(shared.values()),
                env={name: str(path) for name, path in shared.items()},
            )
            self._kernel = warm.start(request)
        finally:
            for listener in listeners:
                listener.close()
        return here

    async def poll(self) -> int | None:
        """Return None while the kernel runs."""
        return None if self._kernel is not None and self._kernel.alive else 1

    async def wait(self) -> int | None:
        """Wait until the kernel has ended."""
        while await self.poll() is None:
            await asyncio.sleep(0.05)
        self._kernel = None
        return 1

    async def send_signal(self, signum: int) -> None:
        """Do nothing: an interrupt is a message, and the other signals are `kill`."""

    async def kill(self, restart: bool = False) -> None:
        """End the kernel and all that it has started."""
        if self._kernel is not None:
            self._kernel.kill()

    terminate = kill

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the folder of the sockets."""
        await self.kill()
        self._kernel = None
        if not restart:
            self.parent.folder.remove()


class _Sandboxed:
    """What both managers add: the connection folder, the provisioner, bounds on messages."""

    def __init__(self, *, limits: sandbox.Limits | None = None, **kwargs: Any) -> None:
        self.limits = limits or sandbox.Limits()
        self.folder = ConnectionFolder()
        super().__init__(connection_file=str(self.folder.path / "kernel.json"), **kwargs)
        self.provisioner = SandboxProvisioner(parent=self, kernel_spec=self.kernel_spec)

    @property
    def kernel_spec(self) -> KernelSpec:
        """What jupyter_client wants to know of the kernel; it is not started by a command."""
        return KernelSpec(argv=[], display_name="sandbox", interrupt_mode="message")

    def shared_files(self) -> dict[str, Path]:
        """Return variables of the kernel's environment and the folders on the host they name."""
        return {}

    @property
    def ipykernel(self) -> bool:
        return False  # or jupyter_client would put its own interpreter first

    def client(self, **kwargs: Any) -> Any:
        client = super().client(**kwargs)
        harden(client.context, longest_message=2 * self.limits.reply_bytes)
        return client


class AsyncSandboxKernelManager(_Sandboxed, AsyncKernelManager):
    """A kernel in the sandbox, for nbclient.

    Stock nbgrader runs the hidden tests in the kernel, so this one sees copies of the case files
    that `GENCOURSE_CASES` and `GENCOURSE_HIDDEN` name.
    """

    def shared_files(self) -> dict[str, Path]:
        """Copy the case files to where the sandbox's user may read them."""
        shared = {}
        for name in ("GENCOURSE_CASES", "GENCOURSE_HIDDEN"):
            if not os.environ.get(name):
                continue
            shared[name] = self.folder.path / name.lower()
            shared[name].mkdir(mode=0o755, exist_ok=True)
            for path in _json_files(Path(os.environ[name])):
                copy = shared[name] / path.name
                shutil.copyfile(path, copy)
                copy.chmod(0o644)
        return shared


class SandboxKernelManager(_Sandboxed, KernelManager):
    """A kernel in the sandbox, for blocking code."""


class PlainKernelManager(KernelManager):
    """A kernel without a sandbox, in an empty folder of its own: `--unsafe`."""

    def __init__(self, *, limits: sandbox.Limits | None = None, **kwargs: Any) -> None:
        self.limits = limits or sandbox.Limits()
        self.folder = ConnectionFolder()
        super().__init__(connection_file=str(self.folder.path / "kernel.json"), **kwargs)

    @property
    def kernel_spec(self) -> KernelSpec:
        """How to start it."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(
            argv=[*argv, "--HistoryManager.enabled=False"],
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
        kwargs["cwd"] = str(self.folder.path)
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
            self.folder.remove()


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    listener.setblocking(False)
    return listener


def _json_files(path: Path) -> list[Path]:
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _editable() -> bool:
    return "site-packages" not in sandbox.PACKAGE.parts
