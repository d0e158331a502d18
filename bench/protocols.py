"""100 rows over each protocol, beside the native one: python -m bench.protocols [--rounds N] [--seconds S]

One server, pinned to its core, and every way of asking in turn, round after round; the share is the median of those
within a round. The answers are held against what scikit-learn says of the rows.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from statistics import median
from typing import Any, NamedTuple

import click
import numpy as np

from bench import models
from bench.measure import CLIENT_CORE, SERVER_CORE
from bench.process import Call, ServerError, free_port, running
from bench.report import grid
from bench.servers import BUILD, INSTANCES, MODELS, SERVEFN
from bench.wrk import load

ROWS, CONNECTIONS = 100, 16
NATIVE = "native, JSON"
LENGTH = "inference-header-content-length"


class Way(NamedTuple):
    """One way to ask: a path, a body, its headers, and how its answer tells the probabilities of class 1."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    probabilities: Callable[[bytes, Mapping[str, str]], list[float]]


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=1.0, show_default=True, type=click.FloatRange(0.1), help="For each measurement.")
def main(rounds: int, seconds: float) -> None:
    """Print rows per second over each protocol, and what share that is of the native one's."""
    models.build(MODELS)
    port, lines = free_port(), []
    ready = [Call(f"/models/{name}/predict", _native("").body) for name in models.MODELS]
    with running(
        SERVEFN.started_by(port),
        ready,
        port=port,
        core=SERVER_CORE,
        log=BUILD / "logs" / "protocols.log",
        env=SERVEFN.environment(),
        timeout=SERVEFN.timeout,
    ):
        for name in models.MODELS:
            found = [
                {title: _rate(port, name, way, seconds) for title, way in ways(name).items()} for _ in range(rounds)
            ]
            for title in found[0]:
                share = median(each[title] / each[NATIVE] for each in found)
                lines.append([name, title, f"{median(each[title] for each in found):,.0f}", f"{share:.2f}"])
    click.echo(grid(["model", f"{ROWS} rows of 30 doubles", "rows/s", "of the native protocol's"], lines))


def ways(model: str) -> dict[str, Way]:
    """Every way that is measured."""
    columns = list(zip(models.data().names, _rows().T, strict=True))
    matrix = [("rows", _rows())]
    return {
        NATIVE: _native(model),
        "v2, JSON, one matrix": _v2(model, matrix, binary=False),
        "v2, JSON, a tensor per feature": _v2(model, columns, binary=False),
        "v2, raw, one matrix": _v2(model, matrix, binary=True),
        "v2, raw, a tensor per feature": _v2(model, columns, binary=True),
    }


def _rows() -> models.Floats:
    return models.data().rows[:ROWS]


def _native(model: str) -> Way:
    body = json.dumps(INSTANCES.body(_rows()), separators=(",", ":")).encode()
    return Way(f"/models/{model}/predict", body, {}, lambda content, _: INSTANCES.probabilities(json.loads(content)))


def _v2(model: str, tensors: list[tuple[str, models.Floats]], *, binary: bool) -> Way:
    inputs: list[dict[str, Any]] = [
        {"name": name, "shape": [ROWS, values.size // ROWS], "datatype": "FP64"} for name, values in tensors
    ]
    contents = [values.tobytes() for _, values in tensors] if binary else []
    for index, (one, (_, values)) in enumerate(zip(inputs, tensors, strict=True)):
        one |= (
            {"parameters": {"binary_data_size": len(contents[index])}} if binary else {"data": values.ravel().tolist()}
        )
    document = {"inputs": inputs, "parameters": {"binary_data_output": binary}}
    header = json.dumps(document, separators=(",", ":")).encode()
    headers = {LENGTH: str(len(header))} if binary else {}
    return Way(f"/v2/models/{model}/infer", b"".join([header, *contents]), headers, _probabilities)


def _probabilities(content: bytes, headers: Mapping[str, str]) -> list[float]:
    """Those of class 1 in an answer of v2, raw or not. Of two outputs they are the last."""
    length = int(headers.get(LENGTH, len(content)))
    last = json.loads(content[:length])["outputs"][-1]
    if "data" in last:
        return list(last["data"][1::2])
    return list(np.frombuffer(content[-last["parameters"]["binary_data_size"] :]).tolist()[1::2])


def _rate(port: int, model: str, way: Way, seconds: float) -> float:
    """Rows per second over 16 connections. Raises ServerError."""
    content, headers = _ask(port, way)
    if not np.allclose(way.probabilities(content, headers), models.data().truth[model][:ROWS], rtol=0, atol=1e-5):
        raise ServerError(f"{way.path} does not answer what scikit-learn does")
    body = BUILD / "bodies" / "protocols"
    body.parent.mkdir(parents=True, exist_ok=True)
    body.write_bytes(way.body)
    url = f"http://127.0.0.1:{port}{way.path}"
    return ROWS * load(url, body, CONNECTIONS, seconds, CLIENT_CORE, headers=way.headers).per_second


def _ask(port: int, way: Way) -> tuple[bytes, Mapping[str, str]]:
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("POST", way.path, way.body, {"content-type": "application/json", **way.headers})
        answer = connection.getresponse()
        content = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise ServerError(f"{way.path} answers {answer.status}: {content[:200]!r}")
    return content, {name.lower(): value for name, value in answer.getheaders()}


if __name__ == "__main__":
    main()
