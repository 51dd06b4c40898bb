"""The second example on a real factory: MNIST, served over the Open Inference Protocol, by request."""

import json
import pathlib
import sys
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

from factory import PROJECT, ROOT, Factory, wait_for

EXAMPLE = ROOT / "examples" / "digits"


class Digits(unittest.TestCase):
    def test_trained_served_and_billed_by_the_request(self):
        with Factory() as factory:
            factory.set_up()
            run = factory.ask("pipeline", "run", EXAMPLE / "pipeline.yaml", "-p", PROJECT,
                              "--detach", "--set=epochs=1", "--set=min_accuracy=0.9")
            ended = factory.wait_for_run(run["id"])
            self.assertEqual(ended["status"], "succeeded", ended)
            key = factory.key("digits")["secret"]
            image = list((EXAMPLE / "data" / "t10k-images-idx3-ubyte").read_bytes()[16:800])
            request = urllib.request.Request(
                f"http://127.0.0.1:{factory.gateway_port}/v2/models/digits/infer",
                json.dumps({"inputs": [{"name": "image", "shape": [1, 784], "datatype": "UINT8",
                                        "data": image}]}).encode(),
                {"authorization": f"Bearer {key}", "content-type": "application/json"})
            for _ in range(3):
                with urllib.request.urlopen(request, timeout=60) as answer:
                    outputs = json.loads(answer.read())["outputs"]
                self.assertEqual(outputs[0]["data"], [7])  # the first test digit

            def billed():
                lines = factory.ask("statement", "-p", "demo")["lines"]
                return sum(int(line["quantity"]) for line in lines if line["meter"] == "requests")
            wait_for("three requests to be billed", lambda: billed() == 3)


if __name__ == "__main__":
    tap.main()
