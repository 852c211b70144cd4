"""Files of arrays by name, in the format of https://github.com/huggingface/safetensors, which other
libraries read, and in which nothing can be run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import Array, backend_of
from ..engine.arrays import describe
from .opening import open_regular, replaced

__all__ = ["parsed", "read_safetensors", "write_safetensors"]

FACTS = "gradcore"  # the entry of a header with what is no array, as JSON
DIGEST = "sha256"  # of the file, in its header, with these zeros in place of the digest
NO_DIGEST = "0" * 64
MOST = 100_000_000  # bytes of a header; safetensors reads no larger ones
DTYPES = {"BOOL": "bool", "C64": "complex64", "BF16": "uint16"}  # bfloat16 has NumPy's no name
DTYPES |= {f"{kind.upper()}{n}": f"{name}{n}" for kind, name, sizes in [
    ("i", "int", (8, 16, 32, 64)), ("u", "uint", (8, 16, 32, 64)), ("f", "float", (16, 32, 64))
] for n in sizes}  # fmt: skip
KINDS = {name: kind for kind, name in DTYPES.items() if kind != "BF16"} | {"bfloat16": "BF16"}


def write_safetensors(path: Path, arrays: Mapping[str, Array], facts: Any = None) -> None:
    """Write arrays of any library by name, and facts that JSON can hold. The file has a digest of
    itself, by which `read_safetensors` sees each damage. The file is written under a temporary
    name, and takes the place of an earlier one once it is on the disk.

    Besides the arrays, the memory holds a copy of the one that is being written.

    Raises:
        OSError: the file can't be written.
        TypeError: an array is of a dtype that the format lacks.
        ValueError: there are so many names that no program would read the file.
    """
    host = {name: backend_of(x).to_numpy(x) for name, x in arrays.items()}
    metadata = {DIGEST: NO_DIGEST} | ({} if facts is None else {FACTS: json.dumps(facts)})
    header, end = dict[str, Any](__metadata__=metadata), 0
    names = sorted(host, key=lambda name: -host[name].itemsize)  # so that all are aligned
    for name in names:
        x = host[name]
        if x.dtype.name not in KINDS:
            raise TypeError(f"save: {name} is {describe(x)}, expected numbers of at most 64 bits")
        header[name] = {"dtype": KINDS[x.dtype.name], "shape": [*x.shape]}
        header[name]["data_offsets"] = [end, end := end + x.nbytes]
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    start = len(text).to_bytes(8, "little") + text
    if len(start) > MOST:
        size = f"{len(names):,} arrays have a header of {len(start):,} bytes"
        raise ValueError(f"save: {size}, expected at most {MOST:,}")
    digest = sha256(start)
    with replaced(path) as file:
        file.write(start)
        for name in names:
            # Copied, so that the digest is of what is written, whatever another thread does.
            x = host[name].astype(host[name].dtype.newbyteorder("<"), order="C")
            x = x.reshape(-1).view("uint8")
            digest.update(x.data)
            file.write(x.data)
            del x
        file.seek(start.index(_entry(NO_DIGEST)) + len(_entry("")) - 1)
        file.write(digest.hexdigest().encode())


def read_safetensors(path: Path) -> tuple[Any, dict[str, Array]]:
    """Read a file of `write_safetensors`, or of another program, which has no facts and no digest.

    Returns:
        The facts, or `None`; and NumPy's arrays by name. Those of bfloat16, which NumPy lacks,
        become float32.

    Raises:
        OSError: the file can't be read.
        ValueError: the file is no safetensors file, or not as it was written.
        MemoryError: the memory is too small for the file.
    """
    from safetensors import SafetensorError, deserialize

    arrays_of: Any = deserialize  # whose types some versions do not say
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            start = file.read(8)
            end = _header_end(start)
            if end <= min(size, MOST):  # else this is no header
                start += file.read(end - len(start))
            metadata, names, expected = _described(start)
            if size != expected:
                raise ValueError(f"{size} bytes, expected {expected}")
            file.seek(0)
            data = file.read()
            _check_digest(metadata, start, data)
            facts = parsed(metadata[FACTS]) if FACTS in metadata else None
            found = dict(arrays_of(data))  # in any order
            return facts, {name: _array(name, found[name]) for name in names}
        except MemoryError:
            raise MemoryError(f"{path} has {size:,} bytes, for which memory is short") from None
        except (SafetensorError, LookupError, TypeError, ValueError) as error:
            of_torch = "read it by torch.load, and give its arrays to load_state_dict"
            advice = of_torch if start[:2] == b"PK" else "take a copy that is whole"
            says = f"{path} is damaged, or no safetensors file ({error}); {advice}"
            raise ValueError(says) from None


def _array(name: str, of: dict[str, Any]) -> Array:
    """Make an array of NumPy of an entry of a file."""
    if of["dtype"] not in DTYPES:
        raise ValueError(f"{name} is of {of['dtype']}, which NumPy lacks")
    x = np.frombuffer(of["data"], DTYPES[of["dtype"]]).reshape(of["shape"])
    # The upper half of a float32 is a bfloat16.
    return (x.astype("uint32") << 16).view("float32") if of["dtype"] == "BF16" else x


def _check_digest(metadata: Mapping[str, str], start: bytes, data: bytes) -> None:
    """Raise a ValueError unless the file's bytes are those of its digest, if it has one."""
    if (digest := metadata.get(DIGEST)) is not None:
        entry = _entry(digest)
        if start.count(entry) != 1 or len(digest) != len(NO_DIGEST):
            raise ValueError("its digest is damaged")
        found = sha256(start.replace(entry, _entry(NO_DIGEST)))
        found.update(memoryview(data)[len(start) :])
        if found.hexdigest() != digest:
            raise ValueError("its bytes are not those of its digest")
    elif FACTS in metadata:
        raise ValueError("it has no digest; a version before 0.1 wrote it, or it is damaged")


def _entry(digest: str) -> bytes:
    """The entry of a file's header with its digest. A text in the header can't look like this, as
    its quotation marks have a backslash before them."""
    return f'"{DIGEST}":"{digest}"'.encode()


def _header_end(data: bytes | memoryview) -> int:
    """Where the header of a safetensors file ends, whose length is in the first 8 bytes."""
    return 8 + int.from_bytes(data[:8], "little")


def _described(start: bytes) -> tuple[dict[str, str], list[str], int]:
    """Give the metadata in a safetensors file's header, the names of the arrays, and the size that
    the file should have."""
    header = parsed(start[8:].decode())
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(x, str) for x in metadata.values()):
        raise ValueError("its metadata are no texts by name")
    ends = [x["data_offsets"][-1] for x in header.values()]
    if not all(type(end) is int and end >= 0 for end in ends):
        raise ValueError("its header says no sizes")
    return metadata, [*header], len(start) + max(ends, default=0)


def parsed(data: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is none, or is nested too deep.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
