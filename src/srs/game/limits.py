"""Quotas: how many files a team has sent today, how many it may still send, and when the day is over."""

from __future__ import annotations

import datetime as dt
import enum
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from srs.game.race import RaceRules


class Outcome(enum.StrEnum):
    """What has become of an uploaded file, as far as quotas care."""

    PENDING = "pending"
    """No verdict yet: queued, running or parked. It counts, whatever it will be."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Refused by the checks: it counts only as a faulty file."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A team's uploads of one kind in one day: files that count, and files that were rejected."""

    limit: int
    used: int
    faulty_limit: int
    faulty: int
    left: int
    """Files that may be sent now."""
    resets_at: dt.datetime
    """When the day ends and all slots are free again, aware UTC."""

    @property
    def next_slot_at(self) -> dt.datetime:
        """When the next slot opens at the latest; the verdict on a pending file may free one before."""
        return self.resets_at


def quota(
    kind: Literal["defence", "attack"],
    uploads: Iterable[tuple[dt.datetime, Outcome]],
    rules: RaceRules,
    now: dt.datetime,
) -> Quota:
    """What a team may still send today, from the ``(received_at, outcome)`` of its uploads of this kind.

    Only uploads of the calendar day of ``now`` in the race's timezone count. Files without a verdict are held
    against both limits, so that neither is ever exceeded however many are sent at once.
    """
    limits = rules.limits
    limit = limits.defences_per_day if kind == "defence" else limits.attacks_per_day
    opens_at, closes_at = day_of(now, rules.timezone)
    today = [outcome for received_at, outcome in uploads if opens_at <= received_at < closes_at]
    faulty = today.count(Outcome.REJECTED)
    used = len(today) - faulty
    pending = today.count(Outcome.PENDING)
    return Quota(
        limit=limit,
        used=used,
        faulty_limit=limits.faulty_per_day,
        faulty=faulty,
        left=max(0, min(limit - used, limits.faulty_per_day - faulty - pending)),
        resets_at=closes_at,
    )


def day_of(now: dt.datetime, timezone: str) -> tuple[dt.datetime, dt.datetime]:
    """The calendar day around ``now`` in a timezone, [begin, end) in UTC: 23 or 25 hours where clocks change."""
    zone = zoneinfo.ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    begin, end = (
        # A midnight that the clocks leap over is, read with the old offset, the instant of the leap.
        dt.datetime.combine(date, dt.time(), tzinfo=zone).astimezone(dt.UTC)
        for date in (today, today + dt.timedelta(days=1))
    )
    return begin, end
