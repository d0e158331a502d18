"""Commands for a service that runs: have it look at its models again, move an alias, share out the traffic."""

from __future__ import annotations

import http.client
import os
from typing import Any
from urllib.parse import quote, urlsplit

import click
import orjson

URL = "http://127.0.0.1:8000"
KEY = "SERVEFN_API_KEY"
"""The variable with the key to send. Not an option: who looks at the processes of a machine sees those."""

TIMEOUT = 300
"""Seconds. Loading takes as long as the models are large."""

_url = click.option("--url", default=URL, show_default=True, metavar="URL", help="Where the service answers.")


@click.command()
@_url
def reload(url: str) -> None:
    """Have a service load new bundles and drop those that are gone, without a gap.

    Prints what changed, as JSON. Exits with 1 if a bundle was rejected: what was served before it still is. Sends the
    key that is in SERVEFN_API_KEY, if there is one.
    """
    _show(_ask(url, "POST", "/admin/reload"))


@click.command()
@click.argument("name")
@click.argument("alias")
@click.argument("version", required=False)
@_url
def alias(name: str, alias: str, version: str | None, url: str) -> None:
    """Have ALIAS name VERSION of a model from now on; without VERSION, nothing.

    The champion answers where a request names no version, so this is how one goes forward, and back again:

        servefn alias iris champion 2
    """
    path = f"/admin/models/{quote(name, safe='')}/aliases/{quote(alias, safe='')}"
    _show(_ask(url, "PUT", path, {"version": version}) if version else _ask(url, "DELETE", path))


@click.command()
@click.argument("name")
@click.option("--split", type=(str, float), metavar="ALIAS SHARE", help="Who answers this share of the keys.")
@click.option("--shadow", type=(str, float), multiple=True, metavar="ALIAS SHARE", help="Who is tried on a sample.")
@_url
def traffic(name: str, split: tuple[str, float] | None, shadow: tuple[tuple[str, float], ...], url: str) -> None:
    """Give other versions of a model than its champion a share of the traffic; without options, none.

    A challenger that answers every tenth key, and an end of that:

        servefn traffic iris --split challenger 0.1

        servefn traffic iris
    """
    said = {"split": dict([split] if split else []), "shadow": dict(shadow)}
    _show(_ask(url, "PUT", f"/admin/models/{quote(name, safe='')}/traffic", said))


def _ask(url: str, method: str, path: str, body: Any = None) -> Any:
    """The document that the service answers with. Raises click.ClickException."""
    parts = urlsplit(url)
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if parts.scheme not in kinds or not parts.hostname:
        raise click.UsageError(f"{url} is no address of a service; give one like {URL}")
    connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=TIMEOUT)
    try:
        content = None if body is None else orjson.dumps(body)
        headers = {"content-type": "application/json", **({"x-api-key": os.environ[KEY]} if KEY in os.environ else {})}
        connection.request(method, parts.path.rstrip("/") + path, content, headers)
        answer = connection.getresponse()
        document = orjson.loads(answer.read())
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as error:
        raise click.ClickException(f"no service answers at {url}: {error}") from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise click.ClickException(document.get("detail", f"{url} answers {answer.status}"))
    return document


def _show(changes: Any) -> None:
    click.echo(orjson.dumps(changes, option=orjson.OPT_INDENT_2))
    if changes["rejected"]:
        raise SystemExit(1)
