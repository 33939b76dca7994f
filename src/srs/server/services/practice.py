"""The practice match: it is made once for each race, and attacked as often as one likes."""

from __future__ import annotations

import datetime as dt

from srs.errors import QuotaSpent, StateError
from srs.game.limits import day_of
from srs.game.race import RaceRules
from srs.server.bell import Bell
from srs.server.services.wording import moment_in_words
from srs.server.store.base import HELD
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.jobs import HOUSE, Job
from srs.server.store.practice import (
    house_job_of,
    practice_of,
    races_without_house,
    rejected_practice,
    waiting_practice,
)
from srs.server.store.races import Race
from srs.server.store.teams import Team


def ask_the_house(store: Store, bell: Bell) -> list[int]:
    """Queue the making of every practice match that nobody has begun yet; the ids of the jobs.

    Every sweeper calls it: a race's row is locked and looked at again, so that each race gets one.
    """
    with store.read() as session:
        race_ids = races_without_house(session)
    asked = [job_id for race_id in race_ids if (job_id := _ask(store, race_id)) is not None]
    bell.ring(asked)
    return asked


def _ask(store: Store, race_id: int) -> int | None:
    with store.work() as session:
        session.get_one(Race, race_id, with_for_update=HELD)
        if house_job_of(session, race_id) is not None:
            return None
        job = Job(kind=HOUSE, race_id=race_id, queued_at=database_now(session))
        session.add(job)
        session.flush()
        return job.id


def refuse_unready(session: Session, race: Race) -> None:
    """Raise ``StateError`` while there is nothing to practise on."""
    if practice_of(session, race.id) is None:
        raise StateError(
            "practice.unready",
            "The practice match of this race is still being made.",
            hint="It takes a minute or so after the race was created; reload the page then.",
        )


def refuse_more_faulty(session: Session, rules: RaceRules, team: Team, moment: dt.datetime) -> None:
    """Raise ``QuotaSpent`` when so many practice files of the team were rejected today as the race allows.

    Practice has no other quota, and what costs nothing to send must not be free to be wrong for ever.
    """
    opens_at, closes_at = day_of(moment, rules.timezone)
    limit = rules.limits.faulty_per_day
    if rejected_practice(session, team.id, opens_at) >= limit:
        raise QuotaSpent(
            "quota.spent",
            f"{limit} practice attacks of your team were rejected today, and no more are taken; the next slot opens "
            f"at {moment_in_words(closes_at, rules.timezone)}.",
            hint="srs check finds the same faults on your own machine, as often as you like.",
        )


def refuse_second(session: Session, rules: RaceRules, team: Team) -> None:
    """Raise ``StateError`` while another practice attack of the team waits for its verdict."""
    waiting = waiting_practice(session, team.id)
    if waiting is not None:
        sent_at = moment_in_words(waiting.received_at, rules.timezone)
        raise StateError(
            "practice.waiting",
            f"The practice attack that your team sent at {sent_at} has no verdict yet; one waits at a time.",
            hint="Send the next one when the verdict is there, usually within a minute.",
        )
