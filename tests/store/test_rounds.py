"""The draw, its publication, moved boundaries, excluded teams, and the standings that follow."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest

from srs.errors import AccessDenied, InputError, StateError
from srs.game.draw import commit
from srs.game.phases import Phase, attack_window, phase_at
from srs.server.bell import SilentBell
from srs.server.services import races, rounds, standings, teams
from srs.server.services.submissions import GRACE_S
from srs.server.store.events import events_of_race
from srs.server.store.jobs import ACCEPTED, BUNDLE, PARKED, Job
from srs.server.store.matches import matches_of_round
from srs.server.store.scores import AttackScore, DefenceScore
from srs.server.store.submissions import submission_by_public_id
from srs.server.store.teams import teams_of_race
from worlds.small_race import ATTACK_CLOSES_AT, ATTACK_OPENS_AT, CLOSES_AT, IN_DEFENCE, SLUG, SmallRace, race_toml

DRAWABLE_AT = CLOSES_AT + dt.timedelta(seconds=GRACE_S + 1)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
FILES = {"train.csv.zip": {"sha256": "0" * 64, "size_bytes": 1}}


def defend(race: SmallRace, name: str, utility: float | None = 5.0) -> None:
    """A defence and, unless ``utility`` is ``None``, its accepted verdict."""
    public_id = race.send(getattr(race, name), "defence", name.encode(), f"key-defence-{name}")
    if utility is None:
        return
    with race.store.work() as session:
        submission = submission_by_public_id(session, race.race(session).id, public_id)
        submission.job.state = ACCEPTED
        session.add(
            DefenceScore(
                job_id=submission.job.id,
                submission_id=submission.id,
                version="test",
                utility=utility,
                implausible=False,
                traces=1,
                packets=1,
                metrics={},
                signals=[],
                files=FILES,
                pool_sha256="1" * 64,
                published_sha256="2" * 64,
            )
        )


def advance(race: SmallRace) -> None:
    rounds.advance(race.store, SilentBell())


def prepare_bundles(race: SmallRace) -> None:
    with race.store.work() as session:
        for match in matches_of_round(session, race.round(session).id):
            match.files, match.labels_sha256 = FILES, "3" * 64


def drawn_race(race: SmallRace) -> SmallRace:
    defend(race, "ada", 5.0)
    defend(race, "cleo", 4.0)
    race.at(DRAWABLE_AT)
    advance(race)
    prepare_bundles(race)
    advance(race)
    return race


def attack(race: SmallRace, name: str, public_auc: float, final_auc: float) -> None:
    """An attack on every match of a team, with its verdict."""
    person = getattr(race, name)
    public_id = race.send(person, "attack", name.encode(), f"key-attack-{name}")
    with race.store.work() as session:
        submission = submission_by_public_id(session, race.race(session).id, public_id)
        submission.job.state = ACCEPTED
        for match in matches_of_round(session, race.round(session).id):
            if match.attacker_id == submission.team_id:
                session.add(
                    AttackScore(
                        job_id=submission.job.id,
                        submission_id=submission.id,
                        match_id=match.id,
                        version="test",
                        public={"auc": public_auc, "accuracy": 0.123},
                        final={"auc": final_auc, "accuracy": 0.456},
                    )
                )


def test_the_seed_was_committed_to_at_the_creation(race: SmallRace) -> None:
    with race.store.read() as session:
        for number in (1, 2):
            one = race.round(session, number)
            assert commit(one.draw_seed) == one.draw_commitment
        assert race.round(session, 1).draw_seed != race.round(session, 2).draw_seed


def test_the_draw_happens_once_however_many_try(race: SmallRace) -> None:
    defend(race, "ada")
    defend(race, "cleo")
    race.at(DRAWABLE_AT)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: advance(race), range(8)))
    with race.store.read() as session:
        matches = matches_of_round(session, race.round(session).id)
        assert {(match.attacker.number, match.defender.number) for match in matches} == {(1, 2), (2, 1)}
        assert sorted(match.first_capture for match in matches) == [0, 4]
        drawn = [event for event in events_of_race(session, race.race(session).id) if event.action == "round.drawn"]
        assert len(drawn) == 1
        jobs = [session.get_one(Job, index) for index in (3, 4)]
        assert [job.kind for job in jobs] == [BUNDLE, BUNDLE]


def test_the_draw_waits_for_uploads_that_began_in_time(race: SmallRace) -> None:
    defend(race, "ada")
    race.at(CLOSES_AT + dt.timedelta(seconds=GRACE_S - 1))
    advance(race)
    with race.store.read() as session:
        assert race.round(session).drawn_at is None


def test_the_draw_waits_for_every_verdict_and_half_an_hour_for_a_parked_one(race: SmallRace) -> None:
    defend(race, "ada")
    defend(race, "cleo", utility=None)
    race.at(DRAWABLE_AT + HOUR)
    advance(race)
    with race.store.work() as session:
        assert race.round(session).drawn_at is None
        session.get_one(Job, 2).state = PARKED
    race.at(CLOSES_AT + 29 * MINUTE)
    advance(race)
    with race.store.read() as session:
        assert race.round(session).drawn_at is None
    race.at(CLOSES_AT + 31 * MINUTE)
    advance(race)
    with race.store.read() as session:
        assert race.round(session).drawn_at is not None
        assert [match.defender.number for match in matches_of_round(session, race.round(session).id)] == [1]


def test_a_round_without_defences_goes_by(race: SmallRace) -> None:
    race.at(DRAWABLE_AT)
    advance(race)
    with race.store.read() as session:
        assert race.round(session).published_at == DRAWABLE_AT


def test_the_attack_phase_opens_when_bundles_are_ready_and_keeps_its_length(race: SmallRace) -> None:
    defend(race, "ada")
    defend(race, "cleo")
    race.at(DRAWABLE_AT)
    advance(race)
    advance(race)
    with race.store.read() as session:
        assert phase_at(race.round(session).times(), ATTACK_OPENS_AT + HOUR) is Phase.DRAWING
    prepare_bundles(race)
    race.at(ATTACK_OPENS_AT + 2 * HOUR)
    advance(race)
    with race.store.read() as session:
        times = race.round(session).times()
        assert phase_at(times, ATTACK_OPENS_AT + 2 * HOUR) is Phase.ATTACK
        assert phase_at(times, ATTACK_CLOSES_AT + 2 * HOUR - dt.timedelta(microseconds=1)) is Phase.ATTACK
        assert phase_at(times, ATTACK_CLOSES_AT + 2 * HOUR) is Phase.CLOSED


def test_provisional_standings_round_and_final_ones_do_not(race: SmallRace) -> None:
    drawn_race(race)
    race.at(ATTACK_OPENS_AT + HOUR)
    attack(race, "ada", public_auc=0.98765, final_auc=0.87654321)
    with race.store.read() as session:
        (first, second) = standings.round_standings(session, race.race(session), race.round(session))
    assert (first.team.number, first.rank, first.attack, first.total) == (1, 1, 9.9, 49.5)
    assert (second.team.number, second.rank, second.attack, second.total) == (2, 2, 0.0, 0.0)
    with race.store.work() as session:
        session.get_one(Job, 5).state = "queued"
    race.at(ATTACK_CLOSES_AT + dt.timedelta(seconds=GRACE_S))
    with race.store.work() as session:
        assert not standings.is_final(session, race.round(session), ATTACK_CLOSES_AT + HOUR)
        session.get_one(Job, 5).state = ACCEPTED
        assert standings.is_final(session, race.round(session), ATTACK_CLOSES_AT + HOUR)
        (first, _) = standings.round_standings(session, race.race(session), race.round(session))
        assert first.attack == pytest.approx(8.7654321, rel=1e-15)
        overall = standings.race_standings(session, race.race(session))
        assert [row.total for row in overall] == [first.total, 0.0]


def test_a_team_without_a_defence_attacks_and_stands_last(race: SmallRace) -> None:
    defend(race, "cleo", 4.0)
    race.at(DRAWABLE_AT)
    advance(race)
    prepare_bundles(race)
    advance(race)
    race.at(ATTACK_OPENS_AT)
    attack(race, "ada", 0.9, 0.9)
    with race.store.read() as session:
        rows = standings.round_standings(session, race.race(session), race.round(session))
    assert [(row.team.number, row.attack, row.total) for row in rows] == [(2, 0.0, 0.0), (1, 9.0, None)]


def test_an_excluded_team_leaves_standings_and_its_matches_are_void(race: SmallRace) -> None:
    drawn_race(race)
    race.at(ATTACK_OPENS_AT)
    attack(race, "ada", 0.9, 0.9)
    with pytest.raises(AccessDenied):
        teams.exclude_team(race.store, race.ada, SLUG, 2, "they win")
    with pytest.raises(InputError):
        teams.exclude_team(race.store, race.dana, SLUG, 2, "  ")
    teams.exclude_team(race.store, race.dana, SLUG, 2, "published a file of labels")
    with pytest.raises(StateError):
        teams.exclude_team(race.store, race.dana, SLUG, 2, "again")
    with pytest.raises(StateError):
        teams.leave_team(race.store, race.cleo, SLUG)
    with race.store.read() as session:
        (row,) = standings.round_standings(session, race.race(session), race.round(session))
        assert (row.team.number, row.matches, row.attack) == (1, (), 0.0)
        assert all(match.void_at for match in matches_of_round(session, race.round(session).id))
        assert [one.excluded_at is not None for one in teams_of_race(session, race.race(session).id)] == [False, True]
    with pytest.raises(StateError):
        race.send(race.cleo, "attack", b"x", "key-excluded")


def test_who_is_in_the_draw_is_shown_never_the_pairs(race: SmallRace) -> None:
    defend(race, "ada")
    defend(race, "cleo", utility=None)
    with race.store.read() as session:
        shown = rounds.preview_draw(session, race.race(session), race.round(session))
    assert [(one.team.number, one.is_in) for one in shown] == [(1, True), (2, False)]
    assert "still to come" in shown[1].why


@pytest.mark.parametrize(
    ("boundary", "at", "code"),
    [
        ("draw_seed", ATTACK_OPENS_AT, "round.boundary"),
        ("defence_closes_at", IN_DEFENCE - 30 * MINUTE, "round.past"),
        ("defence_opens_at", IN_DEFENCE + HOUR, "round.boundary-passed"),
        ("defence_closes_at", ATTACK_OPENS_AT + HOUR, "round.order"),
        ("attack_closes_at", ATTACK_CLOSES_AT + 30 * 24 * HOUR, "round.order"),
    ],
)
def test_a_boundary_moves_only_forward_and_in_order(race: SmallRace, boundary: str, at: dt.datetime, code: str) -> None:
    with pytest.raises((InputError, StateError)) as refusal:
        rounds.move_boundary(race.store, race.dana, SLUG, 1, boundary, at, "because")
    assert refusal.value.code == code
    with race.store.read() as session:
        assert race.round(session).defence_closes_at == CLOSES_AT


def test_only_staff_move_boundaries_and_say_why(race: SmallRace) -> None:
    with pytest.raises(AccessDenied):
        rounds.move_boundary(race.store, race.ada, SLUG, 1, "defence_closes_at", CLOSES_AT + 30 * MINUTE, "please")
    with pytest.raises(InputError):
        rounds.move_boundary(race.store, race.dana, SLUG, 1, "defence_closes_at", CLOSES_AT + 30 * MINUTE, "")


def test_joining_needs_the_code_and_happens_once(race: SmallRace) -> None:
    coded = races.create_race(race.store, race.dana, race_toml("coded", joining='how = "code"\ncode = "walnut"'))
    with pytest.raises(InputError):
        races.join(race.store, race.nils, coded, "hazel")
    assert races.join(race.store, race.nils, coded, "walnut")
    with pytest.raises(AccessDenied):
        races.join(race.store, race.nils, coded, "walnut")


def test_one_team_a_person_and_two_people_a_team(race: SmallRace) -> None:
    with pytest.raises(InputError):
        teams.create_team(race.store, race.nils, SLUG, "ONIONS")
    with pytest.raises((AccessDenied, StateError)):
        teams.create_team(race.store, race.ada, SLUG, "Another one")
    with pytest.raises(StateError):
        teams.accept_invitation(race.store, race.nils, teams.invite(race.store, race.ada, SLUG))
    token = teams.invite(race.store, race.cleo, SLUG)
    assert teams.describe_invitation(race.store, token) == ("Race small", SLUG, "Garlic")
    assert teams.accept_invitation(race.store, race.nils, token) == SLUG
    with pytest.raises(StateError):
        teams.describe_invitation(race.store, token)
    teams.leave_team(race.store, race.nils, SLUG)
    with pytest.raises((AccessDenied, StateError)):
        teams.leave_team(race.store, race.nils, SLUG)


@pytest.mark.parametrize("name", ["", "x", "\u202eevil", "zero\u200bwidth", "y" * 41])
def test_a_teams_name_can_be_seen(race: SmallRace, name: str) -> None:
    with pytest.raises(InputError):
        teams.create_team(race.store, race.nils, SLUG, name)


def test_a_defence_accepted_after_the_draw_changes_no_score(race: SmallRace) -> None:
    drawn_race(race)
    with race.store.work() as session:
        first = session.get_one(DefenceScore, 1)
        first.submission.job.state = ACCEPTED
        late = session.get_one(DefenceScore, 2)
        late.submission.team_id = first.submission.team_id
        late.is_drawn, late.utility = False, 10.0
    with race.store.read() as session:
        rows = standings.round_standings(session, race.race(session), race.round(session))
    assert [row.utility for row in rows if row.team.number == 1] == [5.0]


def test_a_deadline_moved_at_the_last_moment_stops_the_draw(race: SmallRace) -> None:
    """The sweeper saw that the draw was due; before it drew, staff gave another half an hour."""
    defend(race, "ada")
    race.at(CLOSES_AT - HOUR)
    later = CLOSES_AT + 30 * MINUTE
    rounds.move_boundary(race.store, race.dana, SLUG, 1, "defence_closes_at", later, "the site was away")
    race.at(DRAWABLE_AT)
    assert rounds._draw(race.store, 1) == []
    with race.store.read() as session:
        assert race.round(session).drawn_at is None


def test_a_void_match_is_not_waited_for(race: SmallRace) -> None:
    defend(race, "ada")
    defend(race, "cleo")
    race.at(DRAWABLE_AT)
    advance(race)
    teams.exclude_team(race.store, race.dana, SLUG, 2, "the bundle cannot be made")
    advance(race)
    with race.store.read() as session:
        assert race.round(session).published_at == DRAWABLE_AT


def test_an_excluded_teams_file_does_not_hold_the_draw(race: SmallRace) -> None:
    defend(race, "ada")
    defend(race, "cleo", utility=None)
    race.at(DRAWABLE_AT)
    advance(race)
    with race.store.read() as session:
        assert race.round(session).drawn_at is None
    teams.exclude_team(race.store, race.dana, SLUG, 2, "its file stops everybody")
    advance(race)
    with race.store.read() as session:
        assert race.round(session).drawn_at == DRAWABLE_AT


def test_the_end_of_a_late_attack_phase_is_moved_from_where_it_is(race: SmallRace) -> None:
    defend(race, "ada")
    defend(race, "cleo")
    race.at(DRAWABLE_AT)
    advance(race)
    prepare_bundles(race)
    race.at(ATTACK_OPENS_AT + 20 * MINUTE)
    advance(race)
    until = ATTACK_CLOSES_AT + 40 * MINUTE
    rounds.move_boundary(race.store, race.dana, SLUG, 1, "attack_closes_at", until, "twenty minutes more")
    with race.store.read() as session:
        assert attack_window(race.round(session).times())[1] == until


def test_a_parked_attack_keeps_a_round_provisional_for_half_an_hour(race: SmallRace) -> None:
    drawn_race(race)
    race.at(ATTACK_OPENS_AT)
    attack(race, "ada", 0.9, 0.9)
    with race.store.work() as session:
        session.get_one(Job, 5).state = PARKED
        of_round = race.round(session)
        assert not standings.is_final(session, of_round, ATTACK_CLOSES_AT + 29 * MINUTE)
        assert standings.is_final(session, of_round, ATTACK_CLOSES_AT + 30 * MINUTE)


def test_two_staff_cannot_bring_the_rounds_out_of_order(race: SmallRace) -> None:
    """Round 1's end and round 2's beginning moved towards each other at once: one of the two is refused."""
    end, begin = ATTACK_CLOSES_AT + 40 * MINUTE, ATTACK_CLOSES_AT + 20 * MINUTE

    def move(job: tuple[int, str, dt.datetime]) -> str:
        try:
            rounds.move_boundary(race.store, race.dana, SLUG, *job, "at once")
        except InputError as refusal:
            return refusal.code
        return "moved"

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(move, [(1, "attack_closes_at", end), (2, "defence_opens_at", begin)]))
    assert sorted(answers) == ["moved", "round.order"]


def test_uploads_draws_and_exclusions_do_not_wait_for_each_other_in_a_ring(race: SmallRace) -> None:
    """A file that was sent is never the victim of a deadlock with staff or with the system."""
    defend(race, "ada")
    race.at(CLOSES_AT - HOUR)

    def act(index: int) -> str:
        if index == 0:
            teams.exclude_team(race.store, race.dana, SLUG, 2, "at once")
        elif index == 1:
            advance(race)
        else:
            return race.send(race.ada, "defence", b"%d" % index, f"key-ring-{index:04}")
        return "done"

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(act, range(6)))
    assert answers[:2] == ["done", "done"]
    assert len(set(answers[2:])) == 4
