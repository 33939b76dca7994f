"""Judging a defence of the 50 MB class: time against inflating the same file with zlib, and peak memory.

A file of the same size with six sizes of zero far apart is refused, with the lines at fault, within a bound as well.
Everything is measured in children that Landlock confines as it does a judging child; what that takes is printed apart.

Each figure comes from this run on this machine, the two sides taken in turn. Made anew each time from the real
captures, or from simulated ones where those are absent.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from srs.game.race import RaceRules
from srs.judging.defence import check_defence, judge_defence
from srs.judging.task import DefenceTask
from srs.server.worker import landlock
from srs.server.worker.confine import may_open
from srs.traces.zip_member import sole_member

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "secretstroll_tor.csv.zip"
RULES = RaceRules(slug="bench", title="Bench", rounds=())
CELLS, REPETITIONS, ROUNDS, FAULTS = 100, 38, 7, 6
VERDICT_MAX, JUDGEMENT_MAX, REFUSAL_MAX, RSS_MAX_MB = 2.0, 4.0, 40.0, 400
SECRET = bytes(32)

Trace = tuple[np.ndarray, np.ndarray]


def real_traces() -> dict[int, list[Trace]]:
    """Sizes and times of the real captures, by cell."""
    with zipfile.ZipFile(REAL) as archive:
        table = pl.read_csv(archive.read(archive.namelist()[0]))
    cells: dict[int, list[Trace]] = {}
    for (cell, _), rows in table.group_by(["cell_id", "rep"], maintain_order=True):
        cells.setdefault(cell, []).append((rows["direction_size"].to_numpy(), rows["timestamp"].to_numpy()))
    return cells


def made_up_traces(rng: np.random.Generator) -> dict[int, list[Trace]]:
    """As many packets of the commonest sizes, where there are no captures."""
    sizes, shares = [-1500, 576, -1476, -1488, -576], [0.55, 0.11, 0.12, 0.12, 0.1]
    return {
        cell: [
            (rng.choice(sizes, count, p=shares), np.cumsum(rng.exponential(0.03, count)))
            for count in rng.integers(300, 500, 30)
        ]
        for cell in range(1, CELLS + 1)
    }


def padded(trace: Trace, rng: np.random.Generator) -> Trace:
    """Every gap times U(0.9, 1.1), and 12.5 % dummy packets, uniform over the trace."""
    sizes, times = trace
    times = np.cumsum(np.diff(times, prepend=times[0]) * rng.uniform(0.9, 1.1, len(times)))
    dummies = round(len(sizes) / 8)
    sizes = np.concatenate((sizes, rng.choice([576, -1500], dummies, p=[0.3, 0.7])))
    times = np.concatenate((times, rng.uniform(times.min(), times.max(), dummies)))
    order = np.argsort(times, kind="stable")
    return sizes[order], times[order] - times[order][0]


def write_defence(path: Path) -> tuple[int, int]:
    """Write the file; returns its packets and the bytes of its CSV."""
    rng = np.random.default_rng(50)
    cells = real_traces() if REAL.exists() else made_up_traces(rng)
    parts = []
    for cell, traces in cells.items():
        for rep in range(REPETITIONS):
            sizes, times = padded(traces[rep % len(traces)], rng)
            columns = {"cell_id": cell, "rep": rep, "direction_size": sizes, "timestamp": times}
            parts.append(pl.DataFrame(columns))
    table = pl.concat(parts)
    csv = table.write_csv()
    write_zip(path, csv)
    at_fault = pl.int_range(len(table)) % (len(table) // FAULTS) == 1
    write_zip(faulty(path), table.with_columns(pl.col("direction_size") * ~at_fault).write_csv())
    return len(table), len(csv)


def write_zip(path: Path, csv: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("defence.csv", csv)


def faulty(path: Path) -> Path:
    """Beside the file, the one that is refused."""
    return path.with_name(f"faulty_{path.name}")


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def judge(path: Path, folder: Path) -> None:
    task = DefenceTask(path=path, name="bench", rules=RULES, split_secret=SECRET, published=[])
    verdict = judge_defence(task, folder)
    if not verdict.accepted:
        raise SystemExit(str(verdict.report.problems[0]))


def refuse(path: Path) -> None:
    problems = check_defence(path, "bench", RULES).report.problems
    if [problem.code for problem in problems] != ["trace.size-zero"] or len(problems[0].excerpts) != FAULTS:
        raise SystemExit(f"Not refused as it should be: {problems}")


def peak_mb() -> float:
    """The most memory that this process has had resident (Linux), in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


def measured(path: Path, folder: Path) -> Iterator[tuple[str, float, float, str]]:
    """Name, figure, bound, and what it was computed from."""
    archive = memoryview(path.read_bytes())
    member = sole_member(archive)
    packed = archive[member.start : member.start + member.packed_bytes]
    works: dict[str, Callable[[], object]] = {
        "inflate": lambda: zlib.decompress(packed, -15),
        "verdict": lambda: check_defence(path, "bench", RULES),
        "judgement": lambda: judge(path, folder),
        "refusal": lambda: refuse(faulty(path)),
    }
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(seconds(work))
    median = {name: statistics.median(values) for name, values in times.items()}
    for name, bound in (("verdict", VERDICT_MAX), ("judgement", JUDGEMENT_MAX), ("refusal", REFUSAL_MAX)):
        yield f"{name} / zlib-inflate", median[name] / median["inflate"], bound, f"{median[name]:.3f} s"


def confined(path: Path, folder: Path) -> float:
    """Let Landlock bind this process as it does a judging child; seconds that this takes."""
    return seconds(lambda: landlock.restrict(may_open(folder, [path, faulty(path)])))


def report_ratios(path: Path, folder: Path) -> int:
    """Print every ratio; 1 where one is beyond its bound."""
    detail = f"version {landlock.version()} of it; in what follows it is on"
    print(f"  {'Landlock, once a judgement, ms':32} {1000 * confined(path, folder):8.2f}   ({detail})")
    failed = False
    for what, figure, bound, detail in measured(path, folder):
        print(f"  {what:32} {figure:8.2f}   (at most {bound:g}; {detail})")
        failed |= not figure <= bound
    return int(failed)


def report_memory(path: Path, folder: Path) -> int:
    """Print the peak of a child that judges once; 1 where it is beyond its bound."""
    confined(path, folder)
    took, rss = seconds(lambda: judge(path, folder)), peak_mb()
    detail = f"at most {RSS_MAX_MB:g}; {took:.3f} s, its imports not counted"
    print(f"  {'peak RSS of a fresh child, MB':32} {rss:8.2f}   ({detail})")
    return int(rss > RSS_MAX_MB)


REPORTS = {"ratios": report_ratios, "memory": report_memory}


def main() -> int:
    if sys.argv[1:]:
        return REPORTS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    with tempfile.TemporaryDirectory() as name:
        path, folder = Path(name) / "defence.csv.zip", Path(name) / "out"
        folder.mkdir()
        packets, size_bytes = write_defence(path)
        source = "real captures, padded" if REAL.exists() else "made-up traces"
        sent = path.stat().st_size
        print(
            f"Defence of {packets} packets ({source}): {size_bytes / 1e6:.1f} MB of CSV, {sent / 1e6:.1f} MB as sent",
            flush=True,
        )
        children = [subprocess.run([sys.executable, __file__, of, path, folder], check=False) for of in REPORTS]
    return max(child.returncode for child in children)


if __name__ == "__main__":
    sys.exit(main())
