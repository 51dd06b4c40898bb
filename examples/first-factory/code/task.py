"""What a task sees of the factory: paths, parameters, metrics, progress (docs/task.md)."""

import json
import math
import os
import pathlib
import socket
import sys


def refuse(reason):
    """Ends the task: what it was given is wrong, and a retry would not help."""
    sys.exit(f"refused: {reason}")


def _path(variable):
    value = os.environ.get(variable)
    if not value:
        refuse(f"{variable} is not set: this program runs as a task of a factory")
    return pathlib.Path(value)


def cpus():
    """Processors that this task may use, a part of one counted whole."""
    return max(1, math.ceil(float(os.environ.get("BESSEMER_CPUS") or 1)))


def use_threads(count):
    """Bounds the threads of NumPy and PyTorch. Call it before either is imported.

    Waiting threads sleep: by default they spin, which on busy processors made training fifteen
    times slower.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(count))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def input_folder(name):
    folder = _path("BESSEMER_INPUTS") / name
    if not folder.is_dir():
        refuse(f"there is no input named {name}: {folder}")
    return folder


def output_folder(name):
    folder = _path("BESSEMER_OUTPUTS") / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def checkpoint_folder():
    return _path("BESSEMER_CHECKPOINTS")


def parameters(defaults):
    """The job's parameters over `defaults`; a name or a type that is not there is refused."""
    path = _path("BESSEMER_PARAMETERS")
    given = json.loads(path.read_text()) if path.exists() else {}
    chosen = dict(defaults)
    for name, value in given.items():
        if name not in defaults:
            refuse(f"unknown parameter {name}: known are {', '.join(sorted(defaults))}")
        wanted = type(defaults[name])
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            refuse(f"parameter {name} must be of type {wanted.__name__}")
        chosen[name] = value
    return chosen


def report(**values):
    """Appends one line of metrics in a single write, so that a reader never sees half of it."""
    line = json.dumps(values) + "\n"
    with open(_path("BESSEMER_METRICS"), "ab", buffering=0) as file:
        file.write(line.encode())


def tell(message):
    """Tells the supervisor; a task goes on when nobody listens."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(1.0)
            line.connect(os.environ.get("BESSEMER_SOCKET", ""))
            line.sendall(json.dumps(message).encode() + b"\n")
            line.recv(4096)
    except OSError:
        pass


def replace(path, content):
    """Writes `content` (bytes or text) so that `path` is the old file or the new one, never half."""
    data = content.encode() if isinstance(content, str) else content
    beside = path.with_name(path.name + ".new")
    with open(beside, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
