"""F10: nothing in the tree turns data into code."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import pytest

from fixtures.sources import ROOT, files, name_of, nodes_of

PROGRAMS = files("src/*.py", "benchmarks/*.py", "tests/*.py")
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}


def dangers(nodes: Iterable[ast.AST]) -> list[str]:
    """What is forbidden in a source text, as ``line: what``."""
    return [f"{node.lineno}: {what}" for node in nodes for what in _dangers_of(node)]  # type: ignore[attr-defined]


def _dangers_of(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names if alias.name.split(".")[0] in FORBIDDEN_MODULES]
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] in FORBIDDEN_MODULES:
            return [module]
        case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
            return [name]
        case ast.Call(func=function, keywords=keywords):
            name = dotted(function)
            found = [name] if name in FORBIDDEN_METHODS else []
            given = {one.arg: ast.unparse(one.value) for one in keywords if one.arg in ("shell", "allow_pickle")}
            if given.get("shell", "False") != "False":
                found.append("shell=True")
            if given.get("allow_pickle", "False") != "False":
                found.append("allow_pickle=True")
            if name in ("np.load", "numpy.load") and given.get("allow_pickle") != "False":
                found.append("numpy.load without allow_pickle=False")
            return found
        case _:
            return []


def test_f10_nothing_turns_data_into_code() -> None:
    """F10: no pickle, eval, exec, yaml, shell."""
    assert {path.relative_to(ROOT).parts[0] for path in PROGRAMS} == {"src", "benchmarks", "tests"}
    assert [f"{name_of(path)}: {danger}" for path in PROGRAMS for danger in dangers(nodes_of(path))] == []


def dotted(function: ast.expr) -> str:
    """``module.name`` of what is called, or nothing for anything else."""
    match function:
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}"
        case _:
            return ""


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "import yaml",
        "eval('1')",
        "exec(x)",
        "import os; os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "np.load('x')",
        "np.load('x', allow_pickle=True)",
        "np.savez('x', allow_pickle=True)",
    ],
)
def test_the_scan_finds_what_it_looks_for(text: str) -> None:
    assert dangers(ast.walk(ast.parse(text)))
