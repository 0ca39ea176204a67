import ipaddress
import random
import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, IbanRecognizer

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.spans import Span
from fineline.resources.data.scrubbing.canary_values import invent
from fineline.resources.data.scrubbing.replacement import MAKERS, Replacer, name_pool, pseudonym

KEY = PseudonymKey(b"a key for tests, 32 bytes of it.")
OTHER = PseudonymKey(b"another for tests, also 32 bytes")
ENTITIES = sorted([*MAKERS, "PERSON"])


def values(entity: str, count: int = 60) -> list[str]:
    return list(islice(invent(entity, random.Random(entity)), count))


@pytest.mark.parametrize("entity", ENTITIES)
def test_equal_values_have_equal_pseudonyms_under_one_key_and_others_under_another(entity: str) -> None:
    for value in values(entity, 20):
        made = pseudonym(KEY, entity, value)
        assert made == pseudonym(KEY, entity, value)
        assert made != value
    first, second = ([pseudonym(key, entity, value) for value in values(entity, 20)] for key in (KEY, OTHER))
    assert first != second


@pytest.mark.parametrize("entity", ENTITIES)
def test_pseudonyms_of_different_values_hardly_ever_meet(entity: str) -> None:
    distinct = set(values(entity, 100))
    assert len({pseudonym(KEY, entity, value) for value in distinct}) >= len(distinct) - 2


def test_a_name_is_the_same_in_every_form_in_which_it_is_written() -> None:
    first, last = pseudonym(KEY, "PERSON", "Jane Doe").split()
    assert pseudonym(KEY, "PERSON", "Jane") == first
    assert pseudonym(KEY, "PERSON", "Doe, Jane") == f"{last}, {first}"
    assert pseudonym(KEY, "PERSON", "Dr. JANE  van Doe") == f"Dr. {first.upper()}  van {last}"
    assert pseudonym(KEY, "PERSON", "Mr Doe Jr.") == f"Mr {last} Jr."
    assert pseudonym(KEY, "PERSON", "jane doe's") == f"{first.lower()} {last.lower()}'s"
    assert pseudonym(KEY, "PERSON", "Doe-Smith").split("-")[0] == last


def test_women_stay_women_and_men_stay_men() -> None:
    women, men = (
        {pseudonym(KEY, "PERSON", name) for name in names}
        for names in (("Jennifer", "Heather", "Michelle"), ("Kevin", "Brian", "Gary"))
    )
    assert women.isdisjoint(men)
    again = {pseudonym(KEY, "PERSON", f"{name} Doe").split()[0] for name in ("Jennifer", "Heather", "Michelle")}
    assert again == women


def test_no_name_that_may_be_drawn_is_drawn_for_itself() -> None:
    names = {name for word in ("jennifer", "kevin", "doe") for name in name_pool(word)}
    assert len(names) > 9_000
    assert not [name for name in names if pseudonym(KEY, "PERSON", name) == name]


@given(st.text(max_size=30))
def test_what_is_no_letter_of_a_name_stays(name: str) -> None:
    made = pseudonym(KEY, "PERSON", name)
    kept = re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)*", "x", name)
    assert re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)*", "x", made) == kept


def test_invented_values_cannot_be_anybodys() -> None:
    def made(entity: str) -> list[str]:
        return [pseudonym(KEY, entity, value) for value in values(entity)]

    assert all(re.fullmatch(r"[a-z]+\.[a-z]+\d{1,3}@example\.(com|net|org)", mail) for mail in made("EMAIL_ADDRESS"))
    assert all(re.fullmatch(r"[2-9]\d\d-555-01\d\d", phone) for phone in made("PHONE_NUMBER"))
    assert all(re.fullmatch(r"9\d\d[- ]?[0-4]\d[- ]?\d{4}", number) for number in made("US_SSN"))
    assert all(re.fullmatch(r"[0-9a-f]2(:[0-9a-f]{2}){5}", mac) for mac in made("MAC_ADDRESS"))
    reserved = [ipaddress.ip_network("198.18.0.0/15"), ipaddress.ip_network("2001:db8::/32")]
    assert all(any(ipaddress.ip_address(ip) in network for network in reserved) for ip in made("IP_ADDRESS"))
    cards, ibans = CreditCardRecognizer(), IbanRecognizer()
    assert all(cards.validate_result(card) for card in values("CREDIT_CARD"))
    assert not any(cards.validate_result(card) for card in made("CREDIT_CARD"))
    assert all(ibans.validate_result(iban) for iban in values("IBAN_CODE"))
    assert not any(ibans.validate_result(iban) for iban in made("IBAN_CODE"))


def test_a_number_keeps_its_grouping() -> None:
    assert re.fullmatch(r"4\d{3} \d{4} \d{4} \d{4}", pseudonym(KEY, "CREDIT_CARD", "4111 1111 1111 1111"))
    assert re.fullmatch(
        r"DE00 \d{4} \d{4} \d{4} \d{4} \d\d", pseudonym(KEY, "IBAN_CODE", "DE74 2914 1777 6317 0669 07")
    )


def test_one_number_in_two_groupings_is_one() -> None:
    assert pseudonym(KEY, "PHONE_NUMBER", "(212) 555-4321") == pseudonym(KEY, "PHONE_NUMBER", "212.555.4321")
    assert pseudonym(KEY, "EMAIL_ADDRESS", "Jane@X.org") == pseudonym(KEY, "EMAIL_ADDRESS", "jane@x.org")


def test_the_recipe_says_which_types_get_pseudonyms() -> None:
    text = "Jane Doe, jane@x.org"
    spans = [Span(0, 8, "PERSON", 1.0), Span(10, 20, "EMAIL_ADDRESS", 1.0)]
    replacer = Replacer(Scrub(replacement={"PERSON": "pseudonym", "EMAIL_ADDRESS": "placeholder"}), KEY)
    cleaned = replacer.clean(text, spans)
    assert cleaned.text == f"{pseudonym(KEY, 'PERSON', 'Jane Doe')}, <EMAIL_ADDRESS>"
    assert cleaned.entities == ("PERSON", "EMAIL_ADDRESS")


def test_every_type_that_a_recipe_may_give_pseudonyms_has_them() -> None:
    schema = Scrub.model_json_schema()["properties"]["replacement"]["propertyNames"]["enum"]
    assert sorted(schema) == ENTITIES


def test_a_secret_cannot_get_an_invented_one() -> None:
    with pytest.raises(ValueError, match=r"replacement\.SECRET"):
        Scrub.model_validate({"replacement": {"SECRET": "pseudonym"}})


def test_hashes_of_names_depend_on_the_key_and_the_kind() -> None:
    first, second = Replacer(Scrub(), KEY), Replacer(Scrub(), OTHER)
    assert first.hashed("group", "a@b.org") == first.hashed("group", "a@b.org")
    assert re.fullmatch("group-[0-9a-f]{16}", first.hashed("group", "a@b.org"))
    assert len({first.hashed("group", "a"), second.hashed("group", "a"), first.hashed("key", "a")}) == 3
