"""What we promise each other about the code, as code: one test for each rule, which names every file that breaks it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from fixtures.sources import ROOT, files, name_of, nodes_of, text_of, tree_of

SOURCES = files("src/*.py")
OUR_CODE = tuple(path for path in SOURCES if "migrations" not in path.parts)
TESTS = files("tests/*.py")
TEMPLATES = files("src/srs/server/web/templates/*.html")
WORDS = files("*.py", "*.md", "*.html", "*.toml")
LOCKS = files("requirements/*.lock")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}

NAIVE_CLOCK = re.compile(r"datetime\.utcnow|datetime\.now\(\)")
AMERICAN = re.compile(r"\bdefense\b", re.IGNORECASE)
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
BARE_SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)\s*$", re.MULTILINE)
ADDRESS = re.compile("://")

MOMENT_WORDS = {
    "at": "the moment of what the class or the function is about",
    "now": "the moment at which something is asked",
    "moment": "the same, where a clock was read before",
    "planned": "a boundary as it is in the rules",
    "before": "a boundary as it was until it was moved",
    "since": "the moment from which on something counts",
    "lease_until": "an end, which its last word says",
    "value": "what a type of a column is given: SQLAlchemy calls it so",
}
"""What else a parameter or a local that holds a moment may be called: words that can be nothing else."""

MOMENT_FIELDS = {
    "User.create_datetime": "Flask-Security's name",
    "User.update_datetime": "Flask-Security's name",
    "Event.at": "the moment of the event",
    "Announcement.at": "the moment of what is announced",
    "Boundary.at": "the boundary",
    "Job.lease_until": "an end, which its last word says",
    "Timetable.now": "the moment at which the race is looked at",
}
"""The fields that hold a moment and do not end in ``_at``. A new one is called ``..._at``."""


def broken_in(paths: Iterable[Path], faults: Callable[[Path], Iterable[object]]) -> list[str]:
    """What breaks a rule, as ``file: what``."""
    return [f"{name_of(path)}: {fault}" for path in paths for fault in faults(path)]


def lines_with(pattern: re.Pattern[str], path: Path) -> list[int]:
    """The numbers of the lines in which something begins that a pattern finds."""
    text = text_of(path)
    return [text.count("\n", 0, found.start()) + 1 for found in pattern.finditer(text)]


def test_modules_are_short() -> None:
    long = [path for path in OUR_CODE if len(text_of(path).splitlines()) > FILE_LINES_MAX]
    assert long == []


def test_modules_introduce_themselves() -> None:
    """A module's docstring says what it is."""
    silent = [path for path in OUR_CODE if text_of(path).strip() and not ast.get_docstring(tree_of(path))]
    assert silent == []


def test_modules_are_named_by_what_they_hold() -> None:
    assert [path for path in OUR_CODE if path.stem in VAGUE_NAMES] == []


def test_functions_are_short() -> None:
    assert broken_in(OUR_CODE, lambda path: long_functions(nodes_of(path))) == []


def long_functions(nodes: Iterable[ast.AST]) -> list[str]:
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [one.name for one in functions if (one.end_lineno or one.lineno) - one.lineno > FUNCTION_LINES_MAX]


def test_no_clock_is_read_without_a_zone() -> None:
    assert broken_in(SOURCES, lambda path: lines_with(NAIVE_CLOCK, path)) == []


def test_fields_that_hold_a_moment_end_in_at() -> None:
    found = {field for path in SOURCES for field in moment_fields(tree_of(path))}
    odd = {field for field in found if not field.endswith("_at")}
    assert odd == set(MOMENT_FIELDS)
    assert len(found) > len(odd)


def test_parameters_and_locals_that_hold_a_moment_end_in_at() -> None:
    found = {path: moment_names(tree_of(path)) for path in SOURCES}
    assert broken_in(SOURCES, lambda path: sorted(odd(found[path] - MOMENT_WORDS.keys()))) == []
    assert MOMENT_WORDS.keys() <= set().union(*found.values()), "a word that nobody uses any more"


def odd(names: Iterable[str]) -> set[str]:
    return {name for name in names if not name.endswith("_at")}


def moment_fields(tree: ast.Module) -> set[str]:
    """``Class.field`` of the annotated attributes of classes that hold one moment."""
    aliases = moment_aliases(tree)
    return {
        f"{owner.name}.{ast.unparse(node.target)}"
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.AnnAssign) and is_moment(node.annotation, aliases)
    }


def moment_names(tree: ast.Module) -> set[str]:
    """The parameters, the annotated locals and names of modules that hold one moment, and ``self.x`` as ``x``."""
    aliases, fields = moment_aliases(tree), set()
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(body=body):
                fields |= {id(one) for one in body}
            case ast.arg(arg=name, annotation=ast.expr() as annotation) if is_moment(annotation, aliases):
                found.add(name)
            case ast.AnnAssign(target=target, annotation=annotation) if id(node) not in fields:
                if is_moment(annotation, aliases):
                    found.add(ast.unparse(target).rpartition(".")[2])
    return found


def moment_aliases(tree: ast.Module) -> set[str]:
    """What a module calls an annotated ``datetime`` of its own, such as ``Instant``."""
    return {
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if isinstance(node.value, ast.Subscript) and is_moment(node.value, set())
    }


def is_moment(annotation: ast.expr, aliases: set[str]) -> bool:
    """Whether an annotation says: one ``datetime``, or ``None``; a pair of them is an interval."""
    match annotation:
        case ast.Attribute(value=ast.Name(id="dt" | "datetime"), attr="datetime") | ast.Name(id="datetime"):
            return True
        case ast.Name(id=name):
            return name in aliases
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return is_moment(left, aliases) or is_moment(right, aliases)
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[of, *_])):
            return is_moment(of, aliases)
        case ast.Subscript(value=ast.Name(id="Mapped" | "Optional" | "Final" | "ClassVar"), slice=of):
            return is_moment(of, aliases)
        case ast.Constant(value=str(text)):
            return is_moment(ast.parse(text, mode="eval").body, aliases)
        case _:
            return False


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    opens: dt.datetime",
        "class A:\n    opens: dt.datetime | None = None",
        "class A:\n    opens: Mapped[dt.datetime | None] = mapped_column(index=True)",
        "class A:\n    opens: Mapped['dt.datetime']",
        "class A:\n    opens: Annotated[dt.datetime, str]",
        "class A:\n    opens: ClassVar[datetime]",
        "class A:\n    class B:\n        opens: None | datetime.datetime",
        "Instant = Annotated[dt.datetime, check]\nclass A:\n    opens: Instant | None",
        "def f(opens: dt.datetime) -> None: ...",
        "async def f(*, opens: dt.datetime | None = None) -> None: ...",
        "def f() -> None:\n    opens: dt.datetime = now()",
        "class A:\n    def __init__(self) -> None:\n        self.opens: dt.datetime = now()",
        "f = lambda opens: 1\ndef g(*opens: dt.datetime) -> None: ...",
    ],
)
def test_the_search_for_moments_finds_each_kind(text: str) -> None:
    tree = ast.parse(text)
    assert {name.rpartition(".")[2] for name in moment_fields(tree) | moment_names(tree)} == {"opens"}


def test_the_search_for_moments_leaves_other_types_alone() -> None:
    tree = ast.parse(
        "class A:\n    day: dt.date\n    spans: tuple[dt.datetime, dt.datetime]\ndef f(a: int, b) -> None: ..."
    )
    assert moment_fields(tree) | moment_names(tree) == set()


def test_british_spelling() -> None:
    words = [path for path in WORDS if path != Path(__file__)]
    assert broken_in(words, lambda path: lines_with(AMERICAN, path)) == []


def test_no_inline_script_style_or_handler_in_templates() -> None:
    assert broken_in(TEMPLATES, lambda path: lines_with(INLINE, path)) == []


def test_each_suppression_says_why_or_names_its_rule() -> None:
    assert broken_in(SOURCES, lambda path: lines_with(BARE_SUPPRESSION, path)) == []


def test_every_skip_has_a_reason() -> None:
    assert Path(__file__) in TESTS
    assert (
        broken_in(TESTS, lambda path: [node.lineno for node in skips(nodes_of(path)) if not is_explained(node)]) == []
    )


def test_skips_are_found_where_they_are() -> None:
    assert sum(1 for path in TESTS for _ in skips(nodes_of(path))) >= 3


def skips(nodes: Iterable[ast.AST]) -> Iterator[ast.Call]:
    """The marks that leave a test out."""
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="skip" | "skipif", value=of)) if ast.unparse(of).endswith("mark"):
                yield node


def is_explained(skip: ast.Call) -> bool:
    return any(keyword.arg == "reason" for keyword in skip.keywords)


def test_lock_files_name_no_host() -> None:
    assert broken_in(LOCKS, lambda path: lines_with(ADDRESS, path)) == []


@pytest.mark.parametrize(
    ("pattern", "broken", "kept"),
    [
        (NAIVE_CLOCK, "at = dt.datetime.now()", "at = dt.datetime.now(dt.UTC)"),
        (NAIVE_CLOCK, "at = datetime.utcnow()", "at = clock.now(session)"),
        (AMERICAN, "A Defense.", "A defence, defenseless."),
        (INLINE, "<script>x</script>", '<script src="x.js"></script>'),
        (INLINE, '<p style="color: red">', '<link rel="stylesheet">'),
        (INLINE, '<a onclick="x()">', '<a href="/once">'),
        (INLINE, '<a href="javascript:x()">', '<a href="/javascript">'),
        (BARE_SUPPRESSION, "x = 1  # noqa", "x = 1  # noqa: E501"),
        (BARE_SUPPRESSION, "x = 1  # type: ignore", "x = 1  # type: ignore[misc]"),
        (ADDRESS, "--index-url https://example.org", "polars==1.0 --hash=sha256:00"),
    ],
)
def test_each_pattern_finds_what_breaks_its_rule(pattern: re.Pattern[str], broken: str, kept: str) -> None:
    assert pattern.search(broken)
    assert not pattern.search(kept)


def test_the_search_for_skips_and_long_functions_finds_them() -> None:
    marked = ast.parse("@pytest.mark.skipif(True)\ndef f(): ...\n@pytest.mark.skip(reason='x')\ndef g(): ...")
    assert [is_explained(node) for node in skips(ast.walk(marked))] == [False, True]
    for lines, found in ((FUNCTION_LINES_MAX, []), (FUNCTION_LINES_MAX + 1, ["f"])):
        assert long_functions(ast.walk(ast.parse("def f():\n" + "    x = 1\n" * lines))) == found


def test_every_program_of_the_repository_is_looked_at() -> None:
    """Files that are moved or added are found by themselves."""
    assert {path.relative_to(ROOT).parts[0] for path in (*SOURCES, *TESTS)} == {"src", "tests"}
    assert set(SOURCES) == set((ROOT / "src").rglob("*.py"))
    assert set((ROOT / "tests").rglob("*.py")) <= set(TESTS)
