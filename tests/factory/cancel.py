"""A cancel at any moment around a job's start ends the job, on a real factory."""

import pathlib
import re
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

from factory import Factory, wait_for

PROJECT = "acme/vision"
MOMENTS_MS = range(0, 80, 4)
FINAL = ("succeeded", "failed", "cancelled")


class Cancel(unittest.TestCase):
    def test_no_job_is_stuck_however_early_it_is_cancelled(self):
        pool = {"simulated_accelerators": [{"model": "h100", "count": 8}]}
        with Factory(pool) as factory:
            factory.do("org", "create", "acme")
            factory.do("org", "create", PROJECT)

            def submit(*command):
                said = factory.do("run", "-p", PROJECT, "--detach", "--gpus", 8, "--grace", "1s",
                                  "--", *command)
                return re.search(r"wl_\w+", said)[0]

            def phase(job):
                return factory.ask("job", "get", job)["phase"]

            jobs = []
            for moment in MOMENTS_MS:
                jobs.append(submit("/bin/sleep", "30"))
                time.sleep(moment / 1000)
                factory.do("job", "cancel", jobs[-1])
            for job in jobs:
                wait_for(f"{job} to end", lambda: phase(job) in FINAL, 20)
                self.assertEqual(phase(job), "cancelled", job)
            # Nothing of them is left: the whole machine is given to the next.
            last = submit("/bin/true")
            wait_for("the next job to end", lambda: phase(last) in FINAL, 20)
            self.assertEqual(phase(last), "succeeded")


if __name__ == "__main__":
    tap.main()
