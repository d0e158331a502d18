"""What a user of tritonclient.http does."""

from __future__ import annotations

import tritonclient.http

from tests.clients import triton
from tests.clients.given import Given, run
from tests.clients.triton import Transport


def transport(given: Given) -> Transport:
    return Transport(tritonclient.http, given.http, given)


def metadata(transport: Transport) -> None:
    client = transport.client
    assert client.get_server_metadata()["name"] == "servefn"
    described = client.get_model_metadata("iris")
    assert described["inputs"][0]["name"] == "sepal_length"
    assert not client.is_model_ready("irsi")
    assert client.get_model_config("iris")["name"] == "iris"
    assert triton.state(client.get_model_repository_index()) == {"iris": "READY", "flights": "READY"}


def as_json(transport: Transport) -> None:
    """Values in the JSON, both ways, rather than raw."""
    rows = transport.given.flights["rows"]
    inputs = transport.inputs(**triton.texts_and_numbers([{**row, "wind_gust": 30.0} for row in rows]))
    raw = transport.client.infer("flights", inputs)
    columns = triton.texts_and_numbers([{**row, "wind_gust": 30.0} for row in rows])
    for tensor, values in zip(inputs, columns.values(), strict=True):
        tensor.set_data_from_numpy(values, binary_data=False)
    wanted = transport.outputs("label", "probabilities", binary_data=False)
    read = transport.client.infer("flights", inputs, outputs=wanted)
    assert "data" in read.get_output("probabilities")
    assert read.as_numpy("probabilities").tolist() == raw.as_numpy("probabilities").tolist()


def missing_as_json(transport: Transport) -> None:
    """What is missing is a bare token NaN in this client's JSON."""
    columns = triton.texts_and_numbers([{**row, "temp": None} for row in transport.given.flights["rows"]])
    inputs = transport.inputs(**columns)
    raw = transport.client.infer("flights", inputs).as_numpy("probabilities").tolist()
    for tensor, values in zip(inputs, columns.values(), strict=True):
        tensor.set_data_from_numpy(values, binary_data=False)
    assert transport.client.infer("flights", inputs).as_numpy("probabilities").tolist() == raw


def compressed(transport: Transport) -> None:
    rows = transport.given.iris["rows"]
    for coding in ("gzip", "deflate"):
        options = {"request_compression_algorithm": coding, "response_compression_algorithm": coding}
        triton.same(transport.client.infer("iris", transport.matrix(rows), **options), transport.given.iris)


def at_once(transport: Transport) -> None:
    rows = transport.matrix(transport.given.iris["rows"])
    for pending in [transport.client.async_infer("iris", rows) for _ in range(4)]:
        triton.same(pending.get_result(), transport.given.iris)


if __name__ == "__main__":
    run(*triton.CHECKS, metadata, as_json, missing_as_json, compressed, at_once, on=transport)
