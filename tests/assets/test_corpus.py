import time

import dagster as dg
import pytest
from support.batches import give_key, key
from support.corpus import write_corpus
from support.launch import forced
from support.places import asset_folder

from fineline.jobs.definitions import build
from fineline.resources.core.storage import faults
from fineline.resources.core.storage.tables import scan_table
from fineline.resources.data.formats.rows import PassingError, SourceError
from fineline.resources.data.ingestion.batches import accept_again, refuse, terms_of
from fineline.resources.data.ingestion.registry import Refusal
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.data.sources import reading
from fineline.resources.project import current_project
from fineline.schedules.arrivals import sync_arrivals

FIRST = key("colours/first.jsonl")
RECIPE = """\
name: corpus
sources: [{name: colours, kind: files, path: corpus, licence: CC0-1.0}]
scrub: {workers: 1, ner: spacy}
"""


class Corpus:
    """A folder of two files, and raw_corpus as Dagster makes it of the first."""

    def __init__(self, folder, instance):
        self.instance, self.file = instance, folder / "corpus" / "first.jsonl"
        self.path = folder / "recipe.yaml"
        write_corpus(self.file.parent)
        self.change_recipe(RECIPE)
        give_key(self.project.storage_root)

    def change_recipe(self, text):
        self.path.write_text(text)
        self.project, self.definitions = current_project(str(self.path)), build(str(self.path))

    def arrive(self):
        storage, sources = self.project.storage, self.project.recipe.sources
        scan_sources(storage, sources, now=time.time() + 10)
        sync_arrivals(self.instance, storage, sources)

    def make(self, **options):
        return self.definitions.resolve_job_def("main").execute_in_process(
            instance=self.instance, asset_selection=[dg.AssetKey("raw_corpus")], partition_key=FIRST, **options
        )

    def make_all(self, **options):
        batches = self.instance.get_dynamic_partitions("batches")
        ends = {"dagster/asset_partition_range_start": batches[0], "dagster/asset_partition_range_end": batches[-1]}
        return self.definitions.resolve_job_def("main").execute_in_process(
            instance=self.instance, asset_selection=[dg.AssetKey("raw_corpus")], tags=ends, **options
        )

    def stored(self):
        return scan_table(self.project.storage, "raw_corpus", [FIRST]).collect()


@pytest.fixture
def corpus(tmp_path, monkeypatch, instance):
    monkeypatch.setenv("FINELINE_HOME", str(tmp_path / "home"))
    return Corpus(tmp_path, instance)


def test_a_file_that_vanishes_while_it_is_read_leaves_the_table_as_it_was_and_is_told(corpus, monkeypatch):
    from fineline.resources.data.sources import files

    corpus.arrive()
    assert corpus.make().success
    before = corpus.stored()
    corpus.file.write_text(corpus.file.read_text().replace("door", "gate"))
    corpus.arrive()

    def rows_then_nothing(*given):
        yield from read(*given)
        corpus.file.unlink()

    read = files._read
    with monkeypatch.context() as patch:
        # Read by this process, which alone has the function that takes the file away.
        patch.setattr(files.FilesConnector, "reads_files", False)
        patch.setattr(files, "_read", rows_then_nothing)
        with pytest.raises(SourceError, match=r"its file is no longer at .* What was stored of it stays"):
            corpus.make()
    assert corpus.stored().equals(before)
    corpus.arrive()
    with pytest.raises(SourceError, match=f"its file is gone.* fineline forget --batch {FIRST}"):
        corpus.make()
    assert corpus.stored().equals(before)
    folder = asset_folder(corpus.project.storage, "raw_corpus", FIRST)
    assert not [path for path in folder.iterdir() if "new" in path.name]


@pytest.mark.outcome(
    "reading", "all files of `data/hostile` in one inbox", "each bad one is named by one run, the good ones are stored"
)
@pytest.mark.real_data
def test_hostile_files_in_an_inbox_are_named_and_keep_no_other_back(corpus, shared_data):
    for path in (shared_data / "hostile").iterdir():
        (corpus.file.parent / path.name).write_bytes(path.read_bytes())
    corpus.arrive()
    with pytest.raises(SourceError) as refusal:
        corpus.make_all()
    lines = str(refusal.value).splitlines()
    for bad in ["bomb-812-bytes.parquet", "segfault.arrow", "headerless.csv"]:
        assert any(line.startswith(key(f"colours/{bad}")) for line in lines)
    assert corpus.stored().height
    assert corpus.project.storage.manifest("raw_corpus", key("colours/markdown-mutation.jsonl")).rows


def test_a_batch_that_was_withdrawn_in_the_meantime_is_told(corpus):
    from fineline.resources.data.ingestion.batches import withdraw

    corpus.arrive()
    withdraw(corpus.project.storage, [FIRST])
    with pytest.raises(SourceError, match=f"{FIRST} is no batch of the recipe's sources"):
        corpus.make()


def test_a_file_that_cannot_be_read_and_one_of_broken_rows_are_refused_until_they_or_the_recipe_change(corpus):
    folder, storage, recipe = corpus.file.parent, corpus.project.storage, corpus.project.recipe
    (folder / "broken.jsonl").write_text('{"text": 1}\n{"text": 2}\n')
    (folder / "bad.parquet").write_bytes(b"PAR1PAR1")
    corpus.arrive()
    with pytest.raises(SourceError):
        corpus.make_all()
    found = scan_sources(storage, recipe.sources)
    assert found.versions.keys() == {FIRST, key("colours/second.jsonl")}
    assert found.refused[key("colours/bad.parquet")].endswith("(ArrowInvalid); copy or write it again.")
    why = "2 of 2 rows are in quarantine, the first by unreadable_row (line 1: column 'text' holds int"
    assert why in found.refused[key("colours/broken.jsonl")]
    accept_again(storage, recipe)
    assert len(scan_sources(storage, recipe.sources).versions) == 2
    accept_again(storage, recipe.model_copy(update={"maximum_quarantine": 1.0}))
    assert len(scan_sources(storage, recipe.sources).versions) == 4
    with pytest.raises(SourceError):
        corpus.make_all()
    (folder / "bad.parquet").write_text("mended")
    assert key("colours/bad.parquet") in scan_sources(storage, recipe.sources, now=time.time() + 10).versions


def test_a_file_that_was_read_once_and_cannot_be_any_more_stays_as_it_was_stored(corpus):
    corpus.arrive()
    corpus.make_all()
    before, sources = corpus.stored(), corpus.project.recipe.sources
    version = scan_sources(corpus.project.storage, sources).versions[FIRST]
    good = corpus.file.read_bytes()
    corpus.file.write_bytes("ÿ".encode("utf-16"))
    corpus.arrive()
    with pytest.raises(SourceError, match="UTF-16"):
        corpus.make_all()
    found = scan_sources(corpus.project.storage, sources)
    assert found.versions[FIRST] == version
    assert found.refused[FIRST].endswith("What was stored of it stays.")
    assert corpus.make_all().success
    assert corpus.stored().equals(before)
    corpus.file.write_bytes(good + good)
    corpus.arrive()
    assert scan_sources(corpus.project.storage, sources).versions[FIRST] != version
    assert not scan_sources(corpus.project.storage, sources).refused
    assert corpus.make_all().success


def test_a_version_of_which_too_many_rows_are_broken_takes_the_place_of_none_that_was_good(corpus):
    corpus.arrive()
    assert corpus.make_all().success
    before, storage, sources = corpus.stored(), corpus.project.storage, corpus.project.recipe.sources
    manifest, good = storage.require("raw_corpus", FIRST), corpus.file.read_bytes()
    corpus.file.write_bytes(good + b'{"question": "half a line\n' * 200)
    corpus.arrive()
    result = corpus.make_all(raise_on_error=False)
    [failed] = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert failed.check_name == "under_contract"
    assert "of 604 rows are in quarantine" in failed.description
    assert storage.require("raw_corpus", FIRST) == manifest
    assert corpus.stored().equals(before)
    assert "unreadable_row" in (why := scan_sources(storage, sources).refused[FIRST])
    assert why.endswith("What was stored of it stays.")
    folder = asset_folder(storage, "raw_corpus", FIRST)
    assert {path.name for path in folder.iterdir()} <= {"manifest.json", *manifest.contents}
    again = corpus.make_all()
    assert all(check.passed for check in again.get_asset_check_evaluations() if check.check_name == "under_contract")
    corpus.file.write_bytes(good + good)
    corpus.arrive()
    assert corpus.make_all().success
    assert storage.require("raw_corpus", FIRST).rows_in == 2 * manifest.rows_in


@pytest.mark.parametrize("cause", [None, ConnectionResetError(104, "reset")])
def test_a_fault_of_the_environment_refuses_no_batch(corpus, monkeypatch, cause):
    def unread(*_):
        raise (SourceError if cause else PassingError)("the database does not answer") from cause

    monkeypatch.setattr(reading, "read_apart", unread)
    monkeypatch.setattr(faults, "MAXIMUM_RETRIES", 0)
    corpus.arrive()
    with pytest.raises(SourceError, match="does not answer"):
        corpus.make()
    found = scan_sources(corpus.project.storage, corpus.project.recipe.sources)
    assert (found.refused, FIRST in found.versions) == ({}, True)


def test_a_batch_that_is_read_after_all_is_refused_no_more(corpus):
    corpus.arrive()
    assert corpus.make().success
    storage, sources = corpus.project.storage, corpus.project.recipe.sources
    version = scan_sources(storage, sources).versions[FIRST]
    refusal = Refusal(reason="an old fault", version=version, terms=terms_of(corpus.project.recipe), kept=version)
    refuse(storage, {FIRST: refusal})
    assert scan_sources(storage, sources).refused
    assert corpus.make(run_config=forced("raw_corpus")).success
    assert not scan_sources(storage, sources).refused


def test_a_file_that_is_gone_when_an_option_changes_keeps_its_rows_and_is_refused_for_nothing(corpus):
    corpus.arrive()
    assert corpus.make_all().success
    before = corpus.stored()
    corpus.file.unlink()
    corpus.change_recipe(RECIPE.replace("CC0-1.0}", "CC0-1.0, limit: 5}"))
    corpus.arrive()
    with pytest.raises(SourceError, match="its file is gone"):
        corpus.make()
    assert not scan_sources(corpus.project.storage, corpus.project.recipe.sources).refused
    assert corpus.stored().equals(before)
