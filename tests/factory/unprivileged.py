"""A factory that an ordinary user runs: what is missing is said, and what is left still holds."""

import os
import pathlib
import pwd
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

from factory import BUILD, PROGRAM, Factory, wait_for

USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


class OrdinaryFactory(Factory):
    """The same, with everything that it starts run by an ordinary user."""

    def start(self, pause_seconds=0.02):
        if os.geteuid() != 0:
            return super().start(pause_seconds)
        about = pwd.getpwnam(USER)
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, about.pw_uid, about.pw_gid)
        with open(self.home / "daemon.log", "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "daemon"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.home, start_new_session=True, user=about.pw_uid,
                group=about.pw_gid, extra_groups=[])
        wait_for("the daemon to be ready", self._is_ready, pause_seconds=pause_seconds)


class Unprivileged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = OrdinaryFactory({"isolation": "relaxed"})
        try:
            cls.factory.start()
            cls.factory.do("org", "create", "acme")
            cls.factory.do("org", "create", "acme/vision")
        except BaseException:
            print("\n".join("# " + line for line in cls.factory.log().splitlines()[-50:]))
            cls.factory.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.factory.remove()

    def run_job(self, *words):
        return self.factory.run("run", "-p", "acme/vision", *words)

    def test_it_says_what_is_missing(self):
        node = self.factory.items("node", "list")[0]
        missing = " ".join(node["isolation"]["missing"])
        self.assertFalse(node["isolation"]["privileged"])
        self.assertIn("no uid of its own", missing)
        # What stands in the list is what the log said at the start.
        for one in node["isolation"]["missing"]:
            self.assertIn(one.replace('"', '\\"'), self.factory.log())

    def test_what_is_left_holds(self):
        node = self.factory.items("node", "list")[0]
        said = self.run_job("--", "sh", "-c", "cat /proc/self/status; ls -d $0", self.factory.state)
        self.assertIn("NoNewPrivs:\t1", said.stdout)
        self.assertIn("Seccomp:\t2", said.stdout)
        if "no file system" not in " ".join(node["isolation"]["missing"]):
            self.assertIn("No such file", said.stdout + self.errors())
        else:
            self.assertIn(str(self.factory.state), said.stdout)

    def errors(self):
        job = self.factory.items("job", "list")[-1]["id"]
        return self.factory.run("logs", "--errors", job).stdout

    def test_strict_refuses_and_names_it(self):
        body = '{"project":"acme/vision","command":["/bin/true"],"isolation":"strict",' \
               '"retries":{"max":0}}'
        job = self.factory.ask("api", "POST", "/api/v1/jobs", "--data", body)["id"]

        def ended():
            found = self.factory.ask("job", "get", job)
            return found if found["phase"] == "failed" else None
        detail = str(wait_for("the refusal", ended))
        self.assertIn("no uid of its own", detail)
        self.assertIn("isolation: relaxed", detail)


if __name__ == "__main__":
    tap.main()
