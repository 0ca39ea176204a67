import json
from importlib.metadata import distributions

import polars as pl
import pytest
from support.reading import list_batches, read_only_batch

from fineline.data_contracts.records import Record
from fineline.resources.core.recipe.sources import PackageReadmes
from fineline.resources.data.sources import package_readmes
from fineline.resources.data.sources.package_readmes import licence

READMES = PackageReadmes(name="package_readmes", kind="package_readmes")


def text_of(column):
    return pl.col(column).list.last().struct.field("content")


@pytest.fixture(scope="module")
def readmes():
    return read_only_batch(READMES).records


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
