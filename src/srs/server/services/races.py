"""Races: made from a ``race.toml``, joined as its ``[joining]`` says."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

from srs.errors import AccessDenied, InputError, NotFound, StateError
from srs.game.access import Action
from srs.game.draw import commit
from srs.game.race import RaceRules, dump_rules, read_rules
from srs.server.services import limits, news
from srs.server.services.access import Person, require
from srs.server.store import clock, events
from srs.server.store.engine import Session, Store
from srs.server.store.races import (
    Participation,
    Race,
    RosterEntry,
    all_races,
    is_on_roster,
    participation,
    race_by_slug,
    roster,
)
from srs.server.store.rounds import Round

ROSTER_MAX = 20_000


def create_race(
    store: Store, person: Person, toml: str, *, randbytes: Callable[[int], bytes] = secrets.token_bytes
) -> str:
    """Make a race and its rounds; returns its slug.

    The hash of each round's draw seed is fixed here, so that nobody can choose another draw later. Raises
    ``RulesError`` for a file that is not a race, ``InputError`` for a slug that is taken. Only a demo brings its own
    ``randbytes``.
    """
    rules = read_rules(toml)
    with store.work() as session:
        require(session, person, None, Action.CREATE_RACE)
        if any(race.slug == rules.slug for race in all_races(session)):
            raise InputError("race.slug-taken", f'There is a race "{rules.slug}" already; choose another slug.')
        moment = clock.now(session)
        race = Race(
            slug=rules.slug,
            title=rules.title,
            visibility=rules.visibility,
            toml=toml,
            rules_json=dump_rules(rules),
            split_secret=randbytes(32),
            capture_key=randbytes(32),
            created_at=moment,
            created_by=person.user_id or None,
        )
        session.add(race)
        session.flush()
        session.add_all(_rounds(race.id, rules, randbytes))
        _log(session, "race.created", race, person)
        return race.slug


def _rounds(race_id: int, rules: RaceRules, randbytes: Callable[[int], bytes]) -> list[Round]:
    rounds = []
    for number, times in enumerate(rules.rounds, start=1):
        seed = randbytes(32)
        rounds.append(
            Round(
                race_id=race_id,
                number=number,
                defence_opens_at=times.defence[0],
                defence_closes_at=times.defence[1],
                attack_opens_at=times.attack[0],
                attack_closes_at=times.attack[1],
                draw_seed=seed,
                draw_commitment=commit(seed),
            )
        )
    return rounds


def join(store: Store, person: Person, slug: str, code: str = "") -> bool:
    """Take part in a race; ``False`` when staff must approve first, however often one asks.

    Raises ``TooOften`` after ten wrong codes within an hour.
    """
    guess = _count_guess(store, person, slug)
    with store.work() as session:
        race = race_by_slug(session, slug, lock=True)
        require(session, person, race, Action.JOIN)
        known = participation(session, race.id, person.user_id)
        if known is not None:
            return known.approved_at is not None
        _may_join(session, race, person, code)
        limits.give_back(session, guess)
        moment = clock.now(session)
        approved_at = None if race.rules.joining.how == "approval" else moment
        session.add(Participation(race_id=race.id, user_id=person.user_id, joined_at=moment, approved_at=approved_at))
        if approved_at is None:
            news.about_request(session, race, person.name)
        return approved_at is not None


def _count_guess(store: Store, person: Person, slug: str) -> list[limits.Counted]:
    # In a transaction of its own, for the one in which a code turns out to be wrong is rolled back.
    with store.work() as session:
        race = race_by_slug(session, slug)
        require(session, person, race, Action.JOIN)
        if race.rules.joining.how != "code" or participation(session, race.id, person.user_id) is not None:
            return []
        return limits.count(session, (limits.CODE, f"{race.id} {person.user_id}"))


def _may_join(session: Session, race: Race, person: Person, code: str) -> None:
    joining = race.rules.joining
    domain = person.email.rsplit("@", 1)[-1].lower()
    if joining.email_domains and domain not in (allowed.lower() for allowed in joining.email_domains):
        raise AccessDenied(
            "race.email-domain",
            f"Only addresses at {', '.join(joining.email_domains)} may join this race; yours is at {domain}.",
        )
    if joining.how == "code" and not hmac.compare_digest(code.strip().encode(), joining.code.encode()):
        raise InputError("race.code", "This is not the code of this race.", hint="Your teacher has it.")
    if joining.how == "roster" and not is_on_roster(session, race.id, person.email):
        raise AccessDenied("race.roster", f"{person.email} is not on the roster of this race; ask the staff.")


def add_to_roster(store: Store, person: Person, slug: str, emails: list[str]) -> int:
    """Put addresses on the roster; returns how many were new."""
    if len(emails) > ROSTER_MAX:
        raise InputError("roster.size", f"{len(emails)} addresses at once; at most {ROSTER_MAX} are accepted.")
    with store.work() as session:
        race = race_by_slug(session, slug, lock=True)
        require(session, person, race, Action.MANAGE_MEMBERS)
        wanted = {email.strip().lower() for email in emails if "@" in email}
        fresh = sorted(wanted - roster(session, race.id))
        session.add_all(RosterEntry(race_id=race.id, email=email) for email in fresh)
        _log(session, "roster.added", race, person, detail={"count": len(fresh)})
        return len(fresh)


def approve(store: Store, person: Person, slug: str, user_id: int) -> None:
    """Let somebody in who asked to join."""
    with store.work() as session:
        race = race_by_slug(session, slug, lock=True)
        require(session, person, race, Action.MANAGE_MEMBERS)
        asked = participation(session, race.id, user_id)
        if asked is None:
            raise NotFound("join.unknown", "This person has not asked to join.")
        if asked.approved_at is not None:
            raise StateError("join.done", "This person is in the race already.")
        asked.approved_at = clock.now(session)
        _log(session, "join.approved", race, person, detail={"user_id": user_id})
        news.about_approval(session, race, user_id)


def _log(session: Session, action: str, race: Race, person: Person, detail: dict[str, object] | None = None) -> None:
    events.log(
        session,
        action,
        f"race {race.slug}",
        clock.now(session),
        race_id=race.id,
        user_id=person.user_id or None,
        detail=detail,
    )
