"""Race files meant to take long: each gets its verdict with little work, and what is sound in them is not touched."""

from __future__ import annotations

import difflib
import json
import re
import tomllib

import pytest

from fixtures.sizes import size
from srs.errors import RulesError
from srs.game import race_problems
from srs.game.race import ROUNDS_MAX, TEXT_MAX_BYTES, read_rules
from srs.game.race_problems import TOLD_MAX
from srs.game.race_scan import OPEN_MAX, PARTS_MAX, bounded

HEAD = 'slug = "race-1"\ntitle = "A race"\n'
OPEN = '[joining]\nhow = "open"\n'
ROUND = "[[rounds]]\ndefence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]\nattack = [2027-04-18T08:00:00, {}]\n"
LAST = ROUND.format("2027-04-24T18:00:00")
LENGTH = size(16_384, TEXT_MAX_BYTES)
DEEP = "a" + ".a" * 30_000
"""A dotted key as long as a file may be: work with its square is seen at once."""
TOO_DEEP = f"is nested too deep: {OPEN_MAX + 1} brackets are open, expected at most {OPEN_MAX}"
NO_RACE = ["slug: missing", "title: missing", "rounds: missing"]


def problems(text: str) -> list[str]:
    """The lines of the refusal of a text of an accepted size."""
    assert len(text.encode()) <= TEXT_MAX_BYTES
    with pytest.raises(RulesError) as refusal:
        read_rules(text)
    assert refusal.value.code == "rules.invalid"
    return refusal.value.sentence.splitlines()


def repeated(unit: str, before: str = "", after: str = "") -> str:
    """``unit`` as often as a file of this run's length holds it, each ``#`` being the number of its own."""
    room = LENGTH - len(before + after)
    if "#" not in unit:
        return before + unit * (room // len(unit)) + after
    return before + "".join(unit.replace("#", str(number)) for number in range(room // (len(unit) + 6))) + after


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        (f"{DEEP} = 1", "a"),
        (f"[{DEEP}]", "a"),
        (f"[[{DEEP}]]", "a"),
        (f"a = {{{DEEP} = 1}}", "a"),
        (f"[{DEEP[:30_001]}]\n" + "".join(f"k{number} = 1\n" for number in range(3000)), "a"),
        (repeated('."#"', 'b."a"', " = 1"), "b"),
        (repeated(" . 'a'", "b", " = 1"), "b"),
        (repeated('.""', '""', " = 1"), '""'),
    ],
    ids=["key", "table", "list", "inline", "table-with-keys", "quoted", "spaced", "empty"],
)
def test_a_key_of_parts_without_end_is_an_unknown_key(text: str, unknown: str) -> None:
    lines = problems(text)
    assert f"{unknown}: unknown key." in lines
    assert [line.partition(",")[0] for line in lines[:3]] == NO_RACE


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (HEAD + OPEN + f"[classes]\ncount.{DEEP} = 1\n" + LAST, "classes.count: found a table, expected"),
        (HEAD + OPEN + LAST + f"defnce.{DEEP} = 1\n", "rounds[1].defnce: unknown key. Did you mean"),
        (HEAD + OPEN + f"[traces.{DEEP}]\n" + LAST, "traces.a: unknown key."),
    ],
)
def test_a_key_without_end_is_told_where_it_stands(text: str, key: str) -> None:
    [line] = problems(text)
    assert line.startswith(key)


def test_two_keys_that_differ_at_their_end_only_are_no_repetition() -> None:
    long = "a" + ".a" * 5000
    assert "a: unknown key." in problems(f"{long}.b = 1\n{long}.c = 2\n{long}.d.e = 3\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (repeated("[", "a = "), 1),
        ("\n\na = " + "[" * 30_000 + "]" * 30_000, 3),
        ("a = " + "{a=" * 8000 + "1" + "}" * 8000, 1),
        ("\na = " + "[{a=" * 8000 + "1" + "}]" * 8000, 2),
        (HEAD + OPEN + "[classes]\nnames = " + "[" * 17 + "]" * 17, 6),
        ("a = [ # [[[[\n" + '"[[", ' + "[\n" * 16, 17),
        (f"{DEEP[:10_000]} = {'[' * 17}", 1),
    ],
)
def test_brackets_without_end_are_refused_with_their_line(text: str, line: int) -> None:
    [said] = problems(text)
    assert said == f"Line {line} {TOO_DEEP}; close some of them, a race needs three."


def test_brackets_are_counted_where_they_open_something() -> None:
    nest = "[" * OPEN_MAX + "]" * OPEN_MAX
    [said] = problems(HEAD + OPEN + f"[classes]\nnames = {nest}\n" + LAST)
    assert said.startswith("classes.names: found [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]], expected")
    text = '[[[[" """ """ \\""" """""[[\'[\'[\'\'\'[[[[[[[[[[[[[[[[[[[[[[[['
    assert read_rules(HEAD + f"description = {json.dumps(text)} # {text}\n" + OPEN + LAST).description == text


@pytest.mark.parametrize(
    "text",
    [
        repeated("[a#]\n"),
        repeated("a# = 1\n"),
        repeated("a# = {}\n"),
        repeated("slu# = 1\n"),
        repeated("[[a#]]\n[a#.a]\n"),
        repeated("count# = 1\n", HEAD + OPEN + LAST + "[classes]\n"),
        repeated("attack# = 1\n", HEAD + OPEN + LAST),
        repeated("classes.a# = 1\n"),
        repeated("a# = 1\n", HEAD + OPEN + "[[rounds]]\n" * 100),
    ],
    ids=["tables", "keys", "inline", "near", "lists", "in-table", "in-round", "prefix", "rounds"],
)
def test_of_problems_without_end_the_first_are_told_and_the_rest_counted(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []

    def search(word: str, *args: object, **kwargs: int) -> list[str]:
        searched.append(word)
        return difflib.get_close_matches(word, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(race_problems, "difflib", type("Counted", (), {"get_close_matches": staticmethod(search)}))
    *told, last = problems(text)
    assert len(told) == TOLD_MAX
    assert all(re.fullmatch(r"\S+: .+\.(.+\?)?", line) for line in told)
    found = re.fullmatch(r"Mend these first; there are (\d+) more\.", last)
    assert found is not None
    assert int(found[1]) > 500
    assert len(searched) <= TOLD_MAX


def test_a_form_is_told_no_more_problems_than_a_reader() -> None:
    with pytest.raises(RulesError) as refusal:
        read_rules(repeated("a# = 1\n"))
    lines = refusal.value.sentence.splitlines()[:-1]
    assert [f"{key}: {sentence}" for key, sentence in refusal.value.problems] == lines


@pytest.mark.parametrize(
    ("table", "key", "item"),
    [
        ("classes", "names", "1,"),
        ("classes", "names", '"",'),
        ("classes", "names", "[],"),
        ("joining", "how = 'open'\nemail_domains", '"",'),
        ("traces", "accepts", '"",'),
        ("traces", "repetitions", "0,"),
    ],
)
def test_a_list_of_faults_without_end_is_one_problem(
    table: str, key: str, item: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    plain = race_problems.shown
    monkeypatch.setattr(race_problems, "shown", lambda value: written.append(value) or plain(value))
    opening = "" if table == "joining" else OPEN
    [line] = problems(repeated(item, f"{HEAD}{opening}[{table}]\n{key} = [", f"]\n{LAST}"))
    assert line.startswith(f"{table}.{key.rpartition(chr(10))[2]}: found [")
    assert len(line) < 250
    assert len(written) <= 2 * 61


def test_names_without_end_are_compared_once_each() -> None:
    many = json.dumps([format(number, "x") for number in range(7000)])
    [line] = problems(f"{HEAD}{OPEN}[classes]\nnames = {many}\n{LAST}")
    assert line == "classes.names: found 7000 names, expected 100, one for each class, or none."
    lines = problems(repeated('"a",', f"{HEAD}{OPEN}[classes]\nnames = [", f"]\n{LAST}"))
    assert lines[1] == "classes.names: found a more than once, expected a name for each class."
    assert len(lines) == 2


def test_rounds_without_end_are_one_problem() -> None:
    said = "rounds: found {} rounds, expected at most 100 tables [[rounds]]."
    assert problems(HEAD + OPEN + "[[rounds]]\n" * 5000) == [said.format(5000)]
    assert problems(HEAD + "rounds = [" + "1," * 30_000 + "]\n" + OPEN) == [said.format(30_000)]
    assert problems(HEAD + OPEN + "[[rounds]]\n" * (ROUNDS_MAX + 1)) == [said.format(101)]


def test_a_race_of_as_many_rounds_as_may_be_is_read() -> None:
    rounds = "".join(re.sub("2027", str(2027 + number), LAST) for number in range(ROUNDS_MAX))
    assert len(read_rules(HEAD + OPEN + rounds).rounds) == ROUNDS_MAX


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (repeated("k", after=" = 1"), ["rounds: missing", '"kkkkkkkkkkkkkkkkkkk']),
        (f"{HEAD}description = '{'a' * 60_000}'\n{OPEN}{LAST}", ['description: found "aaaa']),
        (HEAD + 'description = "' + "\\n" * 30_000 + f'"\n{OPEN}{LAST}', ['description: found "\\n\\n']),
        (
            repeated("a.", HEAD + "joining.how = 'open'\njoining.email_domains = ['", f"a']\n{LAST}"),
            ["joining.email_d"],
        ),
        (repeated("E", HEAD + "timezone = '", f"'\n{OPEN}{LAST}"), ['timezone: found "EEEE']),
        (repeated('"'), ["This is not TOML: "]),
        (repeated('\\"""\n', 'a = """'), ["This is not TOML: Unterminated string (at end of document)"]),
        (repeated('\\"""\n', "a = 1\n"), ["This is not TOML: Invalid statement (at line 2"]),
        (repeated("'''\n'", "a = "), ["This is not TOML: "]),
        (repeated("[\n"), [f"Line 17 {TOO_DEEP}"]),
        ("a = [\n9,\n" + "9" * 60_000 + "]", ["Line 3 has a number too long to be read; no number"]),
    ],
    ids=["key", "text", "escapes", "domain", "zone", "quotes", "open", "backslashes", "apostrophes", "lines", "number"],
)
def test_long_and_open_texts_get_their_verdict(text: str, said: list[str]) -> None:
    lines = problems(text)
    for beginning in said:
        assert any(line.startswith(beginning) for line in lines), lines[:5]
    assert all(len(line) < 250 for line in lines)


def test_what_is_read_keeps_its_words_and_its_places() -> None:
    text = (
        HEAD + f'description = """a{".b" * 40} # \'\'\' \\""" {"[" * 40}"""""\n# {DEEP[:99]}\n'
        f"joining = {{how = 'open', code = '''a{'.b' * 40}'''}}\n[classes] # \"\n" + LAST
    )
    assert bounded(text) == text
    assert tomllib.loads(bounded(text))["description"].endswith('[""')
    assert read_rules(text).joining.code == "a" + ".b" * 40
    for parts in range(1, 60):
        key = ".".join("abc"[number % 3] for number in range(parts))
        cut = bounded(f"{key} = 1\n{key}.d = x")
        assert cut.count(".") <= 2 * (PARTS_MAX + 3)
        with pytest.raises(tomllib.TOMLDecodeError, match=rf"line 2, column {2 * parts + 5}\)"):
            tomllib.loads(cut)
