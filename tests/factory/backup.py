"""Backup of a running factory and its restoration: nothing that was recorded is missing, nothing of
the old life is obeyed, and a backup that was cut off or altered is refused."""

import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

from factory import PROJECT, Factory, Failed, wait_for

SECRET = "the-planted-value-of-a-secret"


class Backup(unittest.TestCase):
    """One factory is backed up while it works, killed, and brought back in another place."""

    @classmethod
    def setUpClass(cls):
        cls.old = Factory()
        cls.new = None
        try:
            cls.prepare()
        except BaseException:
            print("\n".join("# " + line for line in cls.old.log().splitlines()[-30:]))
            cls.tearDownClass()
            raise

    @classmethod
    def prepare(cls):
        old = cls.old
        old.start()
        old.set_up()
        first = old.run_pipeline()
        assert first["status"] == "succeeded", first
        old.do("secret", "set", "token", "-p", PROJECT, stdin=SECRET)
        cls.key = old.key("backup")["secret"]
        cls.ask(old, cls.key)
        cls.again = old.begin(PROJECT, "-c", "0.1", "--", "/bin/sleep", "600")
        cls.once = old.begin(PROJECT, "-c", "0.1", "--retries", "0", "--",
                             "/bin/sleep", "601")
        for job in (cls.again, cls.once):
            wait_for("the job to run", lambda: old.ask("job", "get", job)["phase"] == "running")
        cls.line = old.run_pipeline(wait=False, seed=7)["id"]
        cls.known = {noun: old.items(noun, "list", "-p", PROJECT) for noun in ("dataset", "model")}
        cls.tar = old.home / "backup.tar"
        cls.folder = old.home / "backup"
        cls.said = old.do("backup", cls.tar)
        old.do("backup", cls.folder)
        assert old.process.poll() is None, "the daemon did not survive the backup"
        cls.epochs = cls.epochs_of(old)
        old.kill()
        old._end_processes()
        cls.new = cls.restored(cls.tar)
        cls.new.start()

    @classmethod
    def restored(cls, place):
        """A factory, not started, in a directory made of the backup."""
        new = Factory()
        shutil.rmtree(new.state)
        new.do("restore", place, "--verify")
        new.api_port, new.gateway_port = cls.old.api_port, cls.old.gateway_port
        return new

    @classmethod
    def tearDownClass(cls):
        for factory in (cls.new, cls.old):
            if factory:
                factory.remove()

    @staticmethod
    def ask(factory, key):
        """The text of one completion, once the endpoint answers."""
        def answer():
            request = urllib.request.Request(
                f"{factory.model_url}/completions",
                json.dumps({"model": "first-factory", "prompt": "And", "max_tokens": 4}).encode(),
                {"authorization": f"Bearer {key}", "content-type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=30) as reply:
                    return json.loads(reply.read())["usage"]
            except OSError:
                time.sleep(0.1)
                return None
        return wait_for("the endpoint to answer", answer)

    @staticmethod
    def epochs_of(factory):
        """The epochs of gateways that have a usage log."""
        return sorted(int(path.name) for path in factory.state.glob("usage/gw_*/*"))

    def journal(self, factory, tag):
        return [fact for fact in map(json.loads, factory.do("journal", "cat").splitlines())
                if fact["fact"] == tag]

    def test_what_was_recorded_is_there(self):
        for noun, items in self.known.items():
            again = {item["id"]: item for item in self.new.items(noun, "list", "-p", PROJECT)}
            for item in items:
                self.assertEqual(again[item["id"]]["name"], item["name"])
                self.assertGreaterEqual(again[item["id"]]["version_count"], item["version_count"])
        name = self.known["dataset"][0]["name"]
        pulled = self.new.home / "pulled"
        self.new.do("dataset", "pull", name, pulled, "-p", PROJECT)
        self.assertGreater(sum(path.stat().st_size for path in pulled.rglob("*")
                               if path.is_file()), 1000)

    def test_money_is_right(self):
        self.assertTrue(self.new.ask("ledger", "check")["balanced"])
        status, totals = self.new.rated_anew("demo")
        self.assertEqual(status, 0, totals)
        lines = self.new.ask("statement", "-p", "demo")["lines"]
        self.assertGreater(sum(int(line["quantity"]) for line in lines
                               if line["meter"] == "output_tokens"), 0)
        self.assertEqual(self.new.run("audit", "verify").returncode, 0)

    def test_running_jobs_of_the_old_life_are_lost_and_begun_again_above_it(self):
        floor = self.journal(self.new, "factory_restored")[0]["body"]["floor"]

        def begun_again():
            job = self.new.ask("job", "get", self.again)
            return job if job["phase"] == "running" else None
        job = wait_for("the job to run again", begun_again)
        self.assertGreater(job["generation"], floor)
        ended = wait_for("the other job to end", lambda: (
            lambda job: job if job["phase"] == "failed" else None)(
                self.new.ask("job", "get", self.once)))
        self.assertEqual(ended["reason"], "lost", ended)
        opened = [fact["body"]["epoch"] for fact in self.journal(self.new, "lease_epoch_opened")
                  if fact["body"]["epoch"] > floor]
        self.assertTrue(opened, "the gateway has an epoch of the new life")
        self.assertGreater(min(opened), max(self.epochs))

    def test_the_line_goes_on_and_the_endpoint_answers(self):
        run = self.new.wait_for_run(self.line)
        # Its job was lost: a step without retries fails, and can be retried.
        if run["status"] != "succeeded":
            failed = [step["name"] for step in run["steps"] if step["status"] == "failed"]
            self.new.do("pipeline", "retry", self.line, failed[0])
            run = self.new.wait_for_run(self.line)
        self.assertEqual(run["status"], "succeeded", run)
        self.assertGreater(self.ask(self.new, self.key)["completion_tokens"], 0)

    def test_secrets_open_with_the_restored_key(self):
        said = self.new.do("run", "-p", PROJECT, "--secret", "token", "--", "/bin/sh", "-c",
                           "wc -c < /run/secrets/token")
        self.assertIn(str(len(SECRET)), said)

    def test_it_is_a_tar_that_others_read_and_only_the_owner_may(self):
        self.assertEqual(self.tar.stat().st_mode & 0o777, 0o600)
        with tarfile.open(self.tar) as tar:
            names = tar.getnames()
        self.assertEqual(names[-1], "CONTENTS")
        self.assertIn("secrets/master.key", names)
        self.assertFalse([name for name in names if name.startswith(("tasks/", "run/"))])

    def test_a_directory_that_is_not_empty_is_refused(self):
        done = self.new.run("restore", self.tar)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not empty", done.stderr)

    def refused(self, place, says):
        home = self.old.home / "elsewhere"
        done = self.old.run("restore", place, "--to", home, "--verify")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(says, done.stderr)
        self.assertFalse(home.exists(), "something was restored")
        self.assertFalse(home.with_name("elsewhere.restoring").exists(), "something was left")

    def test_none_is_made_inside_what_it_is_of_nor_nowhere(self):
        link = self.new.home / "link"
        link.symlink_to(self.new.state)
        for place in (self.new.state / "b.tar", self.new.state / "logs" / "b", link / "b.tar"):
            done = self.new.run("backup", place)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("inside the state directory", done.stderr)
            self.assertIn("name a place outside", done.stderr)
            self.assertFalse(place.exists())
        done = self.new.run("backup", "")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("bessemer backup: "), done.stderr)

    def test_none_is_restored_inside_a_factory(self):
        inside = self.new.home / "inside"
        inside.symlink_to(self.new.state / "logs")
        for place in (self.new.state / "sub", self.new.state / "logs" / "sub", inside / "sub"):
            done = self.new.run("restore", self.tar, "--to", place)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("inside the factory", done.stderr)
            self.assertIn("--to", done.stderr)
            self.assertFalse(place.exists())

    def test_one_that_is_cut_off_is_refused(self):
        cut = self.old.home / "cut.tar"
        whole = self.tar.read_bytes()
        for part in (0.1, 0.5, 0.99):
            cut.write_bytes(whole[:int(len(whole) * part)])
            self.refused(cut, "is cut off")

    def altered(self, path, change):
        """A copy of the backup's folder with one file changed."""
        copy = self.old.home / "altered"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder, copy)
        found = next(iter(sorted(copy.glob(path))))
        found.chmod(0o600)
        change(found)
        return copy

    def test_one_that_was_altered_is_refused(self):
        def flip(path):
            text = bytearray(path.read_bytes())
            text[len(text) // 2] ^= 1
            path.write_bytes(text)
        for path in ("artifacts/*/blobs/*/*", "journal/*", "snapshots/*", "secrets/sealed/*",
                     "secrets/master.key", "usage/*/*/*.seg"):
            self.refused(self.altered(path, flip), "is not what was backed up")
        self.refused(self.altered("CONTENTS", flip), "list of files is damaged")
        self.refused(self.altered("artifacts/*/trees/*", lambda path: path.unlink()),
                     "is missing")
        self.refused(self.altered("CONTENTS", lambda path: path.unlink()), "no whole backup")

    def test_bytes_that_are_damaged_are_named_by_the_next_backup(self):
        blob = sorted(self.new.state.glob("artifacts/*/blobs/*/*"))[0]
        kept = blob.read_bytes()
        blob.chmod(0o600)
        blob.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        def tried():  # unless bytes that nobody needs are just being collected
            done = self.new.run("backup", self.new.home / "second.tar")
            return None if "is under way" in done.stderr else done
        done = wait_for("a backup that has its turn", tried)
        blob.write_bytes(kept)
        blob.chmod(0o444)
        self.assertEqual(done.returncode, 1)
        self.assertIn(blob.name, done.stderr)
        self.assertIn("damaged", done.stderr)
        self.assertFalse((self.new.home / "second.tar").exists())

    def test_the_old_usage_logs_were_recovered(self):
        def settled():
            owed = self.journal(self.new, "lease_epoch_closed")
            return {fact["body"]["epoch"] for fact in owed} >= set(self.epochs)
        wait_for("the epochs of the old life to be closed", settled)


if __name__ == "__main__":
    tap.main()
