"""The parity check of an export, run again on a published bundle and with the libraries that are installed now."""

from __future__ import annotations

from pathlib import Path

from app.bundle import Bundle
from app.errors import BundleError
from app.predictor import Model
from export.console import plainly, table
from export.conversion import compiled, unbounded
from export.errors import ExportError, explained
from export.exporter import DEFAULT_KEY
from export.files import read_model, read_table
from export.original import Original, fitted_estimator
from export.parity import Comparison, compare_all
from export.reading import read_sample


def against(bundle: Bundle, model: Path, sample: Path) -> str:
    """Compare a bundle with the model that it was made from; what was found, in a sentence.

    Raises BundleError if they differ, and click's exceptions for files that cannot be used.
    """
    with plainly(), explained():
        found, graph = _compared(bundle, model, sample)
    if found.failure:
        raise BundleError("\n".join([found.failure, *table(found.mismatches)]))
    if lost := set(bundle.manifest.certificate.exact) - set(found.certificate.exact):
        raise BundleError(f"it says that '{min(lost)}' is exact for every input, and for a row it is not")
    same = "the same bytes" if graph == bundle.graph else "other bytes"
    return (
        f"{found.certificate.rows} rows are answered as by {model.name}, worst difference "
        f"{found.certificate.worst:.2g}; converted now, the graph has {same}"
    )


def _compared(bundle: Bundle, model: Path, sample: Path) -> tuple[Comparison, bytes]:
    """Both answers to every row, and the graph as it is converted now."""
    estimator, rows = fitted_estimator(read_model(model)), read_table(sample)
    key = bundle.signature.key if bundle.signature.key in rows.columns else None
    original = Original(estimator, read_sample(rows, estimator, key))
    signature = unbounded(original, key or DEFAULT_KEY)
    promised, given = ([output.name for output in one.outputs] for one in (bundle.signature, signature))
    if promised != given:
        raise ExportError(
            f"the bundle answers {', '.join(promised)}, and {model.name} {', '.join(given)}: it is another model's"
        )
    graph, content = compiled(original, signature)
    claimed = bundle.manifest.certificate
    return compare_all(original, Model(bundle), graph, claimed.tolerance, claimed.exact), content
