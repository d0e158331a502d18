"""A bundle is taken from those who are trusted, which is looked at before anything else of it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from app import BundleError, bundle, load, signing
from app.inspect import document, text
from app.keys import key as key_command
from app.keys import sign as sign_command
from app.repository import Repository
from app.signing import SEAL, BadKey, Trust, make, signer, trusted
from app.trial import Limits
from app.verify import verify
from export import export_model
from export.errors import ExportError
from tests.test_cli import SERVEFN


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A private key; the public one is beside it."""
    make(tmp_path / "release.pem")
    return tmp_path / "release.pem"


@pytest.fixture
def signed(models: Path, private: Path) -> Path:
    """A signed bundle among others that are not."""
    path = models / "iris" / "1"
    signer(private).sign(path, (path / "model.json").read_bytes())
    return path


def public(private: Path) -> Path:
    return private.with_name(f"{private.name}.pub")


def another(private: Path) -> Path:
    make(private.with_name("another.pem"))
    return private.with_name("another.pem")


def test_a_signed_bundle_names_its_signer(signed: Path, private: Path) -> None:
    found = bundle.read(signed, trusted(public(private)))
    assert found.signed
    assert found.signer == signer(private).fingerprint
    assert load(signed, trust=trusted(public(private))).digest == found.digest


def test_a_signature_needs_no_trust_to_be_there(signed: Path) -> None:
    found = bundle.read(signed)
    assert (found.signed, found.signer) == (True, "")


def test_openssl_finds_the_same(signed: Path, private: Path) -> None:
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public(private)), "-rawin", "-in", "model.json"]
    said = subprocess.run([*command, "-sigfile", SEAL], cwd=signed, capture_output=True, text=True, check=True)
    assert "Successfully" in said.stdout


def test_openssl_s_keys_do_as_well(models: Path, tmp_path: Path) -> None:
    path, pem, pub = models / "iris" / "1", tmp_path / "o.pem", tmp_path / "o.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", pem], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-out", pub], check=True, capture_output=True)
    signer(pem).sign(path, (path / "model.json").read_bytes())
    assert bundle.read(path, trusted(pub)).signer


def rewrite(path: Path) -> None:
    document = json.loads((path / "model.json").read_bytes())
    (path / "model.json").write_text(json.dumps({**document, "description": "another"}))


def swap(path: Path) -> None:
    """A contract with digests that fit, around another graph."""
    read = bundle.read(path)
    bundle.write(path, read.manifest, read.graph + b"\x00", read.replay)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: (path / SEAL).unlink(), "it is not signed"),
        (lambda path: (path / SEAL).write_bytes(b""), "not signed by a key that is trusted"),
        (lambda path: (path / SEAL).write_bytes(bytes(64)), "not signed by a key that is trusted"),
        (lambda path: (path / SEAL).write_bytes((path / SEAL).read_bytes() * 2), "not signed by a key"),
        (rewrite, "not signed by a key that is trusted"),
        (swap, "not signed by a key that is trusted"),
        (lambda path: (path / "model.json").write_bytes(b"{"), "not signed by a key that is trusted"),
        (lambda path: (path / "model.onnx").write_bytes(b""), "model.onnx is not the file that was exported"),
    ],
)
def test_what_was_not_signed_is_not_taken(
    signed: Path, private: Path, damage: Callable[[Path], object], reason: str
) -> None:
    damage(signed)
    with pytest.raises(BundleError, match=reason):
        bundle.read(signed, trusted(public(private)))


def test_the_key_of_somebody_else_is_not_enough_and_one_of_several_is(signed: Path, private: Path) -> None:
    other = public(another(private))
    with pytest.raises(BundleError, match="not signed by a key that is trusted"):
        bundle.read(signed, trusted(other))
    both = Trust(other.read_text() + public(private).read_text())
    assert bundle.read(signed, both).signer == signer(private).fingerprint


@pytest.mark.parametrize("limits", [None, Limits(seconds=20, bytes=2**31)])
def test_the_service_serves_what_is_signed_alone(signed: Path, private: Path, limits: Limits | None) -> None:
    models = signed.parents[1]
    changes = Repository(models, limits=limits, trust=trusted(public(private))).load()
    assert changes.loaded == ("iris/1",)
    (rejected,) = changes.rejected
    assert (rejected.name, rejected.version) == ("flights", "1")
    assert "it is not signed" in rejected.reason


def test_a_private_key_is_its_owner_s_alone_and_is_never_overwritten(private: Path) -> None:
    assert private.stat().st_mode & 0o777 == 0o600
    before = private.read_bytes()
    with pytest.raises(BadKey, match="File exists"):
        make(private)
    assert private.read_bytes() == before


def pem_of_rsa() -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(65537, 2048)
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_what_is_no_key_of_ours_is_refused(tmp_path: Path) -> None:
    secret, shown = pem_of_rsa()
    broken = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    for content in (b"", b"\xff\xfe", shown, broken):
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(BadKey, match="key"):
            trusted(tmp_path / "key")
    for content in (b"", secret, shown):
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(BadKey, match="key"):
            signer(tmp_path / "key")
    with pytest.raises(BadKey, match="No such file"):
        trusted(tmp_path / "nowhere")


def test_without_the_extra_it_says_what_to_install(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "ed25519", None)
    with pytest.raises(BadKey, match=r"servefn\[signing\]"):
        trusted(public(private))


def test_export_signs(tmp_path: Path, private: Path) -> None:
    data = load_iris(as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(data.data, data.target)
    found = export_model(model, data.data, tmp_path / "models", "iris", sign=private)
    assert bundle.read(found.path, trusted(public(private))).signer == signer(private).fingerprint
    with pytest.raises(ExportError, match="No such file"):
        export_model(model, data.data, tmp_path / "models", "iris", sign=tmp_path / "nowhere")
    assert bundle.versions(tmp_path / "models" / "iris") == [1]


def test_the_commands_make_sign_and_tell(models: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    made = run(key_command, [str(tmp_path / "k")])
    assert made.exit_code == 0
    again = run(key_command, [str(tmp_path / "k")])
    assert (again.exit_code, "File exists" in again.stderr) == (1, True)
    path = str(models / "iris" / "1")
    unsigned = run(verify, [path, "--trust", str(tmp_path / "k.pub")])
    assert (unsigned.exit_code, "FAILED: it is not signed" in unsigned.stdout) == (1, True)
    assert run(sign_command, [path, "--key", str(tmp_path / "k")]).stdout == f"{path}/{SEAL}\n"
    checked = run(verify, [path, "--trust", str(tmp_path / "k.pub")])
    assert f"it is signed by the key {made.stdout.strip()}" in checked.stdout
    assert run(verify, [path, "--trust", path]).exit_code == 2
    assert run(sign_command, [path, "--key", str(tmp_path / "k.pub")]).exit_code == 1


def test_inspect_says_that_there_is_a_signature(signed: Path, models: Path) -> None:
    unsigned = shutil.copytree(models / "iris" / "1", models / "iris" / "2")
    (unsigned / SEAL).unlink()
    for path, there in ((signed, True), (unsigned, False)):
        found = bundle.read(path)
        assert any("Signed" in line for line in text(found)) is there
        assert document(found)["signed"] is there


def test_serve_does_not_start_without_the_keys_it_is_to_trust(tmp_path: Path) -> None:
    command = [str(SERVEFN), "serve", "--require-signature", str(tmp_path / "nowhere")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 2
    assert "require_signature" in result.stderr
