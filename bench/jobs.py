#!/usr/bin/python3
"""Trivial sandboxed jobs end to end through the daemon, and the time until one runs.

Usage: sudo bench/jobs.py [--jobs 1000] [--build build/release]

Prints jobs a second from the first submission to the last recorded end, the time from a
submission's sending to its recorded start, CPU time per job of everything that the factory does,
and this machine's own limits (bench_spawn), measured before and after in the same run.
"""

import argparse
import http.client
import json
import os
import pathlib
import queue
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNIFIED = [path for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
           if (pathlib.Path(path) / "cgroup.procs").exists()]


class Account:
    """A cgroup that the whole factory runs in: what it has used of the processors."""

    def __init__(self):
        self.place = None
        for base in UNIFIED:
            place = pathlib.Path(base) / f"bench-jobs-{os.getpid()}"
            try:
                place.mkdir()
                self.place = place
                break
            except OSError:
                continue

    def enter(self):
        if self.place:
            (self.place / "cgroup.procs").write_text(str(os.getpid()))

    def used_us(self):
        if not self.place:
            return None
        for line in (self.place / "cpu.stat").read_text().splitlines():
            if line.startswith("usage_usec"):
                return int(line.split()[1])
        return None


class Api:
    def __init__(self, factory):
        self.port = factory.api_port
        self.key = (factory.state / "secrets" / "admin.key").read_text().strip()
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def call(self, method, path, body=None):
        self.connection.request(method, path, body,
                                {"authorization": f"Bearer {self.key}",
                                 "content-type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text)

    def submit(self):
        return self.call("POST", "/api/v1/jobs", json.dumps(
            {"project": "bench/jobs", "command": ["/bin/true"],
             "resources": {"memory_bytes": 64 << 20, "cpu_millis": 100,
                           "scratch_bytes": 1 << 20}}))["id"]

    def events(self):
        """Yields (moment, fact) for each fact as it is told."""
        self.connection.request("GET", "/api/v1/events", headers={
            "authorization": f"Bearer {self.key}"})
        answer = self.connection.getresponse()
        kind = None
        for line in answer:
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                yield time.monotonic(), kind, json.loads(line[6:])


class Watch:
    """What the event stream has said of each job."""

    def __init__(self, factory):
        self.started, self.ended, self.changed = {}, {}, queue.Queue()
        ready = threading.Event()
        threading.Thread(target=self.read, args=(Api(factory), ready), daemon=True).start()
        time.sleep(0.3)

    def read(self, api, ready):
        for moment, kind, fact in api.events():
            text = json.dumps(fact)
            for name, into in (("workload_task_started", self.started),
                               ("workload_finished", self.ended)):
                if kind != name and f'"{name}"' not in text:
                    continue
                at = text.find('"wl_')
                into[text[at + 1:at + 30]] = moment
                self.changed.put(None)

    def wait(self, into, job):
        deadline = time.monotonic() + 60
        while job not in into:
            if time.monotonic() > deadline:
                sys.exit(f"waited a minute for {job}")
            try:
                self.changed.get(timeout=0.5)
            except queue.Empty:
                pass


def one_at_a_time(factory, watch, count):
    api, spans = Api(factory), []
    for _ in range(count):
        sent = time.monotonic()
        job = api.submit()
        watch.wait(watch.started, job)
        spans.append((watch.started[job] - sent) * 1e3)
        watch.wait(watch.ended, job)
    spans.sort()
    return spans


def sustained(factory, watch, count, clients):
    submitted = []
    left = threading.Semaphore(count)

    def work():
        api = Api(factory)
        while left.acquire(blocking=False):
            submitted.append(api.submit())
    threads = [threading.Thread(target=work) for _ in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job in submitted:
        watch.wait(watch.ended, job)
    return max(watch.ended[job] for job in submitted) - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    chosen = parser.parse_args()
    os.environ["BESSEMER_BUILD"] = str(pathlib.Path(chosen.build).resolve())
    sys.path.insert(0, str(ROOT / "tests" / "factory"))
    from factory import Factory
    limits = [pathlib.Path(os.environ["BESSEMER_BUILD"]) / "bench_spawn", "limits"]
    print(subprocess.run(limits, capture_output=True, text=True).stdout, end="", flush=True)
    account = Account()
    account.enter()
    with Factory() as factory:
        factory.do("org", "create", "bench")
        factory.do("org", "create", "bench/jobs")
        watch = Watch(factory)
        spans = one_at_a_time(factory, watch, max(20, chosen.jobs // 20))
        print(f"one at a time: submitted -> started p50 {statistics.median(spans):.2f} ms, "
              f"p90 {spans[len(spans) * 9 // 10]:.2f} ms ({len(spans)} jobs)", flush=True)
        before = account.used_us()
        took = sustained(factory, watch, chosen.jobs, 4)
        used = account.used_us()
        cpu = f", {(used - before) / chosen.jobs / 1e3:.2f} ms of CPU per job with its client" \
            if used is not None else ""
        load = os.getloadavg()[0]
        print(f"sustained: {chosen.jobs / took:.0f} jobs/s end to end, {chosen.jobs} jobs{cpu} "
              f"(load average {load:.0f})", flush=True)
    print(subprocess.run(limits, capture_output=True, text=True).stdout, end="")


if __name__ == "__main__":
    main()
