"""Step "evaluate": accuracy on the 10,000 digits that nobody trained on.

Inputs "dataset" and "model"; the metrics are accuracy, loss, and the accuracy of the worst digit.
"""

import json
import os

import digits  # first: it bounds NumPy's threads

import numpy


def main():
    images, labels = digits.read_part("t10k")
    network = digits.Network.load(digits.folder("BESSEMER_INPUTS", "model") / "digits.npz")
    _, chances = network.forward(images)
    right = chances.argmax(1) == labels
    likely = numpy.maximum(chances[numpy.arange(len(labels)), labels], 1e-12)
    metrics = {
        "accuracy": float(right.mean()), "loss": float(-numpy.log(likely).mean()),
        "worst_digit_accuracy": min(float(right[labels == digit].mean())
                                    for digit in range(digits.DIGITS)),
        "images": len(labels),
    }
    with open(os.environ["BESSEMER_METRICS"], "a") as file:
        file.write(json.dumps(metrics) + "\n")
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
