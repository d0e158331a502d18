"""servefn key and servefn sign: a pair of keys, and signatures for bundles that have none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from app.bundle import MANIFEST, read
from app.errors import BundleError
from app.inspect import bundles
from app.signing import SEAL, BadKey, make, signer


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
def key(file: Path) -> None:
    """Make a pair of Ed25519 keys: FILE, which signs and is nobody else's, and FILE.pub, which is for everyone.

    \b
      servefn key release.pem
      servefn export model.joblib --sample rows.parquet --name churn --sign release.pem
      SERVEFN_REQUIRE_SIGNATURE=release.pem.pub servefn serve

    Several public keys may stand in one file, one after the other. The fingerprint is printed on stdout.
    """
    try:
        public, name = make(file)
    except BadKey as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{file} signs; {public} says who did", err=True)
    click.echo(name)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option("--key", "file", type=click.Path(path_type=Path), required=True, help="The private key.")
def sign(paths: Sequence[Path], file: Path) -> None:
    """Sign bundles that are published already, each held against its digests first.

    A PATH is a bundle (models/iris/1), a model with all its versions (models/iris) or all models (models). A signature
    that is there is replaced; nothing else changes.
    """
    try:
        by = signer(file)
        for path in bundles(paths):
            read(path)
            by.sign(path, (path / MANIFEST).read_bytes())
            click.echo(path / SEAL)
    except (BadKey, BundleError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot write {error.filename}: {error.strerror}") from error
