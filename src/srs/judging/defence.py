"""A defence in, a verdict out: checked, measured, split, and its files written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from srs.game.race import RaceRules
from srs.judging.profile import profile, write_profile
from srs.judging.steps import Step, announce
from srs.judging.task import DefenceTask
from srs.scoring.schemes import scheme
from srs.scoring.utility import utility_metrics
from srs.traces.bundles import read_published, write_pool, write_published, write_train
from srs.traces.defences import read_defence
from srs.traces.report import Problem, Report
from srs.traces.split import split, trace_hashes
from srs.traces.trace_set import TraceSet

POOL, PUBLISHED, PROFILE = "pool.npz", "published.bin", "profile.json"


@dataclass(frozen=True)
class Verdict:
    """What became of a defence; every value is plain, so that it travels as JSON.

    ``metrics`` are the twelve utility metrics, ``utility`` the points they make (0 to 10). ``files`` are those to
    hand out, by name; ``pool`` is the sealed file of the traces to test on, ``published`` the hashes of the traces
    whose labels are handed out, ``profile`` what pictures are drawn from (``srs.judging.profile``). All are names
    within the folder of the judgement, empty where nothing was written.
    """

    accepted: bool
    report: Report
    traces: int = 0
    packets: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    utility: float = 0.0
    implausible: bool = False
    files: dict[str, str] = field(default_factory=dict)
    pool: str = ""
    published: str = ""
    profile: str = ""

    @property
    def captures(self) -> dict[str, Any]:
        """What its captures are known by: equal for the same ones, however their file is packed or ordered."""
        return {"traces": self.traces, "packets": self.packets, "metrics": self.metrics}


def check_defence(path: Path, name: str, rules: RaceRules) -> Verdict:
    """The same verdict offline: without the split, and without a file written."""
    traces, report = read_defence(path, rules, name)
    return _measured(traces, report, rules)


def judge_defence(task: DefenceTask, folder: Path) -> Verdict:
    """Judge what a task of the server names; its files are written into ``folder``."""
    rules = task.rules
    announce(folder, Step.READING)
    traces, report = read_defence(task.path, rules, task.name)
    announce(folder, Step.MEASURING)
    verdict = _measured(traces, report, rules)
    if traces is None:
        return verdict
    announce(folder, Step.WRITING)
    parts = split(traces, rules, task.split_secret, read_published(task.published))
    if isinstance(parts, Report):
        return replace(verdict, accepted=False, report=replace(report, problems=parts.problems))
    hashes = trace_hashes(traces, task.split_secret)
    write_published([hashes[trace] for trace in parts.train], folder / PUBLISHED)
    write_pool(traces, parts.pool, folder / POOL)
    (folder / PROFILE).write_bytes(write_profile(profile(traces)))
    files = write_train(traces, parts.train, rules.classes.column, folder)
    return replace(verdict, files=files, pool=POOL, published=PUBLISHED, profile=PROFILE)


def _measured(traces: TraceSet | None, report: Report, rules: RaceRules) -> Verdict:
    if traces is None:
        return Verdict(accepted=False, report=report)
    metrics = utility_metrics(traces.volume_in, traces.volume_out, traces.duration_s)
    utility, implausible = scheme(rules.scoring.scheme).utility(metrics)
    if implausible:
        sentence = "The product of the medians is too small for a real capture; the utility is capped at 10."
        report = replace(report, signals=(*report.signals, Problem("trace.implausible-product", sentence)))
    return Verdict(
        accepted=True,
        report=report,
        traces=len(traces),
        packets=traces.packets,
        metrics=metrics,
        utility=utility,
        implausible=implausible,
    )
