"""What the API promises about requests: repeated ones, long ones, refused ones, and too many."""

import datetime
import fcntl
import hashlib
import json
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

from factory import Factory, wait_for
from http_calls import call, stream

JOB = {"project": "acme/vision", "command": ["/bin/true"]}
# Gangs of so many tasks never start here: such a job waits for ever.
WAITING = {**JOB, "tasks": 4000}


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory()
        cls.factory.__enter__()
        for path in ("acme", "acme/vision", "acme/audio"):
            cls.factory.do("org", "create", path)
        cls.developer = cls.member("robot", "developer", "acme/vision")

    @classmethod
    def tearDownClass(cls):
        cls.factory.__exit__(None, None, None)

    @classmethod
    def member(cls, name, role, node):
        """The key of a new service account with one role."""
        made = cls.factory.ask("service-account", "create", name, "-p", "acme")
        cls.principal = made["id"]
        cls.factory.do("role", "grant", made["id"], role, "-p", node)
        return cls.factory.ask("key", "create", name, "-p", node, "--owner", made["id"])["secret"]

    def post(self, path, body, repeat, key=None, method="POST"):
        return call(self.factory, method, path, body, key=key,
                    headers={"Idempotency-Key": repeat})

    # ---- repeated requests

    def test_a_repetition_has_the_same_status_and_body(self):
        first = self.post("/api/v1/jobs", WAITING, "job-1")
        self.assertEqual(first.status, 201, first)
        self.factory.do("job", "cancel", first.json["id"])  # the job is another now
        again = self.post("/api/v1/jobs", WAITING, "job-1")
        self.assertEqual((again.status, again.body), (first.status, first.body))
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        self.assertEqual(again.headers["location"], first.headers["location"])

    def test_a_repetition_after_a_kill(self):
        first = self.post("/api/v1/jobs", WAITING, "job-2")
        self.factory.kill()
        self.factory.start()
        again = self.post("/api/v1/jobs", WAITING, "job-2")
        self.assertEqual((again.status, again.body), (first.status, first.body))

    def test_a_change_without_a_thing_of_its_own(self):
        job = call(self.factory, "POST", "/api/v1/jobs", WAITING).json["id"]
        first = self.post(f"/api/v1/jobs/{job}/cancel", {"why": "test"}, "cancel-1")
        again = self.post(f"/api/v1/jobs/{job}/cancel", {"why": "test"}, "cancel-1")
        self.assertEqual((first.status, again.status), (200, 200), first)
        self.assertEqual(again.body, first.body)

    def test_a_deletion_is_repeated_as_done(self):
        made = call(self.factory, "POST", "/api/v1/datasets",
                    {"project": "acme/vision", "name": "gone"}).json["id"]
        for _ in range(2):
            answer = self.post(f"/api/v1/datasets/{made}", None, "delete-1", method="DELETE")
            self.assertEqual((answer.status, answer.body), (204, b""))

    def test_another_request_under_the_same_key(self):
        self.post("/api/v1/jobs", WAITING, "job-3")
        other = self.post("/api/v1/jobs", {**WAITING, "name": "other"}, "job-3")
        self.assertEqual(other.status, 409, other)
        self.assertEqual(other.json["field"], "Idempotency-Key")
        self.assertEqual(other.json["reason"], "idempotency_key_used")

    def test_keys_of_two_principals_do_not_meet(self):
        mine = self.post("/api/v1/jobs", WAITING, "shared")
        theirs = self.post("/api/v1/jobs", WAITING, "shared", key=self.developer)
        self.assertEqual((mine.status, theirs.status), (201, 201))
        self.assertNotEqual(mine.json["id"], theirs.json["id"])

    def test_who_may_no_more_is_refused(self):
        key = self.member("leaver", "developer", "acme/vision")
        first = self.post("/api/v1/jobs", WAITING, "leaving", key=key)
        self.assertEqual(first.status, 201, first)
        self.factory.do("role", "revoke", self.principal, "developer", "-p", "acme/vision")
        self.factory.do("role", "grant", self.principal, "viewer", "-p", "acme/vision")
        read = call(self.factory, "GET", first.headers["location"], key=key)
        self.assertEqual(read.status, 200, "a viewer may read it")
        again = self.post("/api/v1/jobs", WAITING, "leaving", key=key)
        self.assertEqual(again.status, 403, again)

    def test_a_key_is_shown_once(self):
        body = {"org": "acme", "name": "once"}
        first = self.post("/api/v1/keys", body, "key-1")
        self.assertTrue(first.json["secret"])
        again = self.post("/api/v1/keys", body, "key-1")
        self.assertEqual((again.status, again.json["reason"]), (409, "shown_once"), again)
        self.assertIn(first.json["id"], again.json["remedy"])
        facts = self.factory.do("journal", "cat")
        self.assertNotIn(first.json["secret"], facts)

    def test_no_name_of_a_person_becomes_a_fact(self):
        body = {"org": "acme", "name": "Ada Lovelace", "email": "ada@example.org"}
        first = self.post("/api/v1/users", body, "user-1")
        again = self.post("/api/v1/users", body, "user-1")
        self.assertEqual((again.status, again.body), (201, first.body))
        self.assertNotIn("Lovelace", self.factory.do("journal", "cat"))

    def test_a_refused_request_may_be_mended_and_sent_again(self):
        bad = self.post("/api/v1/jobs", {**WAITING, "command": []}, "mended")
        self.assertEqual(bad.status, 400, bad)
        self.assertEqual(self.post("/api/v1/jobs", WAITING, "mended").status, 201)

    def test_whole_things_go_in_one_batch(self):
        model = call(self.factory, "POST", "/api/v1/models",
                     {"project": "acme/vision", "name": "whole"}).json["id"]
        answer = self.post(f"/api/v1/models/{model}", None, "whole-1", method="DELETE")
        self.assertEqual(answer.status, 204, answer)
        facts = [json.loads(line) for line in
                 self.factory.do("journal", "cat").splitlines()]
        deleted = next(i for i, one in enumerate(facts)
                       if one["fact"] == "model_deleted" and one["body"]["model"] == model)
        self.assertIn("request_noted", [one["fact"] for one in facts[deleted:deleted + 3]])

    # ---- long answers

    def test_events_end_when_the_key_is_revoked(self):
        made = self.factory.ask("key", "create", "watcher", "-p", "acme")
        events = stream(self.factory, "/api/v1/events", made["secret"])
        events.readline()
        self.factory.do("key", "revoke", made["id"])
        said = events.read().decode()
        self.assertIn("event: end", said)
        self.assertEqual(json.loads(said.split("data: ")[-1])["reason"], "key_revoked")

    def expiring(self, name):
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1.5)
        return self.factory.ask("key", "create", name, "-p", "acme", "--expires",
                                soon.isoformat())["secret"]

    def test_events_end_when_the_key_expires(self):
        events = stream(self.factory, "/api/v1/events", self.expiring("short"))
        begun = time.monotonic()
        said = events.read().decode()
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(json.loads(said.split("data: ")[-1])["reason"], "key_expired")

    def test_logs_end_when_the_key_expires(self):
        job = call(self.factory, "POST", "/api/v1/jobs",
                   {**JOB, "command": ["/bin/sh", "-c", "echo begun; sleep 60"]}).json["id"]
        wait_for("the job to print", lambda: "begun" in self.factory.run("logs", job).stdout)
        log = stream(self.factory, f"/api/v1/jobs/{job}/logs?follow=true", self.expiring("short2"))
        said = log.read().decode()
        self.assertTrue(said.startswith("begun\n"), said)
        self.assertIn("this log ends here: the key expired at", said)
        done = self.factory.run("logs", "-f", job, environment={
            "BESSEMER_URL": f"http://127.0.0.1:{self.factory.api_port}",
            "BESSEMER_KEY": self.expiring("short3")})
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("bessemer: the key expired at", done.stderr)
        self.factory.do("job", "cancel", job)

    # ---- what refusals tell

    def test_a_waiting_job_names_no_budget_that_its_reader_may_not_read(self):
        # Cores alone would fit; the accelerator is too dear, which governance says, not the plan.
        for node, name in (("acme", "secret-plan"), ("acme/audio", "small")):
            self.factory.do("budget", "set", name, "0.001 SIM", "-p", node)
        job = call(self.factory, "POST", "/api/v1/jobs",
                   {**JOB, "project": "acme/audio", "resources": {"gpus": 1}})
        path = f"/api/v1/jobs/{job.json['id']}"
        try:
            seen = wait_for("the job to wait", lambda: call(
                self.factory, "GET", path).json["waiting_for"])
            self.assertIn("secret-plan", seen, "an administrator reads it all")
            key = self.member("listener", "developer", "acme/audio")
            for at in (path, path + "/explanation"):
                said = call(self.factory, "GET", at, key=key).body.decode()
                self.assertNotIn("secret-plan", said)
                self.assertIn("a budget above the project has too little left", said)
                self.assertIn('budget \\"small\\" has', said)
        finally:
            for budget in self.factory.items("budget", "list", "-p", "acme"):
                call(self.factory, "DELETE", f"/api/v1/budgets/{budget['id']}")

    def test_the_audit_log_says_from_where(self):
        refused = call(self.factory, "GET", "/api/v1/audit", key=self.developer)
        self.assertEqual(refused.status, 403, refused)
        entry = self.factory.items("audit", "list")[0]
        self.assertEqual((entry["from"], entry["target"]), ("local", "list_audit"))

    # ---- counted things

    def test_a_quota_names_the_limit_and_who_may_lift_it(self):
        self.factory.do("quota", "set", "datasets", "1", "-p", "acme/audio")
        make = lambda name: call(self.factory, "POST", "/api/v1/datasets",
                                 {"project": "acme/audio", "name": name})
        first = make("one")
        self.assertEqual(first.status, 201, first)
        refused = make("two")
        self.assertEqual(refused.status, 429, refused)
        self.assertEqual(refused.json["reason"], "quota_exhausted")
        self.assertEqual(refused.json["field"], "datasets")
        self.assertIn("the quota of datasets is 1, 1 are used", refused.json["detail"])
        self.assertIn("acme/audio", refused.json["remedy"])
        call(self.factory, "DELETE", f"/api/v1/datasets/{first.json['id']}")
        self.assertEqual(make("two").status, 201, "what is deleted is not counted")

    def test_each_counted_thing_has_a_default_for_a_tenant(self):
        lines = {line["counted"]: line for line in self.factory.items("quota", "list",
                                                                      "-p", "acme")}
        for counted in ("orgs", "principals", "keys", "secrets", "datasets", "models", "pipelines",
                        "endpoints", "services", "jobs", "runs", "artifacts"):
            self.assertEqual(lines[counted]["effective"]["path"], "acme", counted)
            self.assertGreater(lines[counted]["effective"]["limit"], 0, counted)

    def test_jobs_are_counted_while_they_are_not_over(self):
        self.factory.do("quota", "set", "jobs", "1", "-p", "acme/audio")
        job = call(self.factory, "POST", "/api/v1/jobs", {**WAITING, "project": "acme/audio"})
        self.assertEqual(job.status, 201, job)
        more = call(self.factory, "POST", "/api/v1/jobs", {**WAITING, "project": "acme/audio"})
        self.assertEqual((more.status, more.json["field"]), (429, "jobs"), more)
        self.factory.do("job", "cancel", job.json["id"])
        again = call(self.factory, "POST", "/api/v1/jobs", {**WAITING, "project": "acme/audio"})
        self.assertEqual(again.status, 201, again)
        self.factory.do("job", "cancel", again.json["id"])

    # ---- what is given up

    def test_daemon_and_gateway_have_given_up_what_root_may(self):
        def standing(folder):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            mine = str(self.factory.state).encode() in words and b"gateway" in words
            return mine and dict(line.split(":\t") for line in
                                 (folder / "status").read_text().splitlines() if ":\t" in line)
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                found.append(standing(folder))
            except OSError:
                continue
        gateways = [one for one in found if one]
        self.assertEqual(len(gateways), 1)
        daemon = dict(line.split(":\t") for line in pathlib.Path(
            f"/proc/{self.factory.process.pid}/status").read_text().splitlines() if ":\t" in line)
        to_listen = 1 << 10  # on a port below 1024
        to_reach = 1 << 1 | 1 << 3  # files of other users
        for line in ("CapEff", "CapPrm", "CapInh"):
            self.assertEqual(int(gateways[0][line], 16) & ~to_listen, 0, line)
            self.assertEqual(int(daemon[line], 16) & ~(to_listen | to_reach), 0, line)
        self.assertEqual(gateways[0]["NoNewPrivs"], "1")

    def test_an_upload_is_given_up(self):
        data = b"given up" * 1000
        digest = hashlib.sha256(data).hexdigest()
        body = {"project": "acme/vision", "bytes": len(data), "digest": digest}

        def begin():
            answer = call(self.factory, "POST", "/api/v1/uploads", body)
            self.assertEqual(answer.status, 200, answer)
            return answer.json
        upload = begin()["id"]
        where = f"/api/v1/uploads/{upload}"
        call(self.factory, "PATCH", f"{where}?offset=0", data[:5000])
        self.assertEqual(begin()["arrived"], 5000)
        viewer = self.member("looks-on", "viewer", "acme/vision")
        self.assertEqual(call(self.factory, "DELETE", where, key=viewer).status, 404)
        self.factory.do("artifact", "abandon", upload)
        for method, path in (("DELETE", where), ("PATCH", f"{where}?offset=5000")):
            gone = call(self.factory, method, path, data[5000:] if method == "PATCH" else None)
            self.assertEqual((gone.status, gone.json["remedy"]),
                             (404, "begin it again: it goes on"), gone)
        self.assertEqual(begin()["arrived"], 0)
        # One that has ended too: its bytes are no more there to be named by a tree.
        tree = f"bessemer-tree 1\nf {len(data)} {digest} name\n".encode()

        def missing():
            answer = call(self.factory, "POST", "/api/v1/trees?project=acme/vision", tree)
            return answer.json["missing"]
        self.assertEqual(call(self.factory, "PATCH", f"{where}?offset=0", data).status, 200)
        self.assertEqual(call(self.factory, "POST", f"{where}/commit", {}).status, 200)
        self.assertEqual(call(self.factory, "DELETE", where).status, 200)
        self.assertEqual(missing(), [digest])
        begin()
        call(self.factory, "PATCH", f"{where}?offset=0", data)
        call(self.factory, "POST", f"{where}/commit", {})
        self.assertEqual(missing(), [])

    def test_a_version_under_the_wrong_schema_is_given_up(self):
        folder = self.factory.home / "prices"
        folder.mkdir()
        (folder / "prices.csv").write_text("item,price\nnail,cheap\n")

        def push(kind):
            schema = self.factory.home / f"{kind}.yaml"
            schema.write_text("format: csv\ncolumns: [{name: item, type: text}, "
                              f"{{name: price, type: {kind}}}]\n")
            return self.factory.run("dataset", "push", "prices", folder, "-p", "acme/vision",
                                    "--schema", schema)
        self.assertEqual(push("number").returncode, 1, "the price is no number")
        done = push("text")
        self.assertEqual(done.returncode, 0, done.stderr)
        refused = push("boolean")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("version 2 holds the same bytes under another schema", refused.stderr)
        self.assertIn("delete it first", refused.stderr)
        self.factory.do("dataset", "delete-version", "prices", "1", "-p", "acme/vision")
        found = self.factory.ask("dataset", "get", "prices", "-p", "acme/vision")
        self.assertEqual([version["state"] for version in found["versions"]],
                         ["deleted", "active"])
        none = self.factory.run("dataset", "delete-version", "prices", "3", "-p", "acme/vision")
        self.assertEqual(none.returncode, 1)
        self.assertIn("no such version", none.stderr)

    def test_a_secret_removed_during_a_backup_goes_after_it(self):
        for name in ("kept", "removed"):
            self.factory.do("secret", "set", name, "-p", "acme/vision", stdin="value")
        folder = self.factory.state / "run" / "bytes"  # as a backup holds the stored bytes
        folder.mkdir(parents=True, exist_ok=True)

        def sealed():
            return sorted((self.factory.state / "secrets" / "sealed").iterdir())
        before = sealed()
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.factory.do("secret", "delete", "removed", "-p", "acme/vision")
            # Answered by the same thread, after what the removal asked of it.
            call(self.factory, "POST", "/api/v1/uploads",
                 {"project": "acme/vision", "bytes": 1, "digest": "e" * 64})
            self.assertEqual(sealed(), before)
        wait_for("the sealed value to go", lambda: len(sealed()) == len(before) - 1)

    # ---- what is explained

    def test_a_charge_is_explained_to_whom_it_concerns(self):
        self.factory.do("run", "-p", "acme/audio", "--", "/bin/sleep", "1")

        def charge():
            for line in self.factory.do("journal", "cat").splitlines():
                fact = json.loads(line)
                if fact["fact"] == "transferred_from_stream":
                    return fact["body"]["transfers"][0]["id"]
            return None
        transfer = wait_for("the charge", charge)

        def explained(name, key=None):
            return call(self.factory, "GET", f"/api/v1/charges/{name}/explanation", key=key)
        for key in (None, self.member("accountant", "tenant_admin", "acme")):
            told = explained(transfer, key)
            self.assertEqual(told.status, 200, told)
            self.assertEqual(told.json["transfer"]["from"], "acme receivable")
            self.assertEqual(told.json["transfer"]["to"], "/ revenue")
            self.assertGreater(told.json["record_count"], 0)
        # Who may not read the statement is refused before the journal is read for him.
        self.assertEqual(explained(transfer, self.developer).status, 403)
        refusals = self.factory.items("audit", "list", "-p", "acme", "--outcome", "refused")
        self.assertIn("explain_charge", [one["target"] for one in refusals])
        self.factory.do("org", "create", "rival")
        rival = self.factory.ask("service-account", "create", "robot", "-p", "rival")["id"]
        self.factory.do("role", "grant", rival, "tenant_admin", "-p", "rival")
        key = self.factory.ask("key", "create", "r", "-p", "rival", "--owner", rival)["secret"]
        hidden, unknown = explained(transfer, key), explained(transfer[:-1] + "0", key)
        self.assertEqual((hidden.status, hidden.body), (404, unknown.body))


if __name__ == "__main__":
    tap.main()
