"""A hostile inbox in a real browser: every page of its run is opened and every "Show" clicked, and nothing acts."""

import json
import re

import dagster as dg
import pytest
from faults.service import Service, World, history, run_command
from support.browser import browser, program
from support.corpus import COLOURS, PLACES, THINGS
from support.payloads import PAYLOADS

pytestmark = [
    pytest.mark.rare,
    pytest.mark.daemon,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(program() is None, reason="needs Chromium, or Google Chrome, on the PATH"),
]

RECIPE = """\
name: faults
maximum_quarantine: 0.9
sources:
  - name: letters
    kind: files
    path: inbox
    licence: CC0-1.0
    columns: {prompt: question, completion: answer, label: kind, group: topic}
scrub: {workers: 1, ner: spacy, canaries_per_entity: 2, minimum_recall: 0.1}
labels: {folds: 2, features: words}
"""
SHOWS = r"[...document.querySelectorAll('a, button')].filter(e => /^(\[Show \w+\]|View full)/.test(e.innerText))"
DIALOG = "document.querySelector('.dagster-dialog')"
CLOSE = f"[...{DIALOG}.querySelectorAll('button')].find(e => /^(Close|Done|OK)$/.test(e.innerText)).click()"
OWN_MUTATIONS = {"LogTelemetry", "SetNuxSeen"}


def write_inbox(folder):
    """Rows, labels, groups, columns and names of files that hold the payloads."""
    folder.mkdir()
    rows = [
        {
            "question": f"{payload} Is the {THINGS[n % 10]} {COLOURS[n % 8]} {PLACES[n % 5]}, number {n}?",
            "answer": f"The {THINGS[n % 7]} number {n} is {COLOURS[n % 3]} {PLACES[n % 4]}. {payload}",
            "kind": payload,
            "topic": f"{payload} {n}",
            payload: payload,
        }
        for n, payload in enumerate(payload.encode(errors="replace").decode() for payload in PAYLOADS * 2)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for n, payload in enumerate(PAYLOADS[::6]):
        (folder / f"{n}{_name(payload)}.jsonl").write_text(lines.replace("number ", f"number {n}"))


def write_broken_files(folder):
    """Files that cannot be read, whose names are payloads."""
    for n, payload in enumerate(PAYLOADS[::6]):
        (folder / f"{n}{_name(payload)}.parquet").write_bytes(b"no table")


def _name(payload):
    return re.sub(r"[/\x00]", "", payload).encode(errors="replace").decode()


class Seen:
    """What a browser showed while it was led through the UI."""

    def __init__(self, page, service):
        self.page, self.url, self.texts, self.clicks = page, f"http://127.0.0.1:{service.port}", [], 0

    def open(self, path, text):
        self.page.open(self.url + path, text)
        for number in range(self.page.run(f"{SHOWS}.length")):
            if self.page.run(f"{SHOWS}[{number}]?.click()  ?? {SHOWS}.length > {number}"):
                self.texts.append(self.page.wait(f"{DIALOG}?.innerText"))
                self.clicks += 1
                self.page.run(CLOSE)
                self.page.wait(f"!{DIALOG}")
        self.texts.append(self.page.run("document.body.innerText"))


def mutations(requests):
    """The names of the mutations that were asked for."""
    return set(re.findall(r'"query":"\s*mutation\s*(\w*)', "\n".join(body for _, _, body in requests)))


def materializations(world, assets):
    with history(world) as past:
        return {
            name: len(past.instance.fetch_materializations(dg.AssetKey(name), limit=1000).records) for name in assets
        }


def test_the_browser_tells_what_a_page_asks_for(tmp_path):
    page_text = "<img src=http://evil.example/px.png><script>fetch('/graphql', {method: 'POST', body: '{}'})</script>"
    hostile = f"{page_text}<script>alert(1)</script>shown"
    policy = "<meta http-equiv=Content-Security-Policy content=\"img-src 'self'\">"
    with browser(tmp_path) as page:
        page.open(f"data:text/html,{hostile}", "shown")
        assert page.dialogs == ["1"]
        assert [url for _, url, _ in page.requests if "evil.example" in url][1:]
        page.open(f"data:text/html,{policy}{hostile}", "shown")
        assert "img-src 'self'" in page.complaints[0]
    assert mutations([("POST", "", '{"query":"mutation LogTelemetry {}"}'), ("POST", "", '{"query":"{ a }"}')]) == {
        "LogTelemetry"
    }


def test_nothing_in_the_ui_asks_for_anything_that_a_corpus_says(tmp_path):
    write_inbox(tmp_path / "inbox")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    world = World(tmp_path)
    world.command("run")
    write_broken_files(tmp_path / "inbox")
    assert run_command(world, "run").returncode == 1
    service = Service(world)
    try:
        assets = sorted({asset for asset, _ in world.versions()})
        before = materializations(world, assets)
        with browser(tmp_path) as page:
            seen = Seen(page, service)
            for asset in assets:
                seen.open(f"/assets/{asset}", "Source code")
                seen.open(f"/assets/{asset}?view=events", "Metadata")
            for asset, check in [
                ("scrubbed_corpus", "personal_data_is_replaced"),
                ("raw_corpus", "columns"),
                ("curated_corpus", "under_contract"),
                ("splits", "accounted_for"),
            ]:
                seen.open(f"/assets/{asset}?view=checks&checkDetail={check}", check)
            for run in service.runs():
                seen.open(f"/runs/{run['runId']}", "RUN_")
            seen.open("/locations/fineline.jobs.definitions/sensors/new_batches", "requested")
        foreign = [each for each in page.requests if not re.match(rf"{seen.url}/|data:|blob:", each[1])]
        assert foreign == []
        assert [url for method, url, _ in page.requests if "/graphql" in url and method != "POST"] == []
        assert mutations(page.requests) <= OWN_MUTATIONS
        assert page.dialogs == page.complaints == []
        assert "refused" not in service.log.read_text()
        after = materializations(world, assets)
        assert all(after[asset] >= number > 0 for asset, number in before.items())
        assert seen.clicks > 20
        for payload in ("wipeAssets", "evil.example/px.png", "onerror=alert(1)", "javascript:alert(1)"):
            assert sum(payload in text for text in seen.texts) > 1, payload
    finally:
        service.stop()
