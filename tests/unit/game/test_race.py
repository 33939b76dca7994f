"""A ``race.toml``: what is read, what is refused, and in which words."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from fixtures.reference import REFERENCE
from srs.errors import RulesError
from srs.game.race import TEXT_MAX_BYTES, RaceRules, RoundTimes, Undefended, dump_rules, load_rules, read_rules

REPOSITORY = Path(__file__).parents[3]

HEAD = 'slug = "race-1"\ntitle = "A race"\ntimezone = "Europe/Zurich"\n'
OPEN = '[joining]\nhow = "open"\n'
ROUND = (
    "[[rounds]]\n"
    "defence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]\n"
    "attack = [2027-04-18T08:00:00, 2027-04-24T18:00:00]\n"
)


def problems(text: str | bytes) -> list[str]:
    """The lines of the refusal."""
    with pytest.raises(RulesError) as refusal:
        read_rules(text)
    assert refusal.value.code == "rules.invalid"
    return refusal.value.sentence.splitlines()


def with_times(defence: str, attack: str = "[2028-04-18T08:00:00, 2028-04-24T18:00:00]") -> str:
    return HEAD + OPEN + f"[[rounds]]\ndefence = {defence}\nattack = {attack}\n"


def test_the_least_race_has_every_default() -> None:
    rules = read_rules(HEAD + OPEN + ROUND)
    assert rules.classes.count == 100
    assert rules.traces.repetitions == (25, 39)
    assert rules.scoring.scheme == "srs2022"
    assert rules.rounds == (
        RoundTimes(
            defence=(
                dt.datetime(2027, 4, 13, 6, tzinfo=dt.UTC),
                dt.datetime(2027, 4, 17, 16, tzinfo=dt.UTC),
            ),
            attack=(dt.datetime(2027, 4, 18, 6, tzinfo=dt.UTC), dt.datetime(2027, 4, 24, 16, tzinfo=dt.UTC)),
        ),
    )


def test_the_annotated_example_is_read_and_names_every_key() -> None:
    text = (REFERENCE / "race.toml").read_text(encoding="utf-8")
    rules = read_rules(text)
    assert rules.joining.locks_at == dt.datetime(2027, 4, 12, 16, tzinfo=dt.UTC)
    assert len(rules.rounds) == 2
    assert load_rules(dump_rules(rules)) == rules
    younger = set(keys_of(Undefended))  # than the example
    for key in (key.rpartition(".")[2] for key in keys_of(RaceRules)):
        assert key in text or key in younger, key


def test_a_race_of_named_web_pages() -> None:
    pages = [f"page {number}" for number in range(30)]
    classes = f'[classes]\ncolumn = "page"\ncount = 30\nsingular = "page"\nnames = {json.dumps(pages)}\n'
    rules = read_rules(HEAD + OPEN + classes + ROUND)
    assert rules.classes.names == tuple(pages)
    assert rules.classes.column == "page"


def test_storage_gives_equal_rules_back_through_json() -> None:
    text = HEAD + '[joining]\nhow="open"\nlocks_at = 2027-04-12T18:00:00.000001\n[split]\npublic_share = 0.1\n' + ROUND
    rules = read_rules(text)
    again = load_rules(json.loads(json.dumps(dump_rules(rules))))
    assert again == rules
    assert again.joining.locks_at is not None
    assert again.joining.locks_at.tzinfo is dt.UTC
    assert dump_rules(again) == dump_rules(rules)


def test_a_time_without_zone_is_refused_outside_a_file() -> None:
    with pytest.raises(ValidationError, match="without a zone"):
        load_rules({**dump_rules(read_rules(HEAD + OPEN + ROUND)), "joining": {"locks_at": "2027-01-01T00:00:00"}})


def test_bytes_a_byte_order_mark_and_crlf_are_fine() -> None:
    text = HEAD + OPEN + ROUND
    assert read_rules(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()) == read_rules(text)


def test_times_with_an_offset_are_taken_as_written() -> None:
    rules = read_rules(with_times("[2027-04-13T08:00:00Z, 2027-10-31T02:30:00+01:00]"))
    assert rules.rounds[0].defence == (
        dt.datetime(2027, 4, 13, 8, tzinfo=dt.UTC),
        dt.datetime(2027, 10, 31, 1, 30, tzinfo=dt.UTC),
    )


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2027-03-28T02:30:00", "does not exist in Europe/Zurich"),
        ("2027-03-28T02:00:00", "does not exist in Europe/Zurich"),
        ("2027-10-31T02:30:00", "happens twice in Europe/Zurich"),
        ("2027-10-31T02:00:00", "happens twice in Europe/Zurich"),
    ],
)
def test_a_local_time_at_a_change_of_the_clocks_is_refused(at: str, said: str) -> None:
    """T4: no time is guessed where the clocks change, and the remedy is written out."""
    [line] = problems(with_times(f"[{at}, 2027-12-01T00:00:00]"))
    assert line.startswith("rounds[1].defence: ")
    assert said in line
    remedy = line.rpartition(" ")[2].removesuffix(".")
    read_rules(with_times(f"[{remedy}, 2027-12-01T00:00:00]"))


@pytest.mark.parametrize(
    "at", ["2027-03-28T01:59:59.999999", "2027-03-28T03:00:00", "2027-10-31T01:59:59", "2027-10-31T03:00:00"]
)
def test_a_local_time_just_beside_a_change_is_read(at: str) -> None:
    rules = read_rules(with_times(f"[{at}, 2027-12-01T00:00:00]"))
    assert rules.rounds[0].defence[0].tzinfo is dt.UTC


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00", "9999-12-31T23:59:59Z", "1999-12-31T23:59:59"])
def test_a_year_far_away_is_refused(at: str) -> None:
    assert "rounds[1].defence: " in problems(with_times(f"[{at}, 2027-12-01T00:00:00]"))[0]


def test_every_problem_is_told_at_once() -> None:
    text = (
        'slug = 1\ntimezone = "Europe/Zurch"\n[classes]\ncout = 3\nnames = ["a", "a"]\n'
        "[split]\ntest_pool = 1000000\n[traces]\nrepetitions = [39, 25]\n[[rounds]]\n"
        "defence = [2027-03-29T02:30:00]\n"
    )
    assert problems(text) == [
        "slug: found 1, expected 3 to 40 of a-z, 0-9 and -.",
        "title: missing, expected a line of 1 to 100 characters.",
        'timezone: found "Europe/Zurch", expected an IANA time zone such as Europe/Zurich. Did you mean Europe/Zurich?',
        "classes.cout: unknown key. Did you mean classes.count?",
        "split.test_pool: found 1000000, expected a whole number from 2 to 100000.",
        "rounds[1].defence: found [2027-03-29T02:30:00], expected two times, [opens, closes].",
        "rounds[1].attack: missing, expected two times, [opens, closes].",
        "joining.code: missing, expected the code to join with: joining.how asks for one.",
        "classes.names: found 2 names, expected 100, one for each class, or none.",
        "classes.names: found a more than once, expected a name for each class.",
        "traces.repetitions: the least is 39 and the most 25, expected the smaller first.",
    ]


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ('slug = "ab"', "slug"),
        ('slug = "Race-1"', "slug"),
        ('slug = "race-1\\n"', "slug"),
        (f'slug = "{"a" * 41}"', "slug"),
        ('title = " "', "title"),
        ('title = "two\\nlines"', "title"),
        ("timezone = 2", "timezone"),
        ("timezone = [[1]]", "timezone"),
        ('timezone = "../UTC"', "timezone"),
        ('visibility = "all"', "visibility"),
        ("description = 1", "description"),
    ],
)
def test_a_bad_value_at_the_top_is_refused(lines: str, key: str) -> None:
    kept = [line for line in HEAD.splitlines() if not line.startswith(f"{key} ")]
    [line] = problems("\n".join([*kept, lines, OPEN, ROUND]))
    assert line.startswith(f"{key}: found ")


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("joining", "how", '"invitation"'),
        ("joining", "code", "7"),
        ("joining", "email_domains", '["EPFL.ch"]'),
        ("joining", "email_domains", '["@epfl.ch"]'),
        ("joining", "team_size_max", "0"),
        ("joining", "team_size_max", "2.0"),
        ("joining", "locks_at", "2027-04-12"),
        ("joining", "anonymous", '"yes"'),
        ("classes", "column", '"Cell"'),
        ("classes", "column", '"timestamp"'),
        ("classes", "count", "1"),
        ("classes", "count", "1001"),
        ("classes", "count", '"100"'),
        ("classes", "count", "true"),
        ("classes", "count", f"0x{'f' * 9000}"),
        ("classes", "names", '["a", "b\\u0000"]'),
        ("classes", "names", "[{}]"),
        ("classes", "singular", '""'),
        ("traces", "repetitions", "[25]"),
        ("traces", "repetitions", "[25, 39, 40]"),
        ("traces", "repetitions", "[0, 39]"),
        ("traces", "repetitions", "25"),
        ("traces", "packets_min", "1"),
        ("traces", "duration_max_s", "0.0"),
        ("traces", "duration_max_s", "inf"),
        ("traces", "duration_max_s", "nan"),
        ("traces", "size_max_bytes", "65536"),
        ("traces", "upload_max_mb", "0"),
        ("traces", "unpacked_max_mb", "-1"),
        ("traces", "copies", '"ignore"'),
        ("traces", "plausibility", "false"),
        ("traces", "accepts", "[]"),
        ("split", "test_traces", "1"),
        ("split", "test_pool", "3e2"),
        ("split", "public_share", "0"),
        ("split", "public_share", "1.01"),
        ("matches", "per_team", "0"),
        ("matches", "avoid_repeats", "1"),
        ("limits", "defences_per_day", "0"),
        ("limits", "attacks_per_day", "0"),
        ("limits", "faulty_per_day", "0"),
        ("limits", "house_runs_per_round", "-1"),
        ("limits", "collections_per_round", "-1"),
        ("limits", "quick_collections_per_day", "-1"),
        ("scoring", "scheme", '"srs"'),
        ("scoring", "over_rounds", '"worst"'),
        ("scoring", "reference", "1"),
        ("undefended", "received_bytes", "0"),
        ("undefended", "sent_bytes", '"many"'),
        ("undefended", "duration_s", "0"),
    ],
)
def test_a_bad_value_is_refused_with_its_key_and_what_was_found(table: str, key: str, value: str) -> None:
    opening = OPEN if table != "joining" else ""
    how = 'how = "open"\n' if table == "joining" and key != "how" else ""
    [line] = problems(f"{HEAD}{opening}[{table}]\n{how}{key} = {value}\n{ROUND}")
    assert line.startswith(f"{table}.{key}: found ")
    assert "expected" in line
    assert len(line) < 250


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('joining]\nhow = "code"\ncode = " "', "joining.code: missing"),
        ("classes]\ncount = 30\nnames = ['a', 'b']", "classes.names: found 2 names, expected 30"),
        ("split]\ntest_traces = 300\ntest_pool = 299", "split.test_pool: found 299, expected at least"),
        (
            "split]\ntest_traces = 99",
            "split.test_traces: found 99, expected at least one for each of the 100",
        ),
        ("split]\ntest_pool = 2401", "expected at most 2400."),
        (
            "matches]\nper_team = 70",
            "split.test_traces: found 300 and matches.per_team 70, together 21000 traces in one attack",
        ),
        ("classes]\ncount = 2", "which takes 150 traces of a class; a class may have only 25"),
        ("traces]\nrepetitions = [1, 9]", "traces.repetitions: the least is 1, expected at least 2"),
        ('traces]\naccepts = ["code"]', 'traces.accepts: "code" is not supported yet'),
        ('traces]\naccepts = ["traces", "code"]', 'traces.accepts: "code" is not supported yet'),
        ('scoring]\nscheme = "balanced"', 'scoring.scheme: "balanced" is not available yet'),
    ],
)
def test_keys_that_contradict_each_other_are_refused(table: str, said: str) -> None:
    opening = "" if table.startswith("joining") else OPEN
    [line] = problems(f"{HEAD}{opening}[{table}\n{ROUND}")
    assert said in line


def test_the_largest_pool_leaves_a_trace_of_each_class_to_train_on() -> None:
    assert read_rules(HEAD + OPEN + "[split]\ntest_pool = 2400\n" + ROUND).split.test_pool == 2400


DEFENCE_1 = "[2027-04-13T08:00:00, 2027-04-17T18:00:00]"
ATTACK_1 = "[2027-04-17T18:00:00, 2027-04-24T18:00:00]"
LATER = "[2027-04-25T08:00:00, 2027-05-24T18:00:00]"


def test_rounds_may_follow_one_another_without_a_pause() -> None:
    second = with_times("[2027-04-24T18:00:00, 2027-05-01T00:00:00]", "[2027-05-01T00:00:00, 2027-05-02T00:00:00]")
    text = with_times(DEFENCE_1, ATTACK_1) + second.partition(OPEN)[2]
    assert len(read_rules(text).rounds) == 2


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([(DEFENCE_1, "[2027-04-17T17:59:59, 2027-04-24T18:00:00]")], "rounds[1].attack: opens at"),
        (
            [("[2027-04-13T08:00:00, 2027-04-13T08:00:00]", ATTACK_1)],
            "rounds[1].defence: closes at 2027-04-13 08:00+02:00",
        ),
        (
            [(DEFENCE_1, "[2027-04-19T08:00:00, 2027-04-18T18:00:00]")],
            "rounds[1].attack: closes at 2027-04-18 18:00+02:00, expected later than it opens",
        ),
        (
            [(DEFENCE_1, ATTACK_1), ("[2027-04-24T17:59:59, 2027-04-25T08:00:00]", LATER)],
            "rounds[2].defence: opens at 2027-04-24 17:59:59+02:00, expected not before rounds[1].attack has closed",
        ),
    ],
)
def test_rounds_out_of_order_are_refused(times: list[tuple[str, str]], said: str) -> None:
    rounds = "".join(with_times(*one).partition(OPEN)[2] for one in times)
    [line] = problems(HEAD + OPEN + rounds)
    assert said in line


def test_a_race_needs_a_round() -> None:
    assert problems(HEAD + OPEN) == ["rounds: missing, expected one table [[rounds]] for each round."]
    assert problems("rounds = []\n" + HEAD + OPEN) == problems(HEAD + OPEN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("classes = 4\nscoring = [1]\n" + HEAD + OPEN + ROUND, ["classes: found 4", "scoring: found [1]"]),
        ("rounds = 3\n" + HEAD + OPEN, ["rounds: found 3"]),
        ("rounds = [1, 2]\n" + HEAD + OPEN, ["rounds[1]: found 1, expected a table", "rounds[2]: found 2"]),
        (HEAD + OPEN + "[rounds]\nattack = 1\n", ["rounds: found a table, expected one table [[rounds]]"]),
        (
            HEAD + OPEN + ROUND + "atack = 1\n",
            ["rounds[1].atack: unknown key. Did you mean rounds[1].attack?"],
        ),
        ("count = 3\n" + HEAD + OPEN + ROUND, ["count: unknown key. Did you mean classes.count?"]),
        ("zzz = 3\n" + HEAD + OPEN + ROUND, ["zzz: unknown key."]),
        ("scheme = 3\n[scoring.x]\ny=1\n" + HEAD.replace("slug", "[a]\nslug"), ["slug: missing"]),
        ('"a\\nb" = 3\n' + HEAD + OPEN + ROUND, ['"a\\nb": unknown key.']),
        (f'"{"é" * 90}" = 3\n' + HEAD + OPEN + ROUND, ['"\\u00e9']),
        (HEAD + OPEN + "[classes]\nnames = 12:00:00\n" + ROUND, ["classes.names: found 12:00:00"]),
        (HEAD + OPEN + f'[joining]\ncode = "{"x" * 101}"\n' + ROUND, ["This is not TOML"]),
    ],
)
def test_a_wrong_shape_is_refused(text: str, said: list[str]) -> None:
    lines = problems(text)
    for line, beginning in zip(lines, said, strict=False):
        assert line.startswith(beginning)
    assert len(lines) >= len(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\na = 2", "This is not TOML: Cannot overwrite a value"),
        (b'a = 1\nb = "\xff"', "Line 2 is not UTF-8 text"),
        ("\ud800", "Line 1 is not UTF-8 text"),
        ("a = " + "[" * 5000, "too deep"),
        ("a = " + "9" * 5000, "number too long"),
        ("#" * (TEXT_MAX_BYTES + 1), f"The file has {TEXT_MAX_BYTES + 1} bytes"),
    ],
)
def test_what_is_no_toml_is_refused(text: str | bytes, said: str) -> None:
    [line] = problems(text)
    assert said in line


def test_a_quoted_value_cannot_disturb_the_page_or_the_terminal() -> None:
    [line] = problems(HEAD.replace("A race", "x\\u202e\\u001b[31my") + OPEN + ROUND)
    assert line == r'title: found "x\u202e\u001b[31my", expected a line of 1 to 100 characters.'
    [line] = problems(HEAD.replace("A race", "é" * 101) + OPEN + ROUND)
    assert line == f'title: found "{"é" * 56}..., expected a line of 1 to 100 characters.'


def test_a_file_of_the_largest_size_is_read() -> None:
    text = HEAD + OPEN + ROUND
    assert read_rules(text + "#" * (TEXT_MAX_BYTES - len(text))) == read_rules(text)


def test_dotted_keys_nested_without_end_are_one_unknown_key() -> None:
    lines = problems("a" + ".a" * 20_000 + " = 1")
    assert "a: unknown key." in lines


def keys_of(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every dotted key of the rules."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        annotation: Any = RoundTimes if name == "rounds" else field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            keys += keys_of(annotation, "rounds." if name == "rounds" else f"{name}.")
        else:
            keys.append(prefix + name)
    return keys


def test_every_key_has_its_line_in_the_documentation() -> None:
    text = (REPOSITORY / "docs" / "race.md").read_text(encoding="utf-8")
    keys = keys_of(RaceRules)
    assert len(keys) == 43
    missing = [key for key in keys if f"\n| `{key}` |" not in text]
    assert missing == []


def test_every_key_says_what_is_expected() -> None:
    undescribed = [key for key in keys_of(RaceRules) if not description_of(key)]
    assert undescribed == []


def description_of(key: str) -> str | None:
    table, _, name = key.rpartition(".")
    tables: dict[str, type[BaseModel]] = {"": RaceRules, "rounds": RoundTimes}
    model = tables.get(table) or type(getattr(read_rules(HEAD + OPEN + ROUND), table))
    return model.model_fields[name].description
