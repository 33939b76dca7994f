"""The files of a match, for its attacker."""

from __future__ import annotations

from flask import Blueprint, Response

from srs.errors import NotFound
from srs.game.access import Action
from srs.game.phases import Phase
from srs.server.store.matches import Match, matches_of_attacker
from srs.server.web.downloads import send_blob
from srs.server.web.viewer import RaceView, looking_at, signed_in

pages = Blueprint("matches", __name__)


@pages.get("/races/<slug>/rounds/<int:number>/matches/<int:defender>/<name>")
def file(slug: str, number: int, defender: int, name: str) -> Response:
    """One file of one of my matches."""
    signed_in()
    with looking_at(slug, Action.SEE_OWN_TEAM) as view:
        match = _own_match(view, number, defender)
        entry = (match.files or {}).get(name)
        if entry is None:
            raise NotFound("match.file", "There is no such file in this match.")
    stem, _, ending = name.partition(".")
    return send_blob(entry["sha256"], f"{slug}-round-{number}-team-{defender}-{stem}.{ending}")


def _own_match(view: RaceView, number: int, defender: int) -> Match:
    of_round = view.round_of(number)
    is_open = view.phase(of_round) in (Phase.ATTACK, Phase.CLOSED)
    if is_open and view.team is not None:
        for match in matches_of_attacker(view.session, of_round.id, view.team.id):
            if match.defender.number == defender:
                return match
    raise NotFound("match.unknown", "Your team has no such match in this round.")
