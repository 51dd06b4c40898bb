"""Named arrays in one file, in the safetensors format: a length, a JSON header, raw numbers.

Nothing in such a file can run. Format: https://github.com/huggingface/safetensors#format
"""

import json
import struct

import numpy

_TYPES = {"F32": numpy.dtype("<f4"), "I64": numpy.dtype("<i8")}
_MAX_HEADER_BYTES = 10_000_000


def pack(arrays, metadata=None):
    """The bytes of a file; `metadata` maps text to text."""
    header, at, blobs = {}, 0, []
    if metadata:
        header["__metadata__"] = metadata
    for name in sorted(arrays):
        array = numpy.ascontiguousarray(arrays[name])
        kind = next((key for key, value in _TYPES.items() if value == array.dtype), None)
        if kind is None:
            raise ValueError(f"{name}: numbers of type {array.dtype} are not stored")
        blobs.append(array.tobytes())
        header[name] = {"dtype": kind, "shape": list(array.shape),
                        "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *blobs])


def unpack(data):
    """(arrays, metadata) of a file's bytes; ValueError when they are not such a file."""
    if len(data) < 8:
        raise ValueError("shorter than its header")
    (length,) = struct.unpack_from("<Q", data)
    if length > min(_MAX_HEADER_BYTES, len(data) - 8):
        raise ValueError("its header is longer than the file")
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    body, arrays = memoryview(data)[8 + length:], {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        kind = _TYPES.get(entry["dtype"])
        if kind is None or not 0 <= begin <= end <= len(body):
            raise ValueError(f"{name}: unknown type or outside the file")
        arrays[name] = numpy.frombuffer(body[begin:end], kind).reshape(entry["shape"])
    return arrays, metadata
