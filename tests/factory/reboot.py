"""A machine that was started anew: what ran there is lost, and begun again where it may be.

Every process of the factory is killed at once, and the daemon starts where the kernel tells another
boot id, as it does after a restart of the machine. That takes a mount namespace, so root.
"""

import os
import subprocess
import sys
import uuid

import factory as factories
from factory import Factory, FactoryCase, tap, wait_for

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def can_pretend():
    """Whether this machine lets us show another boot id to a process."""
    if os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "--mount", "mount", "--bind", "/dev/null", BOOT_ID],
                          capture_output=True).returncode == 0


class Rebooted(Factory):
    """A factory whose next daemons see another boot id."""

    def reboot(self):
        self.kill()
        self._end_processes()
        other = self.home / "boot_id"
        other.write_text(f"{uuid.uuid4()}\n")
        started = self.home / "bessemer-after-reboot"
        started.write_text(f"#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {other} {BOOT_ID}"
                           f" && exec {factories.PROGRAM} daemon'\n")
        started.chmod(0o755)
        program, factories.PROGRAM = factories.PROGRAM, started
        try:
            self.start()
        finally:
            factories.PROGRAM = program


class Reboot(FactoryCase):
    @classmethod
    def make(cls):
        return Rebooted()

    @classmethod
    def prepare(cls):
        cls.again = cls.begin("/bin/sleep", "600")
        cls.once = cls.begin("/bin/sleep", "600", options=("--retries", "0"))
        cls.running(cls.again)
        cls.running(cls.once)
        cls.factory.reboot()

    def test_a_job_that_may_not_be_begun_again_failed_as_lost(self):
        ended = self.wait_for_phase(self.once, "failed")
        self.assertEqual(ended["reason"], "lost")
        self.assertIn("was started anew", ended["detail"])

    def test_a_job_that_may_runs_again(self):
        again = wait_for("the job to run again", lambda: (
            job := self.job(self.again))["phase"] == "running" and job["generation"] == 2 and job)
        self.assertEqual(again["attempts"][0]["reason"], "lost")

    def test_nothing_is_allocated_that_does_not_run(self):
        self.test_a_job_that_may_runs_again()
        node = self.factory.items("node", "list")[0]
        self.assertEqual(node["cpu_millis"] - node["free_cpu_millis"], 1000, node)

    def test_new_work_runs(self):
        self.assertIn("still here", self.factory.do("run", "-p", "acme/vision", "--", "/bin/echo",
                                                    "still here"))


if __name__ == "__main__":
    if not can_pretend():
        print("ok 1 - not run: showing another boot id to a process takes root")
        sys.exit(0)
    tap.main()
