"""Notices: told in the page, echoed by mail to who wants that, each kind switched by the person.

``tell`` writes both in the transaction of what they tell of, so that they exist if, and only if, it happened.
Confirmations, resets and invitations are no notices: nobody can switch them off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from srs.server.services.access import Person
from srs.server.store import clock, outbox
from srs.server.store.accounts import mail_addresses
from srs.server.store.engine import Session, Store, insert_missing
from srs.server.store.notices import Notice, NoticeChoice, choices_of, mark_all_read, notice_of
from srs.server.store.races import Race

SUBJECT_MAX_CHARACTERS = 200

ACCEPTED, REJECTED, DRAW, PHASE = "accepted", "rejected", "draw", "phase"
REMINDER, TEAM, STAFF = "reminder", "team", "staff"


@dataclass(frozen=True)
class Kind:
    """One kind of notice, and where it is told to who has chosen nothing."""

    name: str
    label: str
    in_page: bool = True
    by_mail: bool = True
    is_for_staff: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        # Whoever sends five files a day waits for most verdicts on the page. A rejected file is work to be done.
        Kind(ACCEPTED, "A file of your team was accepted", by_mail=False),
        Kind(REJECTED, "A file of your team was rejected, or could not be judged yet"),
        Kind(DRAW, "A round is drawn and your matches are ready"),
        Kind(PHASE, "A phase opens, a deadline is moved, a round is over"),
        Kind(REMINDER, "A deadline is near, and your team has nothing accepted"),
        Kind(TEAM, "Somebody joins or leaves your team, or the staff decide about it"),
        Kind(STAFF, "For staff: a job is parked, somebody asks to join", is_for_staff=True),
    )
}


@dataclass(frozen=True)
class Telling:
    """What some people are told. ``key`` names its cause: nobody is told the same twice.

    ``body`` is plain text; ``path`` is where it leads, on this host. Text of others in either has gone through
    ``traces.report.visible`` or ``quoted``, so that it stays on its line.
    """

    to: Collection[int]
    kind: str
    key: str
    subject: str
    body: str
    path: str


@dataclass(frozen=True)
class Choice:
    """Where one person wants one kind of notice."""

    kind: Kind
    in_page: bool
    by_mail: bool


def tell(session: Session, race: Race, tellings: Iterable[Telling]) -> None:
    """Write the notices and the mails that people want of them. Four statements, however many people."""
    pairs = [(user_id, one) for one in tellings for user_id in sorted(set(one.to))]
    if not pairs:
        return
    user_ids = {user_id for user_id, _ in pairs}
    chosen, addresses = choices_of(session, user_ids), mail_addresses(session, user_ids)
    wanted = [(user_id, one, _wish(chosen.get((user_id, one.kind)), one.kind)) for user_id, one in pairs]
    at = clock.now(session)
    notices = [
        {
            "user_id": user_id,
            "race_id": race.id,
            "kind": one.kind,
            "key": one.key,
            "subject": _shortened(one.subject),
            "body": one.body,
            "path": one.path,
            "created_at": at,
        }
        for user_id, one, wish in wanted
        if wish.in_page
    ]
    if notices:
        session.execute(insert_missing(session, Notice), notices)
    outbox.enqueue_echoes(
        session,
        [
            {
                "unique_key": f"notice {user_id} {one.key}",
                "recipient": addresses[user_id],
                "subject": _shortened(f"[{race.title}] {one.subject}"),
                "body": one.body,
                "created_at": at,
                "next_at": at,
                "notice_path": one.path,
            }
            for user_id, one, wish in wanted
            if wish.by_mail and user_id in addresses
        ],
    )


def _shortened(text: str) -> str:
    return text if len(text) <= SUBJECT_MAX_CHARACTERS else text[: SUBJECT_MAX_CHARACTERS - 1] + "…"


def _wish(row: NoticeChoice | None, kind_name: str) -> Choice:
    kind = KINDS[kind_name]
    return Choice(kind, row.in_page, row.by_mail) if row else Choice(kind, kind.in_page, kind.by_mail)


def choices(session: Session, person: Person) -> list[Choice]:
    """Where a person wants each kind of notice that there is for them."""
    chosen = choices_of(session, [person.user_id])
    return [_wish(chosen.get((person.user_id, kind.name)), kind.name) for kind in _kinds_for(person)]


def choose(store: Store, person: Person, in_page: Collection[str], by_mail: Collection[str]) -> None:
    """Keep where a person wants each kind: those in ``in_page`` on the page, those in ``by_mail`` by mail."""
    with store.work() as session:
        known = choices_of(session, [person.user_id])
        for kind in _kinds_for(person):
            row = known.get((person.user_id, kind.name))
            if row is None:
                row = NoticeChoice(user_id=person.user_id, kind=kind.name)
                session.add(row)
            row.in_page, row.by_mail = kind.name in in_page, kind.name in by_mail


def _kinds_for(person: Person) -> list[Kind]:
    return [kind for kind in KINDS.values() if person.is_staff or not kind.is_for_staff]


def open_notice(store: Store, person: Person, notice_id: int) -> str:
    """Mark one notice as read; the path that it leads to. ``NotFound`` for another person's."""
    with store.work() as session:
        notice = notice_of(session, person.user_id, notice_id)
        notice.read_at = notice.read_at or clock.now(session)
        return notice.path


def read_all(store: Store, person: Person) -> None:
    """Mark every notice of a person as read."""
    with store.work() as session:
        mark_all_read(session, person.user_id, clock.now(session))
