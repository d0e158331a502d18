"""Libraries that come with an extra, or None where it is not installed. The only imports that may fail."""

from __future__ import annotations

import sys
from typing import Any

zstd: Any
try:
    import pyarrow as pyarrow
    from pyarrow import parquet as parquet
except ModuleNotFoundError:
    pyarrow = parquet = None

try:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
except ModuleNotFoundError:
    zstd = None
