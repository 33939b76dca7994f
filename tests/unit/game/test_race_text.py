"""A race.toml written from plain values is read back as the same values."""

from __future__ import annotations

import datetime as dt
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.sizes import size
from srs.game.race import read_rules
from srs.game.race_text import write_for_participants, write_rules

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
MOMENTS = st.datetimes(min_value=dt.datetime.fromisoformat("1000-01-01"))
PLAIN = st.one_of(
    TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), MOMENTS
)
VALUES = PLAIN | st.lists(PLAIN, max_size=3)
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)


@settings(max_examples=size(40, 100))
@given(st.dictionaries(KEYS, VALUES | TABLES | st.lists(TABLES, min_size=1, max_size=3), max_size=6))
def test_what_is_written_is_read_back(values: dict[str, object]) -> None:
    assert tomllib.loads(write_rules(values)) == values  # type: ignore[arg-type]


def test_a_text_of_several_lines_stays_readable() -> None:
    text = write_rules({"description": 'First "line".\nSecond \\ line.'})
    assert 'description = """\nFirst \\"line\\".\nSecond \\\\ line."""' in text


def test_it_is_a_race() -> None:
    phase = [dt.datetime.fromisoformat(at) for at in ("2027-04-13T08:00", "2027-04-17T18:00")]
    later = [dt.datetime.fromisoformat(at) for at in ("2027-04-18T08:00", "2027-04-24T18:00")]
    rules = read_rules(
        write_rules(
            {
                "slug": "small",
                "title": "Small",
                "timezone": "Europe/Zurich",
                "joining": {"how": "open", "email_domains": ["example.org"]},
                "rounds": [{"defence": phase, "attack": later}],
            }
        )
    )
    assert rules.joining.email_domains == ("example.org",)
    assert rules.rounds[0].defence[0] == dt.datetime(2027, 4, 13, 6, tzinfo=dt.UTC)


TOML = """
slug = "small"
title = "Small"
timezone = "Europe/Zurich"
[joining]
code = "walnut"
email_domains = ["example.org"]
[classes]
count = 3
names = ["one", "two", "three"]
[traces]
repetitions = [4, 6]
[split]
test_traces = 6
test_pool = 6
[[rounds]]
defence = [2027-04-13T08:00:00, 2027-04-17T18:00:00]
attack = [2027-04-18T08:00:00, 2027-04-24T18:00:00]
"""


def test_participants_get_the_rules_without_the_way_in() -> None:
    rules = read_rules(TOML)
    text = write_for_participants(rules)
    shown = read_rules(text)
    assert "walnut" not in text
    assert shown.joining.email_domains == ()
    assert shown.joining.how == rules.joining.how
    assert shown.model_copy(update={"joining": rules.joining}) == rules


def test_where_anybody_may_join_no_code_is_made_up() -> None:
    rules = read_rules(TOML.replace('code = "walnut"', 'how = "open"'))
    text = write_for_participants(rules)
    assert "code" not in text
    assert read_rules(text).joining.how == "open"


def test_a_long_description_stays_out_of_the_participants_file() -> None:
    """It decides nothing, and escaped it could be larger than a race.toml may be."""
    text = write_for_participants(read_rules('description = "' + r"\"" * 20_000 + '"\n' + TOML))
    assert len(text) < 5_000
    assert read_rules(text).description == ""
