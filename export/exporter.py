"""Contract, graph, parity, publish: a whole bundle, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from app import bundle
from app.errors import BundleError, quoted
from app.predictor import Model, load
from app.signature import NAME, VERSION, Signature
from app.signing import BadKey, Signer, signer
from export.calibration import COVERAGE
from export.contract import contract, declare
from export.conversion import compiled, unbounded
from export.decisions import Decision
from export.errors import ExportError, UnsupportedModel, explained
from export.exactness import exact_outputs
from export.extension import extended, kept_apart
from export.labelled import LabelledData
from export.original import Original, fitted_estimator
from export.parity import agree, compare_all
from export.provenance import provenance as known_of
from export.reading import read_sample
from export.report import Subject, write

DEFAULT_KEY = "key"
TOLERANCE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was published, and where."""

    path: Path
    name: str
    version: str
    signature: Signature
    certificate: bundle.Certificate


def export_model(
    model: Any,
    X_sample: Any,  # noqa: N803  # the name that scikit-learn has for it
    models_dir: str | Path = "models",
    name: str = "",
    version: str | int | None = None,
    *,
    key: str | None = None,
    features: Mapping[str, Mapping[str, Any]] | None = None,
    description: str = "",
    tolerance: float = TOLERANCE,
    decision: Decision | None = None,
    held_out: LabelledData | None = None,
    calibration: LabelledData | None = None,
    coverage: float = COVERAGE,
    provenance: Mapping[str, Any] | None = None,
    report: str | Path | None = None,
    sign: str | Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Publish a fitted model as models_dir/name/version, proven to answer as the model itself does.

    `X_sample` are a few hundred rows or more as the model was fitted on: a DataFrame, a 2-D array or a list of texts.
    `key` names the column of it that identifies rows. `features` says per feature what a sample cannot tell:
    description, unit, minimum, maximum, categories, nullable, example. `version` is the next free one by default.
    `provenance` is what you know of the training: the data, the split, the seed. `report` is where to write
    the parity check as a page of HTML, whether it holds or not. `sign` is the file of a private key (`servefn key`)
    that signs the bundle. `progress` is told of each stage.

    Models by quantile, `{0.1: …, 0.5: …, 0.9: …}`, are one model whose answers have these quantiles. `decision` says
    how an answer becomes a decision; `Costs` find the threshold on `held_out`, rows and target that the model was not
    trained on. With `calibration`, further such rows, an answer has an interval, or a set of classes, that holds the
    truth with the probability `coverage`: half of them calibrate it, and the others measure it.

    Raises UnsupportedModel, ParityError or another ExportError, and then has published nothing.
    """
    with explained():
        _check_free(Path(models_dir), name, version)
        key_of_ours = _signer(sign)
        estimator = fitted_estimator(model)
        progress("reading the sample")
        original = Original(estimator, sample := read_sample(X_sample, estimator, key))
        labelled = kept_apart(held_out, calibration, estimator, key)
        declared = declare(features, sample)
        progress("writing the graph")
        signature = unbounded(original, key or DEFAULT_KEY)
        graph, content = compiled(original, signature)
        known = known_of(model, sample, graph.packages, provenance or {})
        manifest = _unproven(signature, tolerance, description, known)
        progress("asking the model what it accepts")
        agrees = partial(agree, original, _served(manifest, content), tolerance)
        manifest = replace(manifest, signature=contract(original, signature, declared, graph.categories, agrees))
        if decision or labelled:
            progress("weighing what labelled rows say")
            manifest = extended(manifest, _served(manifest, content), labelled, decision, coverage)
        progress("comparing the answers")
        exact = exact_outputs(graph, [output.name for output in signature.outputs])
        comparison = compare_all(original, _served(manifest, content), graph, tolerance, exact)
        weighed = manifest.certificate
        certificate = replace(comparison.certificate, costs=weighed.costs, coverage=weighed.coverage)
        manifest = replace(manifest, certificate=certificate)
        if report:
            write(Path(report), Subject(name=name, manifest=manifest, comparison=comparison))
        comparison.check()
        progress("publishing")
        path = _published(Path(models_dir), name, version, manifest, content, comparison.replay, key_of_ours)
    return Report(
        path=path, name=name, version=path.name, signature=manifest.signature, certificate=manifest.certificate
    )


def _check_free(models: Path, name: str, version: str | int | None) -> None:
    """Say so before the work is done, if it could not be published."""
    if not NAME.fullmatch(name):
        raise ExportError(f"{quoted(name)} cannot be a model's name: use up to 64 of a-z, 0-9, '.', '_' and '-'")
    if version is not None and not VERSION.fullmatch(str(version)):
        raise ExportError(f"{quoted(str(version))} cannot be a version: use a whole number from 1 on")
    if version is not None and (models / name / str(version)).exists():
        raise ExportError(f"{models / name / str(version)} exists, and is never overwritten; leave out the version")


def _signer(file: str | Path | None) -> Signer | None:
    try:
        return signer(Path(file)) if file else None
    except BadKey as error:
        raise ExportError(str(error)) from error


def _unproven(
    signature: Signature, tolerance: float, description: str, provenance: Mapping[str, Any]
) -> bundle.Manifest:
    certificate = bundle.Certificate(rows=0, worst=0.0, flips=0, tolerance=tolerance)
    return bundle.Manifest(signature=signature, certificate=certificate, description=description, provenance=provenance)


def _served(manifest: bundle.Manifest, content: bytes) -> Model:
    """The graph as it would be served."""
    try:
        return Model(bundle.Bundle(name="candidate", version="1", manifest=manifest, graph=content))
    except BundleError as error:
        raise UnsupportedModel(f"the graph does not load: {error}") from error


def _published(
    models: Path,
    name: str,
    version: str | int | None,
    manifest: bundle.Manifest,
    graph: bytes,
    replay: bundle.Replay,
    signer: Signer | None,
) -> Path:
    """Write the bundle aside, load it as a server will, and only then give it its name."""
    try:
        with bundle.staged(models, name) as directory:
            bundle.write(directory, manifest, graph, replay)
            if signer:
                signer.sign(directory, (directory / bundle.MANIFEST).read_bytes())
            load(directory)
            return bundle.publish(directory, None if version is None else str(version))
    except BundleError as error:
        raise ExportError(str(error)) from error
    except OSError as error:
        raise ExportError(f"cannot write to {models}: {error.strerror}") from error
