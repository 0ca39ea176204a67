"""Placing whole groups into splits so that every stratum gets the asked shares."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HELD_OUT = ("test", "validation")


@dataclass(frozen=True)
class Group:
    """What must stay together: how many records it has of each stratum, and its own number in [0, 1)."""

    counts: Mapping[str, int]
    uniform: float

    @property
    def size(self) -> int:
        """Records in all strata."""
        return sum(self.counts.values())


def round_shares(total: int, shares: Mapping[str, float], uniform: float) -> dict[str, int]:
    """Whole records of each split that sum to the total, each its share of the total rounded up or down.

    ``uniform``, a number in [0, 1), decides which; its mean over many strata is the share itself, so that
    strata of a few records do not all round the same way (systematic rounding).
    """
    records: dict[str, int] = {}
    passed = uniform
    for split in HELD_OUT:
        records[split] = math.floor(passed + shares[split] * total) - math.floor(passed)
        passed += shares[split] * total
    return {"train": total - sum(records.values()), **records}


class Placement:
    """What every split still lacks of every stratum, in records; negative where it has more than asked.

    ``targets`` are the records of each stratum, placed or not, as each split should have them.
    """

    def __init__(self, targets: Mapping[str, Mapping[str, int]]) -> None:
        self._lacks = {stratum: dict(target) for stratum, target in targets.items()}
        self._totals = {stratum: sum(target.values()) for stratum, target in targets.items()}

    def put(self, counts: Mapping[str, int], split: str) -> None:
        """Count records of a group (of each stratum) into a split."""
        for stratum, count in counts.items():
            self._lacks[stratum][split] -= count

    def place(self, groups: Sequence[Group]) -> list[str]:
        """The split of each of the groups, which are all that is not yet put anywhere; best the largest first.

        First each group is drawn; then groups in train are moved, in the same order, to where they bring
        held-out strata nearer to their targets.
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
        """The split on which the group's number falls, or train where that has no room for the group.

        The odds of a split are what it lacks to what all lack: selection sampling (Knuth: The Art of Computer
        Programming, volume 2, 3.4.2, algorithm S), which meets the targets when groups are single records.
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
        """The held-out split that has room for as many records and gains most by them, if one does."""
        gains = {split: self._gain(group, split) for split in HELD_OUT if group.size <= self._room(group, split)}
        best = max(gains, key=lambda split: gains[split], default=None)
        return best if best is not None and gains[best] > 0 else None

    def _room(self, group: Group, split: str) -> int:
        return sum(max(self._lacks[stratum][split], 0) for stratum in group.counts)

    def _gain(self, group: Group, split: str) -> float:
        """By how much the squared gaps between actual and asked shares would fall."""
        gain = 0.0
        for stratum, count in group.counts.items():
            before, total = self._lacks[stratum][split], self._totals[stratum]
            gain += (before / total) ** 2 - ((before - count) / total) ** 2
        return gain
