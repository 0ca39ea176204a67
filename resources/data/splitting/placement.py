"""Placement of whole groups into splits, so that every stratum gets the asked shares."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HELD_OUT = ("test", "validation")


@dataclass(frozen=True)
class Group:
    """Records that must stay together: their number in each stratum, and the group's own random number in [0, 1)."""

    counts: Mapping[str, int]
    uniform: float

    @property
    def size(self) -> int:
        """The number of records in all strata."""
        return sum(self.counts.values())


def round_shares(total: int, shares: Mapping[str, float], uniform: float) -> dict[str, int]:
    """The number of records of each split: its share of the total, rounded up or down so that all sum to the total.

    ``uniform``, a number in [0, 1), decides which are rounded up (systematic rounding): strata of a few records do not
    all round the same way, and over many strata the mean is the share itself.
    """
    records: dict[str, int] = {}
    passed = uniform
    for split in HELD_OUT:
        records[split] = math.floor(passed + shares[split] * total) - math.floor(passed)
        passed += shares[split] * total
    return {"train": total - sum(records.values()), **records}


class Placement:
    """The number of records of every stratum that each split still lacks; negative where it has more than asked.

    ``targets`` are, for each stratum, the records that each split should have, already placed ones included.
    """

    def __init__(self, targets: Mapping[str, Mapping[str, int]]) -> None:
        self._lacks = {stratum: dict(target) for stratum, target in targets.items()}
        self._totals = {stratum: sum(target.values()) for stratum, target in targets.items()}

    def put(self, counts: Mapping[str, int], split: str) -> None:
        """Count a group's records, by stratum, into a split."""
        for stratum, count in counts.items():
            self._lacks[stratum][split] -= count

    def place(self, groups: Sequence[Group]) -> list[str]:
        """The split of each of the groups, which are all that are not yet placed; best ordered by size, largest first.

        First each group's split is drawn; then groups in train move, in the same order, to a held-out split whose
        strata they bring nearer to their targets.
        """
        splits = []
        for group in groups:
            splits.append(self._draw(group))
            self.put(group.counts, splits[-1])
        for position, group in enumerate(groups):
            better = self._better(group) if splits[position] == "train" else None
            if better is not None:
                self.put({stratum: -count for stratum, count in group.counts.items()}, "train")
                self.put(group.counts, better)
                splits[position] = better
        return splits

    def _draw(self, group: Group) -> str:
        """The split on which the group's number falls, or train if that split has no room for the group.

        The odds of a split are the records it lacks over those that all lack: selection sampling (Knuth: The Art of
        Computer Programming, volume 2, 3.4.2, algorithm S), which meets the targets when groups are single records.
        """
        passed = 0.0
        for split in HELD_OUT:
            passed += self._odds(group, split)
            if group.uniform < passed:
                fits = all(count <= self._lacks[stratum][split] for stratum, count in group.counts.items())
                return split if fits else "train"
        return "train"

    def _odds(self, group: Group, split: str) -> float:
        odds = 0.0
        for stratum, count in group.counts.items():
            lacks = {each: max(lack, 0) for each, lack in self._lacks[stratum].items()}
            odds += count / group.size * lacks[split] / sum(lacks.values())
        return odds

    def _better(self, group: Group) -> str | None:
        """The held-out split with room for the group that gains most by it, None if no split gains."""
        gains = {split: self._gain(group, split) for split in HELD_OUT if group.size <= self._room(group, split)}
        best = max(gains, key=lambda split: gains[split], default=None)
        return best if best is not None and gains[best] > 0 else None

    def _room(self, group: Group, split: str) -> int:
        return sum(max(self._lacks[stratum][split], 0) for stratum in group.counts)

    def _gain(self, group: Group, split: str) -> float:
        """The decrease of the squared gaps between actual and asked shares."""
        gain = 0.0
        for stratum, count in group.counts.items():
            before, total = self._lacks[stratum][split], self._totals[stratum]
            gain += (before / total) ** 2 - ((before - count) / total) ** 2
        return gain
