#!/usr/bin/python3
"""Authenticated reads of the API: how many a second, and what each costs the daemon.

Usage: bench/api.py [SECONDS]   (default 5 for each row; needs `wrk`). The daemon's CPU time is read
from the kernel around each row: reads per CPU second is the figure that another program on the
machine cannot spoil. nginx answering a file of the same size from memory stands beside it where
nginx is installed.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "factory"))
import factory  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
JOBS = 40


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def load(url, key, seconds, connections):
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-H",
         f"Authorization: Bearer {key}", url], text=True, capture_output=True, check=True).stdout
    if re.search(r"Non-2xx", done):
        raise SystemExit(f"{url}: not every answer was 200\n{done}")
    count = int(re.search(r"(\d+) requests in", done).group(1))
    p50, p99 = (re.search(rf"^\s+{at}%\s+(\S+)", done, re.M).group(1) for at in (50, 99))
    return count, p50, p99


def row(name, url, key, pids, seconds, connections=16):
    load(url, key, 1, connections)
    before, begin = cpu_seconds(pids), time.perf_counter()
    count, p50, p99 = load(url, key, seconds, connections)
    spent, took = cpu_seconds(pids) - before, time.perf_counter() - begin
    print(f"{name:34} {count / took:8.0f}/s  {count / max(spent, 1e-9):8.0f} per CPU second  "
          f"{spent / count * 1e6:6.1f} us each   p50 {p50}  p99 {p99}")


def nginx(seconds, size):
    """nginx with one worker, a file of the given size; the same client."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if not program:
        return
    with tempfile.TemporaryDirectory() as folder:
        port, place = factory.free_port(), pathlib.Path(folder)
        os.chmod(folder, 0o755)
        (place / "answer.json").write_text("x" * size)
        (place / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; keepalive_requests 100000000; open_file_cache max=10;
  client_body_temp_path {place}; proxy_temp_path {place}; fastcgi_temp_path {place};
  uwsgi_temp_path {place}; scgi_temp_path {place};
  server {{ listen 127.0.0.1:{port}; root {place}; }} }}
""")
        server = subprocess.Popen([program, "-c", str(place / "nginx.conf")],
                                  stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
            row(f"nginx, a file of {size} bytes", f"http://127.0.0.1:{port}/answer.json", "none",
                [server.pid, *map(int, children.split())], seconds)
        finally:
            server.terminate()
            server.wait()


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"$ bench/api.py {seconds}")
    with factory.Factory() as running:
        running.set_up()
        jobs = [json.loads(running.do("run", "-o", "json", "-p", factory.PROJECT, "--detach", "--",
                                      "/bin/true"))
                for _ in range(JOBS)]
        factory.wait_for("the jobs to end", lambda: all(
            job["phase"] in ("succeeded", "failed")
            for job in running.items("job", "list", "-p", factory.PROJECT)))
        key = (running.state / "secrets" / "admin.key").read_text().strip()
        base = f"http://127.0.0.1:{running.api_port}/api/v1"
        pids = [running.process.pid]
        job = f"{base}/jobs/{jobs[0]['id']}"
        size = len(running.download(job[job.index("/api"):]))
        row("one job", job, key, pids, seconds)
        row(f"a page of {JOBS} jobs", f"{base}/jobs?project={factory.PROJECT}", key, pids, seconds)
        row("who am I", f"{base}/whoami", key, pids, seconds)
        nginx(seconds, size)


if __name__ == "__main__":
    main()
