import random
import time

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fineline.resources.data.pii.secrets import NECESSARY, is_generated, secret_spans
from fineline.resources.data.pii.segments import SEGMENT_CHARACTERS, cut
from fineline.resources.data.pii.spans import Span, replace, resolve
from fineline.resources.data.scrubbing.canary_forms import ASSIGNMENTS
from fineline.resources.data.scrubbing.canary_values import key_block, password, token

GITHUB = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1gI3kM5"
RSA = (
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,3F17F5316E2BAC89\n\n"
    "MIIEpAIBAAKCAQEA7bq2xT5vX7zA9cE1gI3kM5oQ7sU9wY1aC3eG5iK7mO9qS1u\nW3yA5cE7gI9kM1oQ3sU5wY7a\n"
    "-----END RSA PRIVATE KEY-----"
)


def redacted(text: str) -> str:
    spans = [Span(start, end, "SECRET", 1.0) for start, end in secret_spans(text)]
    assert not spans or NECESSARY.search(text), "the cheap condition holds wherever something is found"
    return replace(text, resolve(text, spans), lambda span: "<SECRET>")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"token {GITHUB}, please", "token <SECRET>, please"),
        ("postgres://app:hunter2@db.example.org:5432/x", "postgres://app:<SECRET>@db.example.org:5432/x"),
        ("Server=db;User Id=sa;Password=Zx9!kk;Encrypt=1", "Server=db;User Id=sa;Password=<SECRET>;Encrypt=1"),
        ("password = 'Tr0ub4dor&3'", "password = '<SECRET>'"),
        ("My password is kX9mQ2vLp, see?", "My password is <SECRET>, see?"),
        ("GET /x?token=9f8e7d6c5b4a39281706&user=1", "GET /x?token=<SECRET>&user=1"),
        ("curl -u bob:s3cr3tpw https://x.org", "curl -u bob:<SECRET> https://x.org"),
        ('{"api_key": "f3b1c2d4e5a69788b1c2d3e4f5061728"}', '{"api_key": "<SECRET>"}'),
        ("Authorization: Bearer mF9xB2kq8TzLw4", "Authorization: Bearer mF9xB2kq8TzLw4"),
        ("Authorization: Bearer mF9xB2kq8TzLw4cV6nH1", "Authorization: Bearer <SECRET>"),
        (f"my key:\n{RSA}\nthanks", "my key:\n<SECRET>\nthanks"),
        (f'{{"private_key": "{RSA}"}}'.replace("\n", "\\n"), '{"private_key": "<SECRET>"}'),
        (f"{RSA}\nand\n{RSA}", "<SECRET>\nand\n<SECRET>"),
    ],
)
def test_a_secret_is_replaced_whole_and_nothing_beside_it(text: str, left: str) -> None:
    assert redacted(text) == left


def test_the_signature_of_a_web_token_goes_with_it() -> None:
    signed = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOjEyfQ.4twFt5NiznN84AWoo1d7KO1T_yoc0Z6XOpOVswacPZg"
    assert redacted(f"Use {signed}.") == "Use <SECRET>."


@pytest.mark.parametrize(
    "text",
    [
        "password = getpass.getpass()",
        'api_key = os.environ["API_KEY"]',
        "password: correcthorse",
        "API_KEY = 'your-api-key-123'",
        "postgres://user:${DB_PASSWORD}@localhost/db",
        "https://user:password@example.org/",
        "The key is 12 and the token is next_token_2.",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
        "http://host:80/a@b",
        "secrets.token_hex(16)",
        "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkq\n-----END CERTIFICATE-----",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("kept", [RSA[:70], RSA[:120], RSA[130:], RSA[160:]])
def test_a_key_whose_beginning_or_end_is_in_another_piece_is_replaced(kept: str) -> None:
    assert "gI3kM5oQ7sU9" not in redacted(kept)
    assert "gI9kM1oQ3sU5" not in redacted(kept)


@pytest.mark.parametrize("number", range(12))
def test_no_line_of_a_key_survives_the_cut_of_a_long_text(number: int) -> None:
    key = key_block(random.Random(number))
    before = "x = 1\n" * (SEGMENT_CHARACTERS // 6 - 20 * number)
    pieces = cut(f"{before}{key}\n{'y = 2' * 9}\n" * 2)
    assert len(pieces) > 1
    left = "".join(redacted(piece) for piece in pieces)
    assert [line for line in key.splitlines() if len(line) > 8 and line in left] == []


def test_a_key_on_one_long_line_is_found_without_its_armour() -> None:
    body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" + "aB3dE5gH7jK9" * 60
    pieces = cut(f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    assert len(pieces) == 3
    assert "aB3dE5gH7jK9" not in "".join(map(redacted, pieces))


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), before=st.text(max_size=20), after=st.text(max_size=20))
@example(seed=962, before="", after="")  # tokens that by chance have no digit
@example(seed=1540, before="", after="")
def test_text_around_a_token_stays_byte_for_byte(seed: int, before: str, after: str) -> None:
    secret = token(random.Random(seed), None)
    text = f"{before} {secret}\n{after}"
    left = redacted(text)
    assert secret[4:] not in left
    assert left.endswith(f"\n{after}")
    assert left.startswith(f"{before} ")


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), form=st.sampled_from(ASSIGNMENTS))
def test_an_assigned_password_is_replaced_and_the_line_stays(seed: int, form: str) -> None:
    value = password(random.Random(seed))
    assume(is_generated(value, quoted=False))
    assert redacted(form.format(value)) == form.format("<SECRET>")


def test_nearly_all_generated_passwords_are_known_as_such() -> None:
    values = [password(random.Random(seed)) for seed in range(500)]
    assert sum(is_generated(value, quoted=False) for value in values) > 460


@pytest.mark.parametrize(
    "text",
    ["key_", "-----BEGIN PRIVATE KEY-----", "a:", "http://a:", "key=;", "curl ", "aws key ", "eyJ", "abcdefgh "],
)
def test_a_long_text_of_beginnings_costs_little(text: str) -> None:
    started = time.process_time()
    redacted("PRIVATE KEY " + text * (SEGMENT_CHARACTERS // len(text)))
    assert time.process_time() - started < 3
