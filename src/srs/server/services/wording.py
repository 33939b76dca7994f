"""Text for people and databases: moments in words, and words from outside."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo


def moment_in_words(moment: dt.datetime, timezone: str) -> str:
    """``2026-04-17 18:00 CEST (16:00 UTC)``; seconds where there are some; UTC's date where it differs."""
    local, utc = moment.astimezone(ZoneInfo(timezone)), moment.astimezone(dt.UTC)
    clock = "%H:%M:%S" if local.second else "%H:%M"
    if local.utcoffset() == dt.timedelta(0) and local.tzname() == "UTC":
        return f"{utc:%Y-%m-%d {clock}} UTC"
    utc_date = "" if local.date() == utc.date() else "%Y-%m-%d "
    return f"{local:%Y-%m-%d {clock}} {local.tzname()} ({utc:{utc_date}{clock}} UTC)"


def boundary_in_words(boundary: str, round_number: int) -> str:
    """``the end of the defence phase of round 3``, of ``defence_closes_at``."""
    phase, verb, _at = boundary.split("_")
    return f"the {'beginning' if verb == 'opens' else 'end'} of the {phase} phase of round {round_number}"


def storable(text: str) -> str:
    """Text from outside as every database takes it: no NUL, no half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
