"""The command line. Each command is an entry point of the group `servefn.commands`, so that one may be an extra."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click
from pydantic import ValidationError

from app.callers import BadKeys, Scope, created
from app.extras import grpc, protobuf
from app.metrics import MULTIPROCESS
from app.protocols.wire import UnknownProtocol, chosen
from app.server import run
from app.settings import PREFIX, Settings
from app.signing import BadKey, trusted

GRPC = "grpc"
"""The protocol, and the extra that it needs."""


class Commands(click.Group):
    """The commands that are installed; one whose extra is missing says which to install."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's
        return sorted(_commands())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        entry = _commands().get(name)
        if entry is None:
            return None
        try:
            command: click.Command = entry.load()
        except ModuleNotFoundError as error:
            raise click.UsageError(f"'{name}' needs {error.name}: pip install 'servefn[{name}]'", ctx) from error
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted") from error


class Interrupted(click.ClickException):
    exit_code = 130  # as shells have it: 128 + SIGINT


@click.group(cls=Commands)
@click.version_option(package_name="servefn")
def main() -> None:
    """Train anything tabular. Export once. Serve one pure function."""


def _commands() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="servefn.commands")}


def _check(settings: Settings) -> None:
    """What nothing but more than the settings can say is wrong with them."""
    try:
        if settings.require_signature:
            trusted(settings.require_signature)
        spoken = chosen(settings.protocols)
    except BadKey as error:
        raise click.UsageError(f"require_signature: {error}") from error
    except UnknownProtocol as error:
        raise click.UsageError(f"protocols: {error}") from error
    if settings.grpc_port is not None and GRPC not in spoken:
        raise click.UsageError(f"grpc_port: {GRPC} is not among the protocols that are on")
    if settings.grpc_port is not None and not (grpc and protobuf):
        raise click.UsageError(f"grpc_port needs the extra {GRPC}: pip install 'servefn[{GRPC}]'")


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for every setting, under its name, with its variable and its default in the help."""
    for name, setting in reversed(Settings.model_fields.items()):
        default = "" if setting.default is None else f" [default: {setting.default}]"
        option = click.option(
            f"--{name.replace('_', '-')}",
            help=f"{setting.description}{default} [{PREFIX}{name.upper()}]",
            metavar="VALUE",
        )
        command = option(command)
    return command


@click.command()
@_options
def serve(**given: Any) -> None:
    """Serve the bundles of a directory over HTTP.

    Every model answers at /models/NAME/predict and /models/NAME/predict/keyed; /docs shows them all, each with a row
    to try. SIGTERM stops accepting, finishes what is running, and exits.
    """
    for name, value in given.items():
        if value is not None:  # workers are processes of their own, and read their settings from the environment
            os.environ[f"{PREFIX}{name.upper()}"] = value
    try:
        settings = Settings()
    except ValidationError as error:
        raise click.UsageError(
            "\n".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        ) from error
    _check(settings)
    several = settings.workers > 1  # one needs no place on a disk that may be read-only
    with tempfile.TemporaryDirectory(prefix="servefn-metrics-") if several else nullcontext() as shared:
        if shared:
            os.environ.setdefault(MULTIPROCESS, shared)
        try:
            run(settings)
        except BadKeys as error:
            raise click.ClickException(f"who may call: {error}") from error
        except ssl.SSLError as error:
            raise click.ClickException(f"the certificate or its key cannot be used: {error}") from error


@click.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([str(scope) for scope in Scope]),
    default=["predict", "read"],
    help="What it may do; may be repeated.",
    show_default=True,
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="PATTERN",
    help="Models that it is for, as iris or fraud-*; may be repeated. [default: all]",
)
def api_key(name: str, scopes: tuple[str, ...], models: tuple[str, ...]) -> None:
    """Make a new random key, for the caller NAME.

    The key is shown once, on stderr. The line that is to be stored goes to stdout; the key cannot be found from it:

    \b
      servefn api-key ci --model iris >> keys.toml
    """
    try:
        secret, line = created(name, map(Scope, scopes), models)
    except BadKeys as error:
        raise click.UsageError(str(error)) from error
    click.echo(line)
    click.echo(f"The key of {name}, which is kept nowhere: {secret}", err=True)
