"""Step "train": learns the 60,000 training digits. Input "dataset"; output "model": digits.npz."""

import json
import os

import digits  # first: it bounds NumPy's threads

import numpy

DEFAULTS = {"seed": 1, "epochs": 3, "batch": 64, "hidden": 128, "rate": 0.1, "momentum": 0.9}


def main():
    with open(os.environ["BESSEMER_PARAMETERS"]) as file:
        given = json.load(file)
    unknown = sorted(set(given) - set(DEFAULTS))
    if unknown:
        raise SystemExit(f"refused: unknown parameter {unknown[0]}")
    options = {**DEFAULTS, **given}
    images, labels = digits.read_part("train")
    random = numpy.random.default_rng(options["seed"])
    network = digits.Network.begin(options["hidden"], random)
    pace = {name: numpy.zeros_like(weight) for name, weight in network.weights.items()}
    batch, losses, step = options["batch"], [], 0
    steps = options["epochs"] * (len(images) // batch)
    with open(os.environ["BESSEMER_METRICS"], "a", buffering=1) as metrics:
        for _ in range(options["epochs"]):
            order = random.permutation(len(images))
            for at in range(0, len(order) - batch + 1, batch):
                chosen = order[at:at + batch]
                loss, slopes = network.slopes(images[chosen], labels[chosen])
                rate = options["rate"] * (1 - step / steps)
                for name, slope in slopes.items():
                    pace[name] = options["momentum"] * pace[name] - rate * slope
                    network.weights[name] += pace[name]
                losses.append(loss)
                step += 1
                if step % 100 == 0 or step == steps:
                    metrics.write(json.dumps({"step": step, "loss": sum(losses) / len(losses)})
                                  + "\n")
                    losses = []
    network.save(digits.folder("BESSEMER_OUTPUTS", "model") / "digits.npz")
    print(f"trained {steps} steps on {len(images)} digits")


if __name__ == "__main__":
    main()
