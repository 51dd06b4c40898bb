"""Snapshots come by themselves once enough has happened, and kills at any moment cost none of it."""

import os
import pathlib
import random
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

from factory import Factory, wait_for

EVERY = 50


class Snapshots(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory({"gateways": 0, "snapshot_every": EVERY})
        try:
            cls.factory.start()
            cls.factory.do("org", "create", "acme")
            cls.factory.do("org", "create", "acme/vision")
        except BaseException:
            cls.factory.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.factory.remove()

    def snapshots(self):
        return sorted(int(path.stem) for path in (self.factory.state / "snapshots").glob("*.snap"))

    def newest(self):
        return (self.snapshots() or [0])[-1]

    def work(self, jobs=8):
        for _ in range(jobs):
            self.factory.do("run", "-p", "acme/vision", "--", "/bin/true")

    def jobs(self):
        return {job["id"]: job["phase"] for job in
                self.factory.items("job", "list", "-p", "acme/vision")}

    def writers(self):
        """The processes that write a snapshot of this factory now."""
        mark = f"BESSEMER_HOME={self.factory.state}".encode()
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if (words[1:3] == [b"journal", b"snapshot"]
                        and mark in (folder / "environ").read_bytes().split(b"\0")):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def test_they_come_by_themselves_and_the_newest_three_are_kept(self):
        for _ in range(5):
            before = self.newest()
            self.work()
            wait_for("a newer snapshot", lambda: self.newest() >= before + EVERY)
        wait_for("older ones to go", lambda: len(self.snapshots()) <= 3)
        self.assertEqual(self.factory.run("journal", "verify").returncode, 0)

    def test_a_start_from_one_is_what_the_facts_come_to(self):
        self.work()
        wait_for("a snapshot", self.newest)
        before = self.jobs()
        self.factory.kill()
        self.factory.start()
        self.assertEqual(self.jobs(), before)
        self.factory.kill()
        backup = self.factory.home / "checked"
        self.factory.do("backup", backup)
        # Restoring with --verify compares the snapshot's state with a replay from the first fact.
        self.factory.do("restore", backup, "--to", self.factory.home / "restored", "--verify")
        self.factory.start()

    def test_kills_of_daemon_and_writer_at_any_moment(self):
        moments = random.Random(7)
        for round_number in range(8):
            before = self.newest()
            self.work(4)
            time.sleep(moments.uniform(0, 1.2))
            for process in self.writers():
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.factory.kill()
            self.factory.start()
            self.assertGreaterEqual(self.newest(), before, f"round {round_number}")
        jobs = self.jobs()
        self.work(2)
        self.assertEqual(len(self.jobs()), len(jobs) + 2)
        left = list((self.factory.state / "snapshots").glob("*.new"))
        before = self.newest()
        wait_for("the next snapshot",
                 lambda: self.newest() > before or self.work(8), 150)
        wait_for("what a kill left to go", lambda: not [path for path in left if path.exists()])
        self.assertEqual(self.factory.run("journal", "verify").returncode, 0)


if __name__ == "__main__":
    tap.main()
