"""The columns of a defence follow the race's rules."""

from __future__ import annotations

from srs.game.race import Classes, RaceRules, Traces
from srs.traces.schema import defence_columns


def test_the_class_column_is_the_race_s() -> None:
    pages = RaceRules(
        slug="pages",
        title="Thirty pages",
        classes=Classes(column="page", count=30, singular="web page"),
        traces=Traces(size_max_bytes=1500),
        rounds=(),
    )
    columns = defence_columns(pages)
    assert list(columns) == ["page", "rep", "direction_size", "timestamp"]
    assert (columns["page"].least, columns["page"].most) == (1, 30)
    assert columns["page"].expected == "Expected the web page, an integer from 1 to 30."
    assert (columns["direction_size"].least, columns["direction_size"].most) == (-1500, 1500)
