"""The programs of examples/digits, each run as the task it will be, without a factory."""

import http.client
import json
import shutil
import socket
import sys
import tempfile
import unittest

from fake_task import PATIENCE_SECONDS, ROOT, Task

sys.path.insert(0, str(ROOT / "tests" / "run"))
import tap

CODE = ROOT / "examples" / "digits" / "code"
DATA = ROOT / "examples" / "digits" / "data"
QUICK = {"epochs": 1, "hidden": 32}


class Digits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.parent = tempfile.mkdtemp()
        cls.train = Task(CODE, cls.parent, "train", QUICK, [("dataset", DATA)])
        cls.trained = cls.train.run("train.py")
        cls.model = cls.train.output("model")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            cls.port = free.getsockname()[1]
        service = Task(CODE, cls.parent, "serve", {}, [cls.model])
        cls.process = service.start("serve.py", BESSEMER_PORT=str(cls.port))
        cls.process.stdout.readline()
        content = (DATA / "t10k-images-idx3-ubyte").read_bytes()[16:]
        cls.images = [list(content[at:at + 784]) for at in range(0, 200 * 784, 784)]
        cls.labels = list((DATA / "t10k-labels-idx1-ubyte").read_bytes()[8:208])

    @classmethod
    def tearDownClass(cls):
        cls.process.kill()
        cls.process.communicate()
        shutil.rmtree(cls.parent)

    def ask(self, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        connection.request("GET" if body is None else "POST", path,
                           None if body is None else json.dumps(body))
        answer = connection.getresponse()
        value = json.loads(answer.read())
        connection.close()
        return answer.status, value

    def tensor(self, **fields):
        return {"inputs": [{"name": "image", "shape": [1, 784], "datatype": "UINT8",
                            "data": self.images[0], **fields}]}

    def test_training_learns(self):
        self.assertEqual(self.trained[0], 0, self.trained[1])
        lines = self.train.metrics()
        self.assertLess(lines[-1]["loss"], lines[0]["loss"] / 2)

    def test_evaluation_counts_on_digits_not_trained_on(self):
        task = Task(CODE, self.parent, "evaluate", {}, [("dataset", DATA), self.model])
        code, output = task.run("evaluate.py")
        self.assertEqual(code, 0, output)
        metrics = task.metrics()[-1]
        self.assertEqual(metrics["images"], 10_000)
        self.assertGreater(metrics["accuracy"], 0.9)
        self.assertLessEqual(metrics["worst_digit_accuracy"], metrics["accuracy"])

    def test_the_service_reads_digits(self):
        body = self.tensor(shape=[200, 28, 28], data=sum(self.images, []))
        status, answer = self.ask("/v2/models/digits/infer", {**body, "id": "42"})
        self.assertEqual((status, answer["id"], answer["model_name"]), (200, "42", "digits"))
        digit, chance = answer["outputs"]
        self.assertEqual((digit["shape"], chance["shape"]), ([200], [200, 10]))
        right = sum(got == label for got, label in zip(digit["data"], self.labels))
        self.assertGreater(right, 180)
        self.assertAlmostEqual(sum(chance["data"][:10]), 1, places=4)

    def test_both_datatypes_agree(self):
        _, coarse = self.ask("/v2/models/digits/infer", self.tensor())
        _, fine = self.ask("/v2/models/digits/infer", self.tensor(
            datatype="FP32", data=[[value / 255 for value in self.images[0]]]))
        for one, other in zip(coarse["outputs"][1]["data"], fine["outputs"][1]["data"]):
            self.assertAlmostEqual(one, other, places=5)

    def test_health_and_metadata(self):
        for path in ("/health", "/v2/health/live", "/v2/health/ready", "/v2/models/digits/ready"):
            self.assertEqual(self.ask(path)[0], 200)
        status, about = self.ask("/v2/models/digits")
        self.assertEqual((status, about["inputs"][0]["name"]), (200, "image"))

    def test_refusals_name_the_field(self):
        for body, word in [({}, "inputs"), (self.tensor(name="x"), "name"),
                           (self.tensor(datatype="BYTES"), "datatype"),
                           (self.tensor(shape=[1, 783]), "shape"),
                           (self.tensor(shape=[2, 784]), "says 1568"),
                           (self.tensor(data=[256] * 784), "from 0 to 255"),
                           (self.tensor(data="x"), "numbers")]:
            status, answer = self.ask("/v2/models/digits/infer", body)
            self.assertEqual(status, 400)
            self.assertIn(word, answer["error"])
        self.assertEqual(self.ask("/v2/models/digits/nothing", self.tensor())[0], 404)
        self.assertEqual(self.ask("/elsewhere")[0], 404)


if __name__ == "__main__":
    tap.main()
