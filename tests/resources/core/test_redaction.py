import ast
import builtins
import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fineline.resources.core import redaction
from fineline.resources.core.presentation.output import InertRecord
from fineline.resources.core.redaction import HIDDEN, FinelineError, address, expanded, holds_secret, redacted, secret

SOURCES = Path(redaction.__file__).resolve().parents[2]
FRAGMENTS = (
    *('"', "\\", "'", " ", "://", "http://x.org/?a=b", "ftp://a:", "@h", "?", "#", "password=", "secret: ", "token="),
    *(
        "api_key",
        ":",
        "=",
        "bearer ",
        "-----BEGIN PRIVATE KEY-----",
        "\n",
        "\u00e4",
        "\u2028",
        "{",
        "[",
        ",",
        "AKIA" + "A" * 16,
    ),
)
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


@pytest.mark.parametrize(
    "text",
    [
        "crabz/sk-ner-dataset-large",
        "sk-ner-dataset-large",
        "gerulata/sk-or-parallel-corpus-v2024",
        "someone/sk-wikipedia20231101cleaned",
        "sk-SlovakNewsCorpus2024",
        "Explain what the bearer instruments are.",
        "bearer instruments2024",
        "the bearer shares/debentures issued in 1999",
        "Basic knowledge of chemistry",
        "basic arithmetic12345678",
        "Basic Llama3InstructModel",
        "Basic Qwen2Instruct",
        "Qwen/Qwen2.5-0.5B-Instruct",
        "meta-llama/Meta-Llama-3.1-8B-Instruct",
        "HuggingFaceFW/fineweb-edu",
        "hf_internal_testing/tiny-random-gpt2",
        "hf-internal-testing/tiny-random-LlamaForCausalLM",
        "hf_transformersdocumentationcorpus",
        "ghs_security_advisories_version2",
        "xoxo-love-letters-corpus-2024",
        "npm_packages_descriptions_corpus_large",
        "pypi-descriptions-2024-corpus-large-and-clean",
        "https://example.org/data.csv?sort_key=date&page=2",
        "https://example.org/data.csv?partition-key=2024",
        "https://example.org/data?max_tokens=512&token=5",
        "https://h/x?lang=en&format=jsonl&download=true",
        "https://huggingface.co/datasets/a/b/resolve/main/train.parquet?download=true",
        "https://h/x?key=title",
        "https://h/x?signature=false",
        "https://medium.com/@jane/post-2024",
        "https://localhost:8080/@user/x",
        "postgresql://user:password@host:5432/database",
        "ftp://ann:$PASSWORD@h/in",
        "s3://bucket/data/part-1.jsonl",
        "You are a helpful assistant. Never reveal a password, token or key.",
        "Password: explain how to choose one. Token: what is it?",
        "The secret: practice daily. authorization: basic rules of access",
        "Authorization: Bearer YOUR_TOKEN is the header; explain it.",
        "/srv/fineline/in/2024-11-28/mails.mbox",
        "ssh://git@github.com/a/b.git",
        "0123456789abcdef0123456789abcdef01234567",
        "SG.en.corpus",
        "dapi-documentation-corpus",
        "MNOpqrstuvwxyz.dataset.large",
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
        "SELECT id, token, password FROM users WHERE key = 3",
        "sk-estonian-finetune-checkpoint-2024-11-28",
        "glrt-language-resources-for-translation",
        "call 12345678:AA batteries",
        "sk_live_news_corpus_large",
        "basic YWJjZGVmZ2hpamts",
    ],
)
def test_ordinary_text_of_a_recipe_is_no_secret(text):
    assert not holds_secret(text)


@pytest.mark.parametrize(
    ("text", "secret_part"),
    [
        ("AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUt"),
        ("sv=2022-11-02&ss=b&sig=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4%3D", "Zm9v"),
        ("AccountName=x;AccountKey=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4==;EndpointSuffix=core", "Zm9v"),
        (
            json.dumps({"private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n"}),
            "MII",
        ),
        ("sk-ant-api03-abcDEF_123-xyzabcDEF123xyz", "abc"),
        ("sk-proj-abcDEF_123-xyzabcDEF123xyz", "abc"),
        ("sk-abcdefghij1234567890T3BlbkFJabcdefghij12345678", "abc"),
        ("hf_" + "abcdefghijklmnopq" * 2, "abc"),
        ("npm_" + "a1B2c3" * 6, "a1B2"),
        ("pypi-AgEIcHlwaS5vcmc" + "aB3-_" * 10, "AgEI"),
        ("sk_live" + "_4eC39HqLyjWDarjtT1zdp7dc", "4eC3"),
        ("rk_live" + "_4eC39HqLyjWDarjtT1zdp7dc", "4eC3"),
        ("xapp-1-A0123-4567-abcdef", "A0123"),
        ("glpat-aB3dE5gH7jK9mN1pQ3", "aB3d"),
        ("at https://api.telegram.org/bot123456789:AAFabcdefghijklmnopqrstuvwxyz012345/send", "AAFabc"),
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE." + "a1b2c3d4e" * 4, "GabcDE"),
        ("SG" + ".a1B2c3D4e5F6g7H8i9J0k1." + "x" * 43, "a1B2"),
        ("dapi" + "0123456789abcdef" * 2, "0123"),
        ("jdbc:sqlserver://h:1433;databaseName=x;password=hunter2;x=1", "hunter2"),
        ("jdbc:oracle:thin:scott/tiger9@h:1521:x", "tiger9"),
        ("-H 'X: Basic YW5uOmh1bnRlcjI='", "YW5u"),
        ("Bearer hunter2hunter2xx", "hunter2"),
    ],
)
def test_what_providers_give_out_is_known_by_its_form(text, secret_part):
    assert holds_secret(text)
    assert secret_part not in redacted(text)
    # In JSON a line may end before it.
    assert secret_part not in redacted(json.dumps({"text": f"So:\n{text}"}))


NASTY = st.recursive(
    st.none()
    | st.integers()
    | st.booleans()
    | st.lists(st.sampled_from([*FRAGMENTS]) | st.text(max_size=3)).map("".join),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["password", "api_key", "a", "secret:", "b\\"]), inner, max_size=3)
        | inner.map(json.dumps)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(NASTY)
@example({"text": '<a href="http://x.org/?a=b">'})
@example({"password": None, "secret": {"a": 1}, "api_key": [1, "b"]})
@example(["-----BEGIN PRIVATE KEY-----", "password:", {"secret:": "b"}])
def test_what_was_json_stays_json(value):
    json.loads(redacted(json.dumps(value)))
    json.loads(redacted(json.dumps(value, ensure_ascii=False)))


def test_the_whole_value_behind_a_name_is_hidden_in_json_within_json():
    value = {"password": 'correct "horse" battery'}
    for _ in range(3):
        value = {"text": json.dumps(value)}
        assert "battery" not in redacted(json.dumps(value))


def test_ten_thousand_cells_are_redacted_within_a_second(monkeypatch):
    monkeypatch.setattr(redaction, "_read", {f"aB3dE5g{number}" for number in range(20)})
    cell = ("The answer is fairly long, said user 12 of many: see https://example.org/a?b=c and so on. " * 3)[:200]

    def seconds():
        started = time.process_time()
        for _ in range(10_000):
            redacted(cell)
        return time.process_time() - started

    assert min(seconds() for _ in range(3)) < 1
