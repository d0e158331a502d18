"""JSON Web Tokens: what holds, all that does not, and the issuer's keys as they come and go."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.callers import BadKeys, Scope
from app.tokens import AGAIN, FRESH, LEEWAY, Tokens
from tests.test_cli import serving
from tests.test_native import IRIS, JSON, body

DAY = 86_400
ISSUER, AUDIENCE = "https://issuer.example", "servefn"
PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def jwk(algorithm: str, kid: str | None = None, **members: str) -> dict[str, Any]:
    """The public key of an algorithm, as an issuer shows it."""
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(PRIVATE[algorithm].public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {**made, "kid": kid or algorithm, "alg": algorithm, **members}


SECRET = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "secret", "alg": "HS256"}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def token(algorithm: str = "RS256", headers: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> bytes:
    """A token that holds, but for what is said otherwise; None takes a claim away."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": int(time.time()) + DAY, "scope": "predict openid"}
    said = {name: value for name, value in {**good, **claims}.items() if value is not None}
    signed = jwt.encode(said, key or PRIVATE[algorithm], algorithm, {"kid": algorithm, **(headers or {})})
    return signed.encode()


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return made(tmp_path, *map(jwk, PRIVATE))


def made(directory: Path, *keys: dict[str, Any]) -> Tokens:
    (directory / "jwks.json").write_bytes(jwks(*keys))
    tokens = Tokens(str(directory / "jwks.json"), ISSUER, AUDIENCE)
    tokens.refresh(0.0)
    return tokens


def caller(tokens: Tokens, given: bytes) -> Any:
    return tokens.caller(given, sha256(given).digest())


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_a_token_that_holds_says_who_calls(tokens: Tokens, algorithm: str) -> None:
    found = caller(tokens, token(algorithm))
    assert (found.name, found.scopes, found.models) == ("jwt:ann", {Scope.PREDICT}, ("*",))
    assert DAY < found.expires - time.time() <= DAY + LEEWAY


@pytest.mark.parametrize(
    ("claims", "scopes", "models"),
    [
        ({"scope": None, "scp": ["read", "admin"]}, {Scope.READ, Scope.ADMIN}, ("*",)),
        ({"scope": None, "scp": "read"}, {Scope.READ}, ("*",)),
        ({"scope": None}, set(), ("*",)),
        ({"models": ["iris", "fl*"], "aud": ["other", AUDIENCE]}, {Scope.PREDICT}, ("iris", "fl*")),
    ],
)
def test_claims_say_what_it_may(tokens: Tokens, claims: Any, scopes: set[Scope], models: tuple[str, ...]) -> None:
    found = caller(tokens, token(**claims))
    assert (found.scopes, found.models) == (scopes, models)


BYTES = jwt.utils.base64url_encode


def forged(header: dict[str, Any], signature: bytes = b"", secret: bytes = b"") -> bytes:
    """A token of a stranger, who may know the public key and take it for a secret."""
    claims = jwt.decode(token(), options={"verify_signature": False})
    start = b".".join(BYTES(json.dumps(part).encode()) for part in (header, claims))
    return b".".join([start, BYTES(hmac.digest(secret, start, "sha256")) if secret else signature])


PUBLIC = PRIVATE["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "given",
    [
        token(exp=int(time.time()) - LEEWAY - 5),
        token(nbf=int(time.time()) + DAY),
        token(exp=None),
        token(exp="soon"),
        token(iss="https://other.example"),
        token(iss=None),
        token(aud="other"),
        token(aud=None),
        token(sub=None),
        token(models="iris"),
        token(models=[]),
        token(headers={"kid": "unknown"}),
        token(headers={"kid": "ES256"}),
        token(key=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        token("RS512", key=PRIVATE["RS256"], headers={"kid": "RS256"}),
        forged({"alg": "HS256", "kid": "RS256"}, secret=PUBLIC),
        forged({"alg": "HS256", "kid": "secret"}, secret=b"secret-secret-secret-secret-secret"),
        forged({"alg": "none", "kid": "RS256"}),
        forged({"alg": "None", "kid": "RS256"}),
        forged({"alg": "RS256", "kid": "RS256"}),
        forged({"alg": "RS256", "kid": "RS256", "jwk": jwk("RS256")}, b"AAAA"),
        forged({"alg": "RS256", "kid": ["RS256"]}, b"AAAA"),
        forged({"alg": "RS256", "kid": "RS256", "crit": ["exp"]}, token().rpartition(b".")[2]),
        token()[:-3],
        token().replace(b".", b".."),
        b"..",
        b"\xff.\xff.\xff",
        BYTES(b"[" * 3000) + b".e30.e30",
    ],
)
def test_a_token_that_does_not_hold_is_nobody_s(tmp_path: Path, given: bytes) -> None:
    tokens = made(tmp_path, *map(jwk, PRIVATE), SECRET)
    assert caller(tokens, given) is None
    assert caller(tokens, token())


UNUSABLE = [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [1]}', jwks(SECRET), jwks(jwk("RS256", use="enc"))]


@pytest.mark.parametrize("document", UNUSABLE)
def test_a_jwks_without_a_key_that_can_be_used_is_refused(tmp_path: Path, document: bytes) -> None:
    tokens = made(tmp_path, jwk("RS256"))
    (tmp_path / "jwks.json").write_bytes(document)
    with pytest.raises(BadKeys):
        tokens.refresh(0.0)
    assert caller(tokens, token())


def test_a_key_that_is_taken_away_takes_its_tokens_with_it(tmp_path: Path) -> None:
    tokens = made(tmp_path, jwk("RS256"), jwk("ES256"))
    given = token()
    assert caller(tokens, given) is caller(tokens, given)
    (tmp_path / "jwks.json").write_bytes(jwks(jwk("ES256")))
    tokens.refresh(1.0)
    assert caller(tokens, given) is None
    assert caller(tokens, token("ES256"))


@contextmanager
def issuer(answers: list[tuple[int, bytes]]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers, the last one for ever, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's
            asked.append(self.path)
            status, content = answers[min(len(asked), len(answers)) - 1]
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.send_header("location", "https://other.example/")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002  # http.server's

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jwks?a=b", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_url_is_asked_now_and_then_and_early_for_a_key_that_is_missing() -> None:
    with issuer([(200, jwks(jwk("RS256"))), (200, jwks(jwk("RS256"), jwk("ES256")))]) as (url, asked):
        tokens = Tokens(url, ISSUER, AUDIENCE)
        now = 1000.0
        tokens.refresh(now)
        tokens.refresh(now + FRESH - 1)
        assert asked == ["/jwks?a=b"]
        for _ in range(5):
            assert caller(tokens, token("ES256")) is None
            tokens.refresh(now + AGAIN - 1)
        assert len(asked) == 1
        tokens.refresh(now + AGAIN)
        assert caller(tokens, token("ES256"))
        tokens.refresh(now + 2 * AGAIN)
        assert len(asked) == 2
        tokens.refresh(now + AGAIN + FRESH)
        assert len(asked) == 3


@pytest.mark.parametrize("answer", [(500, b""), (302, b""), (200, b"<html>")])
def test_an_issuer_that_fails_changes_nothing(answer: tuple[int, bytes]) -> None:
    with issuer([(200, jwks(jwk("RS256"))), answer]) as (url, asked):
        tokens = Tokens(url, ISSUER, AUDIENCE)
        tokens.refresh(0.0)
        with pytest.raises((OSError, BadKeys)):
            tokens.refresh(FRESH)
        assert caller(tokens, token())
        assert len(asked) == 2
    with pytest.raises(OSError, match="refused"):
        tokens.refresh(2 * FRESH)


@pytest.mark.parametrize("url", ["http://issuer.example/jwks", "ftp://127.0.0.1/jwks", "file:///etc/passwd"])
def test_keys_do_not_come_by_ways_that_others_can_change(url: str) -> None:
    with pytest.raises(BadKeys, match="https"):
        Tokens(url, ISSUER, AUDIENCE)


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tokens.jwt", None)
    with pytest.raises(BadKeys, match=r"servefn\[auth\]"):
        Tokens("jwks.json", ISSUER, AUDIENCE)


def test_a_server_lets_tokens_in_on_every_way(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks(jwk("RS256")))
    options = {"SERVEFN_JWKS": str(tmp_path / "jwks.json"), "SERVEFN_JWT_ISSUER": ISSUER}
    with serving(SERVEFN_JWT_AUDIENCE=AUDIENCE, **options) as (_, address):
        for rows in (1, 200, 1500):
            for given, model, status in [
                (token(), "iris", 200),
                (token(models=["flights"]), "iris", 403),
                (token(scope="read"), "iris", 403),
                (token(aud="other"), "iris", 401),
            ]:
                headers = {**JSON, "authorization": f"Bearer {given.decode()}"}
                answer = httpx.post(f"{address}/models/{model}/predict", content=body(*[IRIS] * rows), headers=headers)
                assert answer.status_code == status, answer.text
