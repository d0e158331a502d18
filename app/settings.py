"""Every knob of the service, read once from the environment (SERVEFN_*) and never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "SERVEFN_"


class Settings(BaseSettings):
    """`servefn serve` has an option for each of these; an option wins over its environment variable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    models: Path = Field(default=Path("models"), description="Directory of bundles: NAME/VERSION/model.json.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
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
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line shown."
    )
    log_format: Literal["text", "json"] = Field(default="text", description="What the log is written as.")
    access_log: bool = Field(default=False, description="Log a line for each request; they take the slower way then.")
    drift: bool = Field(default=True, description="Hold a sample of the rows against the training data, for /metrics.")
