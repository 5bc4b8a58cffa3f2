"""The sandbox for stock `nbgrader autograde`: in `nbgrader_config.py`, `sandboxed(c)`.

Only the kernel is in the sandbox; nbgrader, the gradebook and the other submissions are not. The
hidden tests still run in the student's kernel, on the cases of the file that `GENCOURSE_HIDDEN`
names: a student who looks for them finds them. `gencourse grade` judges outside the kernel
instead.
"""

from __future__ import annotations

from typing import Any

from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute
from traitlets.config import Config

from gencourse.grading.kernel import AsyncSandboxKernelManager


class SandboxExecute(Execute):
    """nbgrader's step that runs a notebook, in the sandbox; `c.Execute` configures it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["kernel_manager_class"] = AsyncSandboxKernelManager
        super().__init__(*args, **kwargs)


def sandboxed(config: Config) -> None:
    """Set nbgrader's own steps of autograding, `SandboxExecute` in place of `Execute`."""
    steps = Autograde.autograde_preprocessors.default_args[0]
    config.Autograde.autograde_preprocessors = [
        SandboxExecute if s is Execute else s for s in steps
    ]
