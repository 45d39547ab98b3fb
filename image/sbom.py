"""Print a CycloneDX bill of what is in the image: sbom.py SITE CPYTHON."""

import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from importlib.metadata import distributions

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from waitfor import __version__

# Linked or copied into the image, by the package that brings it.
DEBIAN = ["ca-certificates", "libc6-dev", "libssl-dev", "zlib1g-dev"]


def said(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def component(name, version, purl, kind=ComponentType.LIBRARY):
    return Component(name=name, version=version, type=kind, purl=purl, bom_ref=str(purl))


def debian(name, version):
    return component(
        name, version, PackageURL("deb", "debian", name, version, {"distro": "trixie"})
    )


def main(site, cpython):
    bom = Bom()
    bom.metadata.timestamp = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    bom.metadata.component = component(
        "waitfor",
        __version__,
        PackageURL("pypi", None, "waitfor", __version__),
        ComponentType.APPLICATION,
    )
    bom.components.add(
        debian(
            *said("dpkg-parsechangelog", "-l", f"{cpython}/debian/changelog", "-S", "Source"),
            *said("dpkg-parsechangelog", "-l", f"{cpython}/debian/changelog", "-S", "Version"),
        )
    )
    for package in DEBIAN:
        bom.components.add(
            debian(*said("dpkg-query", "-W", "-f", "${source:Package} ${source:Version}", package))
        )
    for dist in distributions(path=[site]):
        name = dist.name.lower()
        bom.components.add(
            component(name, dist.version, PackageURL("pypi", None, name, dist.version))
        )
    bom.register_dependency(bom.metadata.component, bom.components)
    # The same contents have the same number.
    bom.serial_number = uuid.uuid5(
        uuid.NAMESPACE_URL, " ".join(sorted(str(part.purl) for part in bom.components))
    )
    print(JsonV1Dot6(bom).output_as_string(indent=2))


main(*sys.argv[1:])
