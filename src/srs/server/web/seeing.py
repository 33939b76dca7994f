"""Whether one of the staff sees a race as one of its teams does: kept in the session, for half an hour at most."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass

from flask import session
from flask_login import current_user

KEY = "sees_as"


@dataclass(frozen=True)
class Seeing:
    """Who looks at which race as which team, and until when."""

    user_id: int
    slug: str
    race_title: str
    number: int
    team_name: str
    ends_at: dt.datetime

    @property
    def left_s(self) -> float:
        """How long it goes on."""
        return (self.ends_at - dt.datetime.now(dt.UTC)).total_seconds()


def remember(seeing: Seeing) -> None:
    """Begin, in this browser."""
    session[KEY] = {**asdict(seeing), "ends_at": seeing.ends_at.isoformat()}


def forget() -> Seeing | None:
    """End, in this browser; what was kept, even if its time is over."""
    kept = session.pop(KEY, None)
    return _restored(kept) if kept else None


def current_seeing() -> Seeing | None:
    """What this request sees; ``None`` after its end, for whoever else signs in with this browser, or is no staff."""
    kept = session.get(KEY)
    if not kept or not current_user.is_authenticated or not current_user.is_staff:
        return None
    seeing = _restored(kept)
    is_on = seeing.user_id == current_user.id and dt.datetime.now(dt.UTC) < seeing.ends_at
    return seeing if is_on else None


def has_run_out() -> bool:
    """Whether this browser keeps something that has ended by itself."""
    return bool(session.get(KEY)) and current_seeing() is None


def _restored(kept: dict[str, str]) -> Seeing:
    return Seeing(**{**kept, "ends_at": dt.datetime.fromisoformat(kept["ends_at"])})  # type: ignore[arg-type]
