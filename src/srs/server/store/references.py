"""Which blobs the database refers to."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from srs.server.store.jobs import PRACTICE
from srs.server.store.matches import Match
from srs.server.store.practice import Practice, kept_practice_blobs
from srs.server.store.scores import AttackScore, DefenceScore
from srs.server.store.submissions import Submission


def names_blobs(session: Session) -> bool:
    """Whether any row names a blob: what was sent, or made for practice, from which all others follow."""
    return any(session.scalar(select(table.id).limit(1)) is not None for table in (Submission, Practice))


def referenced_blobs(session: Session) -> set[str]:
    """The SHA-256 of every blob that a row names, but for those of practice attacks of long ago."""
    found: set[str | None] = set(session.scalars(select(Submission.sha256).where(Submission.kind != PRACTICE)))
    found |= kept_practice_blobs(session)
    sealed = (DefenceScore.pool_sha256, DefenceScore.published_sha256, DefenceScore.profile_sha256)
    for files, *sha256s in session.execute(select(DefenceScore.files, *sealed)):
        found |= {*sha256s, *(file["sha256"] for file in files.values())}
    found |= set(session.scalars(select(AttackScore.curves_sha256)))
    for match in session.execute(select(Match.files, Match.labels_sha256)):
        found |= {file["sha256"] for file in (match.files or {}).values()}
        found.add(match.labels_sha256)
    for made in session.execute(select(Practice.files, Practice.labels_sha256)):
        found |= {made.labels_sha256, *(file["sha256"] for file in made.files.values())}
    return {sha256 for sha256 in found if sha256 is not None}
