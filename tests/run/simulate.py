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
MOST_FAULTS = 40  # lines shown of them
PIECE = 100  # seeds of one process: small, so that no core waits long for the other
# What the judges must say of each planted bug: that a history never ends is no find, nor is any
# fault that another bug would cause.
BUGS = {
    "answer_before_sync": "was acknowledged and is lost",
    "stale_state": "is allocated twice|is charged for nothing|is the sum of|check failed|"
                   "more is set aside than it ever had",
    "torn_tail_kept": "the journal is damaged|usage log cannot be read",
    "lease_returned_by_time": "a hold of a usage log is never resolved|"
                              "has not counted what the usage logs settle",
    "double_allocation": "is allocated twice|is not the sum of its allocations|"
                         "more of an accelerator given than it has",
}
PLANTED_SEEDS = 300  # each bug is found within these
PLANTED_PIECE = 10   # seeds looked at before it is asked whether the bug is found


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
    clean, tally, faults = 0, {}, []
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        for result in pool.map(lambda piece: run(program, *piece, steps), pieces(first, count)):
            for line in result.stdout.splitlines():
                counted = re.match(r" *(\d+)  (.+)$", line)
                found = re.match(r"(\d+) seeds clean of ", line)
                if counted:
                    tally[counted[2]] = tally.get(counted[2], 0) + int(counted[1])
                elif found:
                    clean += int(found[1])
                elif line:
                    faults.append(line)
    for what, times in sorted(tally.items()):
        print(f"# {times:>12}  {what}")
    report.add(clean == count, f"{clean} seeds clean of {count} from {first}, {steps} steps each",
               "\n".join(faults[:MOST_FAULTS]))


def planted(report, most):
    def look(bug):
        """How the bug was found; empty: it was not."""
        for first in range(1, most + 1, PLANTED_PIECE):
            said = run(BUILD / "release" / f"simulate_{bug}", first, PLANTED_PIECE, STEPS).stdout
            found = re.search(f"^.*({BUGS[bug]}).*$", said, re.MULTILINE)
            if found:
                return found[0]
        return ""
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        for bug, found in zip(BUGS, pool.map(look, BUGS)):
            report.add(found, f"the planted bug {bug} is found: {found or 'by nobody'}")


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
