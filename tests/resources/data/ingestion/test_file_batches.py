from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fineline.resources.data.ingestion.file_batches import Found, assign
from fineline.resources.data.sources.batch import FilePlace

NAMES = st.sampled_from(["a", "b", "c", "d"])
CONTENTS = st.sampled_from(["1", "2", "3", "4", "5"])
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), NAMES, CONTENTS),
        st.tuples(st.just("move"), NAMES, NAMES),
        st.tuples(st.just("copy"), NAMES, NAMES),
        st.tuples(st.just("remove"), NAMES, NAMES),
    ),
    max_size=12,
)


def happen(files, event):
    """The folder after an event; files map names to contents."""
    kind, name, other = event
    after = dict(files)
    if kind == "write":
        after[name] = other
    elif kind == "remove":
        after.pop(name, None)
    elif name in files and other != name:
        after[other] = files[name]
        if kind == "move":
            del after[name]
    return after


def seen(files):
    return {name: Found(name, name, content, FilePlace(".txt", 1, name)) for name, content in files.items()}


def taken(batches, files, unfinished=frozenset()):
    complete = {name: content for name, content in files.items() if name not in unfinished}
    return assign("s", batches, seen(complete), unfinished & files.keys(), 0.0, lambda _: True)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, max_size=8))
def test_whatever_happens_every_content_that_is_there_is_a_batch_and_none_is_lost(rounds):
    files, batches = {}, {}
    for events in rounds:
        for event in events:
            files = happen(files, event)
        before, (batches, repeats) = batches, taken(batches, files)
        there = {key: batch for key, batch in batches.items() if batch.state == "there"}
        assert {batch.content for batch in there.values()} == set(files.values())
        assert {batch.name: batch.content for batch in there.values()}.items() <= files.items()
        assert len({batch.name for batch in there.values()}) == len(there), "no two batches are one file"
        assert repeats.keys() | {batch.name for batch in there.values()} == files.keys()
        assert all(there[key].content == files[name] for name, key in repeats.items())
        assert before.keys() <= batches.keys(), "what has arrived stays"
        assert taken(batches, files) == (batches, repeats), "a second look changes nothing"


@given(EVENTS)
def test_looked_at_after_each_event_there_are_as_many_batches_as_lineages_of_content(events):
    files, batches, lineages = {}, {}, Lineages()
    for event in events:
        files = happen(files, event)
        batches, repeats = taken(batches, files)
        lineages.scan_sources(files)
        assert sorted((b.name, b.content, b.state == "there") for b in batches.values()) == sorted(
            map(tuple, lineages.all)
        )
        assert sorted(repeats) == sorted(lineages.repeats)


class Lineages:
    """The rules once more, in another way: a lineage is [name, content, there]; one event between two looks."""

    def __init__(self):
        self.all, self.repeats = [], []

    def scan_sources(self, files):
        for each in self.all:
            if each[2] and each[0] in files:
                each[1] = files[each[0]]
        homeless = [each for each in self.all if not (each[2] and each[0] in files)]
        free = sorted(files.keys() - {each[0] for each in self.all if each not in homeless})
        for each in homeless:
            same = [name for name in free if files[name] == each[1]]
            each[2] = bool(same)
            if same:
                each[0] = same[0]
                free.remove(same[0])
        self.repeats = []
        for name in free:
            owner = [each for each in self.all if not each[2] and each[0] == name]
            if files[name] in [each[1] for each in self.all if each[2]]:
                self.repeats.append(name)
            elif owner:
                owner[0][1:] = [files[name], True]
            else:
                self.all.append([name, files[name], True])
        self.all.sort(key=str)


@given(EVENTS, st.sets(NAMES))
def test_files_that_are_being_written_lose_no_batch_and_bring_none(events, unfinished):
    files = {}
    for event in events[: len(events) // 2]:
        files = happen(files, event)
    batches, _ = taken({}, files)
    for event in events[len(events) // 2 :]:
        files = happen(files, event)
    during, _ = taken(batches, files, frozenset(unfinished))
    assert batches.keys() <= during.keys()
    assert not {b.name for k, b in during.items() if k not in batches} & unfinished
    for key, batch in batches.items():
        if batch.name in unfinished & files.keys():
            assert during[key] == batch
