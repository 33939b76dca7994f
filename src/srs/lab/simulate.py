"""A simulator of SecretStroll over Tor: traces that look like captures at the client, made from a seed.

A visit asks for the points of interest (POIs) of one cell of the grid, then fetches each on a stream of its own,
one after another. How many there are and how large is the cell's; that is what an attacker can learn. How fast
they come is the circuit's: delays vary between sessions, between visits and between packets.

Sources: a Tor cell has 514 bytes and carries up to 498 of data (Tor specification, "Cells" and "Relay cells"); the
receiver acknowledges every 50 cells of a stream and every 100 of a circuit (ibid., "Flow control"). Cells travel in
TLS 1.3 records of 22 bytes more (RFC 8446, 5.2: header 5, content type 1, tag 16) in TCP segments with 40 bytes of
IPv4 and TCP header (RFC 791, RFC 9293). Sizes are IP total lengths. The mix of writes and of segment sizes, the
number and size of POIs and the delays resemble real captures of 2022: about 400 packets, 440 kB received, 27 kB
sent, 12 s, a tenth of the packets sent.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CELL_BYTES: Final = 514
CELL_DATA_BYTES: Final = 498
RECORD_BYTES: Final = 22
HEADER_BYTES: Final = 40
CELLS_PER_STREAM_ACK: Final = 50
CELLS_PER_CIRCUIT_ACK: Final = 100

# How many cells a guard hands to TCP at once: a full record of seven mostly, a straggler, several records.
_WRITE_CELLS: Final = np.array([1, 2, 3, 5, 7, 14, 28])
_WRITE_CHANCE: Final = np.array([0.18, 0.09, 0.05, 0.06, 0.40, 0.14, 0.08])
_WRITE_BELOW: Final = np.cumsum(_WRITE_CHANCE) / _WRITE_CHANCE.sum()
_WRITES_AT_ONCE: Final = 32
_CELLS_PER_RECORD: Final = 7
# TCP payload of the first, the second and each further segment of a write: with and without TCP options on the way.
_SEGMENTS: Final = np.array([[1460, 1460, 1460], [1460, 1436, 1448], [1448, 1448, 1448]])
_SEGMENTS_CHANCE: Final = np.array([0.66, 0.24, 0.10])

_REQUEST_CELLS: Final = 4
_ANSWER_CELLS: Final = 2
_POIS_MEAN: Final = 8.0
_POI_BYTES_MEDIAN: Final = 48_000.0
_POI_BYTES_SPREAD: Final = 0.55
_PAGE_CHANGE: Final = 0.012
_OTHER_CELLS_MEAN: Final = 4.0
_ROUND_TRIP_S: Final = 0.45
_WRITE_GAP_S: Final = 0.012
_STALL_CHANCE: Final = 0.02
_LATE_CELL_CHANCE: Final = 0.07
_CLIENT_S: Final = 0.002


class World(NamedTuple):
    """The map: for each POI the index of its cell (0-based, ascending) and the bytes of its page."""

    owner: Ints
    page_bytes: Ints


class Events(NamedTuple):
    """Packets in any order: index of the trace, seconds since its start, signed size."""

    trace: Ints
    at_s: Floats
    size: Ints


def simulate(classes: int = 24, repetitions: int = 12, *, seed: int, start: int = 0) -> pl.DataFrame:
    """A trace set with columns ``cell_id, rep, direction_size, timestamp``, sorted by cell, repetition, time.

    ``seed`` decides the map, so that cell 7 is the same place in every call; a repetition is a capture session of
    its own, and ``start`` the number of the first: calls with other ``start`` give other captures of the same
    map. Sizes are bytes (int32, + sent), timestamps seconds since the trace's first packet with microseconds.
    """
    world = _map(classes, seed)
    sessions = []
    for rep in range(start, start + repetitions):
        events = _session(world, classes, np.random.default_rng([seed, 1, rep]))
        sessions.append(_frame(events, rep))
    return pl.concat(sessions).sort("cell_id", "rep", maintain_order=True)


def _map(classes: int, seed: int) -> World:
    """Each cell's POIs come from a generator of their own: more cells change nothing in the earlier ones."""
    owner, page_bytes = [], []
    for index in range(classes):
        rng = np.random.default_rng([seed, 0, index])
        pois = max(1, rng.poisson(_POIS_MEAN))
        owner.append(np.full(pois, index))
        page_bytes.append(rng.lognormal(np.log(_POI_BYTES_MEDIAN), _POI_BYTES_SPREAD, pois).astype(np.int64))
    return World(np.concatenate(owner), np.concatenate(page_bytes))


def _session(world: World, classes: int, rng: np.random.Generator) -> Events:
    """One visit to each cell, through one slow or fast hour of the network."""
    hour = rng.lognormal(0.0, 0.25)
    round_trip_s = _ROUND_TRIP_S * hour * rng.lognormal(0.0, 0.25, classes)
    pace = hour * rng.lognormal(0.0, 0.3, classes)

    pages = world.owner.size
    poi_trip_s = round_trip_s[world.owner] * rng.lognormal(0.0, 0.15, pages)
    stall_s = np.where(rng.random(pages) < _STALL_CHANCE, rng.uniform(1.0, 8.0, pages), 0.0)
    page_bytes = world.page_bytes * rng.lognormal(0.0, _PAGE_CHANGE, pages)
    page_cells = np.ceil(page_bytes / CELL_DATA_BYTES).astype(np.int64)
    poi, write_cells = _writes(page_cells, rng)
    gaps_s = _WRITE_GAP_S * pace[world.owner][poi] * rng.lognormal(0.0, 1.0, poi.size)
    arrival_s = _sum_within(gaps_s, poi)

    lasts_s = np.zeros(pages)
    np.maximum.at(lasts_s, poi, arrival_s)
    lasts_s += 2.0 * poi_trip_s + stall_s + 2.0 * _CLIENT_S
    begin_s = 2.0 * round_trip_s[world.owner] + 2.0 * _CLIENT_S + _sum_within(lasts_s, world.owner) - lasts_s
    trace = world.owner[poi]
    at_s = begin_s[poi] + 2.0 * poi_trip_s[poi] + stall_s[poi] + arrival_s
    return _joined(
        _hello(round_trip_s, rng),
        _openings(world.owner, begin_s, poi_trip_s),
        _segments(trace, at_s, write_cells, rng),
        _acknowledgements(trace, at_s, write_cells),
        _other_cells(classes, trace, at_s, rng),
    )


def _writes(page_cells: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Cut each page into writes: the index of the page and the cells of each write, page by page, in order."""
    drawn = rng.random((page_cells.size, int(page_cells.max())))
    left, parts = page_cells, []
    for column in range(0, drawn.shape[1], _WRITES_AT_ONCE):  # most pages end early: the rest is not looked at
        writes = _WRITE_CELLS[_WRITE_BELOW.searchsorted(drawn[:, column : column + _WRITES_AT_ONCE], side="right")]
        ends = np.minimum(writes.cumsum(axis=1), left[:, np.newaxis])
        parts.append(np.diff(ends, axis=1, prepend=0))
        left = left - ends[:, -1]
        if not left.any():
            break
    cells = np.hstack(parts)
    poi, nth = np.nonzero(cells)
    return poi, cells[poi, nth]


def _sum_within(values: Floats, group: Ints) -> Floats:
    """Running sum that starts anew in each group; ``group`` is ascending."""
    running = np.cumsum(values)
    first = np.searchsorted(group, group, side="left")
    return running - (running - values)[first]


def _hello(round_trip_s: Floats, rng: np.random.Generator) -> Events:
    """A stream is opened, the request goes out, the list of POIs comes back; at times after a late cell."""
    traces = np.arange(round_trip_s.size)
    late = traces[rng.random(traces.size) < _LATE_CELL_CHANCE]
    nothing = np.zeros(traces.size)
    return _joined(
        Events(late, np.full(late.size, -1e-6), np.full(late.size, -_packet(1))),
        Events(traces, nothing, np.full(traces.size, _packet(1))),
        Events(traces, round_trip_s, np.full(traces.size, -_packet(1))),
        Events(traces, round_trip_s + _CLIENT_S, np.full(traces.size, _packet(_REQUEST_CELLS))),
        Events(traces, 2.0 * round_trip_s, np.full(traces.size, -_packet(_ANSWER_CELLS))),
    )


def _openings(trace: Ints, begin_s: Floats, trip_s: Floats) -> Events:
    """For each POI: BEGIN, CONNECTED a round trip later, and the request for its page."""
    one = np.full(trace.size, _packet(1))
    return _joined(
        Events(trace, begin_s, one),
        Events(trace, begin_s + trip_s, -one),
        Events(trace, begin_s + trip_s + _CLIENT_S, one),
    )


def _segments(trace: Ints, at_s: Floats, cells: Ints, rng: np.random.Generator) -> Events:
    """What TCP makes of each write: full segments and a rest, some tens of microseconds apart."""
    payload = cells * CELL_BYTES + RECORD_BYTES * -(-cells // _CELLS_PER_RECORD)
    sizes = _SEGMENTS[rng.choice(len(_SEGMENTS), p=_SEGMENTS_CHANCE, size=cells.size)]
    first_two = sizes[:, 0] + sizes[:, 1]
    rest = np.maximum(0, payload - first_two)
    count = 1 + (payload > sizes[:, 0]) + -(-rest // sizes[:, 2])
    write = np.repeat(np.arange(cells.size), count)
    nth = np.arange(write.size) - np.repeat(np.cumsum(count) - count, count)
    capacity = sizes[write, np.minimum(nth, 2)]
    before = np.where(nth < 2, nth * sizes[write, 0], first_two[write] + (nth - 2) * sizes[write, 2])
    size = np.minimum(capacity, payload[write] - before) + HEADER_BYTES
    return Events(trace[write], at_s[write] + nth * rng.uniform(1e-5, 8e-5, write.size), -size)


def _acknowledgements(trace: Ints, at_s: Floats, cells: Ints) -> Events:
    """A SENDME for every 50 cells of data and another for every 100, as soon as the last of them is there."""
    received = _sum_within(cells.astype(np.float64), trace).astype(np.int64)
    due = sum(
        received // every - (received - cells) // every for every in (CELLS_PER_STREAM_ACK, CELLS_PER_CIRCUIT_ACK)
    )
    write = np.repeat(np.arange(cells.size), due)
    return Events(trace[write], at_s[write] + _CLIENT_S, np.full(write.size, _packet(1)))


def _other_cells(classes: int, trace: Ints, at_s: Floats, rng: np.random.Generator) -> Events:
    """What else runs between client and guard: cells of other circuits and padding, at any moment of the visit."""
    ends_s = np.zeros(classes)
    np.maximum.at(ends_s, trace, at_s)
    of_trace = np.repeat(np.arange(classes), rng.poisson(_OTHER_CELLS_MEAN, classes))
    sign = rng.choice([-1, 1], of_trace.size)
    return Events(of_trace, ends_s[of_trace] * rng.random(of_trace.size), sign * _packet(1))


def _packet(cells: int) -> int:
    """IP total length of a write that fits one packet as the kernel shows it."""
    return cells * CELL_BYTES + RECORD_BYTES + HEADER_BYTES


def _joined(*parts: Events) -> Events:
    return Events(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _frame(events: Events, rep: int) -> pl.DataFrame:
    order = np.lexsort((events.at_s, events.trace))
    trace, at_s = events.trace[order], events.at_s[order]
    first = np.searchsorted(trace, trace, side="left")
    return pl.DataFrame(
        {
            "cell_id": (trace + 1).astype(np.int32),
            "rep": np.full(trace.size, rep, dtype=np.int32),
            "direction_size": events.size[order].astype(np.int32),
            "timestamp": np.round(at_s - at_s[first], 6),
        }
    )
