"""How often somebody may try: guesses of passwords and of codes, mails to one recipient, newcomers from one address.

Each limit counts in the database for one subject at a time, in windows that begin with what is counted first. What is
counted before it is tried and then turns out well is given back, so that of many at once no more are tried than may
fail.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

from srs.errors import TooOften
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.tallies import count_one, count_one_less, end_of_window, forget_tallies

QUARTER, HOUR, DAY = dt.timedelta(minutes=15), dt.timedelta(hours=1), dt.timedelta(days=1)


@dataclass(frozen=True)
class Limit:
    """At most so many within a window of time, for each subject; the sentence says what there were too many of."""

    code: str
    most: int
    window: dt.timedelta
    sentence: str


LOG_IN_FROM_ADDRESS = Limit("log-in.account-and-address", 5, QUARTER, "Too many log-ins have failed for this account.")
LOG_IN = Limit("log-in.account", 20, QUARTER, LOG_IN_FROM_ADDRESS.sentence)
ADDRESS = Limit("log-in.address", 50, QUARTER, "Too many log-ins have failed from your address.")
KNOWN_BROWSER = Limit("log-in.browser", 5, QUARTER, "Too many log-ins have failed in this browser.")
PASSWORD = Limit("password.guesses", 5, QUARTER, "The present password was wrong too often.")
CODE = Limit("race.code-guesses", 10, HOUR, "You have tried too many codes of this race.")
INVITATIONS = Limit("invitation.too-many", 20, DAY, "Your team has made 20 invitations within a day.")
MAILS = 3
RECIPIENT = Limit("mail.recipient", MAILS, HOUR, "Three mails about its account have gone to this address.")


def mail_by(form: str) -> Limit:
    """How often one recipient's mail may be asked for by a form.

    Each form counts for itself, so that a stranger who spends one cannot keep people from what another one sends.
    """
    return Limit(f"mail.{form}", MAILS, HOUR, "This was asked for three times for this address within an hour.")


def from_address(form: str, most: int) -> Limit:
    """How often a form may be sent from one address; a lecture hall has a single one."""
    return Limit(f"address.{form}", most, HOUR, f"This form was sent {most} times from your network within an hour.")


@dataclass(frozen=True)
class Counted:
    """One try that was counted, and can be given back."""

    key: str
    ends_at: dt.datetime


def count(session: Session, *tries: tuple[Limit, str]) -> list[Counted]:
    """Count one try for each subject of a limit. Raises ``TooOften`` for the first that is full.

    The error ends the transaction, so that none of them is counted. Limits come in the order in which they stand in
    this module, so that two transactions do not wait for each other.
    """
    now = database_now(session)
    return [_count(session, limit, subject, now) for limit, subject in tries]


def count_now(store: Store, *tries: tuple[Limit, str]) -> list[Counted]:
    """The same, in a transaction of its own: it stays counted whatever comes of it."""
    with store.work() as session:
        return count(session, *tries)


def give_back(session: Session, tries: Iterable[Counted]) -> None:
    """What was tried turned out well, and does not count."""
    for one in tries:
        count_one_less(session, one.key, one.ends_at)


def may_be_mailed(session: Session, recipient: str) -> bool:
    """Whether one more mail about their account may go to a recipient, whichever form asked for it; counts it, if so.

    Whoever asked is not told, for strangers would learn by it who has an account.
    """
    key = _key(RECIPIENT, recipient.lower())
    return count_one(session, key, RECIPIENT.most, RECIPIENT.window, database_now(session)) is not None


def _count(session: Session, limit: Limit, subject: str, now: dt.datetime) -> Counted:
    key = _key(limit, subject)
    ends_at = count_one(session, key, limit.most, limit.window, now)
    if ends_at is None:
        asked_at = database_now(session)  # later than ``now``, if others were waited for
        left_s = ((end_of_window(session, key) or asked_at) - asked_at).total_seconds()
        raise TooOften(limit.code, limit.sentence, after_s=left_s, hint=f"Please try again in {_in_words(left_s)}.")
    return Counted(key, ends_at)


def _key(limit: Limit, subject: str) -> str:
    # Whatever somebody typed fits, and the table is no list of people and addresses.
    return hashlib.sha256(f"{limit.code} {subject}".encode()).hexdigest()


def _in_words(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    if minutes > 90:
        return f"{math.ceil(minutes / 60)} hours"
    return f"{minutes} minutes" if minutes > 1 else "a minute"


def sweep_tallies(store: Store) -> None:
    """Forget what was counted in windows that are over."""
    with store.work() as session:
        forget_tallies(session, database_now(session))
