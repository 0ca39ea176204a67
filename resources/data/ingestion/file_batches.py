"""Which batch each complete file of a watched folder is: by its name, else by its content, else a new one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fineline.resources.data.ingestion.registry import Arrival, free_key
from fineline.resources.data.sources.batch import Place


@dataclass(frozen=True)
class Found:
    """What a source holds under a name: the name, its keyed hash, a hash of the content, and where that is read."""

    name: str
    name_hash: str
    content: str
    place: Place | None


def assign(
    source: str,
    batches: Mapping[str, Arrival],
    complete: Mapping[str, Found],
    unfinished: Collection[str],
    now: float,
    is_stored: Callable[[str], bool],
) -> tuple[dict[str, Arrival], dict[str, str]]:
    """The batches by key, and for each file that repeats one, by the hash of its name, the batch that it repeats.

    ``complete`` and ``unfinished`` files are given by the hashes of their names. A batch keeps the file of its name,
    even with other content. A batch whose file is gone moves to a file of its content; without one, it is replaced by
    a file of its old name with new content, or is gone, and stays only where ``is_stored`` finds a table of it. Content
    that no batch has is a new batch. A batch that is withdrawn stays so until other content replaces it.
    """
    after = dict(batches)
    by_name = {batch.name_hash: key for key, batch in batches.items() if batch.state != "gone"}
    kept = {name: key for name, key in by_name.items() if name in complete or name in unfinished}
    for name in kept.keys() & complete.keys():
        after[kept[name]] = renewed(after[kept[name]], complete[name])

    free: dict[str, list[Found]] = {}
    for file in sorted(complete.values(), key=lambda file: file.name):
        if file.name_hash not in kept:
            free.setdefault(file.content, []).append(file)
    lost = set()
    for key in sorted(batches.keys() - kept.values()):
        if files := free.get(after[key].content):
            after[key] = renewed(after[key], files.pop(0))
        else:
            lost.add(key)

    held = {batch.content: key for key, batch in after.items() if key not in lost}
    old_names = {after[key].name_hash: key for key in sorted(lost)}
    for content, files in free.items():
        if not files or content in held:
            continue
        file = next((file for file in files if file.name_hash in old_names), files[0])
        if file.name_hash in old_names:
            key = old_names[file.name_hash]
            lost.remove(key)
            after[key] = renewed(after[key], file)
        else:
            key = free_key(source, file.name_hash, after)
            after[key] = Arrival(first_seen=now, **vars(file))
        files.remove(file)
        held[content] = key
    for key in lost:
        if after[key].state == "there" and is_stored(key):
            after[key] = after[key].model_copy(update={"state": "gone"})
        elif after[key].state == "there":
            del after[key]
    return after, {file.name_hash: held[content] for content, files in free.items() for file in files}


def renewed(batch: Arrival, found: Found) -> Arrival:
    """The batch as it is found now; a name that was blanked stays so until another name or content replaces it."""
    changed: dict[str, Any] = vars(found)
    is_other = batch.content != found.content
    if is_other:
        changed = changed | {"versions": batch.versions + 1}
    if is_other or batch.state == "gone":
        changed = changed | {"state": "there"}
    is_withdrawn = batch.state == "withdrawn"
    if batch.name is None and not (is_withdrawn and is_other) and (is_withdrawn or batch.name_hash == found.name_hash):
        changed = changed | {"name": None}
    return batch.model_copy(update=changed)
