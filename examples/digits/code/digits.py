"""Handwritten digits: reading MNIST's files, and the small network that tells them apart.

The network is 784 pixels -> a hidden layer -> 10 digits, in NumPy alone.
"""

import os
import pathlib
import struct

# Small products lose time on a second thread, and by default waiting threads spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy

PIXELS, DIGITS = 28 * 28, 10


def folder(variable, name):
    """A task's input or output folder (docs/task.md); made when it is an output."""
    path = pathlib.Path(os.environ[variable]) / name
    if variable == "BESSEMER_OUTPUTS":
        path.mkdir(parents=True, exist_ok=True)
    return path


def read_idx(path):
    """One file of MNIST's format: a magic number, the size of each dimension, then bytes."""
    data = path.read_bytes()
    kind, dimensions = data[2], data[3]
    if data[:2] != b"\0\0" or kind != 8:
        raise SystemExit(f"refused: {path.name} is not an idx file of bytes")
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * dimensions).reshape(shape)


def read_part(name):
    """(images as rows of pixels from 0 to 1, labels) of "train" or "t10k"."""
    dataset = folder("BESSEMER_INPUTS", "dataset")
    images = read_idx(dataset / f"{name}-images-idx3-ubyte")
    labels = read_idx(dataset / f"{name}-labels-idx1-ubyte")
    if len(images) != len(labels):
        raise SystemExit(f"refused: {len(images)} images but {len(labels)} labels")
    return scale(images.reshape(len(images), PIXELS)), labels


def scale(pixels):
    return pixels.astype(numpy.float32) / 255


class Network:
    """Named matrices: hidden (784, n), hidden_bias, output (n, 10), output_bias."""

    def __init__(self, weights):
        self.weights = weights

    @staticmethod
    def begin(hidden, random):
        def matrix(rows, columns):
            return (random.standard_normal((rows, columns)) * (2 / rows) ** 0.5).astype(
                numpy.float32)
        return Network({"hidden": matrix(PIXELS, hidden),
                        "hidden_bias": numpy.zeros(hidden, numpy.float32),
                        "output": matrix(hidden, DIGITS),
                        "output_bias": numpy.zeros(DIGITS, numpy.float32)})

    @staticmethod
    def load(path):
        with numpy.load(path, allow_pickle=False) as file:
            return Network({name: file[name] for name in file.files})

    def save(self, path):
        with open(path, "wb") as file:
            numpy.savez(file, **self.weights)

    def forward(self, images):
        """(hidden activations, chance of each digit) for rows of pixels."""
        w = self.weights
        hidden = numpy.maximum(images @ w["hidden"] + w["hidden_bias"], 0)
        scores = hidden @ w["output"] + w["output_bias"]
        scores -= scores.max(1, keepdims=True)
        chances = numpy.exp(scores)
        return hidden, chances / chances.sum(1, keepdims=True)

    def slopes(self, images, labels):
        """(mean loss, its slope in each weight): back-propagation by hand."""
        hidden, chances = self.forward(images)
        rows = numpy.arange(len(labels))
        loss = float(-numpy.log(numpy.maximum(chances[rows, labels], 1e-12)).mean())
        error = chances.copy()
        error[rows, labels] -= 1
        error /= len(labels)
        back = (error @ self.weights["output"].T) * (hidden > 0)
        return loss, {"hidden": images.T @ back, "hidden_bias": back.sum(0),
                      "output": hidden.T @ error, "output_bias": error.sum(0)}
