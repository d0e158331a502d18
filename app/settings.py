"""Every knob of the service, read once from the environment (SERVEFN_*) and never changed."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, FilePath, field_validator, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from app.platforms import defaults

PREFIX = "SERVEFN_"

NEEDS = (
    ("jwks", "jwt_issuer"),
    ("jwks", "jwt_audience"),
    ("jwt_issuer", "jwks"),
    ("jwt_audience", "jwks"),
    ("tls_key", "tls_cert"),
    ("tls_ca", "tls_cert"),
)
"""Settings that mean nothing, or not what was meant, without another."""


class Settings(BaseSettings):
    """`servefn serve` has an option for each of these; an option wins over its environment variable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    models: Path = Field(default=Path("models"), description="Directory of bundles: NAME/VERSION/model.json.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    grpc_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port for the Open Inference Protocol over gRPC (extra grpc)."
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes. Rather scale out by containers, one process each."
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="onnxruntime's threads per process. [default: the CPU quota divided by workers]",
    )
    load_seconds: float = Field(
        default=20,
        ge=0,
        description="How long a bundle may take to load and replay, in a process of its own before this one loads it; "
        "0 for no such trial.",
    )
    load_bytes: int = Field(default=4 * 2**30, ge=2**20, description="Memory that it may take there.")
    require_signature: Path | None = Field(
        default=None, description="File of public keys (PEM): a bundle that none of them signed is not served."
    )
    watch_seconds: float = Field(
        default=0,
        ge=0,
        description="Look for new bundles and moved aliases every so many seconds; 0 only when asked to (reload).",
    )
    protocols: str = Field(
        default="all", description="Those spoken beside the native one, parted by commas, as v2,tfserving."
    )
    default_model: str | None = Field(
        default=None, description="The model of requests that name none (/invocations), where several are served."
    )
    max_body_bytes: int = Field(default=16 * 2**20, ge=1, description="Largest body, counted after decompression.")
    in_flight_requests: int = Field(
        default=128, ge=1, description="Requests that may be in flight; more are refused by 503 at once."
    )
    in_flight_rows: int = Field(default=50_000, ge=1, description="Rows that may be in flight.")
    in_flight_bytes: int = Field(default=64 * 2**20, ge=1, description="Bytes of bodies that may be on their way.")
    body_seconds: float = Field(default=30.0, gt=0, description="How long a body may take to come.")
    grace_seconds: float = Field(
        default=1.0, ge=0, description="After SIGTERM: not ready, and yet answering, before no more is accepted."
    )
    max_rows: int = Field(default=10_000, ge=1, description="Most rows in one request.")
    api_keys_file: Path | None = Field(
        default=None, description="Who may call: a file of keys, TOML or JSON, read again when it changes."
    )
    api_keys: str | None = Field(default=None, description="The same, as text.")
    jwks: str | None = Field(
        default=None, description="Public keys of an issuer of tokens: a JWKS, as a path or https://… (extra auth)."
    )
    jwt_issuer: str | None = Field(default=None, description="The `iss` that tokens must have.")
    jwt_audience: str | None = Field(default=None, description="The `aud` that tokens must have.")
    caller_requests_per_second: float = Field(
        default=0, ge=0, description="Of each caller, in each process, if its key says nothing else; 0 for no limit."
    )
    public_docs: bool = Field(default=True, description="Whether /docs and /openapi.json need no key.")
    public_metrics: bool = Field(default=True, description="Whether /metrics needs no key.")
    cors_origins: str | None = Field(
        default=None, description="Origins whose pages may call, parted by commas; requests take the slower way then."
    )
    tls_cert: FilePath | None = Field(default=None, description="Certificate chain, PEM: HTTPS rather than HTTP.")
    tls_key: FilePath | None = Field(default=None, description="Its private key, if that is in another file.")
    tls_ca: FilePath | None = Field(default=None, description="Of whom clients must have a certificate, PEM.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line shown."
    )
    log_format: Literal["text", "json"] = Field(default="text", description="What the log is written as.")
    access_log: bool = Field(default=False, description="Log a line for each request; they take the slower way then.")
    drift: bool = Field(default=True, description="Hold a sample of the rows against the training data, for /metrics.")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **more: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Last comes what follows of the platform, so that all else wins over it."""
        return (*sources, *more.values(), InitSettingsSource(settings_cls, dict(defaults(os.environ))))

    @field_validator("models", mode="before")
    @classmethod
    def _local(cls, given: Any) -> Any:
        if isinstance(given, str) and "://" in given:
            raise ValueError(
                f"bundles are served from a directory, and {given} is none that can be opened: put them into the "
                f"image or mount them, and name their directory in {PREFIX}MODELS"
            )
        return given

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, other in NEEDS:
            if getattr(self, name) is not None and getattr(self, other) is None:
                raise ValueError(f"{name} needs {other}")
        if self.grpc_port == 0 and self.workers > 1:
            raise ValueError("grpc_port must be one for all workers, and 0 would give each another")
        return self

    @property
    def auth(self) -> bool:
        """Whether callers have to say who they are."""
        return any(given is not None for given in (self.api_keys_file, self.api_keys, self.jwks))

    @property
    def loopback(self) -> bool:
        """Whether nobody but this machine can call."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:  # the name of some interface
            return False
