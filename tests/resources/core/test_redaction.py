import ast
import builtins
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fineline.resources.core import redaction
from fineline.resources.core.presentation.output import InertRecord
from fineline.resources.core.redaction import HIDDEN, FinelineError, address, expanded, redacted, secret

SOURCES = Path(redaction.__file__).resolve().parents[2]
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot read ftp://ann:hunter2@h.example/a.csv: gone", "cannot read ftp://***@h.example/a.csv: gone"),
        ("ftp://ann:p@ss/wo?rd'#x@h/a", "ftp://***@h/a"),
        ("at https://h/a?sig=hunter2, then", "at https://h/a?*** then"),
        ("(https://h/a?sig=hunter2)", "(https://h/a?***)"),
        ("https://h/a#access_token=hunter2", "https://h/a#***"),
        ("postgresql+psycopg://ann:hunter2@h:5432/db?options=x", "postgresql+psycopg://***@h:5432/db?***"),
        ("password=hunter2", "password=***"),
        ('{"api_key": "hunter2", "n": 1}', '{"api_key": "***", "n": 1}'),
        ("Authorization: Basic aHVudGVyMg==", "Authorization: ***"),
        ("curl -H 'X: Bearer hunter2hunter2'", "curl -H 'X: ***'"),
        ("https://hooks.slack.com/services/T0/B0/hunter2", "https://hooks.slack.com/services/***"),
        ("key AKIAIOSFODNN7EXAMPLE", "key ***"),
        (f"token {JWT}", "token ***"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\nafter", "***\nafter"),
    ],
)
def test_a_secret_that_its_place_or_form_gives_away_is_hidden(text, shown):
    assert redacted(text) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:password@host:5432/database",
        "s3://bucket/data/part-1.jsonl",
        "is there anything at https://h/x?",
        "stop token: <|im_end|>, 512 tokens: trained",
        "raw_corpus[docs/0123456789ab]: 12 rows, FINELINE_HOME=/srv/fineline",
        "write to jane@example.org",
    ],
)
def test_other_text_stays(text):
    assert redacted(text) == text


def test_a_secret_that_was_read_is_hidden_wherever_it_stands(monkeypatch):
    monkeypatch.setattr(redaction, "_read", set())
    monkeypatch.setenv("ANSWERS", "mysql://ann:open%20sesame@h/db")
    assert secret("ANSWERS") == "mysql://ann:open%20sesame@h/db"
    assert redacted("refused: 'open sesame' and open%20sesame") == f"refused: '{HIDDEN}' and {HIDDEN}"
    assert secret("NOT_SET") is None


def test_the_secrets_of_libraries_are_known_by_the_names_of_their_variables(monkeypatch):
    redaction._environment.cache_clear()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/etc/google.json")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "deliberately")
    monkeypatch.setenv("PGPASSWORD", "open-sesame")
    monkeypatch.setenv("https_proxy", "http://ann:0a1b2c3d@proxy:3128")
    assert redacted("wJalrXUtnFEMI of /etc/google.json, deliberately") == f"{HIDDEN} of /etc/google.json, deliberately"
    assert redacted("open-sesame, 0a1b2c3d, proxy") == f"{HIDDEN}, {HIDDEN}, proxy"
    redaction._environment.cache_clear()


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("ftp://ann:p w@h/a.csv", "ftp://h/a.csv"),
        ("https://h/a.csv?sig=1#x", "https://h/a.csv"),
        ("zip://in.csv::https://ann:pw@h/a.zip?sig=1", "zip://in.csv::https://h/a.zip"),
        (Path("/data/a?b#c@d"), "/data/a?b#c@d"),
    ],
)
def test_an_address_is_shown_by_scheme_host_and_path(location, shown):
    assert address(location) == shown


def test_the_variables_of_a_url_are_filled_in_where_it_is_opened_and_secret_from_then_on(monkeypatch):
    monkeypatch.setattr(redaction, "_read", set())
    for name, value in {"HOST": "h.example", "FTP_USER": "annemarie", "PW": "open@sesame", "SIG": "0a1b2c"}.items():
        monkeypatch.setenv(name, value)
    url = expanded("ftp://$FTP_USER:${PW}@$HOST/a?sig=$SIG", with_secrets=False)
    assert url == "ftp://$FTP_USER:${PW}@h.example/a?sig=$SIG"
    assert expanded(url, with_secrets=True) == "ftp://annemarie:open@sesame@h.example/a?sig=0a1b2c"
    assert redacted("annemarie, open@sesame, 0a1b2c") == f"annemarie, {HIDDEN}, {HIDDEN}"


@pytest.mark.parametrize("url", ["https://$ALONE@h/a", "memory://h/a?sig=${ALONE}", "memory://h/a?x=1&b=$ALONE"])
def test_a_variable_is_secret_wherever_it_stands_alone_in_a_url(monkeypatch, url):
    monkeypatch.setattr(redaction, "_read", set())
    monkeypatch.setenv("ALONE", "0a1b2c3d")
    expanded(url, with_secrets=True)
    assert redacted("it was 0a1b2c3d") == f"it was {HIDDEN}"


@pytest.mark.parametrize(
    "unit",
    [
        *("a://", "a://'", "a://?)", "a-", "a.", "eyJaaaaa-", "eyJaaaaa.", "password", "secret   ", "bearer ", "sk-"),
        *("-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "ghp_", "AKIA", "a://@", "hooks.slack.com/services/", "x" * 9),
    ],
)
def test_time_grows_with_the_length_of_the_text(unit):
    def seconds(times):
        text = f"a://{unit * times}"
        started = time.process_time()
        redacted(text)
        return time.process_time() - started

    short, long = (min(seconds(times) for _ in range(5)) for times in (1_000, 4_000))
    assert long < 9 * short + 0.005


def errors(of=FinelineError):
    import fineline.jobs.runner
    import fineline.resources.data.curation.embeddings  # noqa: F401

    return [of, *(each for kind in of.__subclasses__() for each in errors(kind))]


@pytest.mark.outcome("leaks", "a secret in an error", "hidden when the error is made")
def test_every_error_of_fineline_hides_secrets():
    kinds = errors()
    assert len(kinds) >= 17
    for kind in kinds:
        given = ["ftp://ann:hunter2@h/a"] * (2 if kind.__name__ == "ModelError" else 1)
        error = kind(*given)
        assert "hunter2" not in f"{error} {error!r} {vars(error)}", kind


def test_no_error_of_fineline_goes_around_the_redaction():
    builtin = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    around = []
    for folder in ("assets", "data_contracts", "jobs", "resources", "schedules"):
        for path in (SOURCES / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                bases = {ast.unparse(base) for base in node.bases} if isinstance(node, ast.ClassDef) else set()
                if bases & builtin and "FinelineError" not in bases:
                    around.append(node.name)
    assert around == ["FinelineError"]


@pytest.mark.outcome("leaks", "a secret in a log record of any library", "hidden when the record is made")
def test_a_log_record_hides_secrets_in_its_text_its_arguments_and_its_error():
    def record(text, *arguments, error=None):
        trace = (type(error), error, error.__traceback__) if error else None
        return InertRecord("any", logging.INFO, "a.py", 1, text, arguments, trace)

    assert record("%s and %s", "password=hunter2", 1).getMessage() == "password=*** and 1"
    shown = logging.Formatter().format(record("failed", error=KeyError("ftp://ann:hunter2@h/a")))
    assert "hunter2" not in shown
    assert f"ftp://{HIDDEN}@h/a" in shown


def test_the_error_that_ends_a_process_and_all_its_logs_hide_secrets():
    code = (
        "import logging; from fineline.resources.core.presentation.output import quieten_output; quieten_output();"
        "logging.warning('at %s', 'ftp://ann:hunter2@h/a'); raise KeyError('ftp://ann:hunter2@h/b')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "hunter2" not in ended.stderr
    assert f"ftp://{HIDDEN}@h/a" in ended.stderr
    assert f"ftp://{HIDDEN}@h/b" in ended.stderr
