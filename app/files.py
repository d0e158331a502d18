"""Files that somebody else may have put there: only regular ones are read, of a bounded size, and through no link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from app.errors import BundleError

MOST_FILES = 64
"""Files of one bundle. An exporter writes three."""

LARGEST = {".json": 64 * 2**20, ".onnx": 2 * 2**30}
"""Bytes, by suffix. No graph is larger than the 2 GiB of protobuf's."""

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe that nobody writes to is not waited for


def plain(file: Path) -> bytes:
    """The bytes of a regular file. Raises BundleError, and FileNotFoundError where there is none."""
    try:
        descriptor = os.open(file, _READ)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = "it is a symbolic link" if file.is_symlink() else error.strerror
        raise BundleError(f"cannot read {file.name}: {reason}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise BundleError(f"cannot read {file.name}: it is not a regular file")
    with open(descriptor, "rb") as opened:
        limit = LARGEST.get(file.suffix, LARGEST[".onnx"])
        if status.st_size > limit:
            raise BundleError(f"{file.name} has {status.st_size} bytes, and the limit is {limit}")
        return opened.read(status.st_size)


def listing(directory: Path) -> set[str]:
    """The names of what is in a directory. Raises BundleError if it is a link, too full or not to be read."""
    if directory.is_symlink() or directory.parent.is_symlink():
        raise BundleError("it is reached by a symbolic link; put the directory itself there")
    found: set[str] = set()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                found.add(entry.name)
                if len(found) > MOST_FILES:
                    raise BundleError(f"there are more than {MOST_FILES} files in it")
    except OSError as error:
        raise BundleError(f"cannot read {directory.name}: {error.strerror}") from error
    return found


def stamped(status: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file does."""
    return status.st_mtime_ns, status.st_size, status.st_ino
