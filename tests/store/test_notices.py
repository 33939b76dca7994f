"""What people are told, once, in the page and by mail as they choose; on both databases."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, insert, select

from fixtures.databases import FEWER
from fixtures.sizes import promised, record
from srs.errors import NotFound
from srs.server.bell import SilentBell
from srs.server.services import jobs, notices, races, rounds, sign_in, teams
from srs.server.services.notices import Telling, tell
from srs.server.services.submissions import GRACE_S
from srs.server.store import clock
from srs.server.store.accounts import User
from srs.server.store.engine import database_now
from srs.server.store.jobs import ACCEPTED, REJECTED, Job
from srs.server.store.matches import matches_of_round
from srs.server.store.notices import Notice, count_unread, notices_of
from srs.server.store.outbox import OutboxMail
from srs.server.store.races import Participation
from srs.server.store.teams import Membership, Team
from srs.traces.report import Problem
from worlds.small_race import CLOSES_AT, IN_DEFENCE, SLUG, SmallRace, race_toml
from worlds.told import judge, mailed, told

HOUR = dt.timedelta(hours=1)


def test_a_verdict_is_told_to_the_team_and_to_nobody_else(race: SmallRace) -> None:
    """G8: nothing of it reaches another team; no number of the score is in it."""
    public_id = judge(race, race.ben, ACCEPTED)
    for person in (race.ada, race.ben):
        [notice] = told(race.store, person, notices.ACCEPTED)
        assert notice.subject == "Your defence for round 1 was accepted"
        assert notice.path == f"/races/{SLUG}/submissions/{public_id}"
        assert '"file.csv", which Ben sent at 2027-04-13 09:00 CEST (07:00 UTC)' in notice.body
        assert "7.25" not in notice.body
    for person in (race.cleo, race.nils, race.paul, race.dana):
        assert told(race.store, person, notices.ACCEPTED) == []
    assert [mail.subject for mail in mailed(race.store, race.ada) if "accepted" in mail.subject] == []


def test_a_rejection_says_what_is_wrong_and_is_mailed(race: SmallRace) -> None:
    problems = [
        Problem("trace.size-zero", "0 is not a packet size.", line=number, column="x") for number in range(2, 9)
    ]
    judge(race, race.ada, REJECTED, *problems)
    [mail] = [mail for mail in mailed(race.store, race.ben) if "rejected" in mail.subject]
    assert mail.subject == "[Race small] Your defence for round 1 was rejected"
    assert "- line 2, column x: 0 is not a packet size.\n- line 3" in mail.body
    assert "- and 4 more problems, which its page lists." in mail.body
    assert told(race.store, race.ben, notices.REJECTED)[0].body == mail.body


def test_a_result_that_comes_too_late_tells_nothing(race: SmallRace) -> None:
    race.send(race.ada, "defence", b"x", "key-late-file")
    claim = jobs.claim_next(race.store, "w", 60.0)
    assert claim is not None
    late = jobs.Claim(claim.job_id, claim.kind, claim.attempt - 1)
    assert not jobs.finish(race.store, late, REJECTED, None, lambda _session, _job: None)
    assert told(race.store, race.ada, notices.REJECTED) == []


def test_a_notice_comes_with_what_it_tells_of_or_not_at_all(race: SmallRace) -> None:
    def tell_and_fail() -> None:
        with race.store.work() as session:
            tell(session, race.race(session), [telling([race.ada.user_id])])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tell_and_fail()
    assert told(race.store, race.ada, notices.PHASE) == []
    assert [mail for mail in mailed(race.store, race.ada) if "News" in mail.subject] == []


def telling(to: list[int], key: str = "key", subject: str = "News", body: str = "Something.") -> Telling:
    return Telling(to=to, kind=notices.PHASE, key=key, subject=subject, body=body, path="/races/small")


def test_nobody_is_told_twice_however_many_tell(race: SmallRace) -> None:
    """R7 for notices: one notice, one mail."""
    everybody = [person.user_id for person in (race.ada, race.ben, race.cleo)]

    def once(_index: int) -> None:
        with race.store.work() as session:
            tell(session, race.race(session), [telling(everybody)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(once, range(8)))
    for person in (race.ada, race.ben, race.cleo):
        assert len(told(race.store, person, notices.PHASE)) == 1
        assert len([mail for mail in mailed(race.store, person) if "News" in mail.subject]) == 1


@pytest.mark.parametrize(("in_page", "by_mail"), [(True, True), (True, False), (False, True), (False, False)])
def test_each_kind_is_switched_by_the_person(race: SmallRace, in_page: bool, by_mail: bool) -> None:
    on_page = [notices.PHASE] if in_page else []
    in_mail = [notices.PHASE] if by_mail else []
    notices.choose(race.store, race.ada, on_page, in_mail)
    with race.store.work() as session:
        tell(session, race.race(session), [telling([race.ada.user_id, race.ben.user_id])])
        [chosen] = [one for one in notices.choices(session, race.ada) if one.kind.name == notices.PHASE]
    assert (chosen.in_page, chosen.by_mail) == (in_page, by_mail)
    assert len(told(race.store, race.ada, notices.PHASE)) == in_page
    assert len([mail for mail in mailed(race.store, race.ada) if "News" in mail.subject]) == by_mail
    assert len(told(race.store, race.ben, notices.PHASE)) == 1, "another person's choice is another one"


def test_a_closed_account_gets_no_mail(race: SmallRace) -> None:
    with race.store.work() as session:
        session.get_one(User, race.ada.user_id).active = False
        tell(session, race.race(session), [telling([race.ada.user_id])])
    assert [mail for mail in mailed(race.store, race.ada) if "News" in mail.subject] == []


def test_kinds_for_staff_are_offered_to_staff(race: SmallRace) -> None:
    with race.store.read() as session:
        assert notices.STAFF not in [one.kind.name for one in notices.choices(session, race.ada)]
        assert notices.STAFF in [one.kind.name for one in notices.choices(session, race.dana)]


def test_reading(race: SmallRace) -> None:
    with race.store.work() as session:
        tell(session, race.race(session), [telling([race.cleo.user_id], key) for key in ("a", "b")])
    first, second = told(race.store, race.cleo)
    with pytest.raises(NotFound):
        notices.open_notice(race.store, race.ada, first.id)
    assert notices.open_notice(race.store, race.cleo, first.id) == "/races/small"
    assert [one.read_at is None for one in told(race.store, race.cleo)] == [False, True]
    notices.read_all(race.store, race.cleo)
    with race.store.read() as session:
        assert count_unread(session, race.cleo.user_id) == 0
        assert [one.id for one in notices_of(session, race.cleo.user_id, 5, before_id=second.id)] == [first.id]


def test_who_joins_and_leaves_is_told_to_the_others(race: SmallRace) -> None:
    [joined] = told(race.store, race.ada)
    assert (joined.kind, joined.subject) == (notices.TEAM, "Ben has joined your team")
    assert told(race.store, race.ben) == []
    teams.leave_team(race.store, race.ben, SLUG)
    assert told(race.store, race.ada)[-1].subject == "Ben has left your team"
    assert told(race.store, race.ben) == []


def test_an_excluded_team_is_told_why(race: SmallRace) -> None:
    teams.exclude_team(race.store, race.dana, SLUG, 1, "published labels")
    for person in (race.ada, race.ben):
        assert "published labels" in told(race.store, person)[-1].body
    assert told(race.store, race.cleo) == []


def test_who_asks_to_join_is_told_to_staff_once_an_hour_and_hears_the_answer(race: SmallRace) -> None:
    asked = races.create_race(race.store, race.dana, race_toml("asked", joining='how = "approval"'))
    for person in (race.ada, race.ben):
        assert not races.join(race.store, person, asked)
    assert [notice.path for notice in told(race.store, race.dana, notices.STAFF)] == ["/staff/races/asked"]
    race.at(IN_DEFENCE + HOUR)
    races.join(race.store, race.cleo, asked)
    assert len(told(race.store, race.dana, notices.STAFF)) == 2
    races.approve(race.store, race.dana, asked, race.ada.user_id)
    assert told(race.store, race.ada)[-1].subject == "You are in the race"


def test_parked_jobs_are_told_to_staff_once_and_to_each_team(race: SmallRace) -> None:
    for person in (race.ada, race.cleo):
        race.send(person, "defence", person.name.encode(), f"key-parked-{person.name}")
    with race.store.work() as session:
        for job in session.scalars(select(Job)):
            job.crashes = 5
    jobs.sweep(race.store, SilentBell(), crashes_max=5)
    [for_staff] = told(race.store, race.dana, notices.STAFF)
    assert for_staff.subject == "2 jobs parked"
    for person in (race.ada, race.ben, race.cleo):
        [notice] = told(race.store, person, notices.REJECTED)
        assert "Nothing is lost" in notice.body


def test_the_draw_is_told_when_the_bundles_are_ready_and_names_nobody(race: SmallRace) -> None:
    """A draw is secret until the attack phase opens; what is told before holds no pair."""
    for person in (race.ada, race.cleo):
        judge(race, person, ACCEPTED)
    race.at(CLOSES_AT + dt.timedelta(seconds=GRACE_S + 1))
    rounds.advance(race.store, SilentBell())
    assert told(race.store, race.ada, notices.DRAW) == []
    with race.store.work() as session:
        for match in matches_of_round(session, race.round(session).id):
            match.files, match.labels_sha256 = {}, "3" * 64
    for _ in range(2):
        rounds.advance(race.store, SilentBell())
    for person in (race.ada, race.ben, race.cleo):
        [notice] = told(race.store, person, notices.DRAW)
        assert "attacks 1 defence in round 1" in notice.body
        assert (
            "opens at 2027-04-14 09:00 CEST (07:00 UTC) and closes at 2027-04-15 09:00 CEST (07:00 UTC)" in notice.body
        )
        assert "Onions" not in notice.body
        assert "Garlic" not in notice.body
    assert told(race.store, race.dana, notices.DRAW) == []


def test_a_round_without_defences_is_told_so(race: SmallRace) -> None:
    race.at(CLOSES_AT + dt.timedelta(seconds=GRACE_S + 1))
    rounds.advance(race.store, SilentBell())
    [notice] = told(race.store, race.ada, notices.DRAW)
    assert notice.subject == "Round 1 is drawn: you have no match"


def test_a_moved_deadline_is_told_with_both_times(race: SmallRace) -> None:
    rounds.move_boundary(race.store, race.dana, SLUG, 1, "defence_closes_at", CLOSES_AT + HOUR / 2, "a power cut")
    [notice] = told(race.store, race.cleo, notices.PHASE)
    assert "the defence phase of round 1 closes at 2027-04-14 08:30 CEST (06:30 UTC)" in notice.body
    assert "It was to be 2027-04-14 08:00 CEST (06:00 UTC)" in notice.body
    assert "power cut" not in notice.body, "the reason was given to the audit log"


def test_a_deadline_that_is_moved_twice_is_told_twice(race: SmallRace) -> None:
    """Also within one moment of a clock that stands still, as a demo's does."""
    for hours in (0.25, 0.5):
        rounds.move_boundary(
            race.store, race.dana, SLUG, 1, "defence_closes_at", CLOSES_AT + hours * HOUR, "a power cut"
        )
    assert [" 08:15 " in one.subject for one in told(race.store, race.cleo, notices.PHASE)] == [True, False]


HOSTILE = (
    "a\r\nBcc: everybody@example.org",
    "a\n\nDear student, your password has expired: http://evil.example\n",
    "\x1b[31mred\x1b[0m",
    "\u202eexe.csv",
    "x" * 400,
    "<script>alert(1)</script>",
)


@pytest.mark.parametrize("config", FEWER, indirect=True)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_line(race: SmallRace, text: str) -> None:
    """S9: a file name, a person's name or a team's name adds no line, header or control character."""
    with race.store.work() as session:
        session.get_one(User, race.ben.user_id).name = text[:80]
        for team in session.scalars(select(Team)):
            team.name = f"{text[:30]} {team.number}"
    judge(race, race.ben, REJECTED, name=text)
    teams.leave_team(race.store, race.ben, SLUG)
    teams.exclude_team(race.store, race.dana, SLUG, 1, text)
    found = told(race.store, race.ada)[1:]
    assert [notice.kind for notice in found] == [notices.REJECTED, notices.TEAM, notices.TEAM]
    for notice in found:
        assert len(notice.subject) <= 200
        for line in (notice.subject, *notice.body.split("\n")):
            assert line == "" or line.isprintable(), line
            assert not line.startswith(("Bcc", "Dear"))


def test_300_people_are_told_in_a_few_statements(race: SmallRace) -> None:
    """A draw of 100 teams of three is told by bulk inserts: as many statements as for two teams."""
    crowd(race)
    with race.store.work() as session:
        race.round(session).drawn_at = clock.now(session)
    statements: list[str] = []
    event.listen(race.store.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    began = dt.datetime.now(dt.UTC)
    rounds.advance(race.store, SilentBell())
    took_s = (dt.datetime.now(dt.UTC) - began).total_seconds()
    with race.store.read() as session:
        assert len(session.scalars(select(Notice.id).where(Notice.kind == notices.DRAW)).all()) == 303
        mails = select(OutboxMail.id).where(OutboxMail.unique_key.like("notice % draw %"))
        assert len(session.scalars(mails).all()) == 303
    assert len(statements) <= 25, statements
    record("R7", 606, note=f"notices and mails of one draw in {len(statements)} statements, {took_s * 1000:.0f} ms")
    assert took_s < promised(2)


def crowd(race: SmallRace) -> None:
    """100 teams of three people more."""
    sign_in.add_user(race.store, "one-more@example.org")
    with race.store.work() as session:
        at, race_id = database_now(session), race.race(session).id
        users = [
            {"email": f"p{number}@example.org", "name": f"P{number}", "active": True, "fs_uniquifier": f"p{number}"}
            for number in range(300)
        ]
        session.execute(insert(User), users)
        ids = session.scalars(select(User.id).where(User.fs_uniquifier.like("p%")).order_by(User.id)).all()[:300]
        for number in range(100):
            team = Team(race_id=race_id, number=number + 3, name=f"Team {number}", created_at=at)
            team.members = [
                Membership(race_id=race_id, user_id=user_id, joined_at=at)
                for user_id in ids[3 * number : 3 * number + 3]
            ]
            session.add(team)
        session.add_all(Participation(race_id=race_id, user_id=one, joined_at=at, approved_at=at) for one in ids)
