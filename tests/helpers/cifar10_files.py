"""A small dataset in the files of CIFAR-10, and in its archive."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np

from gradcore.data import CIFAR10_CLASSES, cifar10

FILES = cifar10.FILES
INNER, ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
N = 20  # records in each file
SIZE = N * 3073


def dataset() -> dict[str, bytes]:
    """The content of each file."""
    rng = np.random.default_rng(0)
    records = rng.integers(0, 256, (6, N, 3073), np.uint8)
    records[:, :, 0] %= 10
    return {name: part.tobytes() for name, part in zip(FILES, records, strict=True)}


CONTENTS = dataset()
META = {"batches.meta.txt": "\n".join(CIFAR10_CLASSES).encode(), "readme.html": b"<html>"}


def packed(contents: dict[str, bytes], prefix: str = f"{INNER}/") -> bytes:
    """The archive, its files not in their order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name in sorted(contents, key=lambda name: name[::-1]):
            member = tarfile.TarInfo(prefix + name)
            member.size = len(contents[name])
            archive.addfile(member, io.BytesIO(contents[name]))
    return buffer.getvalue()


PACKED = packed(CONTENTS | META)


def write(folder: Path, contents: dict[str, bytes] = CONTENTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(path: Path, data: bytes = PACKED) -> Path:
    write(path.parent, {path.name: data})
    return path


def arrays(*names: str) -> tuple[np.ndarray, np.ndarray]:
    data = b"".join(CONTENTS[name] for name in names)
    records = np.frombuffer(data, np.uint8).reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)
