"""Every page of the site as somebody sees it: the route table, with an example for each variable part.

A new page is found by itself; one whose variable parts have no example is an error (``security_routes.values_of``).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask
from flask_security.confirmable import generate_confirmation_token
from flask_security.recoverable import generate_reset_password_token

from browsers import BASE_URL, Browser, soup
from people import People
from season import Played
from security_routes import path_to, values_of
from srs.server.bootstrap import Server
from srs.server.services import teams
from srs.server.services.access import Person
from srs.server.services.sign_in import add_user, make_sign_in_link
from srs.server.store.accounts import User
from srs.server.store.jobs import parked_jobs
from srs.server.store.races import race_by_slug
from srs.server.store.submissions import submissions_of_team
from srs.server.store.teams import team_of

FILES = ("static", "bootstrap.static")


@dataclass(frozen=True)
class Address:
    """Where a page is; ``endpoint`` is its name in the route table, ``state`` what of it is to be seen there."""

    endpoint: str
    path: str
    state: str = ""

    @property
    def name(self) -> str:
        """What the page is called in a table of them all."""
        return f"{self.endpoint}, {self.state}" if self.state else self.endpoint


def every_page(app: Flask, server: Server, people: People, played: Played) -> list[Address]:
    """Every address that can be looked at, by a name once or more: a page that shows states is listed in each."""
    values = _values(server, people, played)
    tokens = _tokens(app, server)
    found = []
    for endpoint in readable(app):
        path = path_to(app, endpoint, values)
        found.append(Address(endpoint, path.replace("no-such-token", tokens.get(endpoint, "no-such-token"))))
    pages = [*found, *_more(server, people)]
    return [*pages, *_figures(app, server, people, pages)]


def _figures(app: Flask, server: Server, people: People, pages: list[Address]) -> list[Address]:
    """The charts on the pages that a student sees."""
    student, routes = Browser(app).sign_in(server.store, people.ada), app.url_map.bind("")
    found: dict[str, Address] = {}
    for address in pages:
        answer = student.get(address.path)
        for image in soup(answer).find_all("img") if answer.mimetype == "text/html" else []:
            path = urlsplit(str(image["src"])).path
            endpoint = str(routes.match(path)[0])
            if endpoint not in FILES:
                found.setdefault(path, Address(endpoint, path, f"{path.rsplit('/', 1)[-1]} of {address.name}"))
    return list(found.values())


def readable(app: Flask) -> list[str]:
    """The endpoints that answer GET, without those of static files."""
    rules = app.url_map.iter_rules()
    return sorted({rule.endpoint for rule in rules if "GET" in (rule.methods or ()) and rule.endpoint not in FILES})


def pages_without_data(app: Flask) -> list[Address]:
    """The pages whose address has no variable part: what an empty installation shows."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint in readable(app) and not rule.arguments]
    return [Address(rule.endpoint, rule.rule) for rule in rules if "GET" in (rule.methods or ())]


def _values(server: Server, people: People, played: Played) -> dict[str, object]:
    with server.store.read() as session:
        parked = parked_jobs(session, race_by_slug(session, people.slug).id)
    job_id = parked[0].id if parked else 0
    return values_of(people, played, job_id, teams.invite(server.store, people.cleo, people.slug))


def _tokens(app: Flask, server: Server) -> dict[str, str]:
    """Tokens that work, so that the pages behind them are seen, and not what one without a token sees."""
    newcomer = add_user(server.store, f"newcomer-{secrets.token_hex(4)}@example.org", "Newcomer")
    with server.store.work() as session:
        user = session.get_one(User, newcomer)
        user.confirmed_at, user.password = None, "x"
        with app.test_request_context(base_url=BASE_URL):
            tokens = {
                "security.confirm_email": generate_confirmation_token(user),
                "security.reset_password": generate_reset_password_token(user),
            }
    return {**tokens, "accounts.ask_to_sign_in": make_sign_in_link(server.store, newcomer)}


def _more(server: Server, people: People) -> list[Address]:
    """What team 1 has sent, of either kind in every state; the other rounds; an address at which there is nothing."""
    race = f"/races/{people.slug}"
    with server.store.read() as session:
        own = team_of(session, race_by_slug(session, people.slug).id, people.ada.user_id)
        assert own is not None
        sent = submissions_of_team(session, own.id)
        states = {f"{one.kind} {one.job.state}": one.public_id for one in sent if one.round.number == 2}
        states |= {f"{one.kind} {one.job.state}, final": one.public_id for one in sent if one.round.number == 1}
    submissions = [Address("submissions.show", f"{race}/submissions/{one}", state) for state, one in states.items()]
    rounds = [
        Address(endpoint, path.format(number), f"round {number}")
        for endpoint, path in (
            ("leaderboard.of_round", f"{race}/rounds/{{}}"),
            ("submissions.attack", f"{race}/attack?round={{}}"),
            ("staff_races.draw", f"/staff{race}/draw?round={{}}"),
        )
        for number in (1, 2, 3, 99)
    ]
    return [*submissions, *rounds, Address("teams.show", f"{race}/teams/2", "another"), Address("none", "/nothing")]


def people_who_look(people: People) -> dict[str, Person | None]:
    """A stranger, a student of a team, one without, and staff."""
    return {"stranger": None, "student": people.ada, "without a team": people.nils, "staff": people.dana}
