"""A full disk: each thing that needs room says so, nothing is left half-done, what ends something is
still recorded, and everything goes on once there is room again.

The state directory lies on a small file system of its own, which takes root to mount.
"""

import http.client
import os
import pathlib
import subprocess
import sys

from factory import Factory, FactoryCase, tap, wait_for

DISK_MEGABYTES = 80
PROJECT = "acme/vision"


def can_mount(folder):
    return os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder],
        capture_output=True).returncode == 0 and subprocess.run(
            ["umount", folder], capture_output=True).returncode == 0


class Small(Factory):
    """A factory whose state directory is a file system of its own."""

    def __init__(self):
        super().__init__({"gateways": 0})
        config = (self.state / "config.yaml").read_text()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0700", "none",
                        self.state], check=True)
        (self.state / "config.yaml").write_text(config)

    def fill(self):
        """Leaves no room at all."""
        with open(self.state / "filler", "ab", buffering=0) as filler:
            for size in (1 << 20, 4096, 1):
                try:
                    while filler.write(b"x" * size) == size:
                        pass
                except OSError:
                    continue

    def free(self):
        (self.state / "filler").unlink(missing_ok=True)

    def remove(self):
        self.free()
        try:
            self.run("stop")
            self.process.wait(30)
        except (subprocess.TimeoutExpired, AttributeError):
            pass
        self._end_processes()
        subprocess.run(["umount", "--lazy", self.state], check=False)
        super().remove()


class FullDisk(FactoryCase):
    @classmethod
    def make(cls):
        return Small()

    def setUp(self):
        self.factory.free()
        wait_for("the factory to take work", self.takes_work)

    def takes_work(self):
        return self.factory.run("run", "-p", PROJECT, "--", "/bin/true").returncode == 0

    def alive(self):
        self.assertIsNone(self.factory.process.poll(), self.factory.log()[-3000:])
        self.assertTrue(self.factory._is_ready())

    def readiness(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.factory.api_port, timeout=10)
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def fill_journal(self):
        """Submits until the journal takes nothing that begins something; returns what was said."""
        self.factory.fill()
        for _ in range(400):
            done = self.factory.run("run", "-p", PROJECT, "--detach", "--env",
                                    "TEXT=" + "x" * 100_000, "--gpus", "8", "--", "/bin/true")
            if done.returncode != 0:
                return done.stderr
        raise AssertionError("the journal was never full")

    def test_1_an_upload_is_refused_and_leaves_nothing(self):
        folder = self.factory.home / "large"
        folder.mkdir()
        (folder / "bytes").write_bytes(os.urandom(DISK_MEGABYTES << 20))
        before = sum(path.stat().st_blocks for path in (self.factory.state / "artifacts").rglob("*"))
        done = self.factory.run("dataset", "push", "large", folder, "-p", PROJECT)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)
        self.assertIn("free space on that disk", done.stderr)
        after = sum(path.stat().st_blocks for path in (self.factory.state / "artifacts").rglob("*"))
        self.assertLess(after - before, 100)
        self.assertEqual(self.factory.items("dataset", "list", "-p", PROJECT), [])
        self.alive()

    def test_2_the_journal_refuses_what_begins_and_takes_what_ends(self):
        running = self.begin("/bin/sleep", "600")
        self.running(running)
        said = self.fill_journal()
        self.assertIn("the disk of the journal is full", said)
        self.assertIn("free space", said)
        self.alive()
        status, body = self.readiness()
        self.assertEqual(status, 503, body)
        self.assertIn("the disk is full", body)
        self.factory.do("job", "cancel", running)
        self.wait_for_phase(running, "cancelled")
        self.alive()

    def test_3_a_snapshot_is_refused_and_leaves_nothing(self):
        self.factory.fill()
        done = self.factory.run("journal", "snapshot")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("No space left", done.stderr)
        self.alive()
        self.assertEqual(list((self.factory.state / "snapshots").glob("*.snap")), [])
        self.factory.free()
        self.factory.do("journal", "snapshot")

    def test_4_a_job_that_prints_goes_on_without_its_log(self):
        job = self.begin("/bin/sh", "-c", "sleep 2; seq 1 3000000; exit 7")
        self.running(job)
        self.factory.fill()
        ended = self.ended(job)
        self.assertEqual((ended["phase"], ended["reason"]), ("failed", "exit_code"), ended)
        self.assertEqual(ended["attempts"][-1]["tasks"][0]["exit_code"], 7)
        self.alive()

    def test_5a_a_job_that_cannot_be_started_says_why(self):
        self.factory.fill()
        # One attempt: what is freed meanwhile (a log, a segment) would let a later one start.
        job = self.begin("/bin/true", options=["--retries", "0"])
        ended = self.wait_for_phase(job, "failed")
        self.assertEqual(ended["reason"], "start_failed")
        self.assertIn("space", ended["detail"])
        self.alive()

    def test_5_a_start_on_a_full_disk_goes_on_where_it_was(self):
        self.fill_journal()
        jobs = len(self.factory.items("job", "list", "-p", PROJECT))
        self.factory.kill()
        self.factory.start()
        self.assertEqual(len(self.factory.items("job", "list", "-p", PROJECT)), jobs)
        self.assertEqual(self.factory.run("audit", "verify").returncode, 0)

    def test_6_then_there_is_room_again(self):
        self.assertEqual(self.factory.run("audit", "verify").returncode, 0)
        folder = self.factory.home / "small"
        folder.mkdir()
        (folder / "bytes").write_bytes(b"fits")
        self.factory.do("dataset", "push", "small", folder, "-p", PROJECT)
        self.assertTrue(self.factory.ask("ledger", "check")["balanced"])


if __name__ == "__main__":
    probe = pathlib.Path("/tmp/bessemer-mount-probe")
    probe.mkdir(exist_ok=True)
    mountable = can_mount(probe)
    probe.rmdir()
    if not mountable:
        print("ok 1 - not run: a small file system takes root to mount")
        sys.exit(0)
    tap.main()
