"""What a benchmark gives: named figures, each beside the figure of a peer where there is one."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured value.

    ``value`` is what a gate is held against: a ratio where there is a peer, else a count or a share. ``ours``
    and ``peer`` are the two sides of a ratio in ``unit``, measured in one run on one machine; ``peer_name``
    says what the peer is, with its version. ``note`` says on what it was measured.
    """

    name: str
    value: float
    unit: str
    ours: float | None = None
    peer: float | None = None
    peer_name: str = ""
    note: str = ""

    @classmethod
    def ratio(cls, name: str, ours: float, peer: float, unit: str, peer_name: str, note: str = "") -> "Figure":
        """How many times the peer's figure ours is; for seconds, give rates instead."""
        return cls(name, ours / peer, unit, ours, peer, peer_name, note)

    def as_dict(self) -> dict[str, Any]:
        """The figure as plain values."""
        return asdict(self)
