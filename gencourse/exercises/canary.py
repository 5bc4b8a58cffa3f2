"""Describes the parts of an interpreter that a tampered one has had replaced.

A grader runs this file's source in the kernel before the student's first cell and after the last,
and compares the two. The source travels with each question, so nothing of it lies in the kernel
to be changed. It is for a person's eye: marks do not rest on it, since whoever owns the
interpreter can make it say anything.
"""

from __future__ import annotations

import json
import sys
from types import CodeType

BUILTINS = (
    *("__import__", "abs", "all", "any", "compile", "eval", "exec", "getattr", "hash"),
    *("isinstance", "issubclass", "iter", "len", "max", "min", "next", "range", "repr"),
    *("round", "setattr", "zip"),
    *("sorted", "sum", "bool", "dict", "float", "int", "list", "str", "tuple", "type"),
    "AssertionError",
)
TENSOR = ("__eq__", "__ne__", "__bool__", "__float__", "allclose", "equal", "detach", "numpy")
SHELL = (
    *("run_cell", "run_cell_async", "run_ast_nodes", "run_code", "transform_cell", "ev", "ex"),
    *("user_expressions", "_user_obj_error", "showtraceback", "_showtraceback", "compile"),
    *("compile.ast_parse", "compile.__class__", "ast_transformers", "displayhook.__class__"),
    *("input_transformers_cleanup", "input_transformers_post", "display_formatter.format"),
    *("kernel.do_execute", "kernel.execute_request", "kernel.shell_handlers"),
    *("kernel.session.send", "kernel.session.serialize", "kernel.session.sign"),
)
MODULES = {
    "builtins": BUILTINS,
    "json": ("dumps", "loads", "JSONEncoder.encode", "JSONDecoder.decode"),
    "numpy": ("allclose", "isclose", "array_equal", "array", "asarray", "isfinite", "isnan"),
    "torch": ("allclose", "equal", "isclose", "eq", "tensor", *(f"Tensor.{n}" for n in TENSOR)),
    "gencourse.exercises": ("check",),
    "gencourse.exercises.adapter": ("call", "reply", "decode", "encode"),
    "gencourse.exercises.check": ("check",),
    "gencourse.exercises.encoding": ("decode", "encode"),
    "gencourse.exercises.judge": ("judge", "judge_outputs", "judge_test", "decode"),
    "gencourse.exercises.store": ("find", "load"),
}
NAMES = (
    *(f"IPython's {name}" for name in SHELL),
    *(f"{module}.{name}" for module, names in MODULES.items() for name in names),
    *(f"sys.modules[{module!r}]" for module in MODULES),
    *("sys.settrace", "sys.setprofile"),
)


def fingerprint() -> str:
    """Return a JSON object: each of `NAMES` to a description of what is there now."""
    from IPython import get_ipython

    shell = get_ipython()
    found = {f"IPython's {name}": _describe(_get(shell, name)) for name in SHELL}
    for module, names in MODULES.items():
        loaded = sys.modules.get(module)
        found[f"sys.modules[{module!r}]"] = _describe(loaded)
        found |= {f"{module}.{name}": _describe(_get(loaded, name)) for name in names}
    found["sys.settrace"] = _describe(sys.gettrace())
    found["sys.setprofile"] = _describe(sys.getprofile())
    return json.dumps(found)


def _get(thing: object, path: str) -> object:
    for name in path.split("."):
        thing = getattr(thing, name, None)
    return thing


def _describe(thing: object) -> str:
    """Return what tells a thing from another put in its place: identity, and that of its code."""
    if type(thing) is list:
        return f"[{', '.join(map(_describe, thing))}]"
    if type(thing) is dict:
        return f"{{{', '.join(f'{k}: {_describe(v)}' for k, v in thing.items())}}}"
    function = getattr(thing, "__func__", thing)  # a bound method is made anew each time
    code = getattr(function, "__code__", None)
    where = f" {id(code)}" if isinstance(code, CodeType) else ""
    return f"{type(function).__name__} {id(function)}{where}"
