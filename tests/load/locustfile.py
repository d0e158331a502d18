"""Load for any servefn: every model that it lists, online and keyed.

locust --locustfile tests/load/locustfile.py --host http://127.0.0.1:8000
"""

from __future__ import annotations

from random import Random

from locust import FastHttpUser, between, task

from tests.load import traffic

POOL = 200
"""Rows made per model and user, once: a load generator should not spend its time on making rows."""


class Client(FastHttpUser):
    """A program that asks about one row at a time, and now and then about many under their keys."""

    wait_time = between(0.001, 0.02)

    def on_start(self) -> None:
        self.random = Random()  # which row is asked about is no secret
        listed = self.client.get("/models").json()["models"]
        contracts = [self.client.get(f"/models/{each['name']}", name="/models/{name}").json() for each in listed]
        self.models = [(contract, traffic.rows(contract, POOL, self.random)) for contract in contracts]

    @task(4)
    def online(self) -> None:
        contract, rows = self.random.choice(self.models)
        self._call(traffic.online(contract, [self.random.choice(rows)]))

    @task(1)
    def keyed(self) -> None:
        contract, rows = self.random.choice(self.models)
        some = self.random.sample(rows, self.random.randint(1, 50))
        self._call(traffic.keyed(contract, some, [f"{self.random.getrandbits(64):016x}" for _ in some]))

    def _call(self, call: traffic.Call) -> None:
        with self.client.post(call.path, data=call.body, headers=traffic.HEADERS, catch_response=True) as response:
            if found := call.fault(response.status_code, response.content):
                response.failure(found)
