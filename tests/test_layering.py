"""Imports run one way, and what students wait for stays light (read with `ast`)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gencourse"
FLOOR = {"protocols", "densities", "losses", "nets"}
FAMILIES = {"graphical", "autoregressive", "vae", "gan", "pretext"}

# which parts of gencourse a part may import (itself always); at any depth, also inside functions
ALLOWED: dict[str, set[str]] = {
    "protocols": set(),
    "densities": set(),
    "losses": {"densities", "protocols"},
    "nets": {"protocols"},
    "data": set(),
    "train": {"protocols"},
    "evaluate": {"protocols"},
    "plots": {"graphical"},
    "widgets": {"plots", "graphical"},
    "runs": {*FLOOR, *FAMILIES, "train", "evaluate", "data", "plots"},
    "exercises": {"course"},
    "course": set(),
    "authoring": {"course", "exercises"},
    "grading": {"course", "exercises", "authoring"},
    "site": {"course", *FAMILIES},
    "doctor": {"course", "data", "grading"},
    "cli": {"course", "doctor", "exercises", "authoring", "grading", "runs", "site"},
    **{family: FLOOR for family in FAMILIES},
}
# only the methods that draw may reach up, and only inside a function
DRAWING = {"plots"}
TOP_LEVEL_ONLY_IN = {"matplotlib": {"plots"}, "ipywidgets": {"widgets"}, "torchvision": set()}

FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "gencourse":
            names += [f"gencourse.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.append(node.module or "")
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    part = part_of(path)
    tree = ast.parse(path.read_text())
    used = {
        name.split(".")[1] if "." in name else name
        for name in imports(tree)
        if name.split(".")[0] == "gencourse"
    }
    if part == "__init__":
        assert not used, "importing gencourse imports nothing else"
        return
    assert part in ALLOWED, f"{part} has no row in the table of allowed imports"
    within = ALLOWED[part] | {part, "gencourse", "__version__"}
    if part in FAMILIES:
        within |= DRAWING
    assert used <= within, f"{part} may not import {sorted(used - within)}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_packages_are_imported_where_they_are_used(path):
    tree = ast.parse(path.read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    for name in imports(ast.Module(body=top, type_ignores=[])):
        owners = TOP_LEVEL_ONLY_IN.get(name.split(".")[0])
        assert owners is None or part_of(path) in owners, f"{name} at the top of {path.name}"
        if part_of(path) in FAMILIES:
            assert not name.startswith("gencourse.plots"), "draw() imports plots inside the method"


def test_there_is_no_catch_all_module():
    assert not [p for p in FILES if p.stem in {"utils", "helpers", "common", "misc"}]


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_a_model_costs_little_more_to_import_than_torch():
    extra = modules_after("import gencourse.graphical") - modules_after("import torch")
    heavy = {"torchvision", "matplotlib", "ipywidgets", "sklearn", "pgmpy", "nbformat", "pandas"}
    assert not extra & heavy


@pytest.mark.parametrize("module", ["gencourse.exercises", "gencourse.grading", "gencourse.cli"])
def test_graders_never_import_torch(module):
    loaded = modules_after(f"import {module}")
    assert not loaded & {"torch", "torchvision", "matplotlib", "sklearn"}
