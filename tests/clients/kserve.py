"""What a user of KServe's clients does: its REST client with V1 and V2."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import numpy as np
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceRESTClient, RESTConfig

from tests.clients.given import Given, column, run


async def v1(given: Given) -> None:
    client, url = InferenceRESTClient(RESTConfig(protocol="v1")), f"http://{given.http}"
    assert await client.is_server_live(url)
    assert await client.is_model_ready(url, "iris")
    found = await client.infer(url, {"instances": [list(row.values()) for row in given.iris["rows"]]}, "iris")
    assert column(found["predictions"], "label") == given.iris["label"]
    assert column(found["predictions"], "probabilities") == given.iris["probabilities"]
    found = await client.infer(url, {"instances": given.flights["rows"]}, "flights")
    assert column(found["predictions"], "probabilities") == given.flights["probabilities"]
    await refused(client, url, {"instances": []}, "400 Bad Request")
    await client.close()


async def v2(given: Given) -> None:
    client, url = InferenceRESTClient(RESTConfig(protocol="v2")), f"http://{given.http}"
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "iris")
    for raw in (False, True):
        tensor = InferInput("X", [len(given.iris["rows"]), 4], "FP64")
        rows = np.array([list(row.values()) for row in given.iris["rows"]])
        tensor.set_data_from_numpy(rows, binary_data=raw)
        request = InferRequest("iris", [tensor], request_id="42", parameters={"binary_data_output": raw})
        found = await client.infer(url, request, "iris")
        said = {output.name: output.as_numpy().tolist() for output in found.outputs}
        assert found.id == "42"
        assert said["label"] == given.iris["label"]
        assert said["probabilities"] == given.iris["probabilities"]
    await refused(client, url, {"inputs": []}, "400 Bad Request")
    await client.close()


async def refused(client: Any, url: str, data: Any, said: str) -> None:
    """The service's own text is in the error, and the status behind it."""
    text = ""
    try:
        await client.infer(url, data, "iris")
    except httpx.HTTPStatusError as error:
        text = str(error)
    assert said in text
    assert not text.startswith(",")


def rest_v1(given: Given) -> None:
    asyncio.run(v1(given))


def rest_v2(given: Given) -> None:
    asyncio.run(v2(given))


if __name__ == "__main__":
    run(rest_v1, rest_v2)
