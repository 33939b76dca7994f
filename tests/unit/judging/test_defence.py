"""A defence judged: offline, and with its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from pydantic import TypeAdapter

from srs.judging.defence import Verdict, check_defence, judge_defence
from srs.judging.steps import Step, announced
from srs.judging.task import DefenceTask
from srs.traces.bundles import read_pool, read_published
from worlds.traffic import RULES, as_csv, defence_csv, defence_rows

SECRET = b"a secret of the race, long enough"


def task(folder: Path, data: bytes, published: tuple[Path, ...] = ()) -> DefenceTask:
    path = folder / "sent"
    path.write_bytes(data)
    return DefenceTask(path=path, name="x.csv", rules=RULES, split_secret=SECRET, published=list(published))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_an_accepted_defence_leaves_its_files(tmp_path: Path, out: Path) -> None:
    verdict = judge_defence(task(tmp_path, defence_csv()), out)
    assert (verdict.accepted, verdict.traces, verdict.packets) == (True, 12, 96)
    assert len(verdict.metrics) == 12
    assert 0 < verdict.utility <= 10
    assert sorted(file.name for file in out.iterdir()) == sorted(
        [*verdict.files.values(), verdict.pool, verdict.published, verdict.profile, "step"]
    )
    pool, train = read_pool(out / verdict.pool), pl.read_parquet(out / verdict.files["train.parquet"])
    assert len(pool) == 6
    assert len(read_published([out / verdict.published])) == 6
    assert train.select(pl.struct("cell_id", "rep").n_unique()).item() == 6
    assert pool.packets + len(train) == verdict.packets


def test_whoever_waits_is_told_the_step(tmp_path: Path, out: Path) -> None:
    judge_defence(task(tmp_path, as_csv([])), out)
    assert announced(out) is Step.MEASURING
    judge_defence(task(tmp_path, defence_csv()), out)
    assert announced(out) is Step.WRITING


def test_the_verdict_travels_as_json(tmp_path: Path, out: Path) -> None:
    adapter = TypeAdapter(Verdict)
    for data in (defence_csv(), b"", as_csv([(c, r, s // abs(s), t) for c, r, s, t in defence_rows()])):
        verdict = judge_defence(task(tmp_path, data), out)
        assert adapter.validate_json(adapter.dump_json(verdict)) == verdict


def test_offline_the_verdict_is_the_same_without_files(tmp_path: Path, out: Path) -> None:
    sent = task(tmp_path, defence_csv())
    here, there = check_defence(sent.path, "x.csv", RULES), judge_defence(sent, out)
    assert (here.report, here.metrics, here.utility) == (there.report, there.metrics, there.utility)
    assert (here.files, here.pool, here.published) == ({}, "", "")


def test_a_rejected_defence_leaves_no_file(tmp_path: Path, out: Path) -> None:
    verdict = judge_defence(task(tmp_path, b"cell_id\n"), out)
    assert (verdict.accepted, verdict.metrics, verdict.files) == (False, {}, {})
    assert [problem.code for problem in verdict.report.problems] == ["table.header"]
    assert [file.name for file in out.iterdir()] == ["step"]


def test_what_was_published_cannot_be_tested_on_again(tmp_path: Path, out: Path) -> None:
    first = judge_defence(task(tmp_path, defence_csv()), out)
    again = tmp_path / "again"
    again.mkdir()
    second = judge_defence(task(tmp_path, defence_csv(), (out / first.published,)), again)
    # Each cell has the two traces that were tested on, and those alone are fresh.
    assert second.accepted
    assert (again / second.pool).read_bytes() == (out / first.pool).read_bytes()
    third = judge_defence(task(tmp_path, _downloaded(out), (out / first.published,)), again)
    assert not third.accepted
    assert [problem.code for problem in third.report.problems] == ["split.too-few-fresh"]
    assert third.report.problems[0].sentence.startswith("8 of 16 traces were published")


def _downloaded(out: Path) -> bytes:
    """A published training set sent again, with four new traces in each cell but the third."""
    train = pl.read_parquet(out / "train.parquet").with_columns(pl.col("timestamp") / 1e6)
    new = pl.DataFrame(defence_rows(seed=9), train.columns, orient="row").cast(dict(train.schema))
    copies = train.filter(pl.col("cell_id") == 3)
    later = [part.with_columns(pl.col("rep") + 2) for part in (new.filter(pl.col("cell_id") < 3), copies)]
    return pl.concat([train, *later]).write_csv().encode()


def test_a_tiny_product_is_a_signal_to_staff(tmp_path: Path) -> None:
    rows = [(cell, rep, size // abs(size), time) for cell, rep, size, time in defence_rows()]
    verdict = check_defence(task(tmp_path, as_csv(rows)).path, "x.csv", RULES)
    assert (verdict.accepted, verdict.utility, verdict.implausible) == (True, 10.0, True)
    assert [signal.code for signal in verdict.report.signals] == [
        "trace.implausible-volume",
        "trace.implausible-product",
    ]


def test_checking_needs_no_server_library_and_the_house_no_scikit_learn(tmp_path: Path) -> None:
    """A participant's install checks files; a server without the ``lab`` extra makes practice matches, too."""
    sent = task(tmp_path, defence_csv()).path
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from pathlib import Path; sys.path.insert(0, 'tests'); from worlds.traffic import RULES\n"
        "import srs.judging.bundle, srs.lab.house\n"
        "from srs.judging.defence import check_defence\n"
        f"assert check_defence(Path({str(sent)!r}), 'x', RULES).accepted\n"
        "sys.exit(bool({'pyarrow', 'flask', 'sqlalchemy', 'celery'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
