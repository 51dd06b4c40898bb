"""Two tenants on a real factory, one of them hostile, and secrets that must appear nowhere."""

import base64
import http.client
import json
import pathlib
import secrets
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

from factory import ROOT, Factory, wait_for

PIDS = 512
STORAGE_MEBIBYTES = 16
# A task that writes until it is stopped, and says how far it has come, in MiB. It pauses, so that a
# limit that nobody keeps does not fill this machine either.
FLOOD = """
import os, sys, time
folder = os.path.join(os.environ[sys.argv[1]], 'all' if 'OUTPUTS' in sys.argv[1] else '.')
os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, 'flood'), 'wb', buffering=0) as out:
    for mebibyte in range(1, 2048):
        out.write(b'x' * (1 << 20))
        print(mebibyte, flush=True)
        time.sleep(0.02)
sys.exit('nobody stopped it')
"""
# A task that tells its secret on every way that it has of telling something.
TELL = """
import json, os, pathlib, socket, sys
value = pathlib.Path('/run/secrets/token').read_text()
print('the token is', value, flush=True)
print('error: bad token', value, 'twice', value, file=sys.stderr, flush=True)
for piece in (value[:9], value[9:]):
    sys.stdout.write(piece); sys.stdout.flush()
print()
with open(os.environ['BESSEMER_METRICS'], 'a') as metrics:
    metrics.write(json.dumps({'step': 1, value: 1.0}) + '\\n')
    metrics.write(value + '\\n')
talk = socket.socket(socket.AF_UNIX)
talk.connect('/run/bessemer.sock')
talk.sendall(json.dumps({value: 1}).encode() + b'\\n')
talk.recv(4096)
pathlib.Path('/tmp/scratch').write_text(value)
sys.exit(value)
"""


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory()
        cls.said = []
        cls.planted = {name: f"planted-{secrets.token_hex(16)}" for name in ("acme", "rival")}
        try:
            cls.factory.start()
            for tenant, project in (("acme", "acme/vision"), ("rival", "rival/lab")):
                cls.do("org", "create", tenant)
                cls.do("org", "create", project)
                cls.do("secret", "set", "token", "-p", project, stdin=cls.planted[tenant])
        except BaseException:
            print("\n".join("# " + line for line in cls.factory.log().splitlines()[-50:]))
            cls.factory.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.factory.remove()

    @classmethod
    def do(cls, *words, **more):
        """A command whose output is remembered: no planted secret may be in it."""
        done = cls.factory.run(*words, **more)
        cls.said.append((" ".join(map(str, words)), done.stdout + done.stderr))
        return done

    @classmethod
    def submit(cls, project, *command, options=()):
        return cls.factory.do("run", "-p", project, "--detach", "-q", *options, "--",
                              *command).strip()

    @classmethod
    def ended(cls, job):
        return wait_for(f"{job} to end",
                        lambda: (found := cls.factory.ask("job", "get", job))["phase"] in
                        ("succeeded", "failed", "cancelled") and found, seconds=240)

    def test_1_a_hostile_job_gets_nowhere(self):
        # Somebody else's job, running beside it with a secret and a checkpoint.
        theirs = self.submit("rival/lab", "sh", "-c",
                             "echo private > /bessemer/checkpoints/theirs; exec sleep 1000",
                             options=["--secret", "token"])
        foreign = wait_for("their checkpoint",
                           lambda: list(self.factory.state.glob("checkpoints/*/theirs")))[0]
        job = self.submit("acme/vision", "/usr/bin/python3", "hostile.py", options=[
            "--code", ROOT / "tests" / "hostile", "--memory", "512MiB",
            "--env", f"HOST_PORT={self.factory.api_port}", "--env", "HOST_ABSTRACT=none",
            "--env", f"STATE={self.factory.state}", "--env", f"FOREIGN={foreign}",
            "--env", f"PIDS={PIDS}", "--env", f"SCRATCH={256 << 20}"])
        ended = self.ended(job)
        said = self.factory.do("logs", job)
        lines = said.splitlines()
        self.assertEqual([line for line in lines if line.startswith(("BREACH", "UNTRIED"))], [])
        self.assertEqual(ended["phase"], "succeeded", said[-2000:])
        self.assertGreater(sum(line.startswith("held:") for line in lines), 110)
        self.assertEqual(lines[-1], "done")
        # The factory and the other tenant have not noticed.
        self.assertEqual(self.factory.ask("job", "get", theirs)["phase"], "running")
        self.assertEqual(foreign.read_text(), "private\n")
        self.do("job", "cancel", theirs)
        self.ended(theirs)

    def test_1b_a_job_feeds_no_run_of_somebody_else(self):
        line = {"name": "line", "steps": [
            {"name": "train", "job": {"command": ["/bin/sleep", "1000"]}}]}
        made = self.factory.ask("api", "PUT", "/api/v1/pipelines", "--data", json.dumps(
            {"project": "rival/lab", "definition": line}))
        going = self.factory.ask("api", "POST", f"/api/v1/pipelines/{made['id']}/runs",
                                 "--data", "{}")
        theirs = wait_for("their run", lambda: self.factory.items(
            "api", "GET", "/api/v1/runs?project=rival%2Flab"))[0]
        for named in (theirs["id"], "run_00000000000000000000000001"):
            job = self.factory.ask("api", "POST", "/api/v1/jobs", "--data", json.dumps(
                {"project": "acme/vision", "run": named, "command": [
                    "sh", "-c", "echo '{\"accuracy\": 1}' >> $BESSEMER_METRICS"]}))
            self.assertEqual(self.ended(job["id"])["phase"], "succeeded")
            waits = self.factory.ask("api", "POST", "/api/v1/jobs", "--data", json.dumps(
                {"project": "acme/vision", "run": named, "tasks": 4000, "command": ["true"]}))
            self.factory.do("job", "cancel", waits["id"])
            self.assertEqual(self.ended(waits["id"])["phase"], "cancelled")
            run = self.factory.ask("api", "GET", f"/api/v1/runs/{theirs['id']}")
            self.assertEqual((run["status"], run["metrics"]), ("running", {}))
            told = self.factory.ask("api", "GET", f"/api/v1/runs/{theirs['id']}/metrics")
            self.assertEqual(told["summary"], {})
        self.factory.do("api", "POST", f"/api/v1/pipeline-runs/{going['id']}/cancel")
        self.factory.wait_for_run(going["id"])

    def test_1c_a_flood_of_outputs_and_checkpoints_is_stopped(self):
        # They lie on the disk of the journal, which everybody's work needs.
        mebibyte = 1 << 20
        for place in ("BESSEMER_OUTPUTS", "BESSEMER_CHECKPOINTS"):
            job = self.submit("acme/vision", "/usr/bin/python3", "-c", FLOOD, place, options=[
                "--produce", "all", "--storage", f"{STORAGE_MEBIBYTES}MiB", "--retries", "0"])
            ended = self.ended(job)
            self.assertEqual((ended["phase"], ended["reason"]), ("failed", "storage"), ended)
            wrote = int(self.factory.do("logs", job).split()[-1])
            self.assertLess(wrote, 20 * STORAGE_MEBIBYTES, "it was seen late")
        undeclared = self.factory.ask("job", "get",
                                      self.submit("acme/vision", "true"))
        self.assertEqual(undeclared["spec"]["resources"]["storage_bytes"], 16 << 30)
        left = sum(path.stat().st_size for name in ("outputs", "checkpoints")
                   for path in self.factory.state.glob(f"{name}/**/flood"))
        self.assertLess(left, 2 * 20 * STORAGE_MEBIBYTES * mebibyte)

    def test_2_a_secret_that_is_told_is_not_kept(self):
        job = self.submit("acme/vision", "/usr/bin/python3", "-c", TELL,
                          options=["--secret", "token", "--retries", "0"])
        self.ended(job)
        out, errors = self.do("logs", job).stdout, self.do("logs", "--errors", job).stdout
        self.assertIn("the token is", out)
        self.assertIn("bad token", errors)
        self.assertIn("twice", errors)
        # Other ways in which one is handled: replaced, asked for wrongly, taken away.
        self.do("secret", "set", "token", "-p", "acme/vision", stdin=self.planted["acme"] + "2")
        self.do("secret", "set", "token", "-p", "acme/nothing", stdin=self.planted["acme"])
        self.do("secret", "set", "not a name", "-p", "acme/vision", stdin=self.planted["acme"])
        self.do("run", "-p", "acme/vision", "--secret", "other", "--", "true")
        self.do("secret", "delete", "token", "-p", "acme/vision")

    def test_3_planted_secrets_appear_nowhere(self):
        for words in (["job", "list"], ["audit", "list"], ["secret", "list", "-p", "rival/lab"],
                      ["org", "list"], ["node", "list"], ["key", "list", "-p", "acme"]):
            self.do(*words, "-o", "json")
        for job in self.factory.items("job", "list"):
            for words in (["job", "get"], ["logs"], ["logs", "--errors"], ["explain", "job"]):
                self.do(*words, job["id"])
        places = list(self.said)
        places.append(("the daemon's log", self.factory.log()))
        for path in ("/metrics", "/api/v1/status", "/api/v1/audit", "/api/v1/jobs",
                     "/api/v1/openapi.json", "/api/v1/runs", "/api/v1/secrets?project=rival%2Flab"):
            places.append((path, self.get(path)))
        self.factory.stop()
        places.append(("the journal", self.do("journal", "cat").stdout))
        self.assertGreater(len(places[-1][1]), 1000)
        found = []
        for value in self.planted.values():
            forms = [value.encode(), base64.b64encode(value.encode()).rstrip(b"=")[:-1],
                     value.encode().hex().encode()]
            for name, text in places:
                found += [name for form in forms if form in text.encode()]
            files = 0
            for path in self.factory.state.rglob("*"):
                if path.relative_to(self.factory.state).parts[0] == "secrets" or \
                        not path.is_file() or path.is_symlink():
                    continue
                files += 1
                content = path.read_bytes()
                found += [str(path) for form in forms if form in content]
            self.assertGreater(files, 5)
            # The sealed store keeps them, and keeps them sealed.
            for path in (self.factory.state / "secrets").rglob("*"):
                if path.is_file():
                    content = path.read_bytes()
                    found += [str(path) for form in forms if form in content]
        self.assertEqual(found, [])

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.factory.api_port, timeout=60)
        key = (self.factory.state / "secrets" / "admin.key").read_text().strip()
        connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
        return connection.getresponse().read().decode(errors="replace")


if __name__ == "__main__":
    tap.main()
