"""Who may do what: one table of action x relation. What is not in it is forbidden."""

from __future__ import annotations

import enum


class Relation(enum.StrEnum):
    """How whoever asks stands to the race, and to the team that owns what is asked for."""

    STRANGER = "stranger"
    """Not signed in."""
    PERSON = "person"
    """Signed in, not in the race."""
    MEMBER = "member"
    """In the race, in no team."""
    TEAMMATE = "teammate"
    """In the team that owns it; or in any team, where nobody owns it."""
    OTHER_TEAM = "other team"
    """In another team of the race."""
    STAFF = "staff"
    DISABLED = "disabled"
    """A closed account: may nothing at all."""


class Action(enum.StrEnum):
    """What can be asked for."""

    SEE_RACE = "see the race and how to join it"
    SEE_RULES = "see the rules of the race"
    SEE_LEADERBOARD = "see the leaderboard"
    SEE_TEAM = "see a team's page"
    JOIN = "join the race"
    CREATE_TEAM = "create a team"
    ACCEPT_INVITATION = "accept an invitation"
    INVITE = "invite into the team"
    LEAVE_TEAM = "leave the team"
    SEE_OWN_TEAM = "see the pages of one's own team"
    UPLOAD_DEFENCE = "upload a defence"
    UPLOAD_ATTACK = "upload an attack"
    SEE_PRACTICE = "see the practice match and download its files"
    UPLOAD_PRACTICE = "upload a practice attack"
    SEE_SUBMISSION = "see a submission, its report and its file"
    DOWNLOAD_BUNDLE = "download the bundle of a match"
    STAFF_PAGES = "see the pages of the staff"
    CREATE_RACE = "create a race"
    MANAGE_MEMBERS = "decide who takes part"
    RETRY_JOB = "retry a parked evaluation"
    REJECT_FILE = "reject a parked file by hand"
    MOVE_BOUNDARY = "move a boundary of a round"
    PREVIEW_DRAW = "see who is in a draw"
    EXCLUDE_TEAM = "exclude a team"
    SEE_AUDIT = "read the audit log"
    SEE_AS_TEAM = "see the race as a team sees it"
    REVIEW_SIGNALS = "say that the signals of a defence were looked at"


_ENTRANTS = frozenset({Relation.MEMBER, Relation.TEAMMATE, Relation.OTHER_TEAM, Relation.STAFF})
_OWNERS = frozenset({Relation.TEAMMATE, Relation.STAFF})
_TEAMMATES = frozenset({Relation.TEAMMATE})
_MEMBERS = frozenset({Relation.MEMBER})
_STAFF = frozenset({Relation.STAFF})

_ALLOWED: dict[Action, frozenset[Relation]] = {
    Action.SEE_RACE: _ENTRANTS | {Relation.PERSON},
    Action.SEE_RULES: _ENTRANTS,
    Action.SEE_LEADERBOARD: _ENTRANTS,
    Action.SEE_TEAM: _ENTRANTS,
    Action.JOIN: frozenset({Relation.PERSON}),
    Action.CREATE_TEAM: _MEMBERS,
    Action.ACCEPT_INVITATION: _MEMBERS,
    Action.INVITE: _TEAMMATES,
    Action.LEAVE_TEAM: _TEAMMATES,
    Action.SEE_OWN_TEAM: _OWNERS | _MEMBERS,
    # Staff see and manage everything, and never play for a team.
    Action.UPLOAD_DEFENCE: _TEAMMATES,
    Action.UPLOAD_ATTACK: _TEAMMATES,
    Action.SEE_PRACTICE: _ENTRANTS,
    Action.UPLOAD_PRACTICE: _TEAMMATES,
    Action.SEE_SUBMISSION: _OWNERS,
    Action.DOWNLOAD_BUNDLE: _OWNERS,
    Action.STAFF_PAGES: _STAFF,
    Action.CREATE_RACE: _STAFF,
    Action.MANAGE_MEMBERS: _STAFF,
    Action.RETRY_JOB: _STAFF,
    Action.REJECT_FILE: _STAFF,
    Action.MOVE_BOUNDARY: _STAFF,
    Action.PREVIEW_DRAW: _STAFF,
    Action.EXCLUDE_TEAM: _STAFF,
    Action.SEE_AUDIT: _STAFF,
    Action.SEE_AS_TEAM: _STAFF,
    Action.REVIEW_SIGNALS: _STAFF,
}

_PUBLIC = frozenset({Action.SEE_RACE, Action.SEE_RULES, Action.SEE_LEADERBOARD, Action.SEE_TEAM})
"""What anyone may see of a race whose visibility is "public"."""


def may(action: Action, relation: Relation, visibility: str = "members") -> bool:
    """Whether somebody of this relation may do this, in a race of this visibility ("public" or "members")."""
    if visibility == "public" and action in _PUBLIC:
        return relation is not Relation.DISABLED
    return relation in _ALLOWED[action]
