"""The draw of a round: who attacks whom. Anyone can repeat it from the published seed (``docs/race.md``).

Matches are a flow from attackers to defences with unit edges. Each defence takes ``floor(matches / defences)``
attackers, and as many defences as the remainder says take one more. Non-repeats cost 0 and repeats 1; attackers
are added one match at a time along shortest augmenting paths (Ahuja, Magnanti, Orlin, *Network Flows*, 1993,
section 9.7), so that the number of repeats is the least there is.
"""

from __future__ import annotations

import bisect
import hashlib
import hmac
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

_WORD_BYTES = 8


class Pair(NamedTuple):
    """One match: team numbers."""

    attacker: int
    defender: int


def commit(seed: bytes) -> str:
    """SHA-256 of the seed in hex: public before the draw, so that nobody can choose another seed later."""
    return hashlib.sha256(seed).hexdigest()


def draw(
    defenders: Sequence[int],
    attackers: Sequence[int],
    per_team: int,
    seed: bytes,
    earlier_pairs: Collection[tuple[int, int]] = (),
    avoid_repeats: bool = True,
) -> list[Pair]:
    """The matches of a round, sorted by attacker and defender.

    ``defenders`` are the team numbers with an accepted defence, ``attackers`` those who attack (with or without
    a defence of their own); the order of both is of no account. Each attacker gets ``per_team`` different
    defences, or all but its own where there are fewer. The numbers of attackers of two defences differ by at
    most 1. With ``avoid_repeats``, no other draw of this kind has fewer ``(attacker, defender)`` pairs of
    ``earlier_pairs``: none, if that is possible. ``ValueError`` if a team is given twice.
    """
    for teams in (defenders, attackers):
        if len(set(teams)) != len(teams):
            raise ValueError("a team is given twice")
    stream = _Stream(seed)
    ordered = stream.shuffled(sorted(defenders))
    matching = _Matching(ordered, sorted(attackers), per_team, earlier_pairs if avoid_repeats else ())
    postponed: list[int] = []
    for turn in range(min(per_team, len(ordered))):
        for attacker in stream.shuffled([a for a in sorted(attackers) if matching.wanted[a] > turn]):
            if attacker in matching.stuck:
                postponed.append(attacker)
            elif not matching.give_any(attacker, stream) and not matching.augment(attacker):
                matching.stuck.add(attacker)
                postponed.append(attacker)
    for attacker in postponed:
        matching.augment(attacker, may_repeat=True)
    return sorted(matching.pairs())


class _Stream:
    """Random whole numbers: the 64-bit words of HMAC-SHA256(seed, 0), HMAC-SHA256(seed, 1), ..."""

    def __init__(self, seed: bytes) -> None:
        self._words = self._generate(seed)

    @staticmethod
    def _generate(seed: bytes) -> Iterator[int]:
        counter = 0
        while True:
            block = hmac.digest(seed, counter.to_bytes(_WORD_BYTES, "big"), "sha256")
            for start in range(0, len(block), _WORD_BYTES):
                yield int.from_bytes(block[start : start + _WORD_BYTES], "big")
            counter += 1

    def below(self, bound: int) -> int:
        """Uniform in ``0..bound-1``: words that would favour small numbers are passed over."""
        limit = 2 ** (8 * _WORD_BYTES) // bound * bound
        return next(word for word in self._words if word < limit) % bound

    def shuffled(self, items: Sequence[int]) -> list[int]:
        """Fisher and Yates, from the last place to the second."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order


class _Step(NamedTuple):
    """How a search came to give a defence one attacker more.

    ``attacker`` takes it on and gives up the defence ``left`` (``None``: it had a match to fill). Without an
    ``attacker``, ``left`` takes over the right to one attacker above the floor.
    """

    left: int | None
    attacker: int | None


class _Matching:
    """A growing set of matches; defences are places 0..m-1 in the drawn order."""

    def __init__(
        self,
        defenders: Sequence[int],
        attackers: Sequence[int],
        per_team: int,
        earlier_pairs: Collection[tuple[int, int]],
    ) -> None:
        self._defenders = defenders
        place = {team: index for index, team in enumerate(defenders)}
        own = {a: {place[a]} if a in place else set() for a in attackers}
        self.wanted = {a: min(per_team, len(defenders) - len(own[a])) for a in attackers}
        """How many matches each attacker shall have."""
        self.stuck: set[int] = set()
        """Attackers for whom no match is left that is not a repeat; once so, it stays so."""
        self._taken = own
        """For each attacker its own place and those it attacks."""
        self._earlier: dict[int, set[int]] = {a: set() for a in attackers}
        for attacker, defender in earlier_pairs:
            if attacker in own and defender in place and attacker != defender:
                self._earlier[attacker].add(place[defender])
        self._attackers: list[list[int]] = [[] for _ in defenders]
        self._floor, self._extra = divmod(sum(self.wanted.values()), max(1, len(defenders)))
        self._open = list(range(len(defenders)))
        """Places with room, ascending."""
        self._clean_lost = 0
        """How many non-repeats fewer there are than there could be by themselves."""

    def pairs(self) -> Iterator[Pair]:
        """Every match."""
        for index, attackers in enumerate(self._attackers):
            yield from (Pair(attacker, self._defenders[index]) for attacker in attackers)

    def give_any(self, attacker: int, stream: _Stream) -> bool:
        """Give a random defence that has room and is no repeat; whether there was one."""
        start = stream.below(len(self._open))
        for offset in range(len(self._open)):
            index = self._open[(start + offset) % len(self._open)]
            if index not in self._taken[attacker] and index not in self._earlier[attacker]:
                self._add(attacker, index)
                self._grown(index)
                return True
        return False

    def augment(self, attacker: int, *, may_repeat: bool = False) -> bool:
        """Give one match more by moving others along a path with the fewest new repeats; whether there is one."""
        found = self._search(attacker, may_repeat)
        if found is None:
            return False
        steps, end, cost = found
        index: int | None = end
        while index is not None:
            step = steps[index]
            if step.attacker is not None:
                self._add(step.attacker, index)
                if step.left is not None:
                    self._remove(step.attacker, step.left)
            index = step.left
        self._grown(end)
        self._clean_lost += cost - 1 if may_repeat else 0
        return True

    def _search(self, attacker: int, may_repeat: bool) -> tuple[dict[int, _Step], int, int] | None:
        """The cheapest way to one match more: the steps by place, the last place, the repeats it adds.

        Label correcting from the attacker; a label says how many repeats are added until a place has one attacker
        too many. Without repeats every label is 0, so that one look at each place is enough. With them, no path
        can cost less than 1 while the non-repeats are at their largest number, nor ever less than 0.
        """
        steps: dict[int, _Step] = {}
        costs: dict[int, int] = {}
        fresh = range(len(self._defenders)) if may_repeat else list(range(len(self._defenders)))
        enough = 1 if may_repeat and not self._clean_lost else 0
        queue: deque[int | None] = deque([None])
        while queue:
            left = queue.popleft()
            for index, cost, step in self._moves(attacker, left, fresh, may_repeat):
                total = cost + (0 if left is None else costs[left])
                if index not in costs or total < costs[index]:
                    costs[index], steps[index] = total, step
                    queue.append(index)
                    if total <= enough and self._has_room(index):
                        return steps, index, total
            if not may_repeat:
                fresh = [index for index in fresh if index not in costs]
        ends = [(cost, index) for index, cost in costs.items() if self._has_room(index)]
        return (steps, min(ends)[1], min(ends)[0]) if ends else None

    def _moves(
        self, attacker: int, left: int | None, places: Sequence[int], may_repeat: bool
    ) -> Iterator[tuple[int, int, _Step]]:
        """Places that can take what ``left`` has too much (``None``: the attacker itself), each with its cost."""
        for taker in [attacker] if left is None else self._attackers[left]:
            refund = 1 if left in self._earlier[taker] else 0
            for index in places:
                is_repeat = index in self._earlier[taker]
                if index not in self._taken[taker] and (may_repeat or not is_repeat):
                    yield index, is_repeat - refund, _Step(left, taker)
        if left is not None and len(self._attackers[left]) == self._floor:
            for index in places:
                if len(self._attackers[index]) > self._floor:
                    yield index, 0, _Step(left, None)

    def _has_room(self, index: int) -> bool:
        load = len(self._attackers[index])
        return load < self._floor or (load == self._floor and self._extra > 0)

    def _grown(self, index: int) -> None:
        """A place has one attacker more than before: close what has no room any longer."""
        closing: Sequence[int] = [index]
        if len(self._attackers[index]) > self._floor:
            self._extra -= 1
            closing = [index] if self._extra else list(self._open)
        for place in closing:
            if not self._has_room(place):
                del self._open[bisect.bisect_left(self._open, place)]

    def _add(self, attacker: int, index: int) -> None:
        self._attackers[index].append(attacker)
        self._taken[attacker].add(index)

    def _remove(self, attacker: int, index: int) -> None:
        self._attackers[index].remove(attacker)
        self._taken[attacker].remove(index)
