"""Standings of a race as JSON, and as CSV that a spreadsheet cannot take for formulas."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from srs.server.services.standings import Standing, is_final, race_standings, round_standings
from srs.server.store import clock
from srs.server.store.engine import Session
from srs.server.store.races import Race
from srs.server.store.rounds import rounds_of

COLUMNS = ("round", "final", "rank", "number", "team", "utility", "attack", "total")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


def to_json(session: Session, race: Race) -> str:
    """``{"race", "rounds": [{"number", "final", "standings": [...]}], "overall": [...]}``."""
    moment = clock.now(session)
    rounds = [
        {
            "number": one.number,
            "final": is_final(session, one, moment),
            "standings": [_row(standing) for standing in round_standings(session, race, one)],
        }
        for one in rounds_of(session, race.id)
    ]
    overall = [_row(standing) for standing in race_standings(session, race)]
    document = {"race": race.slug, "title": race.title, "rounds": rounds, "overall": overall}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def to_csv(session: Session, race: Race) -> str:
    """One line for each team and round, then the overall ranking as round ``all``; see ``COLUMNS``."""
    moment = clock.now(session)
    rows: list[Iterable[Any]] = [COLUMNS]
    for one in rounds_of(session, race.id):
        final = "yes" if is_final(session, one, moment) else "no"
        rows += [[one.number, final, *_row(row).values()] for row in round_standings(session, race, one)]
    rows += [["all", "yes", *_row(row).values()] for row in race_standings(session, race)]
    return csv_text(rows)


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """CSV of rows; numbers stay numbers, ``None`` is empty, and text that a spreadsheet would run is quoted by ``'``.

    The rule is that of OWASP ASVS 1.2.10.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_neutral(value) if isinstance(value, str) else value for value in row])
    return text.getvalue()


def _neutral(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _row(standing: Standing) -> dict[str, Any]:
    return {
        "rank": standing.rank,
        "number": standing.team.number,
        "team": standing.team.name,
        "utility": standing.utility,
        "attack": standing.attack,
        "total": standing.total,
    }
