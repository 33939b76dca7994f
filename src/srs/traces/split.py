"""Which traces of a defence are handed out with their labels, and which are kept to test on.

The choice is by keyed hashes of class and content under the race's split secret, so that neither the order of
the rows, nor the numbers of the repetitions, nor sending the same file again changes it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Container, Sequence

import numpy as np
import numpy.typing as npt

from srs.game.race import RaceRules
from srs.traces.report import Problem, Report, counted, grouped, listed, plural
from srs.traces.trace_set import Int64s, TraceSet

HASH_BYTES = 16
SECRET_MIN_BYTES = 16

Traces = npt.NDArray[np.intp]


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Indices of traces: ``train`` and ``pool`` share none, each has every class, together they are all.

    Both are in the order of (class, keyed hash), in which nothing of the file's own order is left.
    """

    train: Traces
    pool: Traces


def trace_hashes(traces: TraceSet, secret: bytes) -> list[bytes]:
    """For each trace 16 bytes of BLAKE2b, keyed with the split secret, of its class and its content.

    The same hashes, kept on publication, tell in a later round of the race that a trace's label is known.
    """
    if len(secret) < SECRET_MIN_BYTES:
        raise ValueError(f"a split secret has at least {SECRET_MIN_BYTES} bytes, not {len(secret)}")
    classes = traces.class_of_trace.tolist()
    return [
        _keyed(secret, b"srs.split.trace", number, content)
        for number, content in zip(classes, traces.content_hashes, strict=True)
    ]


def split(traces: TraceSet, rules: RaceRules, secret: bytes, published: Container[bytes]) -> Split | Report:
    """Keep ``split.test_pool`` traces to test on, from each class as equally many as possible, at least one.

    ``published`` holds the ``trace_hashes`` whose labels were published in earlier rounds; such a trace can only
    be trained on. Copies of a trace within a class stand on one side where that is possible. Returns a report
    where too few traces are fresh.
    """
    hashes = trace_hashes(traces, secret)
    is_fresh = np.array([trace_hash not in published for trace_hash in hashes])
    order = np.lexsort((np.argsort(np.argsort(_as_rows(hashes), kind="stable")), traces.class_of_trace))
    classes, begins, sizes = np.unique(traces.class_of_trace, return_index=True, return_counts=True)
    fresh = np.add.reduceat(is_fresh, begins, dtype=np.int64)
    capacity = np.minimum(fresh, sizes - 1)
    total = max(rules.split.test_pool, len(classes))
    if capacity.min() < 1 or capacity.sum() < total:
        return Report((_too_few_fresh(classes[fresh < 1], is_fresh, total, rules),))
    quotas = share_evenly(capacity, total, _ranks(classes, secret, b"srs.split.class"))
    in_pool = np.zeros(len(traces), dtype=np.bool_)
    for begin, size, quota in zip(begins, sizes, quotas.tolist(), strict=True):
        of_class = order[begin : begin + size]
        in_pool[_smallest(of_class[is_fresh[of_class]].tolist(), hashes, quota)] = True
    return Split(train=order[~in_pool[order]], pool=order[in_pool[order]])


def choose_evenly(class_of_trace: npt.NDArray[np.integer], count: int, seed: bytes) -> Traces:
    """Choose ``count`` of these traces, from each class as equally many as possible, in an order of their own.

    ``class_of_trace`` has shape (traces,), ``seed`` 1 to 64 bytes: the same seed, the same choice.
    """
    classes, group, sizes = np.unique(class_of_trace, return_inverse=True, return_counts=True)
    ranks = _ranks(np.arange(len(class_of_trace)), seed, b"srs.choice.trace")
    quotas = share_evenly(sizes, count, _ranks(classes, seed, b"srs.choice.class"))
    order = np.lexsort((ranks, group))
    place_in_class = np.empty(len(order), dtype=np.int64)
    place_in_class[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = np.flatnonzero(place_in_class < quotas[group])
    in_order: Traces = chosen[np.argsort(ranks[chosen])]
    return in_order


def share_evenly(capacity: Int64s, total: int, ranks: Int64s) -> Int64s:
    """Give each class a share, as equal as its capacity allows, ``total`` (at most the sum of ``capacity``) in all.

    What cannot be divided goes to the classes with the smallest ranks.
    """
    shares = np.zeros_like(capacity)
    while (rest := total - int(shares.sum())) > 0:
        is_open = shares < capacity
        each = rest // int(is_open.sum())
        if each:
            shares[is_open] = np.minimum(capacity, shares + each)[is_open]
        else:
            by_rank = np.flatnonzero(is_open)
            shares[by_rank[np.argsort(ranks[by_rank])][:rest]] += 1
    return shares


def _smallest(traces: Sequence[int], hashes: Sequence[bytes], quota: int) -> list[int]:
    """So many of these traces (in the order of their hashes), copies together where the numbers allow.

    Of all ways to do so, the one with the smallest hashes first.
    """
    groups = [list(copies) for _, copies in itertools.groupby(traces, key=hashes.__getitem__)]
    # Bit k of sums[i]: some of the groups from i on have k traces in all.
    sums = [1]
    for group in reversed(groups):
        sums.append(sums[-1] | sums[-1] << len(group))
    sums.reverse()
    rest = together = (sums[0] & (1 << quota + 1) - 1).bit_length() - 1
    chosen: list[int] = []
    left_out: list[int] = []
    for group, later in zip(groups, sums[1:], strict=True):
        if len(group) <= rest and later >> rest - len(group) & 1:
            chosen += group
            rest -= len(group)
        else:
            left_out += group
    return chosen + left_out[: quota - together]


def _too_few_fresh(
    without: npt.NDArray[np.integer], is_fresh: npt.NDArray[np.bool_], total: int, rules: RaceRules
) -> Problem:
    noun = rules.classes.singular
    stale = int(np.count_nonzero(~is_fresh))
    which = ""
    if len(without):
        nouns, verb = (noun, "has") if len(without) == 1 else (plural(noun), "have")
        which = f": {nouns} {listed(without.tolist())} {verb} none"
    return Problem(
        "split.too-few-fresh",
        f"{grouped(stale)} of {counted(len(is_fresh), 'trace')} were published in an earlier round; the test set "
        f"needs {grouped(total)} fresh ones, at least one for each {noun}{which}.",
        hint="Capture new traces; those whose labels are known can only be trained on.",
    )


def _keyed(secret: bytes, purpose: bytes, number: int, content: bytes = b"") -> bytes:
    data = number.to_bytes(4, "little") + content
    return hashlib.blake2b(data, digest_size=HASH_BYTES, key=secret, person=purpose).digest()


def _ranks(numbers: npt.NDArray[np.integer], secret: bytes, purpose: bytes) -> Int64s:
    """The place of each number in an order that only the secret's holder knows."""
    hashes = _as_rows([_keyed(secret, purpose, number) for number in numbers.tolist()])
    return np.argsort(np.argsort(hashes))


def _as_rows(hashes: Sequence[bytes]) -> npt.NDArray[np.void]:
    return np.frombuffer(b"".join(hashes), dtype=f"V{HASH_BYTES}")
