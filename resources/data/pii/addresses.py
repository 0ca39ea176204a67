"""Street addresses by their written form, in English-speaking, Romance, German, Nordic and Slavic countries.

A match needs a number beside a street type, a unit, a box or a postal code. A street without a number is left to the
models.
"""

import re
from collections.abc import Iterator

from fineline.resources.data.pii.spans import Span, trim

ENTITY = "STREET_ADDRESS"
_SCORE = 0.8

# No part of a text may match in many ways: a search that fails would try each. So words and rows of links are bounded.
_NAME = r"[^\W\d_a-z][\w'’.-]{0,60}"
_NUMBER = r"(?:\d{1,5}(?:[-/]\d{1,4})?[A-Za-z]?)"
_NO_YEAR = r"(?!(?:1[89]|20)\d\d\b)"
_ENGLISH = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Av|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Way|"
    r"Crescent|Cres|Close|Gardens|Gdns|Grove|Highway|Hwy|Parkway|Pkwy|Row|Walk|Mews|Hill|Circle|Cir|Trail|Trl|Alley|"
    r"Plaza|Loop|Turnpike|Expressway|Freeway|Quay|Esplanade|Parade|Rise|View|Vale|Green|Heights)"
)
_DIRECTION = r"(?:[NSEW]{1,2}|North|South|East|West|Northeast|Northwest|Southeast|Southwest)\.?"
_LINK = (
    r"(?:de|du|des|d['’]|la|le|les|l['’]|del|della|dei|delle|di|da|do|dos|das|los|las|el|e|y|van|von|der|den|of|the)"
)
_LINKS = rf"(?:{_LINK}[ ]?){{0,6}}"
_NAMES = rf"{_LINKS}{_NAME}(?:[ ](?:{_LINKS}{_NAME}|\d{{1,2}}\b(?=[ ]{_NAME}))){{0,4}}"
_ROMANCE = (
    r"(?:[Rr]ue|[Aa]venue|[Aa]v\.|[Bb]oulevard|[Bb]d|[Pp]lace|[Aa]llée|[Ii]mpasse|[Cc]hemin|[Qq]uai|[Cc]ours|[Rr]oute|"
    r"[Pp]assage|[Ss]quare|Calle|C/|Avenida|Avda\.?|Plaza|Pza\.?|Paseo|Camino|Carretera|Ctra\.?|Ronda|Rúa|Carrer|"
    r"Via|Viale|Piazza|Piazzale|Corso|Vicolo|Largo|Strada|Rua|R\.|Av\.?|Travessa|Praça|Praceta|Estrada|Alameda)"
)
_GERMANIC = (
    rf"(?:{_NAME}[ -])?[^\W\d_a-z][\w-]{{0,60}}"
    r"(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse|ufer|damm|ring|chaussee|steig|"
    r"straat|laan|plein|gracht|kade|dijk|singel|steeg|dreef|lei|"
    r"gatan|gata|gaten|gate|vägen|vegen|veien|vej|gade|gränd|stræde|stíg|stígur|vegur|katu|tie|kuja|polku)"
)
_GERMANIC_WORDS = (
    rf"{_NAME}(?:[ ]{_NAME}){{0,2}}[ -]"
    r"(?:Straße|Strasse|Str\.|Allee|Platz|Weg|Ring|Damm|Ufer|Allé|Plads|Plass|Straat|Laan|gate|gata|vei|vej|gade)"
)
_SLAVIC = r"(?:ul\.|al\.|pl\.|os\.|ulica|ulice|ulitsa|aleja|trg|nám\.|náměstí)[ ](?:\w[\w.'’-]*[ ]){1,4}"
_SLAVIC_AFTER = (
    rf"(?:{_NAME}[ ]){{1,3}}"
    r"(?:ulica|ulice|ulitsa|cesta|utca|u\.|út|útja|tér|tere|köz|körút|strada|bulevardi|sok\.|sokak|caddesi|cad\.)"
)
_UNIT = (
    r"(?:(?:[Aa]pt|[Aa]partment|[Ss]uite|[Ss]te|[Uu]nit|[Ff]lat|[Rr]oom|[Rr]m|[Ff]loor|[Ff]l|[Bb]ldg|[Bb]uilding)"
    r"\.?[ ]?#?\d{1,5}[A-Za-z]?)\b"
)
_BOX = (
    r"\b(?:(?:P\.?[ ]?O\.?[ ]?Box|Post Office Box|Postfach|Boîte postale|B\.P\.|Apartado|Casella postale|Postbus)"
    r"[ ]?\d{1,6}"
    r"|(?:PSC|CMR|Unit)[ ]\d{1,5},?[ ]Box[ ]\d{1,5})\b"
)
_ZIP = (
    r"(?:[A-Z]{2}[ ]\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2}|[A-Z]\d[A-Z][ ]?\d[A-Z]\d|\d{4}[ ]?[A-Z]{2}|"
    r"(?:[A-Z]{1,2}-)?\d{2}[- ]?\d{3}|\d{4,6})\b"
)
_STREETS = (
    # 12 Main St. N, 221B Baker Street, 1600 North 5th Avenue
    rf"\b{_NO_YEAR}{_NUMBER},?[ ](?:{_DIRECTION}[ ])?(?:(?:{_NAME}|\d{{1,3}}(?:st|nd|rd|th))[ ]){{1,4}}"
    rf"{_ENGLISH}\b\.?(?:[ ]{_DIRECTION}(?!\w))?",
    # 12 bis, rue de la Paix
    rf"\b{_NUMBER}(?:[ ](?:bis|ter|quater))?,?[ ]{_ROMANCE}[ ]{_NAMES}",
    # Calle de Alcalá 45, Via Roma, 12, Rua João Pessoa nº 1636
    rf"(?<!\w){_ROMANCE}[ ]?{_NAMES},?[ ]?(?:n[º°.]?[ ]?)?{_NO_YEAR}{_NUMBER}\b",
    rf"\b(?:{_GERMANIC}|{_GERMANIC_WORDS})[ ]{_NO_YEAR}{_NUMBER}(?:[ ][a-z])?\b",
    rf"\b{_SLAVIC}{_NUMBER}\b",
    rf"\b{_SLAVIC_AFTER}[ ]{_NUMBER}\b",
    # House number before the name, as in the Baltic or on forms: 12 Main St is above, 17 Hauptstraße here
    rf"\b{_NO_YEAR}{_NUMBER}[ ](?:{_GERMANIC}|{_GERMANIC_WORDS}|{_SLAVIC_AFTER})(?!\w)",
    # the corner of Main Street and 5th Avenue
    rf"\b[Cc]orner of (?:{_NAME}[ ]){{1,4}}(?:and|&) (?:{_NAME}[ ]?){{1,4}}",
)
_GAP = r"[ ,;]*(?:\n[> \t]*(?:[,;][ ,;]*)?)?"
_TAIL = rf"(?:{_GAP}(?:{_UNIT}|#[ ]?\d{{1,5}}[A-Za-z]?\b))?"
# A place between street and postal code belongs to the address; a place alone does not.
_PLACE = rf"(?:{_GAP}{_NAME}(?:[ ]{_NAME}){{0,3}}[ ]?){{0,2}}{_GAP}{_ZIP}"
_PLACE_AFTER_ZIP = rf"{_GAP}(?:[A-Z]{{1,2}}-)?\d{{4,5}}[ ]{_NAME}(?:[ ]{_NAME}){{0,2}}"
_ADDRESS = re.compile(
    rf"(?:{_UNIT}{_GAP})?(?:{'|'.join(_STREETS)}|{_BOX}){_TAIL}(?:{_PLACE}|{_PLACE_AFTER_ZIP})?", re.MULTILINE
)
_UNIT_ALONE = re.compile(rf"(?<!\w){_UNIT}")
_POSTAL_CODE = re.compile(
    r"\b(?:zip|postal|post)[ -]?code\b\W{0,3}(?:\w+\W){0,3}?"
    r"(?P<code>\d{4,6}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2})\b",
    re.IGNORECASE,
)
_MILITARY = re.compile(r"\b(?:APO|FPO|DPO)[ ,]+(?:A[AEP])[ ]\d{5}(?:-\d{4})?\b")
_NECESSARY = re.compile(r"\d")
_DATE_WORDS = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
)


def addresses(text: str) -> Iterator[Span]:
    """The street addresses of a text, and parts of addresses, as spans that may overlap."""
    if not _NECESSARY.search(text):
        return
    for match in _ADDRESS.finditer(text):
        if not _DATE_WORDS.search(match.group()):
            yield trim(text, Span(match.start(), match.end(), ENTITY, _SCORE))
    for pattern in (_UNIT_ALONE, _MILITARY):
        for match in pattern.finditer(text):
            yield Span(match.start(), match.end(), ENTITY, _SCORE)
    for match in _POSTAL_CODE.finditer(text):
        yield Span(*match.span("code"), ENTITY, _SCORE)
