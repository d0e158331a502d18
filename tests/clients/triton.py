"""What a user of tritonclient does, over HTTP and over gRPC: both have nearly the same methods."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.clients.given import Given, column


class Transport:
    """A client, the module that it is from, and what is given."""

    def __init__(self, module: Any, address: str, given: Given) -> None:
        self.module, self.client, self.given = module, module.InferenceServerClient(address), given

    def inputs(self, **columns: np.ndarray[Any, Any]) -> list[Any]:
        found = []
        for name, values in columns.items():
            tensor = self.module.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
            tensor.set_data_from_numpy(values)
            found.append(tensor)
        return found

    def matrix(self, rows: list[Any], kind: str = "<f8") -> list[Any]:
        return self.inputs(X=np.array([list(row.values()) for row in rows], kind))

    def outputs(self, *names: str, **options: Any) -> list[Any]:
        return [self.module.InferRequestedOutput(name, **options) for name in names]

    def refused(self, *arguments: Any, **named: Any) -> InferenceServerException:
        try:
            self.client.infer(*arguments, **named)
        except InferenceServerException as error:
            return error
        raise AssertionError("it is answered")


def same(result: Any, expected: dict[str, list[Any]]) -> None:
    assert [text.decode() for text in result.as_numpy("label")] == expected["label"]
    np.testing.assert_allclose(
        result.as_numpy("probabilities"), expected["probabilities"], rtol=1e-14
    )  # runs are shared


def texts_and_numbers(rows: list[Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The columns of rows, texts as BYTES and what is missing as NaN."""
    kinds = {str: np.object_, int: np.int64}
    return {
        name: np.array(values := column(rows, name), kinds.get(type(values[0]), np.float64)).reshape(-1, 1)
        for name in rows[0]
    }


def health(transport: Transport) -> None:
    client = transport.client
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris", "1")


def texts(transport: Transport) -> None:
    rows = transport.given.flights["rows"]
    same(transport.client.infer("flights", transport.inputs(**texts_and_numbers(rows))), transport.given.flights)


def numbers(transport: Transport) -> None:
    rows = transport.given.iris["rows"]
    same(transport.client.infer("iris", transport.matrix(rows)), transport.given.iris)
    same(transport.client.infer("iris", transport.matrix(rows), model_version="1"), transport.given.iris)
    by_name = {name: np.array(column(rows, name)) for name in rows[0]}
    same(transport.client.infer("iris", transport.inputs(**by_name)), transport.given.iris)


def outputs(transport: Transport) -> None:
    rows = transport.given.iris["rows"]
    wanted = transport.outputs("probabilities")
    result = transport.client.infer("iris", transport.matrix(rows), outputs=wanted, request_id="42 ü")
    assert result.as_numpy("probabilities").tolist() == transport.given.iris["probabilities"]
    assert result.as_numpy("label") is None
    found = result.get_response()
    assert (found["id"] if isinstance(found, dict) else found.id) == "42 ü"


def classes(transport: Transport) -> None:
    wanted = transport.outputs("probabilities", class_count=1)
    result = transport.client.infer("iris", transport.matrix(transport.given.iris["rows"]), outputs=wanted)
    found = [text.decode() for text in result.as_numpy("probabilities").ravel()]
    best = [
        f"{max(row):f}:{row.index(max(row))}:{label}"
        for row, label in zip(transport.given.iris["probabilities"], transport.given.iris["label"], strict=True)
    ]
    assert found == best


def parameters(transport: Transport) -> None:
    rows = transport.given.iris["rows"]
    same(
        transport.client.infer("iris", transport.matrix(rows), parameters={"mine": "x"}, timeout=60_000_000),
        transport.given.iris,
    )
    late = transport.refused("iris", transport.matrix(rows), headers={"servefn-timeout-ms": "0"})
    assert re.search(r"504|DEADLINE_EXCEEDED", str(late.status()))


def errors(transport: Transport) -> None:
    rows = transport.given.iris["rows"]
    unknown = transport.refused("irsi", transport.matrix(rows))
    assert "There is no model 'irsi'. Did you mean 'iris'?" in unknown.message()
    assert re.search(r"404|NOT_FOUND", unknown.status())
    bad = transport.refused("iris", transport.matrix([{**rows[0], "petal_width": 99.0}]))
    assert "'petal_width' must be a number from 0.1 to 30" in bad.message()
    assert re.search(r"400|INVALID_ARGUMENT", bad.status())
    shape = transport.refused("iris", transport.inputs(X=np.zeros((1, 5))))
    assert re.search(r"400|INVALID_ARGUMENT", shape.status())
    output = transport.refused("iris", transport.matrix(rows), outputs=transport.outputs("labels"))
    assert re.search(r"400|INVALID_ARGUMENT", output.status())


def repository(transport: Transport) -> None:
    client = transport.client
    client.unload_model("iris")
    assert not client.is_model_ready("iris")
    assert client.is_model_ready("flights")
    transport.refused("iris", transport.matrix(transport.given.iris["rows"]))
    client.load_model("iris")
    assert client.is_model_ready("iris")
    same(client.infer("iris", transport.matrix(transport.given.iris["rows"])), transport.given.iris)


def state(listed: Any) -> dict[str, str]:
    """What an index says of each model, by name."""
    if isinstance(listed, list):
        return {model["name"]: model["state"] for model in listed}
    return {model.name: model.state for model in listed.models}


def statistics(found: Any) -> tuple[int, int]:
    """How many rows, and runs, there were."""
    if isinstance(found, dict):
        one = found["model_stats"][0]
        return int(one["inference_count"]), int(one["execution_count"])
    return found.model_stats[0].inference_count, found.model_stats[0].execution_count


def counted(transport: Transport) -> None:
    rows = transport.given.iris["rows"]
    before = statistics(transport.client.get_inference_statistics("iris"))
    transport.client.infer("iris", transport.matrix(rows))
    after = statistics(transport.client.get_inference_statistics("iris", "1"))
    assert after[0] - before[0] == len(rows)
    assert after[1] - before[1] == 1


CHECKS = (health, numbers, texts, outputs, classes, parameters, errors, counted, repository)
