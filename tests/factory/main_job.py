"""The whole main job on a real factory: data, training, gate, registry, endpoint, tokens, bill."""

import concurrent.futures
import decimal
import json
import pathlib
import sys
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

from factory import FIRST, PROJECT, Factory, Failed, wait_for

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

    def call(self, key_of_call=None, **fields):
        request = urllib.request.Request(
            f"{self.factory.model_url}/completions",
            json.dumps({"model": "first-factory", "prompt": "And God said", **fields}).encode(),
            {"authorization": f"Bearer {self.key}", "content-type": "application/json",
             **({"idempotency-key": key_of_call} if key_of_call else {})})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

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
        # A gateway waits for its daemon rather than say "unavailable".
        self.assertIn(b"text", self.call(max_tokens=2))

    def test_a_call_is_answered_while_the_daemon_restarts(self):
        gateways = self.factory.items("gateway", "list")
        self.factory.kill()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            during = pool.submit(self.call, max_tokens=2)
            self.factory.start()
            self.assertIn(b"text", during.result())
        after = self.factory.items("gateway", "list")
        self.assertEqual([one["process"] for one in after], [one["process"] for one in gateways])
        self.assertTrue(all(one["connected"] and one["lease"] == "live" for one in after), after)

    def test_a_second_factory_does_not_share_the_gateways_port(self):
        other = Factory({"gateway_listen": f"127.0.0.1:{self.factory.gateway_port}"})
        try:
            with self.assertRaises(Failed) as refused:
                other.start()
            said = str(refused.exception)
            for word in ("gateway_listen", f"127.0.0.1:{self.factory.gateway_port} is in use",
                         "choose another address"):
                self.assertIn(word, said)
        finally:
            other.remove()

    def test_what_a_gateway_prints_goes_to_its_own_bounded_file(self):
        process = self.factory.items("gateway", "list")[0]["process"]
        printed = pathlib.Path(f"/proc/{process}/fd/1").readlink()
        self.assertEqual(printed, self.factory.state / "logs" / "gateway-local-1.log")
        self.assertEqual(pathlib.Path(f"/proc/{process}/fd/2").readlink(), printed)

    def test_an_idempotency_key_is_charged_once_across_a_restart(self):
        before = self.billed("output_tokens")
        fields = {"max_tokens": 3, "temperature": 0}
        first = json.loads(self.call(key_of_call="once", **fields))
        self.factory.kill()
        self.factory.start()
        for again in (fields, {**fields, "max_tokens": 4}):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.call(key_of_call="once", **again)
            self.assertEqual(refused.exception.code, 409)
            self.assertIn("req_", refused.exception.read().decode())
        json.loads(self.call(key_of_call="another", **fields))

        def billed():
            return (self.billed("output_tokens") - before
                    == 2 * first["usage"]["completion_tokens"])
        wait_for("two calls to be billed", billed)


if __name__ == "__main__":
    tap.main()
