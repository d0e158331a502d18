"""Contract, graph, parity, publish: a whole bundle, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import packages_distributions
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto

from app import bundle
from app.errors import BundleError, quoted
from app.predictor import Model, load
from app.signature import NAME, VERSION, Kind, Signature
from export.contract import contract, declare
from export.errors import ExportError, UnsupportedModel, first_line
from export.exactness import exact_outputs
from export.frameworks import predict, transform
from export.graph import Columns, Graph
from export.original import Original, fitted_estimator
from export.parity import agree, compare_all
from export.reading import read_sample
from export.sample import Sample

DEFAULT_KEY = "key"
TOLERANCE = 1e-5
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "skl2onnx")


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
    provenance: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Publish a fitted model as models_dir/name/version, proven to answer as the model itself does.

    `X_sample` are a few hundred rows or more as the model was fitted on: a DataFrame, a 2-D array or a list of texts.
    `key` names the column of it that identifies rows. `features` says per feature what a sample cannot tell:
    description, unit, minimum, maximum, categories, nullable, example. `version` is the next free one by default.

    Raises UnsupportedModel, ParityError or another ExportError, and then has published nothing.
    """
    _check_free(Path(models_dir), name, version)
    estimator = fitted_estimator(model)
    progress("reading the sample")
    original = Original(estimator, sample := read_sample(X_sample, estimator, key))
    declared = declare(features, sample)
    progress("writing the graph")
    unbounded = _unbounded(original, key or DEFAULT_KEY)
    graph, content = _compiled(original, unbounded)
    known = _provenance(model, sample, graph.packages) | dict(provenance or {})
    manifest = _unproven(unbounded, tolerance, description, known)
    progress("asking the model what it accepts")
    agrees = partial(agree, original, _served(manifest, content), tolerance)
    manifest = replace(manifest, signature=contract(original, unbounded, declared, graph.categories, agrees))
    progress("comparing the answers")
    exact = exact_outputs(graph, [output.name for output in unbounded.outputs])
    comparison = compare_all(original, _served(manifest, content), graph.thresholds, tolerance, exact)
    comparison.check()
    manifest = replace(manifest, certificate=comparison.certificate)
    progress("publishing")
    path = _published(Path(models_dir), name, version, manifest, content, comparison.replay)
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


def _unproven(
    signature: Signature, tolerance: float, description: str, provenance: Mapping[str, Any]
) -> bundle.Manifest:
    certificate = bundle.Certificate(rows=0, worst=0.0, flips=0, tolerance=tolerance)
    return bundle.Manifest(signature=signature, certificate=certificate, description=description, provenance=provenance)


def _unbounded(original: Original, key: str) -> Signature:
    """What the sample says of itself, before the model is asked what it accepts."""
    answers = original.asked("sample", original.sample.rows(np.arange(1)))
    try:
        return Signature(original.kind, original.sample.features(), original.outputs(answers), key)
    except ValueError as error:
        raise ExportError(str(error)) from error


def _compiled(original: Original, signature: Signature) -> tuple[Graph, bytes]:
    graph, outputs = Graph(), signature.outputs
    try:
        dtypes = [column.values.dtype for column in original.sample.columns]
        answers = _answers(original, graph, graph.inputs(signature.features, dtypes))
    except ExportError:
        raise
    except Exception as error:  # an estimator that is not what its class promises
        kind = type(original.model).__name__
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise UnsupportedModel(f"{kind} cannot be written as a graph ({reason})") from error
    if missing := {output.name for output in outputs} - set(answers):
        raise UnsupportedModel(f"the conversion of {type(original.model).__name__} gives no {', '.join(missing)}")
    types = {output.name: TensorProto.INT64 if output.name == "label" else TensorProto.DOUBLE for output in outputs}
    finished = {output.name: (answers[output.name], types[output.name], len(output.columns)) for output in outputs}
    return graph, graph.model(finished)


def _answers(original: Original, graph: Graph, columns: Columns) -> Mapping[str, str]:
    if original.kind is Kind.TRANSFORMER:
        return {"transformed": graph.matrix(transform(graph, original.model, columns))}
    return predict(graph, original.model, columns)


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
) -> Path:
    """Write the bundle aside, load it as a server will, and only then give it its name."""
    try:
        with bundle.staged(models, name) as directory:
            bundle.write(directory, manifest, graph, replay)
            load(directory)
            return bundle.publish(directory, None if version is None else str(version))
    except BundleError as error:
        raise ExportError(str(error)) from error
    except OSError as error:
        raise ExportError(f"cannot write to {models}: {error.strerror}") from error


def _provenance(model: Any, sample: Sample, packages: set[str]) -> dict[str, Any]:
    """What the bundle was made from. `packages` are those that the steps of the model come from."""
    package = type(model).__module__.partition(".")[0]
    providers = packages_distributions()
    trained = {name for one in packages | {package} for name in providers.get(one, ())}
    return {
        "estimator": f"{package}.{type(model).__name__}",
        "steps": [type(step).__name__ for _, step in getattr(model, "steps", [])],
        "libraries": {name: installed(name) for name in sorted({*_LIBRARIES, *trained})},
        "sample": {"rows": len(sample), "sha256": sample.fingerprint()},
    }
