"""The rules of one race, read from its ``race.toml``: every key, its type, its range and its default.

``RaceRules`` is the only place where a setting is named; ``docs/race.md`` describes each. A field's description
is what a reader is told to write there. What several keys must be together is in ``srs.game.race_checks``.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import tomllib
import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)

from srs.errors import RulesError
from srs.game.race_checks import contradictions
from srs.game.race_problems import TOLD_MAX, concerns, explain, faulty_keys, listed, shown, without
from srs.game.race_scan import bounded, line_of_long_number

YEAR_MIN, YEAR_MAX = 2000, 2199
ROUNDS_MAX = 100
TEXT_MAX_BYTES = 65_536
"""A ``race.toml`` is at most this long."""


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _known_zone(name: str) -> str:
    known = _zones()
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"found {shown(name)}, expected an IANA time zone such as Europe/Zurich.{hint}")


def _to_utc(at: dt.datetime, info: ValidationInfo) -> dt.datetime:
    """An aware UTC time; a local one is read in the zone of the validation's context, exactly or not at all."""
    if not YEAR_MIN <= at.year <= YEAR_MAX:
        raise ValueError(f"found {at.isoformat()}, expected a year from {YEAR_MIN} to {YEAR_MAX}.")
    if at.tzinfo is not None:
        return at.astimezone(dt.UTC)
    zone: zoneinfo.ZoneInfo | None = info.context
    if zone is None:
        raise ValueError(f"found {at.isoformat()} without a zone, expected an aware time.")
    first, second = (at.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    found = first.astimezone(dt.UTC)
    if found.astimezone(zone).replace(tzinfo=None) != at:
        what = "does not exist"
    elif first.utcoffset() != second.utcoffset():
        what = "happens twice"
    else:
        return found
    raise ValueError(
        f"{at.isoformat()} {what} in {zone.key}, where the clocks change; "
        f"choose another time, or in a file write its offset, as in {first.isoformat()}."
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _few_rounds(value: Any) -> Any:
    """Too many rounds are one problem, told before any of them is looked at."""
    if isinstance(value, list | tuple) and len(value) > ROUNDS_MAX:
        raise ValueError(f"found {len(value)} rounds, expected at most {ROUNDS_MAX} tables [[rounds]].")
    return _frozen(value)


Instant = Annotated[dt.datetime, AfterValidator(_to_utc)]
Interval = Annotated[tuple[Instant, Instant], BeforeValidator(_frozen)]
Domain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+\z", max_length=253)]
Name = Annotated[str, StringConstraints(pattern=r"^[^\s\p{C}]([^\p{C}]*[^\s\p{C}])?\z", max_length=100)]
Several = BeforeValidator(_frozen)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Joining(_Table):
    """Who may take part, and how teams form."""

    how: Literal["open", "code", "roster", "approval"] = Field(
        "code", description='"open", "code", "roster" or "approval"'
    )
    code: str = Field("", max_length=100, description="a text of at most 100 characters")
    email_domains: Annotated[tuple[Domain, ...], FailFast(), Several] = Field(
        (), description='a list of domains in small letters, such as ["epfl.ch"]'
    )
    team_size_max: int = Field(2, ge=1, le=100, description="a whole number from 1 to 100")
    locks_at: Instant | None = Field(None, description="a date and time, such as 2027-04-12T18:00:00")
    anonymous: bool = Field(False, description="true or false")


class Classes(_Table):
    """What the attacker guesses: classes 1..count."""

    column: str = Field(
        "cell_id",
        pattern=r"^[a-z][a-z0-9_]{0,39}\z",
        description="1 to 40 of a-z, 0-9 and _, beginning with a letter",
    )
    count: int = Field(100, ge=2, le=1000, description="a whole number from 2 to 1000")
    names: Annotated[tuple[Name, ...], FailFast(), Several] = Field(
        (), description="a list of names of 1 to 100 characters, one for each class, or []"
    )
    singular: Name = Field("cell", max_length=40, description="a word of 1 to 40 characters")


class Traces(_Table):
    """What a defence must be."""

    repetitions: Annotated[
        tuple[Annotated[int, Field(ge=1, le=10_000)], Annotated[int, Field(ge=1, le=10_000)]], Several
    ] = Field((25, 39), description="two whole numbers from 1 to 10000, [least, most]")
    packets_min: int = Field(6, ge=2, le=10_000, description="a whole number from 2 to 10000")
    duration_max_s: float = Field(600.0, gt=0, le=86_400, description="a number of seconds above 0 and at most 86400")
    size_max_bytes: int = Field(65_535, ge=1, le=65_535, description="a whole number from 1 to 65535")
    upload_max_mb: int = Field(64, ge=1, le=4096, description="a whole number from 1 to 4096")
    unpacked_max_mb: int = Field(512, ge=1, le=16_384, description="a whole number from 1 to 16384")
    copies: Literal["signal", "reject"] = Field("signal", description='"signal" or "reject"')
    plausibility: Literal["signal", "reject"] = Field("signal", description='"signal" or "reject"')
    accepts: Annotated[tuple[Literal["traces", "code"], ...], FailFast(), Several] = Field(
        ("traces",), min_length=1, max_length=2, description='["traces"]'
    )


class Split(_Table):
    """How a defence becomes a training and a test set."""

    test_traces: int = Field(300, ge=2, le=10_000, description="a whole number from 2 to 10000")
    test_pool: int = Field(300, ge=2, le=100_000, description="a whole number from 2 to 100000")
    public_share: float = Field(0.34, gt=0, le=1, description="a number above 0 and at most 1")


class Matches(_Table):
    """How teams are drawn."""

    per_team: int = Field(3, ge=1, le=100, description="a whole number from 1 to 100")
    avoid_repeats: bool = Field(True, description="true or false")


class Limits(_Table):
    """What a team may do, and how often."""

    defences_per_day: int = Field(5, ge=1, le=1000, description="a whole number from 1 to 1000")
    attacks_per_day: int = Field(5, ge=1, le=1000, description="a whole number from 1 to 1000")
    faulty_per_day: int = Field(20, ge=1, le=1000, description="a whole number from 1 to 1000")
    house_runs_per_round: int = Field(3, ge=0, le=1000, description="a whole number from 0 to 1000")
    collections_per_round: int = Field(1, ge=0, le=1000, description="a whole number from 0 to 1000")
    quick_collections_per_day: int = Field(3, ge=0, le=1000, description="a whole number from 0 to 1000")


class Scoring(_Table):
    """How numbers become points."""

    scheme: Literal["srs2022", "balanced"] = Field("srs2022", description='"srs2022"')
    over_rounds: Literal["last", "mean", "best", "none"] = Field("last", description='"last", "mean", "best" or "none"')
    reference: str = Field("", max_length=200, description="the name of a trace set, or an empty text")


class Undefended(_Table):
    """Medians of a trace without any defence, to compare defences with.

    The defaults are those of SecretStroll's real captures over Tor, published with the race of 2022.
    """

    received_bytes: float = Field(439_240.0, ge=1, le=1e12, description="a number of bytes from 1 to 1e12")
    sent_bytes: float = Field(26_886.0, ge=1, le=1e12, description="a number of bytes from 1 to 1e12")
    duration_s: float = Field(12.512, ge=0.001, le=86_400, description="a number of seconds from 0.001 to 86400")


class RoundTimes(_Table):
    """Half-open intervals [opens, closes) of one round, aware UTC."""

    defence: Interval = Field(description="two times, [opens, closes]")
    attack: Interval = Field(description="two times, [opens, closes]")


class RaceRules(_Table):
    """One race. Times are aware UTC after reading; ``timezone`` is for display and for the length of a day."""

    slug: str = Field(pattern=r"^[a-z0-9-]{3,40}\z", description="3 to 40 of a-z, 0-9 and -")
    title: Name = Field(description="a line of 1 to 100 characters")
    description: str = Field("", max_length=20_000, description="a text of at most 20000 characters")
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "UTC", description="an IANA time zone such as Europe/Zurich"
    )
    visibility: Literal["public", "members"] = Field("members", description='"public" or "members"')
    joining: Joining = Field(Joining(), description="a table, [joining]")
    classes: Classes = Field(Classes(), description="a table, [classes]")
    traces: Traces = Field(Traces(), description="a table, [traces]")
    split: Split = Field(Split(), description="a table, [split]")
    matches: Matches = Field(Matches(), description="a table, [matches]")
    limits: Limits = Field(Limits(), description="a table, [limits]")
    scoring: Scoring = Field(Scoring(), description="a table, [scoring]")
    undefended: Undefended = Field(Undefended(), description="a table, [undefended]")
    rounds: Annotated[tuple[RoundTimes, ...], BeforeValidator(_few_rounds)] = Field(
        description="one table [[rounds]] for each round"
    )


def read_rules(toml_text: str | bytes) -> RaceRules:
    """The rules in the text of a ``race.toml``.

    Raises ``RulesError`` (``rules.invalid``) whose sentence lists the problems, one a line, each with its key,
    what was found and what is expected: all of them, or the first ``TOLD_MAX`` and how many more there are.
    """
    data = _parsed(toml_text)
    name = data.get("timezone")
    is_known = isinstance(name, str) and name in _zones()
    zone = zoneinfo.ZoneInfo(str(name) if is_known else "UTC")
    try:
        rules, problems = RaceRules.model_validate(data, strict=True, context=zone), []
    except ValidationError as error:
        problems = explain(error, data, RaceRules)
        # What is left without the faulty keys can still contradict itself, and one answer shall say it all.
        sound = {"slug": "unnamed", "title": "unnamed", "rounds": []} | without(data, problems)
        rules = RaceRules.model_validate(sound, strict=True, context=zone)
    faulty = faulty_keys(problems)
    problems += [found for found in contradictions(rules) if not concerns(found, faulty)]
    if problems:
        pairs = tuple((problem.key, problem.sentence) for problem in problems[:TOLD_MAX])
        raise RulesError("rules.invalid", listed(problems), problems=pairs)
    return rules


def _parsed(toml_text: str | bytes) -> dict[str, Any]:
    raw = toml_text.encode("utf-8", "surrogatepass") if isinstance(toml_text, str) else toml_text
    if len(raw) > TEXT_MAX_BYTES:
        raise RulesError("rules.invalid", f"The file has {len(raw)} bytes; a race.toml has at most {TEXT_MAX_BYTES}.")
    try:
        text = bounded(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise RulesError(
            "rules.invalid", f"Line {line} is not UTF-8 text; save the file with this encoding."
        ) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError("rules.invalid", f"This is not TOML: {error}.") from error
    except ValueError as error:
        line = line_of_long_number(text)
        raise RulesError(
            "rules.invalid", f"Line {line} has a number too long to be read; no number of a race has over 13 digits."
        ) from error


def dump_rules(rules: RaceRules) -> dict[str, Any]:
    """The rules as plain JSON values, for storage; ``load_rules`` gives equal rules back."""
    return rules.model_dump(mode="json")


def load_rules(stored: Mapping[str, Any]) -> RaceRules:
    """The rules that ``dump_rules`` wrote."""
    return RaceRules.model_validate(stored)
