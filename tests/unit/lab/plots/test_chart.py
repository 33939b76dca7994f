"""What charts are made of."""

from __future__ import annotations

import pytest

from srs.lab.plots.chart import Classes, bytes_in_words, seconds_in_words, series_scale, shortened


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1 kB"),
        (1000, "1 kB"),
        (438_912, "439 kB"),
        (999_900, "1 MB"),
        (1_270_000, "1.27 MB"),
        (4_560_000_000, "4.56 GB"),
    ],
)
def test_bytes_in_words(size_bytes: float, words: str) -> None:
    assert bytes_in_words(size_bytes) == words


def test_seconds_in_words() -> None:
    assert [seconds_in_words(value) for value in (0.01234, 12.5, 100.4)] == ["0.0123 s", "12.5 s", "100 s"]


def test_shortened() -> None:
    assert shortened("onion", 5) == "onion"
    assert shortened("an onion", 4) == "an…"


def test_classes_are_called_by_name() -> None:
    classes = Classes("query", ["news", "mail"])
    assert (classes.name(2), classes.nouns) == ("mail", "queries")


def test_a_scale_gives_each_label_its_own() -> None:
    assert series_scale(["a", "b"], ("@series-1", "@series-2", "@series-3")) == {
        "domain": ["a", "b"],
        "range": ["@series-1", "@series-2"],
    }
