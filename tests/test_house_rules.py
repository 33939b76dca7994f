"""What we promise each other about the code, as code."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
OUR_CODE = [path for path in SOURCES if "migrations" not in path.parts]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def tracked(*patterns: str) -> list[Path]:
    names = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in names.stdout.splitlines() if (ROOT / name).exists()]


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", OUR_CODE, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_module_is_short_and_introduces_itself(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= FILE_LINES_MAX
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a module's docstring says what it is"
    assert path.stem not in VAGUE_NAMES


@pytest.mark.parametrize("path", OUR_CODE, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_functions_are_short(path: Path) -> None:
    long = [f.name for f in functions(path) if (f.end_lineno or f.lineno) - f.lineno > FUNCTION_LINES_MAX]
    assert not long


def test_times_end_in_at() -> None:
    naive = re.compile(r"datetime\.utcnow|datetime\.now\(\)")
    assert [path for path in SOURCES if naive.search(path.read_text(encoding="utf-8"))] == []


def test_british_spelling() -> None:
    american = re.compile(r"\bdefense\b", re.IGNORECASE)
    found = [path for path in tracked("*.py", "*.md", "*.html", "*.toml") if path != Path(__file__)]
    assert [path for path in found if american.search(path.read_text(encoding="utf-8"))] == []


def test_no_inline_script_style_or_handler_in_templates() -> None:
    forbidden = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
    templates = tracked("src/srs/server/web/templates/*.html", "src/srs/server/web/templates/**/*.html")
    assert templates
    assert [path for path in templates if forbidden.search(path.read_text(encoding="utf-8"))] == []


def test_each_suppression_says_why_or_names_its_rule() -> None:
    bare = re.compile(r"#\s*(noqa|type:\s*ignore)\s*$", re.MULTILINE)
    assert [path for path in SOURCES if bare.search(path.read_text(encoding="utf-8"))] == []


def test_every_skip_has_a_reason() -> None:
    for path in tracked("tests/*.py", "tests/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("mark.skip", "mark.skipif")):
                assert any(keyword.arg == "reason" for keyword in node.keywords), f"{path}:{node.lineno}"


def test_lock_files_name_no_host() -> None:
    for path in sorted((ROOT / "requirements").glob("*.lock")):
        assert "://" not in path.read_text(encoding="utf-8")
