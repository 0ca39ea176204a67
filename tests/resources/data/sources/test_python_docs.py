import subprocess
import sys

import polars as pl
import pytest
from support.reading import list_batches, read_only_batch

from fineline.data_contracts.records import Record
from fineline.resources.core.recipe.sources import PythonDocs

DOCS = PythonDocs(name="python_docs", kind="python_docs")


def text_of(column):
    return pl.col(column).list.last().struct.field("content")


@pytest.fixture(scope="module")
def docs():
    return read_only_batch(DOCS).records


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
