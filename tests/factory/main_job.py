"""The whole main job on a real factory: data, training, gate, registry, endpoint, tokens, bill."""

import decimal
import json
import pathlib
import sys
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

from factory import FIRST, PROJECT, Factory, wait_for

STEPS = ["extract", "ingest", "train", "evaluate", "gate", "register", "deploy"]


def steps_of(run):
    """{name: step} of a run."""
    return {step["name"]: step for step in run["steps"]}


class MainJob(unittest.TestCase):
    """One factory for all cases; each looks at another part of what the pipeline left."""

    @classmethod
    def setUpClass(cls):
        cls.factory = Factory()
        try:
            cls.factory.start()
            cls.factory.set_up()
            cls.first = cls.factory.run_pipeline()
            cls.key = cls.factory.key("tests")["secret"]
        except BaseException:
            print("\n".join("# " + line for line in cls.factory.log().splitlines()[-50:]))
            cls.factory.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.factory.remove()

    def call(self, **fields):
        request = urllib.request.Request(
            f"{self.factory.model_url}/completions",
            json.dumps({"model": "first-factory", "prompt": "And God said", **fields}).encode(),
            {"authorization": f"Bearer {self.key}", "content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def answers(self):
        """Whether the endpoint answers; "unavailable" is what a client library asks again about."""
        try:
            return b"text" in self.call(max_tokens=2)
        except urllib.error.HTTPError as refused:
            if refused.code != 503:
                raise
            return False

    def billed(self, meter):
        """What the statement says was counted of a meter."""
        lines = self.factory.ask("statement", "-p", "demo")["lines"]
        return sum(int(line["quantity"]) for line in lines if line["meter"] == meter)

    def test_every_step_succeeded(self):
        steps = steps_of(self.first)
        self.assertEqual({name: steps[name]["status"] for name in STEPS},
                         dict.fromkeys(STEPS, "succeeded"), self.first)

    def test_the_endpoint_streams_and_each_token_is_billed_once(self):
        before = {meter: self.billed(meter) for meter in ("input_tokens", "output_tokens")}
        whole = json.loads(self.call(max_tokens=9, temperature=0))
        stream = self.call(max_tokens=9, temperature=0, stream=True,
                           stream_options={"include_usage": True}).decode()
        self.assertTrue(stream.endswith("data: [DONE]\n\n"))
        usage = whole["usage"]

        def billed_both():
            return (self.billed("output_tokens") - before["output_tokens"]
                    == 2 * usage["completion_tokens"])
        wait_for("both requests to be billed", billed_both)
        self.assertEqual(self.billed("input_tokens") - before["input_tokens"],
                         2 * usage["prompt_tokens"])

    def test_the_statement_is_what_an_independent_rating_gives(self):
        status, totals = self.factory.rated_anew("demo")
        self.assertEqual(status, 0, totals)
        statement = self.factory.ask("statement", "-p", "demo")
        self.assertTrue(statement["complete"], "every line has a price")

        def exact(lines):
            return {line.split()[1]: decimal.Decimal(line.split()[0]) for line in lines}
        self.assertEqual(exact(totals.splitlines()), exact(statement["totals"]))
        simulated = [line for line in statement["lines"] if line["simulated"]]
        self.assertEqual({line["meter"] for line in simulated}, {"gpu_time"})
        self.assertTrue(all(line["amount"].endswith(" SIM") for line in simulated))

    def test_the_ledger_balances(self):
        self.assertTrue(self.factory.ask("ledger", "check")["balanced"])

    def test_again_everything_comes_from_the_cache(self):
        steps = steps_of(self.factory.run_pipeline())
        self.assertEqual({name: steps[name]["status"] for name in STEPS},
                         dict.fromkeys(STEPS, "reused"))

    def test_one_parameter_reruns_only_what_depends_on_it(self):
        steps = steps_of(self.factory.run_pipeline(min_accuracy=0.001))
        self.assertEqual([name for name in STEPS if steps[name]["status"] != "reused"], ["gate"])

    def test_a_gate_stops_the_line_and_says_by_how_much(self):
        run = self.factory.run_pipeline(min_accuracy=0.9)
        steps = steps_of(run)
        self.assertEqual(run["status"], "failed")
        self.assertEqual(steps["gate"]["status"], "failed")
        self.assertRegex(json.dumps(steps["gate"]), r"accuracy is 0\.\d+, below params.min_accuracy = 0\.9 by 0\.\d+")
        self.assertEqual(steps["deploy"]["status"], "skipped")

    def test_lineage_leads_from_the_endpoint_to_the_data(self):
        drawn = self.factory.do("lineage", "endpoint:first-factory", "-p", PROJECT)
        for word in ("first-factory", "king-james"):
            self.assertIn(word, drawn)

    def test_applying_the_set_up_again_changes_nothing(self):
        said = self.factory.do("apply", "-f", FIRST / "setup.yaml")
        self.assertTrue(all(line.endswith(" unchanged") for line in said.splitlines()), said)

    def test_a_restart_keeps_everything(self):
        models = self.factory.items("model", "list", "-p", PROJECT)
        self.factory.kill()
        self.factory.start()
        self.assertEqual(self.factory.items("model", "list", "-p", PROJECT), models)
        wait_for("the endpoint to answer", self.answers)


if __name__ == "__main__":
    tap.main()
