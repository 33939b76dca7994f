"""What one judgement needs, as plain values that travel to the worker's child as JSON.

Paths are those of immutable files; secrets are the few that a split needs. A task names its kind, so that the
child can tell them apart: ``TASK.validate_json(text)`` reads any of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from srs.game.race import RaceRules


class _Task(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    rules: RaceRules

    def files(self) -> list[Path]:
        """Every file that is read."""
        return []


class DefenceTask(_Task):
    """Judge a defence: check it, measure it, split it."""

    kind: Literal["defence"] = "defence"
    path: Path
    name: str
    split_secret: bytes
    published: list[Path]
    """Files of hashes of traces whose labels were published in earlier rounds."""

    def files(self) -> list[Path]:
        """The upload, and the hashes."""
        return [self.path, *self.published]


class MatchLabels(BaseModel):
    """The sealed labels of one match; ``team_id`` is the attacked team's public number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    team_id: int
    labels: Path


class AttackTask(_Task):
    """Judge an attack: align it with the matches of its team, score each."""

    kind: Literal["attack"] = "attack"
    path: Path
    name: str
    matches: list[MatchLabels]

    def files(self) -> list[Path]:
        """The upload, and the labels."""
        return [self.path, *(match.labels for match in self.matches)]


class BundleTask(_Task):
    """Prepare the files of one match from the pool of the drawn defence."""

    kind: Literal["bundle"] = "bundle"
    pool: Path
    race: str
    round_number: int | None
    """``None`` for the practice match."""
    team_id: int
    order_seed: bytes
    capture_ids: list[int]
    """One for each test trace, in the order of drawing from the pool."""
    train_files: dict[str, dict[str, Any]]
    """``{name: {"sha256", "size_bytes"}}`` of the training set, for the manifest."""

    def files(self) -> list[Path]:
        """The pool."""
        return [self.pool]


class HouseTask(_Task):
    """Make the practice match of a race: the house's defence, its bundle, and an example of each file to send."""

    kind: Literal["house"] = "house"
    race: str
    key: bytes
    """Secret, this match's own: it decides the traffic, the split and the order of the test set."""
    capture_ids: list[int]


Task = DefenceTask | AttackTask | BundleTask | HouseTask
TASK: TypeAdapter[Task] = TypeAdapter(Annotated[Task, Field(discriminator="kind")])
