"""Receiving a file: after ``receive`` has returned it can no longer be lost."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from dataclasses import dataclass
from typing import Final, Literal

from srs.errors import InputError, PhaseClosed, QuotaSpent, StateError, TooSlow
from srs.game.access import Action
from srs.game.limits import Outcome, Quota, quota
from srs.game.phases import Phase, attack_window, current_round, phase_at
from srs.game.race import RaceRules
from srs.server.bell import Bell
from srs.server.services.access import Person, require
from srs.server.services.practice import refuse_more_faulty, refuse_second, refuse_unready
from srs.server.services.teams import refuse_excluded
from srs.server.services.wording import moment_in_words, storable
from srs.server.store import clock
from srs.server.store.base import HELD
from srs.server.store.blobs import Blob
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.jobs import ACCEPTED, PRACTICE, REJECTED, Job
from srs.server.store.races import Race, race_by_slug
from srs.server.store.rounds import Round, rounds_of
from srs.server.store.submissions import ATTACK, DEFENCE, Submission, submission_by_key, submissions_of_team
from srs.server.store.teams import Team, team_of
from srs.traces.report import visible

Counted = Literal["defence", "attack"]
Kind = Counted | Literal["practice"]
UPLOADS: Final[dict[Kind, Action]] = {
    DEFENCE: Action.UPLOAD_DEFENCE,
    ATTACK: Action.UPLOAD_ATTACK,
    PRACTICE: Action.UPLOAD_PRACTICE,
}

GRACE_S = 120
"""An upload that began in time may end this long after the phase; the draw and the final standings wait for it."""

FILE_NAME_MAX_CHARACTERS = 255
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Upload:
    """Permission to send one file, given before its body is read."""

    race_id: int
    round_id: int
    team_id: int
    user_id: int
    kind: Kind
    received_at: dt.datetime
    upload_max_bytes: int


def open_upload(store: Store, person: Person, slug: str, kind: Kind, began_s: float | None = None) -> Upload:
    """May this person send a file? What counts is the moment at which the request began, by the database's clock.

    ``began_s`` is what ``time.monotonic()`` showed then; ``None`` means now.
    Raises ``AccessDenied``, ``PhaseClosed``, ``QuotaSpent`` or another ``StateError`` before a byte of the body has
    been read, and ``Unavailable`` where there is no room for it. Practice knows no phase and no quota; it belongs to
    the round that is played at the moment.
    """
    with store.read() as session:
        received_at = clock.now(session) if began_s is None else clock.moment_of(session, began_s)
        race = race_by_slug(session, slug)
        team = _submitting_team(session, race, person, kind)
        rules = race.rules
        if kind == PRACTICE:
            refuse_unready(session, race)
            open_round = _present_round(session, race, received_at)
        else:
            open_round = _open_round(session, race, kind, received_at)
        _refuse_one_more(session, rules, team, kind, received_at)
        store.blobs.require_room()
        return Upload(
            race_id=race.id,
            round_id=open_round.id,
            team_id=team.id,
            user_id=person.user_id,
            kind=kind,
            received_at=received_at,
            upload_max_bytes=rules.traces.upload_max_mb * MEGABYTE,
        )


def receive(store: Store, bell: Bell, upload: Upload, blob: Blob, file_name: str, idempotency_key: str) -> str:
    """Record a stored blob as a submission and queue its evaluation, in one transaction; returns its public id.

    The same idempotency key gives the same submission. The phase is that of ``upload.received_at`` under the
    boundaries that are committed now, so a deadline moved meanwhile counts. Raises ``Unavailable`` where the blob was
    swept meanwhile.
    """
    if not re.fullmatch(r"[!-~]{8,64}", idempotency_key):
        raise InputError("upload.key", "The idempotency key must have 8 to 64 printable ASCII characters.")
    with store.work() as session:
        team = session.get_one(Team, upload.team_id, with_for_update=HELD)
        known = submission_by_key(session, team.id, upload.kind, idempotency_key)
        if known is not None:
            return _same(known, blob)
        refuse_excluded(team)
        if not any(member.user_id == upload.user_id for member in team.members):
            raise StateError("team.left", "You have left this team meanwhile; nothing was stored.")
        race = session.get_one(Race, upload.race_id)
        if upload.kind != PRACTICE:
            in_round = session.get_one(Round, upload.round_id, with_for_update={"read": True})
            _refuse_closed(race, in_round, upload.kind, upload.received_at)
            _refuse_late_end(in_round, upload.kind, clock.now(session))
        _refuse_one_more(session, race.rules, team, upload.kind, upload.received_at)
        store.blobs.require([blob])
        job = _record(session, upload, blob, file_name, idempotency_key)
        public_id, job_id = job.submission.public_id, job.id  # type: ignore[union-attr]
    bell.ring([job_id])
    return public_id


def known_submission(store: Store, person: Person, slug: str, kind: Kind, idempotency_key: str) -> str | None:
    """The submission that a key has made before: for who did not get the answer and asks again, even too late."""
    with store.read() as session:
        race = race_by_slug(session, slug)
        team = team_of(session, race.id, person.user_id)
        known = submission_by_key(session, team.id, kind, idempotency_key) if team else None
        return known.public_id if known else None


def _same(known: Submission, blob: Blob) -> str:
    if known.sha256 != blob.sha256:
        raise InputError(
            "upload.key-used",
            "This form has already sent another file.",
            hint="Reload the page and send this file with the fresh form.",
        )
    return known.public_id


def _record(session: Session, upload: Upload, blob: Blob, file_name: str, idempotency_key: str) -> Job:
    submission = Submission(
        public_id=secrets.token_hex(16),
        race_id=upload.race_id,
        round_id=upload.round_id,
        team_id=upload.team_id,
        user_id=upload.user_id,
        kind=upload.kind,
        file_name=visible(storable(file_name))[-FILE_NAME_MAX_CHARACTERS:] or "unnamed",
        sha256=blob.sha256,
        size_bytes=blob.size_bytes,
        received_at=upload.received_at,
        idempotency_key=idempotency_key,
    )
    job = Job(
        kind=upload.kind,
        race_id=upload.race_id,
        team_id=upload.team_id,
        submission=submission,
        queued_at=database_now(session),
    )
    session.add(job)
    session.flush()
    return job


def _submitting_team(session: Session, race: Race, person: Person, kind: Kind) -> Team:
    require(session, person, race, UPLOADS[kind])
    team = team_of(session, race.id, person.user_id)
    if team is None:
        raise StateError("team.none", "You are in no team of this race.", hint="Create one, or accept an invitation.")
    refuse_excluded(team)
    return team


def _present_round(session: Session, race: Race, moment: dt.datetime) -> Round:
    rounds = {one.number: one for one in rounds_of(session, race.id)}
    return rounds[current_round([one.times() for one in rounds.values()], moment).number]


def _open_round(session: Session, race: Race, kind: Counted, moment: dt.datetime) -> Round:
    """The round whose phase of this kind is open; otherwise say when it was or will be."""
    wanted = Phase.DEFENCE if kind == DEFENCE else Phase.ATTACK
    rounds = rounds_of(session, race.id)
    for candidate in rounds:
        if phase_at(candidate.times(), moment) is wanted:
            return candidate
    past = [candidate for candidate in rounds if _window(candidate, kind)[1] <= moment]
    coming = [candidate for candidate in rounds if _window(candidate, kind)[0] > moment]
    if past:
        raise _closed(race, past[-1], kind, moment)
    opens_at = _window(coming[0], kind)[0] if coming else moment
    raise PhaseClosed(
        "phase.not-open",
        f"The {kind} phase of round {coming[0].number if coming else 1} opens at "
        f"{moment_in_words(opens_at, race.rules.timezone)}.",
    )


def _window(in_round: Round, kind: Counted) -> tuple[dt.datetime, dt.datetime]:
    if kind == DEFENCE:
        return in_round.defence_opens_at, in_round.defence_closes_at
    return attack_window(in_round.times())


def _closed(race: Race, in_round: Round, kind: Counted, moment: dt.datetime) -> PhaseClosed:
    closed_at = _window(in_round, kind)[1]
    late_s = (moment - closed_at).total_seconds()
    return PhaseClosed(
        "phase.closed",
        f"The {kind} phase of round {in_round.number} closed at "
        f"{moment_in_words(closed_at, race.rules.timezone)}, {_duration_in_words(late_s)} before your upload began.",
    )


def _duration_in_words(seconds: float) -> str:
    for length_s, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 1 else f"{seconds * 1000:.0f} milliseconds"


def _refuse_closed(race: Race, in_round: Round, kind: Counted, received_at: dt.datetime) -> None:
    opens_at, closes_at = _window(in_round, kind)
    if not opens_at <= received_at < closes_at:
        raise _closed(race, in_round, kind, received_at)


def _refuse_late_end(in_round: Round, kind: Counted, moment: dt.datetime) -> None:
    closes_at = _window(in_round, kind)[1]
    if moment > closes_at + dt.timedelta(seconds=GRACE_S) or (kind == DEFENCE and in_round.drawn_at is not None):
        raise TooSlow(
            "upload.too-slow",
            f"Your upload began in time, but was not complete {GRACE_S} seconds after the end of the phase.",
            hint="Nothing was stored.",
        )


def uploads_left(session: Session, rules: RaceRules, team_id: int, kind: Counted, moment: dt.datetime) -> Quota:
    """What a team may still send today, and when the next slot opens."""
    uploads = [
        (submission.received_at, _outcome(submission.job)) for submission in submissions_of_team(session, team_id, kind)
    ]
    return quota(kind, uploads, rules, moment)


def _outcome(job: Job) -> Outcome:
    """A file that has no verdict yet counts, whatever it will be: 50 files at once are still 50 files."""
    return {ACCEPTED: Outcome.ACCEPTED, REJECTED: Outcome.REJECTED}.get(job.state, Outcome.PENDING)


def _refuse_one_more(session: Session, rules: RaceRules, team: Team, kind: Kind, moment: dt.datetime) -> None:
    if kind == PRACTICE:
        refuse_second(session, rules, team)
        refuse_more_faulty(session, rules, team, moment)
        return
    left = uploads_left(session, rules, team.id, kind, moment)
    if left.left > 0:
        return
    if left.used >= left.limit:
        spent = f"Your team has used its {left.limit} {kind} uploads of today"
    else:
        spent = (
            f"Your team has sent {left.faulty} files today that were rejected (at most {left.faulty_limit} a day, "
            "counting those that still wait for their verdict)"
        )
    next_slot = moment_in_words(left.next_slot_at, rules.timezone)
    raise QuotaSpent("quota.spent", f"{spent}; the next slot opens at {next_slot}.")
