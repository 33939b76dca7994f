"""The leaderboard: by round, provisional or final, and over the rounds."""

from __future__ import annotations

from flask import Blueprint, render_template

from srs.game.access import Action
from srs.game.phases import Phase
from srs.server.services.standings import is_final, race_standings, round_standings
from srs.server.web.viewer import RaceView, looking_at

pages = Blueprint("leaderboard", __name__)


@pages.get("/races/<slug>/leaderboard")
def overall(slug: str) -> str:
    """The race's overall standing, and the round that is being played or was played last."""
    with looking_at(slug, Action.SEE_LEADERBOARD) as view:
        begun = [one for one in view.rounds if view.phase(one) in (Phase.ATTACK, Phase.CLOSED)]
        return _page(view, begun[-1].number if begun else view.round.number, race_standings(view.session, view.race))


@pages.get("/races/<slug>/rounds/<int:number>")
def of_round(slug: str, number: int) -> str:
    """The standings of one round."""
    with looking_at(slug, Action.SEE_LEADERBOARD) as view:
        return _page(view, number, [])


def _page(view: RaceView, number: int, overall: object) -> str:
    shown = view.round_of(number)
    has_begun = view.phase(shown) in (Phase.ATTACK, Phase.CLOSED)
    return render_template(
        "leaderboard.html",
        view=view,
        shown=shown,
        overall=overall,
        has_begun=has_begun,
        standings=round_standings(view.session, view.race, shown) if has_begun else [],
        is_final=is_final(view.session, shown, view.now),
    )
