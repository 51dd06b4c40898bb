"""Bad input: each gets its own clear error with field, limit and remedy, and nothing is half done.

A table per way in. A row is what is sent and what must come back; after the whole table the state
of the factory holds no more facts than those that record refusals.
"""

import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

from factory import PROGRAM, Factory, wait_for
from http_calls import call, raw

JOB = {"project": "acme/vision", "command": ["/bin/true"]}
STEP = {"name": "a", "job": {"command": ["/bin/true"]}}
SHA = "a" * 64
UNKNOWN = "wl_00000000000000000000000009"


def job(**more):
    return {**JOB, **more}


def pipeline(*steps, **more):
    return {"project": "acme/vision",
            "definition": {"name": "p", "steps": list(steps) or [STEP], **more}}


# what is sent: (method, path, body); what comes back: (status, word, field, part of detail or
# remedy). `word` is the last part of the problem's type.
API = {
    "JSON cut short": (("POST", "/api/v1/jobs", b'{"project":'), (400, "invalid", "project", "")),
    "malformed JSON": (("POST", "/api/v1/jobs", b'{"project" 7}'), (400, "invalid", "", "malformed")),
    "text after the JSON": (("POST", "/api/v1/jobs", b'{} {}'), (400, "invalid", "", "")),
    "not an object": (("POST", "/api/v1/jobs", b'7'), (400, "invalid", "", "JSON object")),
    "no UTF-8": (("POST", "/api/v1/jobs", b'{"project":"\xff"}'), (400, "invalid", "", "UTF-8")),
    "too deep": (("POST", "/api/v1/jobs", b"[" * 40 + b"]" * 40), (400, "invalid", "", "32 deep")),
    "unknown field": (("POST", "/api/v1/jobs", job(comand=[])),
                      (400, "invalid", "comand", "is not a known field")),
    "unknown field inside": (("POST", "/api/v1/jobs", job(resources={"gpu": 1})),
                             (400, "invalid", "resources.gpu", "is not a known field")),
    "field given twice": (("POST", "/api/v1/jobs", b'{"project":"acme/vision","command":["a"],'
                           b'"command":["b"]}'), (400, "invalid", "command", "twice")),
    "missing field": (("POST", "/api/v1/datasets", {"project": "acme/vision"}),
                      (400, "invalid", "name", "is required")),
    "no project": (("POST", "/api/v1/jobs", {"command": ["a"]}),
                   (400, "invalid", "project", "is required")),
    "wrong type": (("POST", "/api/v1/jobs", job(tasks="many")),
                   (400, "invalid", "tasks", "must be")),
    "wrong type in a list": (("POST", "/api/v1/jobs", job(command=["a", 1])),
                             (400, "invalid", "command[1]", "must be")),
    "not one of the choices": (("POST", "/api/v1/jobs", job(network="wild")),
                               (400, "invalid", "network", "must be one of: none, egress")),
    "out of range": (("POST", "/api/v1/jobs", job(tasks=2 ** 40)),
                     (400, "invalid", "tasks", "range")),
    "below the least": (("POST", "/api/v1/jobs", job(tasks=0)), (400, "invalid", "tasks", "must")),
    "negative": (("POST", "/api/v1/jobs", job(resources={"cpu_millis": -1})),
                 (400, "invalid", "resources.cpu_millis", "not negative")),
    "empty command": (("POST", "/api/v1/jobs", job(command=[])),
                      (400, "invalid", "command", "must")),
    "too many words": (("POST", "/api/v1/jobs", job(command=["a"] * 1025)),
                       (400, "invalid", "command", "at most 1024 elements")),
    "too many words: what to do": (("POST", "/api/v1/jobs", job(command=["a"] * 1025)),
                                   (400, "invalid", "command", "push it as code or an input")),
    "a word too long": (("POST", "/api/v1/jobs", job(command=["a" * 131_072])),
                        (400, "invalid", "command", "at most 131072 bytes together")),
    "words too long": (("POST", "/api/v1/jobs", job(command=["a" * 600] * 240)),
                       (400, "invalid", "command", "pass long text as an input")),
    "bad name": (("POST", "/api/v1/datasets", {"project": "acme/vision", "name": "A B"}),
                 (400, "invalid", "name", "a-z")),
    "name too long": (("POST", "/api/v1/datasets", {"project": "acme/vision", "name": "a" * 64}),
                      (400, "invalid", "name", "at most 63")),
    "bad money": (("PUT", "/api/v1/budgets", {"org": "acme", "name": "b", "limit": "much"}),
                  (400, "invalid", "limit", "100 USD")),
    "an overdraft without size": (("PUT", "/api/v1/budgets",
                                   {"org": "acme", "name": "b", "limit": "1 USD",
                                    "at_limit": {"service": "overdraft"}}),
                                  (400, "invalid", "at_limit", "'overdraft'")),
    "an overdraft for nobody": (("PUT", "/api/v1/budgets",
                                 {"org": "acme", "name": "b", "limit": "1 USD",
                                  "overdraft": "1 USD"}),
                                (400, "invalid", "overdraft", "at_limit")),
    "an overdraft of something else": (("PUT", "/api/v1/budgets",
                                        {"org": "acme", "name": "b", "limit": "1 USD",
                                         "overdraft": "1 EUR",
                                         "at_limit": {"service": "overdraft"}}),
                                       (400, "invalid", "overdraft", "what the limit is in")),
    "bad moment": (("POST", "/api/v1/keys", {"org": "acme", "name": "k", "expires_at": "soon"}),
                   (400, "invalid", "expires_at", "")),
    "a moment that is over": (("POST", "/api/v1/keys",
                               {"org": "acme", "name": "k", "expires_at": "2001-01-01T00:00:00Z"}),
                              (400, "invalid", "expires_at", "")),
    "bad scope": (("POST", "/api/v1/keys", {"org": "acme", "name": "k", "scopes": ["job"]}),
                  (400, "invalid", "scopes[0]", "")),
    "a service among jobs": (("POST", "/api/v1/jobs", job(kind="service", service={"port": 80})),
                             (400, "invalid", "kind", "/api/v1/services")),
    "a job among services": (("POST", "/api/v1/services", job(kind="job")),
                             (400, "invalid", "kind", "/api/v1/jobs")),
    "oversized body": (("POST", "/api/v1/jobs", b'{"project":"' + b"x" * (1 << 20) + b'"}'),
                       (413, "body_too_large", "body", "at most 1048576 bytes")),
    "unknown query": (("GET", "/api/v1/jobs?projekt=acme", None),
                      (400, "invalid", "projekt", "known query parameter")),
    "page too large": (("GET", "/api/v1/jobs?limit=501", None),
                       (400, "invalid", "limit", "1 to 500")),
    "unknown path": (("GET", "/api/v1/rockets", None), (404, "not_found", "", "openapi.json")),
    "unknown method": (("PUT", "/api/v1/jobs", {}), (405, "method", "", "GET")),
    "unknown id": (("GET", f"/api/v1/jobs/{UNKNOWN}", None), (404, "not_found", "", "no such job")),
    "an id of another kind": (("GET", "/api/v1/jobs/ep_00000000000000000000000009", None),
                              (404, "not_found", "", "no such job")),
    "unknown project": (("POST", "/api/v1/jobs", job(project="acme/nothing")),
                        (404, "not_found", "project", "acme/nothing")),
    "unknown dataset": (("POST", "/api/v1/jobs", job(inputs=[{"name": "d", "dataset": "none"}])),
                        (404, "not_found", "inputs[0].dataset", "no dataset 'none'")),
    "unknown artifact": (("POST", "/api/v1/jobs", job(code=SHA)),
                         (404, "not_found", "code", "push the code first")),
    "unknown secret": (("POST", "/api/v1/jobs", job(secrets=["token"])),
                       (404, "not_found", "secrets", "no secret 'token'")),
    "a runtime that is not there": (("POST", "/api/v1/jobs", job(environment="oci")),
                                    (400, "invalid", "environment", 'use "host"')),
    "a stale generation": (("GET", "/api/v1/jobs/{job}/logs?generation=7", None),
                           (404, "not_found", "generation", "attempt")),
    "a task that is not": (("GET", "/api/v1/jobs/{job}/logs?task=9000", None),
                           (404, "not_found", "task", "no such task")),
    "a job in a tenant": (("POST", "/api/v1/jobs", job(project="acme")),
                          (400, "invalid", "project", "belong to a project")),
    "duplicate name": (("POST", "/api/v1/datasets", {"project": "acme/vision", "name": "there"}),
                       (409, "conflict", "name", "")),
    "duplicate node": (("POST", "/api/v1/orgs", {"kind": "project", "path": "acme/vision"}),
                       (409, "name_taken", "name", "")),
    "cycle in a pipeline": (("PUT", "/api/v1/pipelines", pipeline(
        {**STEP, "name": "a", "needs": ["b"]}, {**STEP, "name": "b", "needs": ["a"]})),
        (400, "invalid", "definition.steps", "wait for each other: a -> b -> a")),
    "a step that needs nothing there is": (
        ("PUT", "/api/v1/pipelines", pipeline({**STEP, "needs": ["x"]})),
        (400, "invalid", "definition.steps[0].needs", "")),
    "steps of one name": (("PUT", "/api/v1/pipelines", pipeline(STEP, STEP)),
                          (400, "invalid", "definition.steps[1].name", "")),
    "path traversal in an artifact": (
        ("POST", "/api/v1/trees?project=acme/vision",
         f"bessemer-tree 1\nf 1 {SHA} ../../etc/passwd\n".encode()),
        (400, "invalid", "../../etc/passwd", "must be a relative path")),
    "no tree": (("POST", "/api/v1/trees?project=acme/vision", b"hello"), (400, "invalid", "", "")),
    "a digest that is none": (("POST", "/api/v1/uploads",
                               {"project": "acme/vision", "digest": "x", "bytes": 1}),
                              (400, "invalid", "digest", "")),
    "an upload that was not begun": (
        ("PATCH", "/api/v1/uploads/upl_00000000000000000000000009?offset=0", b"x"),
        (404, "not_found", "", "begin it again")),
    "unknown time zone": (("POST", "/api/v1/orgs", {"kind": "tenant", "path": "zoned",
                                                    "time_zone": "Moon/Base"}),
                          (404, "not_found", "time_zone", "Europe/Berlin")),
    "a key that is too long": (("POST", "/api/v1/jobs", JOB, {"Idempotency-Key": "x" * 300}),
                               (400, "invalid", "Idempotency-Key", "1 to 255")),
}

# Bytes on the wire: (what is sent, status, part of the detail).
WIRE = {
    "no HTTP": (b"hello\r\n\r\n", 400, "request line"),
    "a bare line end": (b"GET / HTTP/1.1\nHost: x\r\n\r\n", 400, "LF without CR"),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "Host is missing"),
    "two lengths": (b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                    b"Content-Length: 2\r\n\r\nxx", 400, "Content-Length"),
    "length and coding": (b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "beside"),
    "a later version": (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505, "HTTP/1.1"),
    "a huge head": (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431,
                    "too large"),
    "a long target": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "too long"),
}

# Command lines: (words, standard input, exit status, parts of what is said).
COMMANDS = {
    "unknown command": (["jobb", "list"], 2, ["there is no command 'jobb'", "did you mean 'job'"]),
    "unknown option": (["job", "list", "--projct", "x"], 2, ["--projct", "--project"]),
    "no operand": (["job", "get"], 2, ["needs JOB", "--help"]),
    "bad format": (["job", "list", "-o", "xml"], 2, ["--output", "table, json, yaml or name"]),
    "bad number": (["run", "-p", "acme/vision", "--tasks", "x", "--", "true"], 1,
                   ["--tasks", "whole number"]),
    "bad size": (["run", "-p", "acme/vision", "--memory", "much", "--", "true"], 1,
                 ["--memory", "512MiB"]),
    "no command after --": (["run", "-p", "acme/vision"], 1, ["needs a command", "-- COMMAND"]),
    "unknown name": (["logs", "nobody", "-p", "acme/vision"], 1,
                     ["there is no 'nobody' in acme/vision", "bessemer job list"]),
    "refused by the API": (["run", "-p", "acme/vision", "--network", "wild", "--", "true"], 1,
                           ["network", "must be one of: none, egress"]),
    "no such folder": (["artifact", "push", "/nonexistent", "-p", "acme/vision"], 1,
                       ["/nonexistent"]),
    "no such file": (["apply", "-f", "/nonexistent.yaml"], 1, ["/nonexistent.yaml"]),
    "unknown shell": (["completion", "tcsh"], 1, ["bash, zsh, fish"]),
}

# Declared files: (text, parts of what is said); exit status 1, nothing made.
FILES = {
    "malformed YAML": ("kind: [", ["line 1"]),
    "an alias": ("kind: &a x\nname: *a\n", ["anchors", "line 1"]),
    "a tag": ("kind: !!python/object x\n", ["tags are not taken"]),
    "a key twice": ("kind: model\nkind: dataset\n", ["line 2", "given twice"]),
    "no kind": ("name: x\n", [":1: kind: is missing", "one of: tenant"]),
    "unknown kind": ("# remark\nkind: rocket\n", [":2: kind: is not known: rocket"]),
    "unknown field": ("kind: budget\nin: acme\nname: x\nlimit: 1 USD\nlimitt: 2 USD\n",
                      [":5: limitt: ", "is not a known field"]),
    "the second document": ("kind: model\nin: acme/vision\nname: ok-one\n---\nkind: quota\n"
                            "in: acme\ncounted: keys\nlimit: lots\n", [":8: limit: ", "must be"]),
    "a place that is not": ("kind: model\nin: acme/none\nname: m\n", ["acme/none"]),
}

# Pipeline files: the same.
PIPELINES = {
    "malformed": ("name: p\nsteps: [", ["line "]),
    "a cycle": ("name: p\nsteps:\n- {name: a, needs: [b], job: {command: [x]}}\n"
                "- {name: b, needs: [a], job: {command: [x]}}\n", ["pipe.yaml:2: steps: ", "a -> b -> a"]),
    "unknown field": ("name: p\nsteps:\n- name: a\n  job:\n    comand: [x]\n",
                      ["pipe.yaml:5: steps[0].job.comand: is not a known field"]),
}

# Configuration files: (text, parts of what the daemon says); exit status 1.
CONFIGURATIONS = {
    "malformed": ("listen: [", ["config.yaml", "line 1"]),
    "unknown field": ("# remark\nlisten: 127.0.0.1:0\nlissten: x\n",
                      ["config.yaml:3: lissten: is not a known field"]),
    "wrong type": ("gateways: many\n", ["config.yaml:1: gateways: must be"]),
    "out of range": ("gateways: 65\n", ["config.yaml:1: gateways: must be at most 64"]),
    "not one of the choices": ("isolation: some\n", ["config.yaml:1: isolation: must be one of"]),
    "bad address": ("listen: here\n", ["config.yaml:1: listen: "]),
    "open to the network": ("listen: 0.0.0.0:0\n", ["listen", "--insecure"]),
    "inside a list": ("simulated_accelerators:\n- model: h100\n  count: 0\n",
                      ["config.yaml:3: simulated_accelerators[0].count: must be from 1 to 1024"]),
    "two documents": ("listen: 127.0.0.1:0\n---\na: 1\n", ["one YAML document"]),
}


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory()
        cls.factory.__enter__()
        for path in ("acme", "acme/vision", "other", "other/lab"):
            cls.factory.do("org", "create", path)
        call(cls.factory, "POST", "/api/v1/datasets", {"project": "acme/vision", "name": "there"})
        cls.waiting = call(cls.factory, "POST", "/api/v1/jobs", job(tasks=4000)).json["id"]

    @classmethod
    def tearDownClass(cls):
        cls.factory.__exit__(None, None, None)

    def facts(self):
        """What was made so far: everything but records of refusals and of what runs by itself."""
        text = self.factory.do("journal", "cat")
        ignored = ("refused", "attempts_counted", "node_", "storage_", "lease_")
        return [line for line in text.splitlines()
                if not json.loads(line)["fact"].startswith(ignored)]

    def test_api(self):
        before = self.facts()
        for name, (request, (status, word, field, part)) in API.items():
            with self.subTest(name):
                method, path, body, *headers = request
                path = path.replace("{job}", self.waiting)
                answer = call(self.factory, method, path, body, headers=(headers or [None])[0])
                self.assertEqual(answer.status, status, answer)
                problem = answer.json
                self.assertEqual(answer.headers["content-type"], "application/problem+json")
                self.assertEqual(problem["type"], f"urn:bessemer:problem:{word}")
                self.assertEqual(problem.get("field", ""), field, problem)
                said = problem["detail"] + " " + problem.get("remedy", "")
                self.assertIn(part, said)
                # What to do is said, or follows from a sentence that names the limit or the thing.
                self.assertTrue(problem.get("remedy") or any(word in said for word in (
                    "must", "may", "at most", "no ", "twice", "wait for")),
                    f"no way out: {problem}")
        self.assertEqual(self.facts(), before, "nothing is half done")

    def test_wire(self):
        for name, (sent, status, part) in WIRE.items():
            with self.subTest(name):
                said = raw(self.factory, sent).decode()
                self.assertTrue(said.startswith(f"HTTP/1.1 {status} "), said[:300])
                self.assertIn(part, said)
                self.assertIn('"remedy":', said)

    def test_keys(self):
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=0.6)
        short = self.factory.ask("key", "create", "short", "-p", "acme", "--expires",
                                 soon.isoformat())["secret"]
        ended = self.factory.ask("key", "create", "ended", "-p", "acme")
        self.factory.do("key", "revoke", ended["id"])
        stranger = self.factory.ask("key", "create", "stranger", "-p", "other")["secret"]
        wait_for("the key to expire", lambda: call(
            self.factory, "GET", "/api/v1/whoami", key=short).status == 401)
        mine = call(self.factory, "POST", "/api/v1/jobs", job(tasks=4000)).json["id"]
        rows = {
            "no key": (("GET", "/api/v1/jobs"), "", 401, "key_missing"),
            "a key cut short": (("GET", "/api/v1/jobs"), "bsm_abc", 401, ""),
            "an unknown key": (("GET", "/api/v1/jobs"), "bsm_" + "0" * 58, 401, ""),
            "an expired key": (("GET", "/api/v1/jobs"), short, 401, "key_expired"),
            "a revoked key": (("GET", "/api/v1/jobs"), ended["secret"], 401, "key_revoked"),
            "another tenant's id": (("GET", f"/api/v1/jobs/{mine}"), stranger, 404, "not_found"),
            "another tenant's project": (("POST", "/api/v1/jobs", JOB), stranger, 404, "not_found"),
        }
        for name, (request, key, status, word) in rows.items():
            with self.subTest(name):
                answer = call(self.factory, *request, key=key)
                self.assertEqual(answer.status, status, answer)
                self.assertTrue(answer.json["type"].endswith(word), answer)
                self.assertTrue(status == 404 or answer.json.get("remedy"), answer)
        unknown = call(self.factory, "GET", f"/api/v1/jobs/{UNKNOWN}", key=stranger)
        hidden = call(self.factory, "GET", f"/api/v1/jobs/{mine}", key=stranger)
        self.assertEqual(unknown.body, hidden.body, "what is hidden is told as what is not")
        self.factory.do("job", "cancel", mine)

    def says(self, done, status, parts):
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, f"one line, no trace: {done.stderr}")
        self.assertTrue(lines[0].startswith("bessemer: "), lines[0])
        for part in parts:
            self.assertIn(part, lines[0])

    def test_commands(self):
        for name, (words, status, parts) in COMMANDS.items():
            with self.subTest(name):
                self.says(self.factory.run(*words), status, parts)

    def test_files(self):
        made = {one["name"] for one in self.factory.items("model", "list", "-p", "acme/vision")}
        for name, (text, parts) in FILES.items():
            with self.subTest(name):
                done = self.factory.run("apply", "-f", "-", stdin=text)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                for part in parts:
                    self.assertIn(part, done.stderr)
        now = {one["name"] for one in self.factory.items("model", "list", "-p", "acme/vision")}
        self.assertEqual(now - made, {"ok-one"}, "documents before the wrong one stand")

    def test_pipelines(self):
        for name, (text, parts) in PIPELINES.items():
            with self.subTest(name):
                path = self.factory.home / "pipe.yaml"
                path.write_text(text)
                self.says(self.factory.run("pipeline", "run", path, "-p", "acme/vision"), 1, parts)

    def test_symlinks_that_lead_out(self):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.factory.home))
        (folder / "leak").symlink_to("/etc/passwd")
        self.says(self.factory.run("artifact", "push", folder, "-p", "acme/vision"), 1,
                  ["leak is a link that leads out of the folder"])

    def test_wrong_keys_on_the_command_line(self):
        nowhere = {"BESSEMER_URL": "http://127.0.0.1:1", "BESSEMER_KEY": "bsm_" + "0" * 58}
        self.says(self.factory.run("job", "list", environment=nowhere), 1, ["127.0.0.1:1"])
        here = {"BESSEMER_URL": f"http://127.0.0.1:{self.factory.api_port}", "BESSEMER_KEY": "x"}
        self.says(self.factory.run("job", "list", environment=here), 1, ["key"])


class Starting(unittest.TestCase):
    """A daemon that cannot start says why in one line, and leaves the state as it was."""

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="bessemer-test-"))
        self.state = self.home / "factory"
        self.state.mkdir(mode=0o700)

    def tearDown(self):
        shutil.rmtree(self.home)

    def start(self, configuration=None, state=None):
        """(status, what it said) of a daemon that ends by itself."""
        if configuration is not None:
            (self.state / "config.yaml").write_text(configuration)
        done = subprocess.run(
            [PROGRAM, "daemon"], text=True, capture_output=True, timeout=30, cwd=self.home,
            env={**os.environ, "BESSEMER_HOME": str(state or self.state)})
        return done.returncode, done.stderr.splitlines()

    def refuses(self, parts, **more):
        status, lines = self.start(**more)
        self.assertEqual(status, 1, lines)
        said = [line for line in lines if line.startswith("bessemer: ")]
        self.assertEqual(len(said), 1, lines)
        for part in parts:
            self.assertIn(part, said[0])

    def test_configurations(self):
        for name, (text, parts) in CONFIGURATIONS.items():
            with self.subTest(name):
                self.refuses(parts, configuration=text)

    def test_the_port_is_taken(self):
        with Factory() as other:
            self.refuses(["listen: ", f"127.0.0.1:{other.api_port} is in use", "config.yaml"],
                         configuration=f"listen: 127.0.0.1:{other.api_port}\n")

    def test_a_second_daemon(self):
        with Factory() as factory:
            self.refuses(["is in use by process", "stop that process"], state=factory.state)
            factory.do("status")

    def test_a_journal_of_a_later_version(self):
        factory = Factory()
        with factory:
            factory.do("org", "create", "acme")
            factory.stop()
            segment = min(path for path in (factory.state / "journal").iterdir()
                          if path.is_file())
            whole = segment.read_bytes()
            # Magic, then the version of the format: they stay in place for ever.
            segment.write_bytes(whole[:8] + (99).to_bytes(2, "little") + whole[10:])
            status, lines = self.start(state=factory.state)
            self.assertEqual(status, 1, lines)
            self.assertIn("the journal is from a newer version; start it with", lines[-1])
            segment.write_bytes(whole)
            factory.start()
            self.assertEqual(len(factory.items("org", "list", "--below", "acme")), 1)

    def test_a_state_directory_that_cannot_be_made(self):
        (self.home / "file").write_text("")
        self.refuses([str(self.home / "file")], state=self.home / "file" / "factory")


if __name__ == "__main__":
    tap.main()
