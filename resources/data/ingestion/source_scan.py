"""The findings of a scan of the sources."""

from __future__ import annotations

from dataclasses import dataclass, field

from fineline.resources.core.presentation.inert import inert
from fineline.resources.core.presentation.tables import first_few
from fineline.resources.data.ingestion.registry import KEY

# Nobody reads more, and a folder may hold a hundred thousand files of other formats.
MAXIMUM_LINES = 200


@dataclass
class SourceScan:
    """The batches that the sources offer now, the files that are none, and what stands in the way.

    ``versions`` are the batches, by key, each with a fingerprint of its content and of how the source is read;
    ``gone`` are the batches whose file is not there, ``obstacles`` the reasons why sources cannot be scanned, and
    ``empty`` the sources without any batch. ``refused`` are the batches that are left out, ``waiting`` the files that
    are not taken yet, each with the reason, and ``repeats`` those of the same content as a batch, with its key; the key
    of a file is the one that it would have as a batch. ``names`` are the names of all keys that people know.
    ``reads_on`` is the number of files of which there is more to read, so that another scan should follow at once;
    ``settles`` is True where a file may be complete in a moment.
    """

    versions: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    obstacles: dict[str, str] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    repeats: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    reads_on: int = 0
    settles: bool = False

    @property
    def notes(self) -> list[str]:
        """A line for each kind of finding, with the first few keys."""
        return [f"{len(each)} {what}: {first_few(each)}" for what, each in self._findings.items() if each]

    @property
    def lines(self) -> list[str]:
        """The same, and before it a line for each of at most 200 files that are not taken."""
        findings = self._findings
        lines = [f"{what}: {one}" for what in ("refused", "waiting", "repeats") for one in findings[what]]
        more = [f"{len(lines) - MAXIMUM_LINES:,} more files are not taken"] if len(lines) > MAXIMUM_LINES else []
        return [*lines[:MAXIMUM_LINES], *more, *self.notes]

    @property
    def _findings(self) -> dict[str, list[str]]:
        return {
            "gone, kept as stored": self.gone,
            "refused": [f"{key} ({_told(key, why)})" for key, why in sorted(self.refused.items())],
            "waiting": [f"{key} ({why})" for key, why in sorted(self.waiting.items())],
            "repeats": [f"{key} (of {batch})" for key, batch in sorted(self.repeats.items())],
            "cannot be scanned": [f"{name} ({why})" for name, why in self.obstacles.items()],
            "without a batch": [name for name in self.empty if name not in self.obstacles],
        }

    def shown(self, text: str) -> str:
        """A text for people: each key of a batch or file in it is replaced by the name that they know."""
        return KEY.sub(lambda found: inert(self.names.get(found[0], found[0])), text)


def _told(key: str, reason: str) -> str:
    """The first line of a reason, without the batch that it begins with."""
    return reason.partition("\n")[0].removeprefix(key).lstrip(": ")
