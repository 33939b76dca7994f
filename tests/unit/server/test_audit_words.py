"""The audit log says who did what, in words; what has none, or lacks its detail, stands as it was written."""

from __future__ import annotations

from typing import Any

import pytest

from srs.server.store.accounts import User
from srs.server.store.events import Event
from srs.server.web.audit import SENTENCES, Names, in_words

NAMES = Names("Europe/Zurich", teams={4: "Quiet Maps"}, people={7: "Nils"}, jobs={12: "defence of team 4"})
MOVED = {
    "boundary": "defence_closes_at",
    "from": "2027-04-14T06:00:00+00:00",
    "to": "2027-04-14T06:30:00+00:00",
}
FROM_TO = "from 2027-04-14 08:00 CEST (06:00 UTC) to 2027-04-14 08:30 CEST (06:30 UTC)"
DRAWN = {"attackers": [1, 2, 4], "defenders": [4], "seed": "00"}
CASES: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("Dana", "race.created", "race small", {}, "made the race."),
    ("Dana", "roster.added", "race small", {"count": 1}, "put 1 address on the roster."),
    ("Dana", "join.approved", "race small", {"user_id": 7}, "let Nils into the race."),
    ("Dana", "team.excluded", "team 4", {}, "excluded team 4, Quiet Maps."),
    ("Dana", "round.moved", "round 1", MOVED, f"moved the end of the defence phase of round 1 {FROM_TO}."),
    ("", "round.drawn", "round 1", DRAWN, "drew round 1: 3 attackers, 1 defence."),
    ("", "round.published", "round 1", {}, "published the matches of round 1, whose files are ready."),
    ("", "job.parked", "job 12", {"crashes": 5}, "parked job 12 (defence of team 4) after 5 crashes."),
    ("Dana", "job.retried", "job 12", {}, "gave job 12 (defence of team 4) another try."),
    ("Dana", "job.rejected", "job 12", {}, "rejected job 12 (defence of team 4) by hand."),
    ("", "job.late", "job 9", {"attempt": 1}, "left the late result of an earlier attempt at job 9 aside."),
    ("Dana", "seeing.begun", "team 4", {}, "began to see the race as team 4, Quiet Maps."),
    ("Dana", "seeing.ended", "team 4", {}, "ended seeing the race as team 4, Quiet Maps."),
    (
        "Dana",
        "signals.looked-at",
        "submission x",
        {"team": 4},
        "looked at the signals of a defence of team 4, Quiet Maps.",
    ),
    ("Dana", "round.moved", "round 1", {}, "did round.moved, round 1."),
    ("", "something.new", "race small", {}, "did something.new, race small."),
]


def event(who: str, action: str, subject: str, detail: dict[str, Any], reason: str = "") -> Event:
    """One line; by nobody it was the site."""
    user = User(name=who) if who else None
    return Event(user=user, action=action, subject=subject, detail=detail or None, reason=reason)


@pytest.mark.parametrize(("who", "action", "subject", "detail", "told"), CASES, ids=[case[1] for case in CASES])
def test_who_did_what(who: str, action: str, subject: str, detail: dict[str, Any], told: str) -> None:
    assert in_words(event(who, action, subject, detail), NAMES) == f"{who or 'The site'} {told}"


def test_every_action_with_words_is_tried() -> None:
    assert set(SENTENCES) <= {action for _who, action, *_rest in CASES}


def test_the_reason_follows() -> None:
    one = event("Dana", "team.excluded", "team 4", {}, "Shared labels.")
    assert in_words(one, NAMES) == "Dana excluded team 4, Quiet Maps: Shared labels."
