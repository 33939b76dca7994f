"""The rules of one race, read from its ``race.toml``: every key, its type, its range and its default.

``RaceRules`` is the only place where a setting is named; ``docs/race.md`` describes each.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Joining(_Table):
    """Who may take part, and how teams form."""

    how: Literal["open", "code", "roster", "approval"] = "code"
    code: str = ""
    email_domains: tuple[str, ...] = ()
    team_size_max: int = 2
    locks_at: dt.datetime | None = None
    anonymous: bool = False


class Classes(_Table):
    """What the attacker guesses: classes 1..count."""

    column: str = "cell_id"
    count: int = 100
    names: tuple[str, ...] = ()
    singular: str = "cell"


class Traces(_Table):
    """What a defence must be."""

    repetitions: tuple[int, int] = (25, 39)
    packets_min: int = 6
    duration_max_s: float = 600.0
    size_max_bytes: int = 65535
    upload_max_mb: int = 64
    unpacked_max_mb: int = 512
    copies: Literal["signal", "reject"] = "signal"
    plausibility: Literal["signal", "reject"] = "signal"
    accepts: tuple[Literal["traces", "code"], ...] = ("traces",)


class Split(_Table):
    """How a defence becomes a training and a test set."""

    test_traces: int = 300
    test_pool: int = 300
    public_share: float = 0.34


class Matches(_Table):
    """How teams are drawn."""

    per_team: int = 3
    avoid_repeats: bool = True


class Limits(_Table):
    """What a team may do, and how often."""

    defences_per_day: int = 5
    attacks_per_day: int = 5
    faulty_per_day: int = 20
    house_runs_per_round: int = 3
    collections_per_round: int = 1
    quick_collections_per_day: int = 3


class Scoring(_Table):
    """How numbers become points."""

    scheme: Literal["srs2022", "balanced"] = "srs2022"
    over_rounds: Literal["last", "mean", "best", "none"] = "last"
    reference: str = ""


class RoundTimes(_Table):
    """Half-open intervals [opens, closes) of one round, aware UTC."""

    defence: tuple[dt.datetime, dt.datetime]
    attack: tuple[dt.datetime, dt.datetime]


class RaceRules(_Table):
    """One race. Times are aware UTC after reading; ``timezone`` is for display and for the length of a day."""

    slug: str
    title: str
    description: str = ""
    timezone: str = "UTC"
    visibility: Literal["public", "members"] = "members"
    joining: Joining = Joining()
    classes: Classes = Classes()
    traces: Traces = Traces()
    split: Split = Split()
    matches: Matches = Matches()
    limits: Limits = Limits()
    scoring: Scoring = Scoring()
    rounds: tuple[RoundTimes, ...]
