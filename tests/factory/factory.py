"""A real factory for tests: the programs as built, a fresh state directory, free ports."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "run"))
import tap  # noqa: E402,F401: what the scripts of this folder report with
BUILD = pathlib.Path(os.environ.get("BESSEMER_BUILD") or ROOT / "build" / "release")
PROGRAM = BUILD / "bessemer"
PATIENCE_SECONDS = 60
FIRST = ROOT / "examples" / "first-factory"
PROJECT = "demo/first"
# A model that is trained in a few seconds; the gate takes what comes.
TINY = {"books": 2, "steps": 60, "width": 64, "layers": 2, "heads": 2, "vocabulary": 512,
        "context": 64, "max_perplexity": 100000, "min_accuracy": 0}


class Failed(AssertionError):
    """A command that should have succeeded: carries what it said."""


def free_port():
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def wait_for(what, condition, seconds=PATIENCE_SECONDS, pause_seconds=0.02):
    """Asks until the condition holds and returns its value; Failed, naming `what`, when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(pause_seconds)


class Factory:
    def __init__(self, settings=None):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="bessemer-test-"))
        self.api_port, self.gateway_port = free_port(), free_port()
        self.process = None
        self.environment = {
            "PATH": f"{BUILD}:/usr/bin:/bin", "HOME": str(self.home), "LC_ALL": "C.UTF-8",
            "BESSEMER_HOME": str(self.home / "factory"), "NO_COLOR": "1",
            "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        self.state = self.home / "factory"
        self.state.mkdir(mode=0o700)
        config = {"listen": f"127.0.0.1:{self.api_port}",
                  "gateway_listen": f"127.0.0.1:{self.gateway_port}",
                  "simulated_accelerators": [{"model": "h100", "count": 2}], **(settings or {})}
        (self.state / "config.yaml").write_text(json.dumps(config, indent=2) + "\n")

    def __enter__(self):
        try:
            self.start()
            wait_for("a gateway to serve", self._gateway_serves)
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def log(self):
        path = self.home / "daemon.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, pause_seconds=0.02):
        """Starts the daemon and returns when it is ready to answer."""
        with open(self.home / "daemon.log", "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "daemon"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.home, start_new_session=True)
        wait_for("the daemon to be ready", self._is_ready, pause_seconds=pause_seconds)

    def _is_ready(self):
        if self.process.poll() is not None:
            raise Failed(f"the daemon ended with {self.process.returncode}:\n{self.log()[-3000:]}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=5)
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def _gateway_serves(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.gateway_port, timeout=5)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def stop(self):
        """Asks the daemon to end and waits for it."""
        self.do("stop")
        self.process.wait(PATIENCE_SECONDS)

    def kill(self):
        """kill -9 of the daemon, and nothing else."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def run(self, *words, stdin=None, environment=None):
        return subprocess.run(
            [PROGRAM, *map(str, words)], env={**self.environment, **(environment or {})},
            cwd=ROOT, text=True, input=stdin, capture_output=True, timeout=600)

    def do(self, *words, **more):
        """Runs a command that must succeed; returns what it printed."""
        done = self.run(*words, **more)
        if done.returncode != 0:
            raise Failed(f"bessemer {' '.join(map(str, words))}: status {done.returncode}\n"
                         f"{done.stdout}{done.stderr}")
        return done.stdout

    def ask(self, *words, **more):
        return json.loads(self.do(*words, "-o", "json", **more))

    def begin(self, project, *words):
        """Submits a job without following it; words are options, --, and its command."""
        return json.loads(self.do("run", "-o", "json", "-p", project, "--detach", *words))["id"]

    def items(self, *words, **more):
        answer = self.ask(*words, **more)
        return answer["items"] if isinstance(answer, dict) else answer

    def download(self, path):
        """The bytes of one address of the API, asked as the administrator."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=60)
        key = (self.state / "secrets" / "admin.key").read_text().strip()
        connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Failed(f"{path}: {answer.status} {body[:500]!r}")
        return body

    def rated_anew(self, org):
        """(status, totals) of the independent rating of an organisation's exported statement."""
        files = {}
        for name, path in (("statement", f"/api/v1/statement/usage.csv?org={org}"),
                           ("prices", "/api/v1/price-books/prices.csv")):
            files[name] = self.home / f"{name}.csv"
            files[name].write_bytes(self.download(path))
        done = subprocess.run(["/usr/bin/python3", ROOT / "tests" / "oracle" / "rate.py",
                               "--statement", files["statement"], "--prices", files["prices"]],
                              text=True, capture_output=True)
        return done.returncode, done.stdout

    def remove(self):
        """Stops everything of this factory and forgets it."""
        try:
            if self.process and self.process.poll() is None:
                self.run("stop")
                self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._end_processes()
            shutil.rmtree(self.home, ignore_errors=True)

    def _end_processes(self):
        """Ends what still belongs to this factory: processes that carry its state directory, and
        the supervisors of its tasks, which only hold files in it."""
        mark = f"BESSEMER_HOME={self.state}".encode()
        place = str(self.state)

        def holds(folder):
            return any(os.readlink(one).startswith(place) for one in (folder / "fd").iterdir())
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                mine = (mark in (folder / "environ").read_bytes().split(b"\0")
                        or place.encode() in (folder / "cmdline").read_bytes() or holds(folder))
                if mine and int(folder.name) != os.getpid():
                    os.kill(int(folder.name), signal.SIGKILL)
            except OSError:
                continue

    # ---- the first example

    def set_up(self):
        self.do("apply", "-f", FIRST / "setup.yaml")

    def run_pipeline(self, wait=True, **parameters):
        """Runs the first example's pipeline with small parameters; returns its run."""
        chosen = [f"--set={name}={value}" for name, value in {**TINY, **parameters}.items()]
        run = self.ask("pipeline", "run", FIRST / "pipeline.yaml", "-p", PROJECT, "--detach",
                       *chosen)
        return self.wait_for_run(run["id"]) if wait else run

    def pipeline_run(self, name):
        return self.ask("api", "GET", f"/api/v1/pipeline-runs/{name}")

    def wait_for_run(self, name, seconds=180):
        def ended():
            run = self.pipeline_run(name)
            return run if run["status"] not in ("running", "cancelling") else None
        return wait_for(f"pipeline run {name} to end", ended, seconds)

    def key(self, name, *options):
        """A new key of the example's project, with its secret text."""
        return self.ask("key", "create", name, "-p", PROJECT, *options)

    @property
    def model_url(self):
        return f"http://127.0.0.1:{self.gateway_port}/v1"


class FactoryCase(unittest.TestCase):
    """Cases that share one factory: `make` says which, `prepare` what all of them begin with. When
    that fails the daemon's last words are shown."""
    ORGS = ("acme", "acme/vision")

    @classmethod
    def make(cls):
        return Factory()

    @classmethod
    def prepare(cls):
        """Nothing more."""

    @classmethod
    def setUpClass(cls):
        cls.factory = cls.make()
        try:
            cls.factory.start()
            for path in cls.ORGS:
                cls.factory.do("org", "create", path)
            cls.prepare()
        except BaseException:
            print("\n".join("# " + line for line in cls.factory.log().splitlines()[-50:]))
            cls.factory.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.factory.remove()

    @classmethod
    def begin(cls, *command, options=()):
        """A job of acme/vision, not followed."""
        return cls.factory.begin("acme/vision", *options, "--", *command)

    @classmethod
    def job(cls, name):
        return cls.factory.ask("job", "get", name)

    @classmethod
    def wait_for_phase(cls, name, *phases):
        """The job, once it is in one of the phases."""
        return wait_for(f"{name} to be {' or '.join(phases)}",
                        lambda: (job := cls.job(name))["phase"] in phases and job)

    @classmethod
    def running(cls, name):
        return cls.wait_for_phase(name, "running")

    @classmethod
    def ended(cls, name):
        return cls.wait_for_phase(name, "succeeded", "failed", "cancelled")
