"""The files of a defence and of its matches: what is handed out, and what is sealed.

Nothing in a name, a size, an order, an id or a decimal of what is handed out tells a class that should be guessed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from srs.game.race import RaceRules
from srs.traces.report import grouped, plural
from srs.traces.schema import CAPTURE, REP, SIZE, TEAM, TIME
from srs.traces.split import HASH_BYTES, Traces
from srs.traces.trace_set import TraceSet
from srs.traces.writers import write_csv_zip, write_parquet

CSV, PARQUET = "csv.zip", "parquet"
MANIFEST, README = "manifest.json", "README.md"


def write_train(traces: TraceSet, train: Traces, class_column: str, folder: Path) -> dict[str, str]:
    """Write the training set of a defence; returns the names of its files (each is its own key).

    The repetitions of each class are numbered from 0 in the order of ``train``, whatever they were.
    """
    chosen = traces.select(train)
    table = _packets({class_column: chosen.class_of_trace, REP: _places_in_class(chosen.class_of_trace)}, chosen)
    return _write_both(table, "train", folder)


def write_test(
    pool: TraceSet, chosen: Traces, team_id: int, capture_ids: Sequence[int], folder: Path
) -> dict[str, str]:
    """Write the test set of a match: trace ``chosen[i]`` of the pool is called ``capture_ids[i]``.

    The traces are sorted by their ids, so the order of the draw is gone, too. Returns as ``write_train``.
    """
    ids = np.asarray(capture_ids, dtype=np.int32)
    by_id = np.argsort(ids)
    traces = pool.select(chosen[by_id])
    table = _packets({TEAM: np.full(len(ids), team_id, dtype=np.int32), CAPTURE: ids[by_id]}, traces)
    return _write_both(table, "test", folder)


def _packets(of_trace: Mapping[str, npt.NDArray[np.int32]], traces: TraceSet) -> pl.DataFrame:
    """One row for each packet: the columns of its trace, its size, its time in seconds."""
    lengths = np.diff(traces.starts)
    columns = {name: np.repeat(values, lengths) for name, values in of_trace.items()}
    return pl.DataFrame(columns | {SIZE: traces.size, TIME: traces.time_us / 1e6})


def _places_in_class(class_of_trace: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """0, 1, 2, ... within each class, in the order given."""
    order = np.argsort(class_of_trace, kind="stable")
    _, counts = np.unique(class_of_trace, return_counts=True)
    places = np.empty(len(order), dtype=np.int32)
    places[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return places


def _write_both(table: pl.DataFrame, stem: str, folder: Path) -> dict[str, str]:
    csv, parquet = f"{stem}.{CSV}", f"{stem}.{PARQUET}"
    write_csv_zip(table, folder / csv)
    write_parquet(table, folder / parquet)
    return {csv: csv, parquet: parquet}


def write_pool(traces: TraceSet, pool: Traces, path: Path) -> None:
    """Seal the traces that are tested on, with their classes: an ``.npz`` of plain arrays."""
    np.savez(path, allow_pickle=False, **dataclasses.asdict(traces.select(pool)))


def read_pool(path: Path) -> TraceSet:
    """The traces that ``write_pool`` sealed."""
    with np.load(path, allow_pickle=False) as arrays:
        return TraceSet(**{field.name: arrays[field.name] for field in dataclasses.fields(TraceSet)})


def write_published(hashes: Sequence[bytes], path: Path) -> None:
    """Note the hashes (``split.trace_hashes``) of traces that are handed out with their labels."""
    path.write_bytes(b"".join(sorted(hashes)))


def read_published(paths: Sequence[Path]) -> frozenset[bytes]:
    """All hashes in files of ``write_published``."""
    contents = [path.read_bytes() for path in paths]
    return frozenset(content[at : at + HASH_BYTES] for content in contents for at in range(0, len(content), HASH_BYTES))


def describe_file(path: Path) -> dict[str, Any]:
    """What a manifest says of a file: its SHA-256 and its size in bytes."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "size_bytes": path.stat().st_size}


def write_manifest(
    rules: RaceRules,
    race: str,
    round_number: int | None,
    team_id: int,
    files: Mapping[str, Mapping[str, Any]],
    folder: Path,
) -> dict[str, str]:
    """Write ``README.md`` and ``manifest.json`` of a match; returns as ``write_train``.

    ``team_id`` is the attacked team's number, ``round_number`` ``None`` for the practice match; ``files`` describes
    the other files as ``describe_file`` does.
    """
    (folder / README).write_text(_readme(rules, round_number, team_id), encoding="utf-8")
    everything = {**files, README: describe_file(folder / README)}
    manifest = {"race": race, "round": round_number, "team_id": team_id, "files": everything}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return {README: README, MANIFEST: MANIFEST}


def _readme(rules: RaceRules, round_number: int | None, team_id: int) -> str:
    column, noun, count = rules.classes.column, rules.classes.singular, rules.classes.count
    if round_number is None:
        title, owner = "Practice: a match against the house", "the same for everyone who practises"
        sent = f"The house (team {team_id}) made simulated traffic and defended it; nothing here counts."
    else:
        title, owner = f"Round {round_number}: your match against team {team_id}", "yours alone"
        sent = f"Team {team_id} sent defended traffic."
    return f"""# {title}

{sent} Learn from `train` what each {noun} looks like, then guess the {noun} of
each trace in `test`.

| file | what |
|---|---|
| `train.csv.zip`, `train.parquet` | traces whose {noun} is known; the same for everyone who attacks this team |
| `test.csv.zip`, `test.parquet` | the {grouped(rules.split.test_traces)} traces of your match, {owner} |
| `manifest.json` | SHA-256 and size of each file |

The `.csv.zip` and the `.parquet` of a name hold the same packets; take the one you like. Each row is one packet, the
packets of a trace stand together in the order of time.

| column | in | is |
|---|---|---|
| `{column}` | train | the {noun}, 1 to {count} |
| `{REP}` | train | number of the trace within its {noun}, from 0; it has no other meaning |
| `{TEAM}` | test | {team_id}, the team you attack |
| `{CAPTURE}` | test | name of the trace, a random number |
| `{SIZE}` | both | bytes of the packet: + sent by the client, - received |
| `{TIME}` | both | time since the trace's first packet: seconds in CSV, integer microseconds in Parquet |

Send one CSV or Parquet file with the columns `{TEAM}, {CAPTURE}, proba_class_1, ..., proba_class_{count}`: one row
for each test trace, with the probability of each of the {count} {plural(noun)}; a row sums to 1. One file may answer
several matches. The order of rows and columns does not matter. Check it before you send it:

    srs check attack predictions.csv --bundle .
"""
