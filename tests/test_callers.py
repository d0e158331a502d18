"""Keys as they are written down, what they allow, and how many requests they have."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from typing import Any

import pytest

from app.callers import BadKeys, Bucket, Caller, Limit, Scope, created, listed, read
from app.errors import Forbidden
from tests.test_cli import SERVEFN

DIGEST = sha256(b"secret").digest()
HEX = DIGEST.hex()


def one(text: str) -> Caller:
    found = read([text]).caller(DIGEST)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text",
    [
        f'a = {{sha256 = "{HEX}", scopes = ["predict"], expires = 2030-01-01T00:00:00Z, requests_per_second = 2}}',
        f'[a]\nsha256 = "{HEX}"\nscopes = ["predict"]\nexpires = "2030-01-01T01:00:00+01:00"\n'
        "requests_per_second = 2.0",
        f'{{"a": {{"sha256": "{HEX}", "scopes": ["predict"], "expires": "2030-01-01T00:00:00Z", '
        '"requests_per_second": 2}}',
    ],
)
def test_toml_and_json_say_the_same(text: str) -> None:
    assert one(text) == Caller(name="a", scopes=frozenset({Scope.PREDICT}), expires=1893456000.0, limit=Limit(2.0, 2.0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1", "Expected `object`"),
        ("a = {", "Invalid"),
        ('{"a": ', "truncated"),
        (f'a = {{sha256 = "{HEX}"}}', "missing required field `scopes`"),
        (f'a = {{sha256 = "{HEX}", scopes = []}}', "length >= 1"),
        (f'a = {{sha256 = "{HEX}", scopes = ["root"]}}', "Invalid enum value"),
        (f'a = {{sha256 = "{HEX}", scopes = ["read"], models = []}}', "length >= 1"),
        (f'a = {{sha256 = "{HEX}", scopes = ["read"], model = ["iris"]}}', "unknown field `model`"),
        (f'a = {{sha256 = "{HEX}", scopes = ["read"], expires = 2030-01-01T00:00:00}}', "timezone"),
        (f'a = {{sha256 = "{HEX}", scopes = ["read"], requests_per_second = 0}}', "> 0"),
        ('a = {sha256 = "sfn_the-key-itself", scopes = ["read"]}', "matching regex"),
        (f'"a b" = {{sha256 = "{HEX}", scopes = ["read"]}}', "matching regex"),
        (
            f'a = {{sha256 = "{HEX}", scopes = ["read"]}}\nb = {{sha256 = "{HEX}", scopes = ["read"]}}',
            "'b' has the key",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_and_never_repeated(text: str, said: str) -> None:
    with pytest.raises(BadKeys, match=said) as raised:
        read([text])
    assert "itself" not in str(raised.value)


def test_a_key_is_found_by_all_of_its_digest() -> None:
    keys = read([f'a = {{sha256 = "{HEX}", scopes = ["read"]}}'])
    assert keys.caller(DIGEST)
    assert keys.caller(DIGEST[:-1] + bytes([DIGEST[-1] ^ 1])) is None
    assert keys.caller(bytes(32)) is read([]).caller(DIGEST) is None


@pytest.mark.parametrize(
    ("models", "scope", "model", "said"),
    [
        (("*",), "predict", "iris", None),
        (("*",), "read", None, None),
        (("iris", "fl*"), "predict", "flights", None),
        (("*",), "admin", None, "scope 'admin', and the key has 'predict', 'read'"),
        (("fl*",), "predict", "iris", "for 'fl\\*' only, not for 'iris'"),
        (("iris",), "predict", "iris2", "not for 'iris2'"),
        (("iris",), "read", None, "concerns every model"),
    ],
)
def test_a_caller_may_what_its_key_says(
    models: tuple[str, ...], scope: str, model: str | None, said: str | None
) -> None:
    caller = Caller(name="a", scopes=frozenset({Scope.PREDICT, Scope.READ}), models=models)
    if said is None:
        caller.check(Scope(scope), model)
    else:
        with pytest.raises(Forbidden, match=said):
            caller.check(Scope(scope), model)


def test_a_bucket_gives_what_it_has_and_fills_up_again() -> None:
    bucket = Bucket(Limit(rate=2.0, burst=3.0), now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert bucket.take(0.25) == 0.25
    assert bucket.take(0.5) == 0.0
    assert [bucket.take(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("predict openid read", {"predict", "read"}),
        (["admin"], {"admin"}),
        ("predictread", set()),
        (None, set()),
        (7, set()),
    ],
)
def test_scopes_of_a_token(said: Any, meant: set[str]) -> None:
    assert listed(said) == meant


@pytest.mark.parametrize("name", ["ci", "team.bot"])
def test_a_new_key_is_long_new_and_known_by_its_line_only(name: str) -> None:
    key, line = created(name, [Scope.PREDICT], ["iris", "fl*"])
    caller = read([line]).caller(sha256(key.encode()).digest())
    assert caller == Caller(name=name, scopes=frozenset({Scope.PREDICT}), models=("iris", "fl*"))
    assert key not in line
    assert len(key) == 47
    assert created(name, [Scope.PREDICT], [])[0] != key
    with pytest.raises(BadKeys):
        created("no name", [Scope.PREDICT], [])


def test_the_command_keeps_the_key_out_of_what_is_stored() -> None:
    done = subprocess.run(
        [SERVEFN, "api-key", "ci", "--scope", "admin"], capture_output=True, text=True, timeout=60, check=True
    )
    key = done.stderr.split()[-1]
    caller = read([done.stdout]).caller(sha256(key.encode()).digest())
    assert caller == Caller(name="ci", scopes=frozenset({Scope.ADMIN}))
    assert key not in done.stdout
