"""Which blobs the database refers to."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from srs.server.store.matches import Match
from srs.server.store.scores import DefenceScore
from srs.server.store.submissions import Submission


def referenced_blobs(session: Session) -> set[str]:
    """The SHA-256 of every blob that a row names."""
    found = set(session.scalars(select(Submission.sha256)))
    for score in session.execute(select(DefenceScore.files, DefenceScore.pool_sha256, DefenceScore.published_sha256)):
        found |= {score.pool_sha256, score.published_sha256, *(file["sha256"] for file in score.files.values())}
    for match in session.execute(select(Match.files, Match.labels_sha256)):
        found |= {file["sha256"] for file in (match.files or {}).values()}
        found |= {match.labels_sha256} - {None}
    return found
