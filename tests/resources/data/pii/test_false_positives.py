import pytest

from fineline.resources.data.pii.false_positives import is_false_positive
from fineline.resources.data.pii.spans import Span


def plausible(entity: str, text: str, found: str) -> bool:
    start = text.index(found)
    return not is_false_positive(text, Span(start, start + len(found), entity, 0.6))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from 8.8.4.4 at night", "8.8.4.4"),
        ("from 10.0.0.7:8080", "10.0.0.7"),
        ("lease fe80::c685:8ff:fe45:641 now", "fe80::c685:8ff:fe45:641"),
        ("at 2a02::1.", "2a02::1"),
        ("at fe80::1.", "fe80::1"),
        ("at 9a3c:1:2:3:4:5:6:7.", "9a3c:1:2:3:4:5:6:7"),
    ],
)
def test_an_address_of_a_machine_is_personal(text: str, found: str) -> None:
    assert plausible("IP_ADDRESS", text, found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("listens on 127.0.0.1", "127.0.0.1"),
        ("netmask 255.255.255.0", "255.255.255.0"),
        ("released v1.2.3.4 today", "1.2.3.4"),
        ("needs brotli >= 1.2.1.0", "1.2.1.0"),
        ("in version 1.2.3.4", "1.2.3.4"),
        ("build 0.3.33.112.0", "0.3.33.112"),
        ("it should be::", "be::"),
        ("every second: x[1::2]", "1::2"),
    ],
)
def test_versions_and_addresses_of_no_machine_are_not(text: str, found: str) -> None:
    assert not plausible("IP_ADDRESS", text, found)


@pytest.mark.parametrize(
    "found", ["510-748-8230", "+44 20 8366 1177", "01.23.45.67.89", "1.800.555.1234", "6502532222"]
)
def test_a_telephone_number_is_personal(found: str) -> None:
    assert plausible("PHONE_NUMBER", f"call {found}, please", found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("v3.8.0 2026-06-27", "0 2026-06-27"),
        ("released 2026-06-27 10:30", "2026-06-27 10"),
        ("Berkeley (1685–1753) said", "(1685–1753"),
        ("slope=3.09078914170", "09078914170"),
        ("takes 169.7291 s", "169.7291"),
        ("compare 3.3.2...3.4.0", "3.3.2...3.4.0"),
        ("see issue #1693050", "1693050"),
        ("issuecomment-1317400028", "1317400028"),
        ("started=1340737792.0", "1340737792"),
        ("ISBN 1-931666-22-9", "1-931666-22-9"),
        ("room 123-45", "123-45"),
    ],
)
def test_dates_versions_and_other_numbers_are_no_telephone_numbers(text: str, found: str) -> None:
    assert not plausible("PHONE_NUMBER", text, found)


def test_the_user_of_a_repository_address_is_no_mailbox() -> None:
    assert not plausible("EMAIL_ADDRESS", "clone git@github.com:org/repo", "git@github.com")
    assert plausible("EMAIL_ADDRESS", "mail git@example.org.", "git@example.org")
