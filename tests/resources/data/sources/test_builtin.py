import json
import subprocess
import sys
from importlib.metadata import distributions

import polars as pl
import pytest
from support.reading import list_batches, read_only_batch

from fineline.data_contracts.records import Record
from fineline.resources.core.recipe.sources import PackageReadmes, PythonDocs
from fineline.resources.data.sources import package_readmes
from fineline.resources.data.sources.package_readmes import licence

DOCS = PythonDocs(name="python_docs", kind="python_docs")
READMES = PackageReadmes(name="package_readmes", kind="package_readmes")


def text_of(column):
    return pl.col(column).list.last().struct.field("content")


@pytest.fixture(scope="module")
def docs():
    return read_only_batch(DOCS).records


@pytest.fixture(scope="module")
def readmes():
    return read_only_batch(READMES).records


def of(docs, name):
    return docs.filter(pl.col("metadata").str.json_path_match("$.object") == name).row(0, named=True)


def test_documentation_is_one_batch_named_by_the_python_that_runs():
    [batch] = list_batches(DOCS)
    assert batch.name == "all"
    assert "{}.{}.{}".format(*sys.version_info[:3]) in batch.content


def test_an_object_becomes_a_question_and_its_documentation(docs):
    record = of(docs, "json.dumps")
    assert "`json.dumps`" in record["prompt"][0]["content"]
    assert record["completion"][0]["content"].startswith("Serialize ``obj`` to a JSON formatted ``str``.")
    assert (record["label"], record["group"], record["kind"]) == ("function", "json", "chat")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("collections.Counter", "class"),
        ("pathlib.Path.exists", "method"),
        ("pathlib.Path.stem", "property"),
        ("io.BytesIO", "class"),
        ("os.getcwd", "function"),
    ],
)
def test_each_kind_of_object_is_there(docs, name, kind):
    assert of(docs, name)["label"] == kind


def test_inherited_methods_repeat_their_documentation(docs):
    assert docs.height > 10_000
    assert docs.select(text_of("completion")).n_unique() < docs.height / 2


def test_each_object_stands_once(docs):
    assert docs["record_id"].is_unique().all()
    assert docs["metadata"].is_unique().all()


def test_private_objects_and_modules_of_other_origin_are_left_out(docs):
    names = docs["metadata"].str.json_path_match("$.object")
    assert not names.str.contains(r"(^|\.)_").any()
    assert not names.str.contains(r"(^|\.)(tkinter|tests?|idlelib|antigravity|this)\.").any()


def test_documentation_fits_the_contract(docs):
    assert Record.is_valid(docs)


def test_several_phrasings_are_in_use(docs):
    openings = docs.select(text_of("prompt").str.slice(0, 12)).to_series().value_counts(normalize=True)
    assert openings.height == 6
    assert openings["proportion"].max() < 0.25


def test_reading_the_documentation_again_gives_the_same_bytes(docs):
    assert read_only_batch(DOCS).records.equals(docs)


def test_a_limit_takes_a_sample_of_all_modules(docs):
    few = read_only_batch(DOCS.model_copy(update={"limit": 200})).records
    assert few.equals(docs.head(200))
    assert few["group"].n_unique() > 50


def test_the_standard_library_is_not_imported_here():
    program = (
        "import sys; from fineline.resources.data.sources.kinds import connector;"
        "from fineline.resources.core.recipe.sources import PythonDocs;"
        "source = PythonDocs(name='d', kind='python_docs', limit=1); docs = connector(source);"
        "list(docs.read(source, 'd/all', *docs.batches(source)));"
        "print('telnetlib' in sys.modules or 'mailbox' in sys.modules or 'turtle' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_readmes_are_sections_of_texts_with_the_distribution_as_group(readmes):
    record = readmes.filter(pl.col("group") == "polars").row(0, named=True)
    where = json.loads(record["metadata"])
    assert (record["kind"], record["prompt"], record["licence"]) == ("text", [], "MIT License")
    assert (where["distribution"], where["version"], where["section"]) == ("polars", pl.__version__, 1)


def test_readmes_fit_the_contract_and_keep_to_the_length(readmes):
    assert Record.is_valid(readmes)
    assert readmes.select(text_of("completion").str.len_chars().max()).item() <= 4000


def test_each_distribution_is_read_once_and_this_project_and_nameless_leftovers_are_not(tmp_path, monkeypatch):
    text = "A description that is long enough to be worth learning from. " * 3
    for folder, name in [("a", "Some.Package"), ("b", "some_package"), ("a", "Fineline"), ("a", None)]:
        info = tmp_path / folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        head = f"Name: {name}\n" if name else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{head}Version: 1.0\n\n{text}{folder}")
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    monkeypatch.setattr(package_readmes, "distributions", lambda: distributions(path=paths))
    rows = read_only_batch(READMES).records
    assert rows["group"].to_list() == ["some-package"]
    assert rows.select(text_of("completion")).item().endswith("from. a")


def test_a_description_that_says_next_to_nothing_is_left_out(tmp_path, monkeypatch):
    for name, text in [("short", "A package."), ("long", "A package. " * 20)]:
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n{text}")
    monkeypatch.setattr(package_readmes, "distributions", lambda: distributions(path=[str(tmp_path)]))
    assert read_only_batch(READMES).records["group"].to_list() == ["long"]


def test_listing_readmes_again_gives_the_same_batch():
    assert list_batches(READMES) == list_batches(READMES)


class Metadata(dict):
    """Just so much of a distribution's metadata as names a licence."""

    def __missing__(self, key):
        return None

    def get_all(self, key):
        return self[key]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"License-Expression": "MIT", "License": "other"}, "MIT"),
        ({"License": "BSD"}, "BSD"),
        (
            {
                "License": "Permission is\nhereby granted",
                "Classifier": ["License :: OSI Approved :: MIT License"],
            },
            "MIT License",
        ),
        (
            {"License": "x" * 61, "Classifier": ["License :: OSI Approved", "License :: Public Domain"]},
            "Public Domain",
        ),
        ({"License": "UNKNOWN", "Classifier": ["Topic :: Software"]}, None),
        ({}, None),
    ],
)
def test_the_licence_is_the_most_exact_that_the_metadata_name(metadata, expected):
    assert licence(Metadata(metadata)) == expected
