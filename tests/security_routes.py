"""Addresses of every route, for tests that visit them all."""

from __future__ import annotations

from flask import Flask, url_for

from browsers import BASE_URL
from people import People
from season import Played


def values_of(people: People, played: Played, job_id: int, invitation: str) -> dict[str, object]:
    """The values of the variable parts of addresses: things of team 1."""
    return {
        "slug": people.slug,
        "number": 1,
        "defender": 2,
        "name": "test.parquet",
        "public_id": played.defences[1],
        "attack_id": played.attacks[1],
        "job_id": job_id,
        "user_id": people.nils.user_id,
        "notice_id": 1,  # the first that anybody was told: Ada, that Ben had joined her team
        "token": invitation,
    }


def path_to(app: Flask, endpoint: str, values: dict[str, object]) -> str:
    """The address of an endpoint."""
    fitting = {**values, "filename": "srs.css" if endpoint == "static" else "css/bootstrap.min.css"}
    if not endpoint.startswith("teams."):
        fitting["token"] = "no-such-token"
    if endpoint.startswith("submission_figures."):
        is_attack = endpoint.endswith("_against")
        fitting["name"] = "confusion" if is_attack else "packets"
        fitting["public_id"] = fitting["attack_id" if is_attack else "public_id"]
    rule = next(app.url_map.iter_rules(endpoint))
    with app.test_request_context(base_url=BASE_URL):
        return url_for(endpoint, **{name: fitting[name] for name in rule.arguments})


def unsafe_routes(app: Flask) -> list[str]:
    """The endpoints that take something other than GET."""
    return sorted({rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())})
