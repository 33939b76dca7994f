"""F10: nothing in the tree turns data into code, and Celery takes JSON only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from srs.server.bell import celery_app

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}


def dangers(text: str) -> list[str]:
    """What is forbidden in a source text, as ``line: what``."""
    return [f"{node.lineno}: {what}" for node in ast.walk(ast.parse(text)) for what in _dangers_of(node)]  # type: ignore[attr-defined]


def _dangers_of(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names if alias.name.split(".")[0] in FORBIDDEN_MODULES]
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] in FORBIDDEN_MODULES:
            return [module]
        case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
            return [name]
        case ast.Call(func=function, keywords=keywords):
            name = ast.unparse(function)
            found = [name] if name in FORBIDDEN_METHODS else []
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in keywords}
            if given.get("shell", "False") != "False":
                found.append("shell=True")
            if given.get("allow_pickle", "False") != "False":
                found.append("allow_pickle=True")
            if name in ("np.load", "numpy.load") and given.get("allow_pickle") != "False":
                found.append("numpy.load without allow_pickle=False")
            return found
        case _:
            return []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_f10_nothing_turns_data_into_code(path: Path) -> None:
    """F10: no pickle, eval, exec, yaml, shell."""
    assert dangers(path.read_text(encoding="utf-8")) == []


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
    assert dangers(text)


def test_f10_celery_accepts_json_only() -> None:
    """F10: ``accept_content == ["json"]``."""
    for for_requests in (True, False):
        app = celery_app("redis://127.0.0.1:1/0", for_requests=for_requests)
        assert app.conf.accept_content == ["json"]
        assert app.conf.task_serializer == app.conf.event_serializer == app.conf.result_serializer == "json"
