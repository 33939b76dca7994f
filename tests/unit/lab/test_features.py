"""Features: shapes, values made by hand, and independence of the order of lines."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from srs.lab.features import counts, counts_and_first_sizes, fingerprint, packets, raw_sizes
from srs.lab.simulate import simulate

TABLE = pl.DataFrame(
    {
        "capture_id": [9, 9, 4, 4, 4],
        "team_id": [1, 1, 1, 1, 1],
        "direction_size": [576, -1500, -40, 100, -1500],
        "timestamp": [0.0, 0.5, 0.2, 0.0, 0.7],
    }
)


def test_packets_are_grouped_by_name_and_ordered_by_time() -> None:
    found = packets(TABLE, ("team_id", "capture_id"))
    assert found.keys.rows() == [(1, 4), (1, 9)]
    assert found.starts.tolist() == [0, 3, 5]
    assert found.size.tolist() == [100, -40, -1500, 576, -1500]


def test_raw_sizes_are_cut_and_padded() -> None:
    assert raw_sizes(packets(TABLE, ("team_id", "capture_id")), 2).tolist() == [[100, -40], [576, -1500]]
    assert raw_sizes(packets(TABLE, ("team_id", "capture_id")), 4)[1].tolist() == [576, -1500, 0, 0]


def test_counts_by_hand() -> None:
    found = packets(TABLE, ("team_id", "capture_id"))
    assert counts(found).tolist() == [[1, 2, 100, 1540], [1, 1, 576, 1500]]
    assert counts_and_first_sizes(found).shape == (2, 24)


@pytest.mark.parametrize("features", [raw_sizes, counts, counts_and_first_sizes, fingerprint])
def test_features_are_finite_and_do_not_depend_on_the_order_of_traces(features) -> None:  # type: ignore[no-untyped-def]
    table = simulate(5, 4, seed=2)
    matrix = features(packets(table, ("cell_id", "rep")))
    assert matrix.shape[0] == 20
    assert np.isfinite(matrix).all()
    backwards = pl.concat(table.partition_by("cell_id", "rep", maintain_order=True)[::-1])
    assert np.array_equal(features(packets(backwards, ("cell_id", "rep"))), matrix)


def test_a_trace_of_one_packet_in_one_direction_has_a_fingerprint() -> None:
    found = packets(TABLE.head(1), ("team_id", "capture_id"))
    assert np.isfinite(fingerprint(found)).all()
