"""A first attack on Secret Race Strolling, to read, to run and to beat.

    python example_attack.py BUNDLE_DIR -o predictions.csv

BUNDLE_DIR is a folder with one unpacked match, or with one such folder for each match: ``train.csv.zip`` (traces
whose class is known) and ``test.csv.zip`` (traces to guess), or the same as ``.parquet``. The attack looks at one
thing only: the sizes of the packets, in order, + for sent and - for received. A random forest learns which
sizes go with which class. Needs numpy, polars and scikit-learn. Check the file it writes before you upload it:

    srs check attack predictions.csv --bundle BUNDLE_DIR

Ideas to go on with: packet times, total volumes, bursts, or another classifier. Hold a part of the training traces
back and measure on them: the number of uploads a day is limited, your own measurements are not.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.ensemble import RandomForestClassifier

PACKETS = 1000  # how much of a trace the forest sees
NOT_THE_CLASS = {"rep", "direction_size", "timestamp"}


def read_table(folder: Path, name: str) -> pl.DataFrame:
    """One line for each packet; the lines of a trace are in order of time."""
    if (folder / f"{name}.parquet").exists():
        return pl.read_parquet(folder / f"{name}.parquet")
    with zipfile.ZipFile(folder / f"{name}.csv.zip") as archive:
        return pl.read_csv(archive.read(archive.namelist()[0]))


def traces(packets: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, np.ndarray]:
    """What names each trace (one row each), and its first sizes as a row of a matrix, zeros after its end."""
    grouped = packets.group_by(names, maintain_order=True).agg(pl.col("direction_size"))
    matrix = np.zeros((grouped.height, PACKETS))
    for row, sizes in enumerate(grouped["direction_size"]):
        seen = sizes.head(PACKETS).to_numpy()
        matrix[row, : seen.size] = seen
    return grouped.select(names), matrix


def attack(folder: Path, seed: int) -> pl.DataFrame:
    """Guess one match: a row for each test trace, a column for the chance of each class."""
    train = read_table(folder, "train")
    (class_column,) = set(train.columns) - NOT_THE_CLASS
    known, known_sizes = traces(train, [class_column, "rep"])
    unknown, unknown_sizes = traces(read_table(folder, "test"), ["team_id", "capture_id"])

    forest = RandomForestClassifier(n_estimators=260, random_state=seed)
    forest.fit(known_sizes, known[class_column].to_numpy())
    chances = forest.predict_proba(unknown_sizes)

    # Rows are matched by team_id and capture_id, columns by name: their order does not matter.
    columns = [f"proba_class_{number}" for number in forest.classes_]
    return unknown.hstack(pl.DataFrame(chances, schema=columns))


def main(argv: list[str] | None = None) -> None:
    """Read the command line, attack every match, write one file."""
    parser = argparse.ArgumentParser(description="Attack the matches of a bundle with a random forest.")
    parser.add_argument("bundle", type=Path, help="folder of one match, or of one folder for each match")
    parser.add_argument("-o", "--output", type=Path, default=Path("predictions.csv"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)

    found = sorted(arguments.bundle.rglob("train.csv.zip")) + sorted(arguments.bundle.rglob("train.parquet"))
    matches = sorted({path.parent for path in found})
    if not matches:
        parser.error(f"no train.csv.zip or train.parquet in {arguments.bundle}")
    predictions = pl.concat([attack(folder, arguments.seed) for folder in matches], how="vertical_relaxed")
    predictions.write_csv(arguments.output, float_precision=6)
    print(f"{predictions.height} test traces of {len(matches)} match(es) guessed: {arguments.output}")  # noqa: T201 - it is a program


if __name__ == "__main__":
    main()
