"""Put images together: layers, a configuration, a bill of materials and a list of licences each."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lakehold import __version__
from lakehold.cluster import layout
from lakehold.errors import ConfigError
from lakehold.images import apt, oci, results, sbom
from lakehold.images.contents import debian_parts, parts_of, stated
from lakehold.images.layers import Inputs, Layers, debs, prune
from lakehold.images.oci import Description, Layer
from lakehold.images.recipes import Image, command, variables
from lakehold.images.results import Built
from lakehold.images.sbom import Part
from lakehold.release.locking import locked

OWN_LICENCE = "Apache-2.0"


def build(inputs: Inputs, names: Iterable[str], out: Path) -> list[Built]:
    """Build images into ``out``: an archive, an SBOM and a list of licences each, and what is said of all of them."""
    _check_python()
    images = {name: inputs.recipes.image(name) for name in names}
    inputs.store.ensure(
        dict.fromkeys(name for image in images.values() for name in image.artifacts),
        dict.fromkeys(name for image in images.values() for name in image.envs),
    )
    for folder in (out, inputs.folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = locked(inputs.store.layout.lock("images"), lambda: inputs.say("waiting for another build"))
    with lock, tempfile.TemporaryDirectory(prefix=".python-", dir=inputs.folder) as scratch:
        apt.ensure(inputs.packages, debs(inputs))
        layers = Layers(inputs, Path(scratch))
        packages = debian_parts(inputs.packages, {name: layers.unpacked(name) for name in inputs.recipes.debian})
        built = [_image(inputs, layers, packages, name, image, out) for name, image in images.items()]
        prune(inputs.folder)
        results.record(out, built)
    return built


def describe(inputs: Inputs, name: str, image: Image) -> Description:
    """What an image says of itself (pure)."""
    pins = inputs.store.pins
    return Description(
        name=name,
        summary=image.summary,
        version=__version__,
        licences=sbom.expression([pins.artifact(artifact) for artifact in image.artifacts], OWN_LICENCE),
        created=inputs.recipes.created,
        entrypoint=command(image.entrypoint, pins),
        command=command(image.command, pins),
        variables=variables(image, pins),
    )


def _image(
    inputs: Inputs, layers: Layers, packages: Mapping[str, list[Part]], name: str, image: Image, out: Path
) -> Built:
    parts = stated(parts_of(image, inputs.store, packages), inputs.recipes.licences)
    bill = sbom.document(name=name, version=__version__, created=inputs.recipes.created, parts=parts)
    licences = sbom.licence_list(parts)
    (out / f"{name}.cdx.json").write_bytes(bill)
    (out / f"{name}.licences.txt").write_bytes(licences)
    known = None if inputs.again else results.former(out).get(name)
    whole = [*layers.image(image), layers.bill(name, bill, licences)]
    built = _archive(describe(inputs, name, image), whole, out, known)
    inputs.say(f"{name}: {built.digest}, {built.size / 1e6:.0f} MB in {out / built.archive}")
    return built


def _archive(description: Description, layers: Sequence[Layer], out: Path, former: Built | None) -> Built:
    """Write the archive, unless ``former`` is this very image."""
    digest = oci.digest(oci.manifest(oci.config(description, layers), layers, description))
    if former is not None and former.digest == digest:
        return former
    target = out / f"{description.name}.tar"
    draft = target.with_name(f"{target.name}.part")
    with draft.open("wb") as file:
        written = oci.archive(description, layers, file)
    draft.replace(target)
    return Built(
        name=description.name,
        tag=description.tags(digest)[-1],
        references=description.references(digest),
        digest=digest,
        archive=target.name,
        archive_sha256=written.sha256,
        size=written.size,
    )


def _check_python() -> None:
    """Refuse to build with another Python than the images have: environments are made for the one that runs."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here != layout.PYTHON_VERSION:
        raise ConfigError(
            f"The images have Python {layout.PYTHON_VERSION}, and this is {here}.",
            why="an environment is installed for the Python that runs the build",
            remedy=f"make clean YES=1, then: make images PYTHON=python{layout.PYTHON_VERSION}",
        )
