"""What works on this machine, and how to mend what does not: `gencourse doctor`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gencourse.course import Course, CourseError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: what was looked at, one or two words.
        state: `ok`; `note` for what only some people need; `broken` for what the course needs.
        detail: what was found.
        mend: what to do about it; empty when `ok`.
    """

    name: str
    state: str
    detail: str
    mend: str = ""


def diagnose() -> Iterator[Finding]:
    """Yield one finding after the other; a look that fails is itself a finding."""
    for look in LOOKS:
        try:
            yield look()
        except Exception as error:  # a broken installation may raise anything
            name = (look.__doc__ or look.__name__).split(":")[0]
            yield Finding(
                name, "broken", f"{type(error).__name__}: {error}", "install again: make venv"
            )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def look_at_python() -> Finding:
    """Python: which one runs."""
    return Finding("Python", "ok", f"{sys.version.split()[0]} at {sys.prefix}")


def look_at_torch() -> Finding:
    """PyTorch: imports, and torchvision is the release that belongs to it."""
    mend = "pip install -r requirements.lock"
    if importlib.util.find_spec("torch") is None:
        return Finding("PyTorch", "broken", "not installed", mend)
    import torch

    vision = _version("torchvision")
    found = f"torch {torch.__version__}, torchvision {vision}"
    major, minor = (int(part) for part in torch.__version__.split(".")[:2])
    if (major, minor) not in {(2, m) for m in range(11, 15)}:
        return Finding(
            "PyTorch", "note", f"{found}: gencourse is tested with torch 2.11 to 2.14", mend
        )
    try:
        import torchvision  # noqa: F401
    except Exception as error:
        detail = (
            f"{found} do not work together ({type(error).__name__}): torch 2.{minor} belongs to "
            f"torchvision 0.{minor + 15}, both from one source; MNIST and CIFAR-10 cannot be read"
        )
        return Finding("PyTorch", "note", detail, mend)
    return Finding("PyTorch", "ok", found)


def look_at_device() -> Finding:
    """Device: what the models run on."""
    import torch

    if torch.cuda.is_available():
        return Finding("Device", "ok", f"CUDA: {torch.cuda.get_device_name()}")
    if torch.backends.mps.is_available():
        return Finding("Device", "ok", "Apple GPU (mps)")
    return Finding(
        "Device", "ok", f"CPU, {torch.get_num_threads()} threads; every notebook is made for it"
    )


def look_at_data() -> Finding:
    """Data: the offline defaults, and what lies under GENCOURSE_DATA."""
    from gencourse import data

    images, _ = data.digits().tensors
    here = os.environ.get("GENCOURSE_DATA")
    found = f"offline defaults work ({len(images)} digits)"
    if not here:
        return Finding(
            "Data",
            "ok",
            f"{found}; GENCOURSE_DATA is not set: MNIST and CIFAR-10 are fetched when asked for",
        )
    root = Path(here)
    if not root.is_dir():
        return Finding(
            "Data",
            "note",
            f"{found}; GENCOURSE_DATA={here} is no folder",
            "make it, or unset GENCOURSE_DATA",
        )
    places = {
        "MNIST": root / "MNIST",
        "Fashion-MNIST": root / "FashionMNIST",
        "CIFAR-10": root / "cifar-10-batches-py",
        "CIFAR-10 (JPEG)": root / "cifar10_jpeg.zip",
    }
    present = [name for name, place in places.items() if place.exists()]
    return Finding("Data", "ok", f"{found}; in {here}: {', '.join(present) or 'nothing yet'}")


def look_at_sandbox() -> Finding:
    """Sandbox: bubblewrap, in which the grader runs student code."""
    from gencourse.grading import sandbox

    reason = sandbox.problem()
    if reason is None:
        return Finding(
            "Sandbox",
            "ok",
            "bubblewrap starts a process without network and with its own file system",
        )
    mend = "instructors: grade on Linux, with the package bubblewrap; students need nothing"
    return Finding("Sandbox", "note", reason, mend)


def look_at_lab() -> Finding:
    """JupyterLab: with the extensions for widgets and for nbgrader."""
    version = _version("jupyterlab")
    if version is None:
        return Finding(
            "JupyterLab", "broken", "not installed", "pip install -e '.[lab]', or make venv"
        )
    from jupyter_core.paths import jupyter_path

    wanted = {"widgets": "@jupyter-widgets/jupyterlab-manager", "nbgrader": "@jupyter/nbgrader"}
    folders = [Path(path) for path in jupyter_path("labextensions")]
    missing = [
        name
        for name, ext in wanted.items()
        if not any((folder / ext).is_dir() for folder in folders)
    ]
    if missing:
        mend = "pip install -e '.[lab,grade]' into the environment that starts JupyterLab"
        return Finding(
            "JupyterLab",
            "note",
            f"{version} without its extension for {' and '.join(missing)}",
            mend,
        )
    return Finding("JupyterLab", "ok", f"{version} with its extensions for widgets and nbgrader")


def look_at_kernel() -> Finding:
    """Kernel: a python3 kernel that starts this Python."""
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("python3")
    command = spec.argv[0]
    if (
        command not in ("python", "python3")
        and Path(command).resolve() != Path(sys.executable).resolve()
    ):
        mend = f"{sys.executable} -m ipykernel install --sys-prefix"
        return Finding(
            "Kernel", "note", f"the python3 kernel starts {command}, not {sys.executable}", mend
        )
    return Finding("Kernel", "ok", f"python3 starts {command}")


def look_at_course() -> Finding:
    """Course: the folder in which a term is run, and its secret."""
    try:
        course = Course.find()
    except CourseError as error:
        return Finding(
            "Course",
            "note",
            str(error),
            "students need none; instructors: cd into the course folder",
        )
    if not (course.secret / "seed").is_file():
        return Finding(
            "Course",
            "note",
            f"{course.root}, no secret seed yet",
            "instructors, before grading: gencourse secret",
        )
    return Finding("Course", "ok", f"{course.root}, secret in {course.secret}")


LOOKS: tuple[Callable[[], Finding], ...] = (
    look_at_python,
    look_at_torch,
    look_at_device,
    look_at_data,
    look_at_lab,
    look_at_kernel,
    look_at_sandbox,
    look_at_course,
)
