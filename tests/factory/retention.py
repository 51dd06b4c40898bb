"""A factory with a long past: the jobs that ended last are kept, the older ones leave what statements
need and say where their facts are, and a start after kill -9 tells the same."""

import subprocess

import factory as factories
from factory import Factory, FactoryCase, tap

KEPT = 10_000  # workload::kept_finished
MORE = 7


class Retention(FactoryCase):
    @classmethod
    def make(cls):
        return Factory({"gateways": 0})

    @classmethod
    def prepare(cls):
        cls.factory.stop()
        subprocess.run([factories.BUILD / "bench_history", cls.factory.state, "acme/vision",
                        str(KEPT + MORE)], check=True, capture_output=True)
        cls.factory.start()
        cls.before = cls.statement()
        cls.ids = {line["what"]: line["subject"]["workload"] for line in cls.before["lines"]
                   if line["subject"]["workload"]}

    @classmethod
    def statement(cls):
        return cls.factory.ask("statement", "-p", "acme")

    def refusal(self, job):
        done = self.factory.run("job", "get", job)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stderr

    def test_1_the_last_are_kept_and_the_older_say_where_they_are(self):
        self.assertEqual(len(self.ids), KEPT + MORE)
        for number in (MORE, KEPT + MORE - 1):
            self.assertEqual(self.job(self.ids[f"job job-{number}"])["phase"], "succeeded")
        for number in (0, MORE - 1):
            job = self.ids[f"job job-{number}"]
            said = self.refusal(job)
            self.assertIn(f"{job} succeeded at ", said)
            self.assertIn(f"of each project the last {KEPT} that ended are kept", said)
            self.assertIn(f"bessemer journal cat | grep {job}", said)
        self.assertIn("no such job", self.refusal("wl_00000000000000000000000001"))

    def test_2_the_statement_names_them_all_and_adds_up(self):
        self.assertTrue(self.factory.ask("ledger", "check")["balanced"])
        status, totals = self.factory.rated_anew("acme")
        self.assertEqual(status, 0, totals)

    def test_3_a_start_after_a_kill_tells_the_same(self):
        for _ in ("from the journal alone", "from a snapshot"):
            self.factory.kill()
            self.factory.start()
            after = self.statement()
            self.assertEqual(after["lines"], self.before["lines"])
            self.assertIn("are kept", self.refusal(self.ids["job job-0"]))
            self.assertEqual(self.job(self.ids[f"job job-{MORE}"])["phase"], "succeeded")
            self.factory.do("journal", "snapshot")


if __name__ == "__main__":
    tap.main()
