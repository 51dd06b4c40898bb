#!/usr/bin/python3
"""How long a daemon takes to be ready after kill -9, with a long past.

Usage: bench/recovery.py [JOBS] [ROUNDS]   (default 100000 jobs, 5 rounds). Release build, with the
program bench_history. Each job was submitted, placed, run, charged and ended by the real factory.
"""

import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "factory"))
import factory  # noqa: E402


def ready_after(running):
    """Seconds from exec to /readyz, asked every millisecond."""
    begin = time.perf_counter()
    running.start(pause_seconds=0.001)
    return time.perf_counter() - begin


def bytes_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def shown(what, times):
    print(f"{what:44} p50 {statistics.median(times) * 1e3:7.0f} ms   "
          f"worst {max(times) * 1e3:7.0f} ms")


def rounds_of(running, rounds):
    times = []
    for _ in range(rounds):
        running.kill()
        times.append(ready_after(running))
    return times


def main():
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    running = factory.Factory({"gateways": 0})
    try:
        running.start()
        running.do("org", "create", "acme")
        running.do("org", "create", "acme/vision")
        running.stop()
        begin = time.perf_counter()
        said = subprocess.run([factory.BUILD / "bench_history", running.state, "acme/vision",
                               str(jobs)], check=True, text=True, capture_output=True).stdout
        print(f"{jobs} jobs, {said.strip()} in {time.perf_counter() - begin:.1f} s; journal "
              f"{bytes_below(running.state / 'journal') / 1e6:.0f} MB")
        first = ready_after(running)
        shown("ready after kill -9, no snapshot", [first])
        due = int(said.split()[0]) >= 100_000
        if due:
            factory.wait_for("the daemon's own snapshot",
                             lambda: list((running.state / "snapshots").glob("*.snap")), 120)
            size = max(path.stat().st_size
                       for path in (running.state / "snapshots").glob("*.snap"))
            shown(f"ready after kill -9, snapshot of {size / 1e6:.0f} MB",
                  rounds_of(running, rounds))
    finally:
        running.remove()


if __name__ == "__main__":
    main()
