"""The access table, written out a second time: one line for each action, by hand."""

from __future__ import annotations

import pytest

from srs.game.access import Action, Relation, may

# stranger, person, member, teammate, other team, staff, disabled
EXPECTED = {
    "SEE_RACE": ".xxxxx.",
    "SEE_RULES": "..xxxx.",
    "SEE_LEADERBOARD": "..xxxx.",
    "SEE_TEAM": "..xxxx.",
    "JOIN": ".x.....",
    "CREATE_TEAM": "..x....",
    "ACCEPT_INVITATION": "..x....",
    "INVITE": "...x...",
    "LEAVE_TEAM": "...x...",
    "SEE_OWN_TEAM": "..xx.x.",
    "UPLOAD_DEFENCE": "...x...",
    "UPLOAD_ATTACK": "...x...",
    "SEE_PRACTICE": "..xxxx.",
    "UPLOAD_PRACTICE": "...x...",
    "SEE_SUBMISSION": "...x.x.",
    "DOWNLOAD_BUNDLE": "...x.x.",
    "STAFF_PAGES": ".....x.",
    "CREATE_RACE": ".....x.",
    "MANAGE_MEMBERS": ".....x.",
    "RETRY_JOB": ".....x.",
    "REJECT_FILE": ".....x.",
    "MOVE_BOUNDARY": ".....x.",
    "PREVIEW_DRAW": ".....x.",
    "EXCLUDE_TEAM": ".....x.",
    "SEE_AUDIT": ".....x.",
    "SEE_AS_TEAM": ".....x.",
    "REVIEW_SIGNALS": ".....x.",
}
SEEN_BY_ANYONE = {"SEE_RACE", "SEE_RULES", "SEE_LEADERBOARD", "SEE_TEAM"}


def row(action: Action, visibility: str) -> str:
    return "".join("x" if may(action, relation, visibility) else "." for relation in Relation)


def test_the_table_knows_every_action() -> None:
    assert {action.name for action in Action} == set(EXPECTED)


@pytest.mark.parametrize("action", Action)
def test_who_may_do_what(action: Action) -> None:
    assert row(action, "members") == EXPECTED[action.name]


@pytest.mark.parametrize("action", Action)
def test_a_public_race_shows_its_front_to_all_and_nothing_else_changes(action: Action) -> None:
    expected = "xxxxxx." if action.name in SEEN_BY_ANYONE else EXPECTED[action.name]
    assert row(action, "public") == expected


def test_a_race_is_for_its_members_unless_it_says_otherwise() -> None:
    assert not may(Action.SEE_LEADERBOARD, Relation.PERSON)
