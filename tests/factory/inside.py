"""Reaching into running tasks of a real factory: commands, files, ports, and who may not."""

import datetime
import fcntl
import http.client
import json
import os
import pathlib
import pty
import select
import struct
import subprocess
import termios
import time

from factory import PROGRAM, ROOT, FactoryCase, tap, wait_for

SERVE = """
import http.server, os, pathlib
pathlib.Path(os.environ['TMPDIR'], 'index.html').write_text('from inside')
os.chdir(os.environ['TMPDIR'])
http.server.test(http.server.SimpleHTTPRequestHandler, port=8000, bind='127.0.0.1')
"""


class Inside(FactoryCase):
    """One factory and one long job for all cases."""
    ORGS = ("acme", "acme/vision", "other", "other/lab")

    @classmethod
    def prepare(cls):
        cls.long = cls.begin("/usr/bin/python3", "-c", SERVE)
        cls.running(cls.long)

    def exec(self, *command, options=(), **more):
        return self.factory.run("exec", self.long, *options, "--", *command, **more)

    def key_of(self, tenant, expires=None, role="tenant_admin"):
        """A key of a service account of a tenant."""
        name = f"robot{time.monotonic_ns()}"
        owner = self.factory.ask("service-account", "create", name, "-p", tenant)["id"]
        self.factory.do("role", "grant", owner, role, "-p", tenant)
        options = ["--expires", expires] if expires else []
        return self.factory.ask("key", "create", name, "-p", tenant, "--owner", owner,
                                *options)["secret"]

    def test_a_command_speaks_and_ends_as_itself(self):
        done = self.exec("sh", "-c", "echo out; echo err >&2; exit 7")
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("out\n", "err\n", 7))
        self.assertEqual(self.exec("sh", "-c", "kill -9 $$").returncode, 137)
        missing = self.exec("/no/such/program")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("/no/such/program", missing.stderr)
        # More about a failure than a pipe holds blocks nobody: the next command still runs.
        self.assertEqual(self.exec("x" * 70_000).returncode, 1)
        self.assertEqual(self.exec("echo", "after").stdout, "after\n")
        # Without -i there is nothing to read.
        self.assertEqual(self.exec("cat", stdin="not for you").stdout, "")

    def test_it_runs_inside_the_sandbox(self):
        done = self.exec("sh", "-c", "id -u; cat /proc/self/status; ls /dev; ls / ; echo > /x")
        self.assertNotEqual(done.stdout.split()[0], "0")
        self.assertIn("Seccomp:\t2", done.stdout)
        self.assertIn("NoNewPrivs:\t1", done.stdout)
        self.assertIn("CapEff:\t0000000000000000", done.stdout)
        self.assertIn("Read-only", done.stderr)

    def test_input_is_passed_on_to_its_end(self):
        words = "".join(f"line {n}\n" for n in range(200_000))
        done = self.exec("sh", "-c", "cat; echo over >&2", options=["-i"], stdin=words)
        self.assertEqual(done.stdout, words)
        self.assertEqual(done.stderr, "over\n")

    def test_a_slow_reader_holds_the_task_back(self):
        slow = subprocess.Popen(
            [PROGRAM, "exec", self.long, "--", "sh", "-c", "head -c 200000000 /dev/zero"],
            env=self.factory.environment, cwd=ROOT, stdout=subprocess.PIPE)
        try:
            slow.stdout.read(1)
            memory = self.daemon_memory()
            time.sleep(1.0)
            self.assertLess(self.daemon_memory() - memory, 32 << 20)
            # Meanwhile everybody else is served.
            self.assertEqual(self.exec("echo", "still here").stdout, "still here\n")
            got = 1
            while piece := slow.stdout.read(1 << 20):
                got += len(piece)
            self.assertEqual(got, 200_000_000)
            self.assertEqual(slow.wait(60), 0)
        finally:
            slow.kill()

    def daemon_memory(self):
        for line in pathlib.Path(f"/proc/{self.factory.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) << 10
        return 0

    def test_a_client_that_goes_takes_its_command_with_it(self):
        client = subprocess.Popen(
            [PROGRAM, "exec", self.long, "--", "sh", "-c", "echo $$; exec sleep 998877"],
            env=self.factory.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        client.stdout.readline()
        self.assertEqual(self.exec("pgrep", "-f", "sleep 998877").returncode, 0)
        client.kill()
        client.wait()
        client.stdout.close()
        wait_for("the command to end",
                 lambda: self.exec("pgrep", "-x", "sleep").returncode == 1)

    def test_a_terminal_has_a_size_that_changes(self):
        child, terminal = pty.fork()
        if child == 0:
            os.execve(PROGRAM, [str(PROGRAM), "exec", self.long, "-it", "--", "sh"],
                      self.factory.environment)
        seen = b""

        def expect(text):
            nonlocal seen
            deadline = time.monotonic() + 60
            while text not in seen:
                self.assertLess(time.monotonic(), deadline, seen)
                if select.select([terminal], [], [], 1)[0]:
                    seen += os.read(terminal, 4096)
        expect(b"$ ")
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 123, 0, 0))
        # The size travels on its own: asked until it has arrived.
        os.write(terminal, b"while [ \"$(stty size)\" != '41 123' ]; do :; done; echo ar''rived\n")
        expect(b"arrived")
        # Ctrl-C is the task's: it ends the sleep and not the client.
        os.write(terminal, b"sleep 1000; echo inter''rupted\n")
        expect(b"sleep 1000")
        time.sleep(0.3)
        os.write(terminal, b"\x03")
        os.write(terminal, b"\nexit 6\n")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if select.select([terminal], [], [], 1)[0] and not os.read(terminal, 4096):
                    break
            except OSError:
                break
        _, status = os.waitpid(child, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 6)
        os.close(terminal)

    def test_files_travel_both_ways(self):
        here = self.factory.home / "files"
        (here / "tree" / "deep").mkdir(parents=True)
        (here / "tree" / "deep" / "data").write_bytes(os.urandom(3_000_000))
        (here / "tree" / "run").write_text("#!/bin/sh\necho ran\n")
        (here / "tree" / "run").chmod(0o755)
        (here / "tree" / "link").symlink_to("/etc/passwd")
        said = self.factory.run("cp", here / "tree", f"{self.long}:/tmp/tree")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("1 links", said.stderr)
        self.assertEqual(self.exec("/tmp/tree/run").stdout, "ran\n")
        self.assertNotEqual(self.exec("test", "-e", "/tmp/tree/link").returncode, 0)
        self.factory.do("cp", f"{self.long}:/tmp/tree", here / "back")
        self.assertEqual((here / "back" / "deep" / "data").read_bytes(),
                         (here / "tree" / "deep" / "data").read_bytes())
        self.factory.do("cp", f"{self.long}:/tmp/tree/run", here / "back")
        self.assertEqual((here / "back" / "run").read_text(), "#!/bin/sh\necho ran\n")
        refused = self.factory.run("cp", f"{self.long}:/etc/shadow", here / "shadow")
        self.assertEqual(refused.returncode, 1)
        self.assertFalse((here / "shadow").exists())
        self.assertNotEqual(self.factory.run("cp", here / "tree", f"{self.long}:/usr/x").returncode, 0)
        self.assertNotEqual(self.factory.run("cp", "/no/such", f"{self.long}:/tmp").returncode, 0)

    def test_a_port_is_forwarded(self):
        forward = subprocess.Popen(
            [PROGRAM, "port-forward", self.long, ":8000"], env=self.factory.environment, cwd=ROOT,
            stderr=subprocess.PIPE, text=True)
        try:
            port = int(forward.stderr.readline().split(":")[1].split()[0])

            def fetch():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                try:
                    connection.request("GET", "/")
                    return connection.getresponse().read()
                except (OSError, http.client.HTTPException):
                    return None  # the server inside is only just starting
            self.assertEqual(wait_for("the server inside", fetch), b"from inside")
            for _ in range(20):
                self.assertEqual(fetch(), b"from inside")
        finally:
            forward.terminate()
            forward.wait()
            forward.stderr.close()

    def test_another_tenant_does_not_even_know_of_it(self):
        stranger = {"BESSEMER_KEY": self.key_of("other"),
                    "BESSEMER_URL": f"http://127.0.0.1:{self.factory.api_port}"}
        unknown = self.factory.run("exec", "wl_00000000000000000000000000", "--", "id",
                                   environment=stranger)
        for words in (["exec", self.long, "--", "id"], ["port-forward", self.long, ":8000"],
                      ["cp", f"{self.long}:/tmp", self.factory.home / "stolen"]):
            if words[0] == "port-forward":
                continue  # asks only once somebody connects
            done = self.factory.run(*words, environment=stranger)
            self.assertEqual(done.stderr, unknown.stderr)
            self.assertEqual(done.returncode, 1)
        # One who may look at jobs may not enter them.
        viewer = dict(stranger, BESSEMER_KEY=self.key_of("acme", role="viewer"))
        self.assertIn("exec", self.factory.run("exec", self.long, "--", "id",
                                               environment=viewer).stderr)

    def test_sessions_are_counted_by_key_and_by_tenant(self):
        held = []

        def enter(key):
            connection = http.client.HTTPConnection("127.0.0.1", self.factory.api_port, timeout=60)
            held.append(connection)
            connection.request("POST", f"/api/v1/jobs/{self.long}/exec",
                               json.dumps({"command": ["sleep", "1000"]}),
                               {"authorization": f"Bearer {key}", "connection": "upgrade",
                                "upgrade": "bessemer-task/1"})
            return connection.getresponse()

        def refused(key, limit):
            answer = enter(key)
            problem = json.loads(answer.read())
            self.assertEqual(answer.status, 429, problem)
            self.assertIn(f"at most {limit} clients", problem["detail"])
            self.assertIn("end an exec", problem["remedy"])
            self.assertGreater(int(answer.headers["retry-after"]), 0)
        one, two, three = (self.key_of("acme") for _ in range(3))
        try:
            for key in (one, two):
                for _ in range(32):
                    self.assertEqual(enter(key).status, 101)
                refused(one, 32)
            refused(three, 64)
        finally:
            for connection in held:
                connection.close()
        wait_for("the sessions to end", lambda: self.exec("true").returncode == 0)

    def test_a_key_that_expires_ends_its_sessions(self):
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
        key = self.key_of("acme", expires=soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
        environment = {"BESSEMER_KEY": key,
                       "BESSEMER_URL": f"http://127.0.0.1:{self.factory.api_port}"}
        began = time.monotonic()
        done = self.factory.run("exec", self.long, "--", "sh", "-c", "echo in; exec sleep 987654",
                                environment=environment)
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual(done.stdout, "in\n")
        self.assertEqual(done.returncode, 1)
        wait_for("the command to end",
                 lambda: self.exec("pgrep", "-f", "sleep 98765[4]").returncode == 1)

    def test_every_entry_is_in_the_audit_log(self):
        self.exec("echo", "look here", options=["-i"], stdin="never written down")
        self.factory.run("cp", f"{self.long}:/tmp/index.html", self.factory.home / "index.html")

        def entries():
            found = self.factory.items("audit", "list", "-p", "acme")
            mine = [(e["action"], e["target"].split(": ", 1)[1]) for e in found
                    if e["target"].startswith(f"{self.long} task 0: ")]
            ends = [action for action, _ in mine]
            return mine if "copy_out_end" in ends and "exec_end" in ends else None
        seen = wait_for("the ends to be recorded", entries)
        self.assertIn(("exec", 'echo "look here"'), seen)
        self.assertIn(("copy_out", "/tmp/index.html"), seen)
        self.assertTrue(any(action == "exec_end" and detail.startswith("exit code 0 after")
                            for action, detail in seen))
        self.assertNotIn("never written down", json.dumps(seen))

    def test_only_a_running_task_can_be_entered(self):
        over = self.begin("/bin/true")
        self.ended(over)
        refused = self.factory.run("exec", over, "--", "id")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("--keep-on-failure", refused.stderr)

    def test_a_failed_task_is_kept_for_a_look(self):
        job = self.begin("sh", "-c", "echo why > /tmp/reason; exit 3",
                          options=["--keep-on-failure"])
        wait_for("the failure", lambda: "files are kept for 30m" in
                 self.factory.run("logs", "--errors", job).stdout)
        self.assertEqual(self.factory.do("exec", job, "--", "cat", "/tmp/reason"), "why\n")
        self.factory.do("cp", f"{job}:/tmp/reason", self.factory.home / "reason")
        self.assertEqual((self.factory.home / "reason").read_text(), "why\n")
        self.factory.do("job", "cancel", job)
        ended = self.ended(job)
        self.assertEqual(ended["attempts"][-1]["tasks"][0]["exit_code"], 3)

    def test_a_silent_job_is_ended_with_its_reason(self):
        job = self.begin("sleep", "1000", options=["--no-progress", "1s", "--grace", "1s",
                                                    "--retries", "0"])
        ended = self.ended(job)
        self.assertEqual((ended["phase"], ended["reason"]), ("failed", "no_progress"))

    def test_a_program_that_does_not_exist_is_tried_once(self):
        ended = self.ended(self.begin("/no/such/program"))
        task = ended["attempts"][-1]["tasks"][0]
        self.assertEqual((ended["reason"], task["exit_code"]), ("exit_code", 127))
        self.assertIn("/no/such/program", ended["detail"] + task["detail"])
        self.assertEqual(len(ended["attempts"]), 1)

    def test_sessions_end_with_the_daemon_and_the_task_goes_on(self):
        client = subprocess.Popen([PROGRAM, "exec", self.long, "--", "sleep", "1000"],
                                  env=self.factory.environment, cwd=ROOT, stderr=subprocess.PIPE)
        wait_for("the command", lambda: self.exec("pgrep", "-x", "sleep").returncode == 0)
        self.factory.kill()
        self.assertEqual(client.wait(60), 1)
        client.stderr.close()
        self.factory.start()
        wait_for("the task to be found again",
                 lambda: self.exec("pgrep", "-x", "sleep").returncode == 1)
        self.assertEqual(self.exec("cat", "/tmp/index.html").stdout, "from inside")


if __name__ == "__main__":
    tap.main()
