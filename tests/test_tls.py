"""HTTPS, as clients meet it: small, large and streamed bodies, keys, and clients that need a certificate."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.conftest import MODELS
from tests.test_auth import WAYS, stored
from tests.test_cli import SERVEFN, free_port, serving
from tests.test_deploy import DEPLOY
from tests.test_native import IRIS, JSON, body
from tests.test_server import POST, length, received
from tests.waiting import until


class Certificate(NamedTuple):
    """A self-signed certificate for 127.0.0.1, and its key."""

    cert: Path
    key: Path


class Secured(NamedTuple):
    address: str
    trusting: ssl.SSLContext


def certificate(directory: Path, name: str) -> Certificate:
    private, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, SHA256())
    )
    found = Certificate(directory / f"{name}.pem", directory / f"{name}.key")
    found.cert.write_bytes(made.public_bytes(Encoding.PEM))
    found.key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return found


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"), "server")


@contextmanager
def secured(mine: Certificate, *options: str, client: Certificate | None = None) -> Iterator[Secured]:
    """A real server of https, ready, and what its clients trust."""
    trusting = ssl.create_default_context(cafile=str(mine.cert))
    if client:
        trusting.load_cert_chain(client.cert, client.key)
    address = f"https://127.0.0.1:{(port := free_port())}"
    keys = stored(all='scopes = ["predict", "read"]')
    process = subprocess.Popen(
        [SERVEFN, "serve", "--port", str(port), "--tls-cert", str(mine.cert), "--tls-key", str(mine.key), *options],
        env={**os.environ, "SERVEFN_MODELS": str(MODELS), "SERVEFN_GRACE_SECONDS": "0", "SERVEFN_API_KEYS": keys},
        stderr=subprocess.DEVNULL,
    )

    def ready() -> bool:
        try:
            return httpx.get(f"{address}/health/ready", verify=trusting).status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(lambda: process.poll() is not None or ready(), 60)
        yield Secured(address, trusting)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def server(mine: Certificate) -> Iterator[Secured]:
    with secured(mine) as found:
        yield found


KEY = {"x-api-key": "all-all"}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_through_the_server(server: Secured, way: str) -> None:
    address, trusting = server
    path, content, headers = WAYS[way]
    url = f"{address}/models/{path}"
    with httpx.Client(verify=trusting) as client:
        for _ in range(3):
            assert client.post(url, content=content, headers={**headers, **KEY}).status_code == 200
            assert client.post(url, content=content, headers=headers).status_code == 401


def test_a_large_body_in_the_middle_of_a_connection(server: Secured) -> None:
    """The connection changes its protocol for it, and back, under TLS."""
    address, trusting = server
    head = POST + b"x-api-key: all-all\r\n"
    small, large = body(IRIS), body(*[IRIS] * 9000)
    last = head + b"connection: close\r\n" + length(small) + small
    sent = head + length(small) + small + head + length(large) + large + head + length(large) + large + last
    with (
        socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1])), timeout=30) as plain,
        trusting.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(sent)
        answers = received(connection)
    found, rest = [], answers
    while rest:
        top, _, rest = rest.partition(b"\r\n\r\n")
        size = int(top.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        found.append((top[9:12], len(json.loads(rest[:size])["predictions"])))
        rest = rest[size:]
    assert found == [(b"200", 1), (b"200", 9000), (b"200", 9000), (b"200", 1)]


def test_who_speaks_no_tls_is_not_heard(server: Secured) -> None:
    address, _ = server
    with pytest.raises(httpx.TransportError):
        httpx.get(address.replace("https", "http"))
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(f"{address}/health/live")


def healthy(address: str, **environment: str) -> bool:
    said = {**os.environ, "SERVEFN_PORT": address.rsplit(":", 1)[1], **environment}
    return subprocess.run([sys.executable, DEPLOY / "health.py"], env=said, timeout=30, check=False).returncode == 0


def test_the_image_s_health_check_speaks_it_too(server: Secured, mine: Certificate) -> None:
    assert healthy(server.address, SERVEFN_TLS_CERT=str(mine.cert), SERVEFN_TLS_KEY=str(mine.key))
    assert not healthy(server.address)
    assert not healthy(f"http://127.0.0.1:{free_port()}")
    with serving() as (_, address):
        assert healthy(address)
    with secured(mine, "--tls-ca", str(mine.cert), client=mine) as (address, _):
        said = {"SERVEFN_TLS_CERT": str(mine.cert), "SERVEFN_TLS_KEY": str(mine.key)}
        assert not healthy(address, **said)
        assert healthy(address, SERVEFN_TLS_CA=str(mine.cert), **said)


def test_no_client_brings_it_to_a_weak_cipher(server: Secured) -> None:
    address, _ = server
    for ciphers, works in (("ECDHE+AESGCM", True), ("ECDHE+AES:!AESGCM:!AESCCM", False)):
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.set_ciphers(ciphers)
        if works:
            assert httpx.get(f"{address}/health/live", verify=old).status_code == 200
        else:
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{address}/health/live", verify=old)


def test_clients_may_need_a_certificate(mine: Certificate, tmp_path: Path) -> None:
    client, other = certificate(tmp_path, "client"), certificate(tmp_path, "other")
    with secured(mine, "--tls-ca", str(client.cert), client=client) as (address, trusting):
        url = f"{address}/models/iris/predict"
        assert httpx.post(url, content=body(IRIS), headers={**JSON, **KEY}, verify=trusting).status_code == 200
        without = ssl.create_default_context(cafile=str(mine.cert))
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{address}/health/live", verify=without)
        without.load_cert_chain(other.cert, other.key)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{address}/health/live", verify=without)
