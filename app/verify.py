"""servefn verify: a bundle held against its own digests, its contract and its replay rows, and against the original."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path

import click

from app.bundle import Bundle, read
from app.errors import BundleError
from app.inspect import bundles
from app.predictor import Model, replay
from app.signing import BadKey, Trust, trusted

Against = Callable[[Bundle, Path, Path], str]
"""What compares a bundle with the original model and a sample, and says what it found; it raises BundleError."""


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option("--model", type=click.Path(path_type=Path), help="The trained model, as it was exported. Needs --sample.")
@click.option("--trust", type=click.Path(path_type=Path), help="Public keys (PEM), one of which must have signed.")
@click.option("--sample", type=click.Path(path_type=Path), help="Rows it was trained on: .parquet or .csv.")
def verify(paths: Sequence[Path], model: Path | None, sample: Path | None, trust: Path | None) -> None:
    """Check that bundles are what was exported, and answer as they did then.

    A PATH is a bundle (models/iris/1), a model with all its versions (models/iris) or all models (models). Of each,
    every file is held against its digest, the graph against the contract, and the answers to the replay rows against
    those of the trained model, as a server does before it says ready. With --trust its signature is looked at first.

    With --model and --sample the whole parity check of the export is run again, hostile rows included, with the
    libraries that are installed now. Loading a model runs whatever code is in it: do so only with files you trust.

    The exit code is 0 if every bundle holds, and 1 if one does not.
    """
    found = bundles(paths)
    against = _against(found, model, sample)
    keys = _keys(trust)
    width = max(len(str(path)) for path in found)
    failed = 0
    for path in found:
        try:
            report = [*_checked(path, keys), *against(path)]
        except click.ClickException:
            raise
        except BundleError as error:
            failed += 1
            report = f"FAILED: {error}".splitlines()
        except Exception as error:  # whatever is in a bundle, the others are checked
            failed += 1
            report = [f"FAILED: it cannot be loaded ({type(error).__name__})"]
        for label, line in zip([str(path), *[""] * len(report)], report, strict=False):
            click.echo(f"{label:<{width}}  {line}")
    sys.exit(failed > 0)


def _keys(file: Path | None) -> Trust | None:
    try:
        return trusted(file) if file else None
    except BadKey as error:
        raise click.UsageError(str(error)) from error


def _checked(path: Path, trust: Trust | None) -> Iterator[str]:
    bundle = read(path, trust)
    if bundle.signer:
        yield f"it is signed by the key {bundle.signer}"
    yield f"{len(bundle.manifest.files)} files are those that were exported"
    model = Model(bundle)
    yield "the graph takes and gives what the contract says"
    worst = replay(model, bundle)
    rows = len(bundle.replay.instances)
    yield f"{rows} replay rows are answered as by the trained model, worst difference {worst:.2g}"


def _against(found: Sequence[Path], model: Path | None, sample: Path | None) -> Callable[[Path], list[str]]:
    """What compares a bundle with the original: nothing, where none is given."""
    if model is None and sample is None:
        return lambda _: []
    if model is None or sample is None:
        raise click.UsageError("--model and --sample go together")
    if len(found) > 1:
        raise click.UsageError(f"a model is compared with one bundle, and here are {len(found)}")
    (entry,) = entry_points(group="servefn.verify")
    try:
        compare: Against = entry.load()
    except ModuleNotFoundError as error:
        raise click.UsageError(f"--model needs {error.name}: pip install 'servefn[export]'") from error
    return lambda path: [compare(read(path), model, sample)]
