import json
from typing import Literal, get_args

import pytest
from support.mailbox import Inbox, answers_of

from fineline.resources.core.recipe.sources import Source, TableSource
from fineline.resources.data.formats.rows import Row
from fineline.resources.data.ingestion.batches import withdraw
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.data.shapes.fitting import fit_rows
from fineline.resources.data.sources import kinds
from fineline.resources.data.sources.batch import Batch
from fineline.resources.data.sources.connector import Connector, Folder, Offer


class Toy(TableSource):
    kind: Literal["toy"] = "toy"
    answers: tuple[str, ...] = ("Because.",)
    shelf: str = "first"


class ToyConnector(Connector[Toy]):
    """A kind of source with nothing but what the recipe says."""

    def batches(self, source):
        return [Batch("all", json.dumps(source.answers))]

    def read(self, source, key, batch):
        rows = [Row(f"row {n}", {"question": "Why?", "answer": each}) for n, each in enumerate(source.answers)]
        yield from fit_rows(key, rows, source)


class ToyShelf(ToyConnector):
    """The same, taken an answer at a time, and from another shelf if asked."""

    def offer(self, source, mark):
        return Offer([Batch(each, each) for each in source.answers[:1]], adds=True)

    def origin(self, source):
        return [source.shelf]


class ToyNamed(ToyConnector):
    """The same under the name of its shelf."""

    def batches(self, source):
        return [Batch(source.shelf, source.shelf)]


class ToyFolder(ToyConnector):
    """The same as the files of a folder."""

    def folder(self, source):
        return Folder(source.shelf)

    def read(self, source, key, batch):
        return super().read(source.model_copy(update={"answers": (batch.name,)}), key, batch)


@pytest.fixture
def use(monkeypatch):
    return lambda kind: monkeypatch.setattr(kinds, "CONNECTORS", {**kinds.CONNECTORS, "toy": kind})


@pytest.fixture
def storage(tmp_path):
    return Inbox(tmp_path).storage


def toy(**options):
    return Toy(name="toys", licence="MIT", **options)


def test_every_kind_of_source_of_the_recipe_has_a_connector():
    named = {get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(Source)[0])}
    assert named == set(kinds.CONNECTORS)


def test_a_new_kind_needs_a_connector_alone_to_be_scanned_and_read(storage, use):
    use(ToyConnector())
    [(key, before)] = scan_sources(storage, [toy()]).versions.items()
    assert answers_of(storage, toy(), key) == ["Because."]
    assert scan_sources(storage, [toy()]).versions == {key: before}
    assert scan_sources(storage, [toy(answers=("So.",))]).versions[key] != before, "other content"
    assert scan_sources(storage, [toy(strip_end=["x"])]).versions[key] != before, "read in another way"


def test_a_kind_that_offers_more_and_more_keeps_its_batches_until_it_is_another_origin(storage, use):
    use(ToyShelf())
    scan_sources(storage, [toy(answers=("one",))])
    assert len(scan_sources(storage, [toy(answers=("two",))]).versions) == 2
    assert len(scan_sources(storage, [toy(answers=("three",), shelf="second")]).versions) == 1


def test_a_withdrawn_batch_stays_withdrawn_after_the_source_was_another_batch_for_a_while(storage, use):
    use(ToyNamed())
    [key] = scan_sources(storage, [toy()]).versions
    withdraw(storage, [key])
    assert scan_sources(storage, [toy()]).versions == {}
    assert len(scan_sources(storage, [toy(shelf="second")]).versions) == 1
    assert scan_sources(storage, [toy()]).versions == {}


def test_a_kind_whose_batches_are_files_is_watched(tmp_path, storage, use):
    use(ToyFolder())
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "duck.txt").write_text("quack")
    source = toy(shelf=f"file://{tmp_path}/shelf")
    [key] = scan_sources(storage, [source], now=4e9).versions
    assert answers_of(storage, source, key) == ["duck.txt"]
