"""The names of batches hold nothing that was forgotten."""

import dagster as dg
import pytest
from support.mailbox import Inbox

from fineline.resources.core.keys import load_key
from fineline.resources.core.storage import layout
from fineline.resources.data.ingestion.registry import registry_of
from fineline.resources.governance.forgetting import tombstones
from fineline.resources.governance.forgetting.certificate import carry_out
from fineline.resources.governance.forgetting.dagster_history import DagsterHistory
from fineline.resources.governance.forgetting.names import blank_forgotten_names
from fineline.resources.governance.forgetting.request import Request, load, put
from fineline.resources.governance.forgetting.sweep import sweep
from fineline.resources.governance.forgetting.texts import fold
from fineline.resources.governance.forgetting.tombstones import Tombstones

FILE, OTHER = "ada-lovelace.jsonl", "weather.jsonl"


@pytest.fixture
def mail(tmp_path):
    """Two files, of which nothing was read yet."""
    mail = Inbox(tmp_path)
    mail.stores = False
    mail.drop(FILE)
    mail.drop(OTHER, "Rain.")
    mail.scan_sources()
    return mail


def forget(mail, instance, **what):
    put(mail.storage, Request(request_id="R-17", reason="erasure request", **what))
    history = DagsterHistory(instance, mail.storage)
    table = carry_out(mail.storage, load_key(mail.storage.root), [mail.source], "R-17", history, lambda _: None)
    return table.row(0, named=True)


def names(mail):
    registry = registry_of(mail.storage)
    return [registry.name_of(mail.key(file)) for file in (FILE, OTHER)]


@pytest.mark.outcome(
    "forgetting",
    "a file is named after the person",
    "the name is blanked, and the file is named for its owner to clean",
)
def test_a_text_goes_from_the_names_that_contain_it_and_stays_away(mail, instance):
    assert sweep(mail.storage, ["ada lovelace"]).remains == [layout.ARRIVALS]
    assert forget(mail, instance, texts=["Ada Lovelace"])["remains"] == []
    assert names(mail) == [mail.key(FILE), f"mail/{OTHER}"]
    mail.drop(FILE, "Other content.")
    mail.scan_sources()
    assert sweep(mail.storage, ["ada lovelace"]).remains == []


def test_a_batch_that_is_forgotten_by_its_name_loses_it(mail, instance):
    with dg.DagsterInstance.ephemeral() as instance:
        event = dg.AssetMaterialization("raw_corpus", metadata={"note": f"of mail/{FILE}"})
        instance.report_runless_asset_event(event)
        forget(mail, instance, batch=f"mail/{FILE}")
        (told,) = instance.fetch_materializations(dg.AssetKey("raw_corpus"), limit=1).records
    assert told.asset_materialization.metadata["note"].value == "(forgotten)"
    assert names(mail) == [mail.key(FILE), f"mail/{OTHER}"]


def test_a_request_names_a_batch_by_its_key_however_it_was_called(mail):
    put(mail.storage, Request(request_id="R-18", reason="erasure request", batch=f"mail/{FILE}"))
    assert load(mail.storage, "R-18").batch == mail.key(FILE)
    assert FILE.encode() not in mail.storage.root.get(layout.request("R-18")).content
    put(mail.storage, Request(request_id="R-18", reason="erasure request", batch=mail.key(FILE)))


def test_a_file_that_comes_later_under_a_forgotten_name_is_known_by_its_key(mail):
    key = load_key(mail.storage.root)
    tombstones.add(mail.storage, tombstones.of_texts(key, "R-17", fold(["Grace Hopper"])))
    mail.drop("From Grace Hopper.jsonl", "Later.")
    mail.scan_sources()
    blank_forgotten_names(mail.storage, Tombstones.load(mail.storage, key))
    assert sweep(mail.storage, ["grace hopper"]).remains == []
    assert names(mail) == [f"mail/{FILE}", f"mail/{OTHER}"]
