"""Runs the simulator over many seeds, divided among the cores, and reports as TAP.

  simulate.py seeds FIRST COUNT [STEPS]    every history is clean
  simulate.py planted [SEEDS]              each planted bug is found within so many seeds
  simulate.py compare FIRST COUNT [STEPS]  both compilers' programs decide the same
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

BUILD = pathlib.Path(__file__).resolve().parent.parent.parent / "build"
CORES = os.cpu_count() or 1
STEPS = 400
PIECE = 100  # seeds of one process: small, so that no core waits long for the other
BUGS = ("answer_before_sync", "stale_state", "torn_tail_kept", "lease_returned_by_time",
        "double_allocation")
PLANTED_SEEDS = 300  # each bug is found within these


def run(program, *arguments):
    return subprocess.run([str(program), *map(str, arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")


def pieces(first, count):
    return [(at, min(PIECE, first + count - at)) for at in range(first, first + count, PIECE)]


class Report:
    def __init__(self):
        self.number, self.failed = 0, False

    def add(self, good, what, output=""):
        self.number += 1
        self.failed = self.failed or not good
        for line in output.splitlines():
            print("#", line)
        print(f"{'ok' if good else 'not ok'} {self.number} - {what}", flush=True)


def seeds(report, first, count, steps):
    program = BUILD / "release" / "bessemer-simulate"
    clean, tally = 0, {}
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        for result in pool.map(lambda piece: run(program, *piece, steps), pieces(first, count)):
            for line in result.stdout.splitlines():
                counted = re.match(r" *(\d+)  (.+)$", line)
                found = re.match(r"(\d+) seeds clean of ", line)
                if counted:
                    tally[counted[2]] = tally.get(counted[2], 0) + int(counted[1])
                elif found:
                    clean += int(found[1])
                else:
                    print("#", line, flush=True)
    for what, times in sorted(tally.items()):
        print(f"# {times:>12}  {what}")
    report.add(clean == count, f"{clean} seeds clean of {count} from {first}, {steps} steps each")


def planted(report, most):
    def look(bug):
        return run(BUILD / "release" / f"simulate_{bug}", "--expect-fault", 1, most, STEPS)
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        for bug, result in zip(BUGS, pool.map(look, BUGS)):
            report.add(result.returncode == 0, f"the planted bug {bug} is found", result.stdout)


def compare(report, first, count, steps):
    def digest(work):
        preset, piece = work
        result = run(BUILD / preset / "bessemer-simulate", *piece, steps)
        found = re.search(r"digest ([0-9a-f:A-Z]+)", result.stdout)
        return found[1] if found else result.stdout

    parts = pieces(first, count)
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        ours = pool.map(digest, [("release", piece) for piece in parts])
        theirs = pool.map(digest, [("clang", piece) for piece in parts])
        for (at, length), one, other in zip(parts, ours, theirs):
            report.add(one == other, f"seeds {at} to {at + length - 1}: the same digest with both "
                                     "compilers", "" if one == other else f"{one}\n{other}")


def main():
    what, numbers = sys.argv[1], [int(text) for text in sys.argv[2:]]
    report = Report()
    if what == "planted":
        planted(report, *(numbers or [PLANTED_SEEDS]))
    else:
        first, count, steps = (numbers + [STEPS])[:3]
        (seeds if what == "seeds" else compare)(report, first, count, steps)
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
