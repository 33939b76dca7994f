"""The leaderboard: by round, provisional or final, over the rounds; and the story of a round that is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response, url_for

from srs.errors import NotFound
from srs.game.access import Action
from srs.game.phases import Phase
from srs.judging.meaning import undefended_utility
from srs.lab.plots.chart import Chart
from srs.lab.plots.standings import ClassOfRound, Scores, class_as_a_whole
from srs.lab.plots.trade_off import Price, trade_off
from srs.server.services.round_story import Defended, Paragraph, standing_so_far, story
from srs.server.services.standings import RoundStandings, Standing, overall_standings, standings_of
from srs.server.services.stories import defended, placed, round_facts
from srs.server.store.rounds import Round
from srs.server.web import figures, live
from srs.server.web.viewer import RaceView, looking_at
from srs.traces.report import plural

pages = Blueprint("leaderboard", __name__)


@pages.get("/races/<slug>/leaderboard")
def overall(slug: str) -> Response:
    """The race's overall standing, and the round that is being played or was played last."""
    with looking_at(slug, Action.SEE_LEADERBOARD) as view:
        begun = begun_rounds(view)
        return _page(view, begun[-1].number if begun else view.round.number, with_overall=True)


@pages.get("/races/<slug>/rounds/<int:number>")
def of_round(slug: str, number: int) -> Response:
    """The standings of one round, and its story once it is over."""
    with looking_at(slug, Action.SEE_LEADERBOARD) as view:
        return _page(view, number, with_overall=False)


@pages.get("/races/<slug>/rounds/<int:number>/defences.svg")
def defences_figure(slug: str, number: int) -> Response:
    """What each defence of a round cost and what the strongest attack learnt; not before the round is final."""
    with looking_at(slug, Action.SEE_LEADERBOARD) as view:
        one = next(iter(standings_of(view.session, view.race, [view.round_of(number)], view.now)))
        chart = _trade_off(view, one)
    if chart is None:
        raise NotFound("figure.none", f"There is no such picture of round {number} yet.")
    return figures.answer(chart, changes=True)


@pages.get("/races/<slug>/leaderboard/class.svg")
def class_figure(slug: str) -> Response:
    """How utility, attack and total lie over the teams, round by round."""
    with looking_at(slug, Action.SEE_LEADERBOARD) as view:
        chart = _class(standings_of(view.session, view.race, begun_rounds(view), view.now))
    if chart is None:
        raise NotFound("figure.none", "There is no such picture of this race yet.")
    return figures.answer(chart, changes=True)


def begun_rounds(view: RaceView) -> list[Round]:
    """The rounds whose defences show: those whose attack phase has begun."""
    return [one for one in view.rounds if view.phase(one) in (Phase.ATTACK, Phase.CLOSED)]


def label_of(one: RoundStandings) -> str:
    """What a round is called in a picture."""
    return f"Round {one.of_round.number}" + ("" if one.is_final else " so far")


def _page(view: RaceView, number: int, *, with_overall: bool) -> Response:
    shown = view.round_of(number)
    begun = begun_rounds(view)
    one = next(iter(_standings(view, [shown] if shown in begun else [])), None)
    is_final = one is not None and one.is_final

    def rest() -> dict[str, Any]:
        found = _of_round(view, one) if one else {}
        if with_overall:
            others = _standings(view, [each for each in begun if each is not shown])
            by_round = sorted([*others, *([one] if one else [])], key=lambda each: each.of_round.number)
            found |= _over_rounds(view, by_round, one)
        return found

    page = live.page(
        "leaderboard.html",
        {"standings": "_standings.html"},
        rest=rest,
        view=view,
        shown=shown,
        has_begun=one is not None,
        standings=one.rows if one else (),
        is_final=is_final,
        lead=standing_so_far(placed(one.rows, view.name_of), number) if one and not is_final else "",
    )
    # The table is asked for alone from a page that says "provisional", which is no longer true of all of it.
    return live.renewed(page) if is_final else page


def _standings(view: RaceView, rounds: list[Round]) -> list[RoundStandings]:
    return standings_of(view.session, view.race, rounds, view.now) if rounds else []


def _of_round(view: RaceView, one: RoundStandings) -> dict[str, Any]:
    """What the page of a round shows beside its ranking."""
    return {
        "story": _story(view, one) if one.is_final else [],
        "nouns": plural(view.rules.classes.singular),
        "defences": _trade_off(view, one),
        "defences_url": url_for("leaderboard.defences_figure", slug=view.slug, number=one.of_round.number),
    }


def _over_rounds(view: RaceView, by_round: list[RoundStandings], shown: RoundStandings | None) -> dict[str, Any]:
    """What the page of the race shows of all its rounds."""
    overall = overall_standings(view.rules, by_round)
    return {
        "overall": overall,
        "is_the_same": shown is not None and shown.is_final and _ranks(overall) == _ranks(shown.rows),
        "the_class": _class(by_round),
        "class_url": url_for("leaderboard.class_figure", slug=view.slug),
    }


def _ranks(rows: Iterable[Standing]) -> list[tuple[int, int, float | None]]:
    return [(row.rank, row.team.id, row.total) for row in rows]


def _story(view: RaceView, one: RoundStandings) -> list[Paragraph]:
    return story(round_facts(view.session, view.rules, one, view.name_of, view.class_name))


def _trade_off(view: RaceView, one: RoundStandings) -> Chart | None:
    """``None`` until the round is final, and where no defence was attacked."""
    if not one.is_final:
        return None

    own = view.team.number if view.team else None
    attacked = [one for one in defended(view.rules, one, view.name_of) if one.strongest]
    prices = [_price(one, is_own=one.number == own) for one in attacked]
    return trade_off(prices, 1 / view.rules.classes.count, undefended_utility(view.rules)) if prices else None


def _price(one: Defended, *, is_own: bool) -> Price:
    name, strongest = one.name + (" (yours)" if is_own else ""), one.strongest[0]
    return Price(name, one.utility, one.bytes_factor, strongest.accuracy, strongest.auc, is_own)


def _class(by_round: list[RoundStandings]) -> Chart | None:
    """``None`` until some team has a total."""
    rounds = [
        ClassOfRound(label_of(one), [Scores(row.utility, row.attack, row.total) for row in one.rows])
        for one in by_round
        if any(row.total is not None for row in one.rows)
    ]
    return class_as_a_whole(rounds) if rounds else None
