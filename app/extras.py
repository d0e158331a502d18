"""Libraries that come with an extra: false where it is not installed, and imported when first used.

pyarrow alone weighs 50 MB in memory, of which a service that is never sent a table should have none.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any


class Extra:
    """A module that may not be there. The only imports that are not at the top of a file."""

    def __init__(self, name: str, package: str = "") -> None:
        self._name, self._package = name, package or name

    def __bool__(self) -> bool:
        try:
            return find_spec(self._package) is not None
        except ModuleNotFoundError:  # not even what it is in
            return False

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(import_module(self._name), attribute)
        setattr(self, attribute, found)  # the next time it is at hand
        return found


httpx: Any = Extra("httpx")
jwt: Any = Extra("jwt")
pyarrow: Any = Extra("pyarrow")
parquet: Any = Extra("pyarrow.parquet", package="pyarrow")  # a look at the module itself would import the package
zstd: Any = Extra("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
trace: Any = Extra("opentelemetry.trace", package="opentelemetry.sdk")
sdk: Any = Extra("opentelemetry.sdk.trace")
export: Any = Extra("opentelemetry.sdk.trace.export")
otlp: Any = Extra("opentelemetry.exporter.otlp.proto.http.trace_exporter")
ed25519: Any = Extra("cryptography.hazmat.primitives.asymmetric.ed25519", package="cryptography")
serialization: Any = Extra("cryptography.hazmat.primitives.serialization", package="cryptography")
grpc: Any = Extra("grpc")
aio: Any = Extra("grpc.aio", package="grpc")
protobuf: Any = Extra("google.protobuf.message", package="google.protobuf")
descriptor_pb2: Any = Extra("google.protobuf.descriptor_pb2", package="google.protobuf")
descriptor_pool: Any = Extra("google.protobuf.descriptor_pool", package="google.protobuf")
message_factory: Any = Extra("google.protobuf.message_factory", package="google.protobuf")
