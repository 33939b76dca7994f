"""Twins: another team's same file or same captures, named for a few and counted for the rest."""

from __future__ import annotations

from collections.abc import Iterable

from srs.server.services import races, teams
from srs.server.services.access import Person
from srs.server.services.overview import is_looked_at, say_looked_at
from srs.server.services.signals import count_signals, signals_of
from srs.server.store.engine import Store
from srs.server.store.races import race_by_slug
from srs.server.store.scores import DefenceScore, defence_score_of
from srs.server.store.submissions import submission_by_public_id
from srs.server.store.twins import NAMED_MAX, Twins, twins_of
from worlds.played_round import accept_defence, send
from worlds.small_race import SmallRace, add_person

SAME = 5.0


def another_team(store: Store, number: int) -> Person:
    captain = add_person(store, f"Captain{number}")
    races.join(store, captain, "small")
    teams.create_team(store, captain, "small", f"Team {number}")
    return captain


def defend(store: Store, captain: Person, content: bytes, utility: float = SAME) -> str:
    public_id = send(store, captain, "small", "defence", content)
    accept_defence(store, "small", public_id, utility)
    return public_id


def find(store: Store, public_ids: Iterable[str]) -> dict[str, Twins]:
    with store.read() as session:
        race_id = race_by_slug(session, "small").id
        ids = {one: submission_by_public_id(session, race_id, one).id for one in public_ids}
        twins = twins_of(session, race_id, list(ids.values()))
        return {one: twins[of] for one, of in ids.items() if of in twins}


def test_the_same_file_and_the_same_captures(race: SmallRace) -> None:
    """Each sees the other, and which of them came first."""
    third = another_team(race.store, 3)
    a, b, c = (defend(race.store, who, what) for who, what in ((race.ada, b"x"), (race.cleo, b"y"), (third, b"x")))
    twins = find(race.store, [a, b, c])
    seen = {
        of: [(one.public_id, one.is_same_file, one.is_earlier) for one in found.named] for of, found in twins.items()
    }
    assert seen == {
        a: [(c, True, False), (b, False, False)],
        b: [(a, False, True), (c, False, False)],
        c: [(a, True, True), (b, False, True)],
    }
    assert [found.more for found in twins.values()] == [0, 0, 0]
    assert (twins[b].named[0].team_number, twins[b].named[0].round_number) == (1, 1)
    assert list(find(race.store, [b])) == [b], "only those that were asked for"


def test_what_is_no_twin(race: SmallRace) -> None:
    """Another file of the same team; one number apart, be it a metric that the utility does not show."""
    mine = [defend(race.store, race.ada, content) for content in (b"x", b"y")]
    theirs = [defend(race.store, race.cleo, b"z", SAME + 1e-9), defend(race.store, race.cleo, b"w")]
    with race.store.work() as session:
        score = session.query(DefenceScore).order_by(DefenceScore.id.desc()).first()
        assert score is not None
        score.metrics = score.metrics | {"max_duration": score.metrics["max_duration"] + 1e-9}
    assert find(race.store, mine + theirs) == {}


def test_of_another_team_the_first_file_counts(race: SmallRace) -> None:
    first, _again = (defend(race.store, race.ada, content) for content in (b"x", b"y"))
    own = defend(race.store, race.cleo, b"y")
    [twin] = find(race.store, [own])[own].named
    assert twin.public_id == first


def test_many_twins_are_counted(race: SmallRace) -> None:
    """A few are named; when one more comes, what staff have looked at is to be looked at again."""
    own = defend(race.store, race.ada, b"x")
    for number in range(3, 3 + NAMED_MAX + 1):
        defend(race.store, another_team(race.store, number), b"%d" % number)
    assert looked_at(race.store, own) == ("1 more team sent the same captures.", NAMED_MAX + 1, False)
    say_looked_at(race.store, race.dana, "small", own)
    assert looked_at(race.store, own) == ("1 more team sent the same captures.", NAMED_MAX + 1, True)
    defend(race.store, race.cleo, b"one more")
    assert looked_at(race.store, own) == ("2 more teams sent the same captures.", NAMED_MAX + 2, False)


def looked_at(store: Store, public_id: str) -> tuple[str, int, bool]:
    """What the last signal says, how many signals there are, and whether they were looked at."""
    with store.read() as session:
        race = race_by_slug(session, "small")
        score = defence_score_of(session, submission_by_public_id(session, race.id, public_id).id)
        assert score is not None
        signals = signals_of(session, race, [score])[score.submission_id]
        return signals[-1].found, count_signals(signals), is_looked_at(session, race, score, signals)
