"""What was installed where a release was made, as a software bill of materials in CycloneDX."""

from __future__ import annotations

import re
from importlib.metadata import PackageMetadata, distributions

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

# Some packages give the whole text of their licence where its name belongs.
_LONGEST_NAME = 100


def bill_of_materials() -> str:
    """Every installed distribution with version, package URL and licence; equal environments give equal text."""
    found = {each.metadata["Name"].lower(): each.metadata for each in distributions() if each.metadata["Name"]}
    bom = Bom(components=[_component(found[name]) for name in sorted(found)])
    # Typed as always there, and left out by the library's own command where it is asked for equal output.
    bom.serial_number = bom.metadata.timestamp = None  # type: ignore[assignment]
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def _component(metadata: PackageMetadata) -> Component:
    name, version = metadata["Name"], metadata["Version"]
    url = PackageURL("pypi", None, re.sub("[-_.]+", "-", name.lower()), version)
    licence = (metadata.get_all("License-Expression") or metadata.get_all("License") or [""])[0]
    licences = [LicenseFactory().make_from_string(licence)] if 0 < len(licence) <= _LONGEST_NAME else []
    return Component(
        name=name, version=version, type=ComponentType.LIBRARY, purl=url, bom_ref=str(url), licenses=licences
    )
