"""Files that are equal byte for byte, and that others can read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from srs.traces.archive import open_table
from srs.traces.writers import write_csv_zip, write_parquet, write_zip

TABLE = pl.DataFrame({"cell_id": [1, 1, 2], "direction_size": [576, -1500, 7], "timestamp": [0.0, 0.1, 599.999999]})


def test_csv_has_six_decimals_always(tmp_path: Path) -> None:
    write_csv_zip(TABLE, tmp_path / "train.csv.zip")
    with zipfile.ZipFile(tmp_path / "train.csv.zip") as archive:
        assert archive.namelist() == ["train.csv"]
        assert archive.testzip() is None
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
        assert archive.read("train.csv").decode() == (
            "cell_id,direction_size,timestamp\n1,576,0.000000\n1,-1500,0.100000\n2,7,599.999999\n"
        )


def test_our_own_reader_takes_what_we_write(tmp_path: Path) -> None:
    content = b"0,1\n" * 500_000
    write_zip("x.csv", content, tmp_path / "x.zip")
    opened = open_table(tmp_path / "x.zip", "x", packed_max_bytes=10**6, unpacked_max_bytes=10**7)
    assert opened.data == content


def test_parquet_has_microseconds_and_says_so(tmp_path: Path) -> None:
    write_parquet(TABLE, tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    assert table["timestamp"].to_pylist() == [0, 100_000, 599_999_999]
    assert table.schema.metadata[b"timestamp.unit"] == b"us"
    assert table.schema.field("timestamp").metadata[b"unit"] == b"us"
    column = pq.ParquetFile(tmp_path / "x.parquet").metadata.row_group(0).column(2)
    assert "DELTA_BINARY_PACKED" in column.encodings


def test_times_survive_to_the_microsecond(tmp_path: Path) -> None:
    ticks = np.random.default_rng(1).integers(0, 86_400_000_000, 100_000)
    write_parquet(pl.DataFrame({"timestamp": ticks / 1e6}), tmp_path / "x.parquet")
    assert pl.read_parquet(tmp_path / "x.parquet")["timestamp"].to_list() == ticks.tolist()


def test_the_same_table_is_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_csv_zip(TABLE, tmp_path / name / "t.csv.zip")
        write_parquet(TABLE, tmp_path / name / "t.parquet")
        written.append([(tmp_path / name / file).read_bytes() for file in ("t.csv.zip", "t.parquet")])
    assert written[0] == written[1]
