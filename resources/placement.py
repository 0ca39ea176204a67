"""Placing whole groups into splits so that every stratum gets the asked shares."""

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


class Placement:
    """What every split still lacks of its share of every stratum, in records; negative where it has more.

    ``totals`` are the records of each stratum, placed or not, ``shares`` what each split should have of them.
    """

    def __init__(self, totals: Mapping[str, int], shares: Mapping[str, float]) -> None:
        self._totals = totals
        self._lacks = {
            (stratum, split): share * total for stratum, total in totals.items() for split, share in shares.items()
        }
        self._splits = list(shares)

    def put(self, counts: Mapping[str, int], split: str) -> None:
        """Count records of a group (of each stratum) into a split."""
        for stratum, count in counts.items():
            self._lacks[stratum, split] -= count

    def place(self, groups: Sequence[Group]) -> list[str]:
        """The split of each of the groups, which are all that is not yet put anywhere; best the largest first.

        First each group is drawn; then groups in train are moved, in the same order, to where they bring held
        out strata nearer to their shares.
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
        """The split on which the group's number falls, or train where it would get a record too many.

        The odds of a split are what it lacks to what all lack: selection sampling (Knuth: The Art of Computer
        Programming, volume 2, 3.4.2, algorithm S), which meets the shares when groups are single records.
        """
        passed = 0.0
        for split in HELD_OUT:
            passed += self._odds(group, split)
            if group.uniform < passed:
                fits = all(count < self._lacks[stratum, split] + 1 for stratum, count in group.counts.items())
                return split if fits else "train"
        return "train"

    def _odds(self, group: Group, split: str) -> float:
        odds = 0.0
        for stratum, count in group.counts.items():
            lacks = {each: max(self._lacks[stratum, each], 0.0) for each in self._splits}
            odds += count / group.size * lacks[split] / sum(lacks.values())
        return odds

    def _better(self, group: Group) -> str | None:
        """The held-out split that has room for all of the group and gains most by it, if one does."""
        gains = {split: self._gain(group, split) for split in HELD_OUT if group.size <= self._room(group, split)}
        best = max(gains, key=lambda split: gains[split], default=None)
        return best if best is not None and gains[best] > 0 else None

    def _room(self, group: Group, split: str) -> float:
        return sum(max(self._lacks[stratum, split], 0.0) for stratum in group.counts)

    def _gain(self, group: Group, split: str) -> float:
        """By how much the squared gaps between actual and asked shares would fall.

        A gap of up to one record counts as none: shares of small strata are met by chance, not by rounding,
        which would add up over many of them.
        """
        gain = 0.0
        for stratum, count in group.counts.items():
            before = self._lacks[stratum, split]
            gaps = [max(abs(lack) - 1, 0.0) / self._totals[stratum] for lack in (before, before - count)]
            gain += gaps[0] ** 2 - gaps[1] ** 2
        return gain
