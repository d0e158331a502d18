"""servefn inspect: what a bundle says of itself, as a person reads it. Nothing is run, and no graph is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import orjson

from app.bundle import MANIFEST, Bundle, Certificate, find, read
from app.decision import DECISION, told
from app.errors import BundleError
from app.signature import Feature, Output, Scalar, Signature
from app.signing import SEAL
from app.uncertainty import promised
from app.words import expectation

LISTED = 8
"""Categories or classes shown of many."""

Lines = list[str]


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each bundle, with all that it says.")
def inspect(paths: Sequence[Path], as_json: bool) -> None:
    """Print bundles: what they take and give, what was proven of them, and what they were made from.

    A PATH is a bundle (models/iris/1), a model with all its versions (models/iris) or all models (models). Every file
    is held against its digest; `servefn verify` also runs the model.
    """
    for path in bundles(paths):
        try:
            found = read(path)
        except BundleError as error:
            raise click.ClickException(f"{path}: {error}") from error
        click.echo(orjson.dumps(document(found)) if as_json else "\n".join(text(found)) + "\n")


def bundles(paths: Sequence[Path]) -> list[Path]:
    """The bundles at all paths. Raises UsageError for a path at which there is none."""
    for path in paths:
        if not find(path):
            raise click.UsageError(f"there is no bundle at {path}; one looks like models/NAME/VERSION/{MANIFEST}")
    return [bundle for path in paths for bundle in find(path)]


def document(bundle: Bundle) -> dict[str, Any]:
    """All of a bundle but the graph and the replay rows, as JSON has it."""
    said: dict[str, Any] = msgspec.to_builtins(bundle.manifest)
    return {"name": bundle.name, "version": bundle.version, "digest": bundle.digest, "signed": bundle.signed, **said}


def text(bundle: Bundle) -> Lines:
    """The lines of a page for a terminal."""
    manifest, signature = bundle.manifest, bundle.signature
    described = f": {manifest.description}" if manifest.description else ""
    lines = [
        f"{bundle.name} version {bundle.version}, a {signature.kind.replace('_', ' ')}{described}",
        "",
        *_table(["FEATURE", "TYPE", "TAKES", "UNIT", "TRAINED ON"], [_feature(one) for one in signature.features]),
        "",
        *_table(["ANSWER", "TYPE", "VALUES"], [_output(one) for one in signature.answers]),
        *(f"{name}: {said}" for name, said in added(signature).items()),
        "",
        *_certificate(manifest.certificate),
        "",
        *_table(["MADE FROM", ""], [[name, flat(value)] for name, value in manifest.provenance.items()]),
        "",
        *_table(["FILE", "SHA256"], [[MANIFEST, bundle.digest], *map(list, manifest.files.items())]),
        *(["", f"Signed ({SEAL}); servefn verify --trust says whether by a key of yours."] if bundle.signed else []),
    ]
    return ["".join(one if one.isprintable() else "�" for one in line) for line in lines]


def trained(feature: Feature) -> str:
    """What the training sample held of a feature, in words."""
    seen = feature.training
    words = []
    if feature.categories and not feature.closed:
        words.append(listed(feature.categories))
    if seen.minimum is not None and seen.maximum is not None:
        words.append(f"{seen.minimum:g} to {seen.maximum:g}")
    if seen.quantiles:
        words.append(f"median {seen.quantiles[len(seen.quantiles) // 2]:g}")
    if seen.missing:
        words.append(f"{seen.missing:.1%} missing")
    return ", ".join(words)


def added(signature: Signature) -> dict[str, str]:
    """What is made of the model's answers, in a sentence by the name of it."""
    found = promised(signature.conformal) if signature.conformal else {}
    if signature.policy:
        found = found | {DECISION: told(signature.policy, signature.named["label"].classes)}
    return found


def verdict(certificate: Certificate) -> str:
    """What the parity check found, in a sentence."""
    labels = f"{certificate.flips} labels differ" if certificate.flips else "no label differs"
    numbers = f"no number by more than {certificate.worst:.2g}" if certificate.worst else "no number either"
    said = f"{certificate.rows} rows compared: {labels}, and {numbers} ({certificate.tolerance:g} is tolerated)."
    return f"{said} {_undecided(certificate.undecided)}" if certificate.undecided else said


def _undecided(rows: int) -> str:
    lie = "1 row lies" if rows == 1 else f"{rows} rows lie"
    return f"{lie} where the trained model itself gives two answers; the server gives one of them."


def listed(values: Sequence[Scalar]) -> str:
    """Values with commas between them, the first few of many."""
    more = f" and {len(values) - LISTED} more" if len(values) > LISTED else ""
    return ", ".join(map(str, values[:LISTED])) + more


def flat(value: Any) -> str:
    """A value of the provenance on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {flat(one)}" for name, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(flat, value))
    return str(value)


def _feature(feature: Feature) -> Lines:
    return [feature.name, feature.datatype, expectation(feature), feature.unit, trained(feature)]


def _output(output: Output) -> Lines:
    values = output.classes or output.columns
    return [output.name, output.datatype, listed(values) if values else "one a row"]


def _certificate(certificate: Certificate) -> Lines:
    checks = [[name, f"{one.rows}", f"{one.worst:.2g}"] for name, one in certificate.checks.items()]
    exact = f"Exact for every input: {', '.join(certificate.exact)}." if certificate.exact else ""
    return [*_table(["CHECK", "ROWS", "WORST DIFFERENCE"], checks), verdict(certificate), *([exact] if exact else [])]


def _table(head: Lines, rows: Sequence[Lines]) -> Lines:
    """Rows as columns of text, each as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows)]
