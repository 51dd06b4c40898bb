#!/usr/bin/python3
"""How long the client and the daemon take to start, and what an idle factory holds in memory.

Usage: bench/start.py [ROUNDS]   (default 40). Beside each figure stands the machine's own: the
same measure of /bin/true, taken in the same rounds. Release build.
"""

import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "factory"))
import factory  # noqa: E402


def seconds_of(command, environment=None):
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
                   env=environment)
    return time.perf_counter() - begin


def clients(rounds, running):
    """Interleaved, so that the machine's mood meets each alike."""
    commands = {"/bin/true": (["/bin/true"], None),
                "bessemer --help": ([factory.PROGRAM, "--help"], None),
                "bessemer job list (asks the daemon)":
                    ([factory.PROGRAM, "job", "list"], running.environment)}
    taken = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, environment) in commands.items():
            taken[name].append(seconds_of(command, environment) * 1e3)
    for name, each in taken.items():
        print(f"{name:38} p50 {statistics.median(each):6.2f} ms   least {min(each):6.2f} ms")


def memory_kib(pid):
    """Proportional set: what this process adds to the machine's use."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def processes_below(pid):
    found, ahead = [], [pid]
    while ahead:
        at = ahead.pop()
        found.append(at)
        for task in pathlib.Path(f"/proc/{at}/task").glob("*/children"):
            ahead += map(int, task.read_text().split())
    return found


def ready_after(running):
    """Seconds from exec to /readyz, asked every millisecond."""
    begin = time.perf_counter()
    running.start(pause_seconds=0.001)
    return time.perf_counter() - begin


def daemons(rounds):
    empty, again = [], []
    for _ in range(max(3, rounds // 8)):
        with factory.Factory() as running:
            running.kill()
            running.start()
            running.stop()
            again.append(ready_after(running) * 1e3)
        fresh = factory.Factory()
        try:
            empty.append(ready_after(fresh) * 1e3)
        finally:
            fresh.remove()
    print(f"daemon ready, empty state              p50 {statistics.median(empty):6.1f} ms   "
          f"least {min(empty):6.1f} ms")
    print(f"daemon ready again                     p50 {statistics.median(again):6.1f} ms   "
          f"least {min(again):6.1f} ms")


def idle(running):
    time.sleep(2)
    for pid in processes_below(running.process.pid):
        name = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        words = b" ".join(name[:2]).decode()
        print(f"idle memory, proportional set          {memory_kib(pid) / 1024:6.1f} MiB  "
              f"{pathlib.Path(words.split()[0]).name} {' '.join(words.split()[1:])}")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    print(f"$ bench/start.py {rounds}")
    daemons(rounds)
    with factory.Factory() as running:
        clients(rounds, running)
        idle(running)


if __name__ == "__main__":
    main()
