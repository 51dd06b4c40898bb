"""Runs the suites of a depth and counts their cases: the second half of ./test.

A suite is a command whose cases are read from what it really reported: a JUnit file (ctest,
GoogleTest) or TAP lines on its output ("ok 1 - name", "not ok 2 - name"). A command that reports
by exit status alone is one case. A suite that ends without reporting a case, that exits with an
error although each case passed, or that runs out of time, is one failed case more.
"""

import argparse
import contextlib
import dataclasses
import datetime
import os
import pathlib
import platform
import re
import selectors
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

from registry import BY_EXIT, DEPTHS, JUNIT, TAP, suites

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TAP_LINE = re.compile(r"^(not )?ok\b[ \d]*-? *(.*)$")
KEPT_LINES = 60
RESULTS = ROOT / "docs" / "results"  # of the long runs, to be committed
RESULT_LINES = 200


@dataclasses.dataclass
class Case:
    name: str
    passed: bool


@dataclasses.dataclass
class Ended:
    status: int
    timed_out: bool
    lines: list


def stop(process, received):
    """Whoever ends the runner ends what it runs."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    sys.exit(128 + received)


def run(suite, environment):
    """Runs the suite's command in a process group of its own, showing its output as it comes."""
    process = subprocess.Popen(suite.command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: stop(process, received))
    deadline = time.monotonic() + suite.limit_seconds
    lines, pending, timed_out = [], b"", False
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                timed_out = True
                break
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            *complete, pending = (pending + chunk).split(b"\n")
            for line in complete:
                lines.append(line.decode(errors="replace"))
                if not suite.quiet:
                    print("   ", lines[-1], flush=True)
    if pending:
        lines.append(pending.decode(errors="replace"))
    try:
        if not timed_out:
            process.wait(max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        timed_out = True
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # nothing a suite started outlives it
    return Ended(process.wait(), timed_out, lines)


def junit_cases(path):
    if not path.exists():
        return []
    return [Case(case.get("name"), case.get("status", "run") == "run"
                 and case.find("failure") is None and case.find("error") is None
                 and case.find("skipped") is None)
            for case in xml.parse(path).getroot().iter("testcase")]


def tap_cases(lines):
    found = (TAP_LINE.match(line) for line in lines)
    return [Case(match.group(2), match.group(1) is None) for match in found if match]


def commit():
    """Which source is tested: "3d477ef", or "3d477ef, changed"."""
    def git(*words):
        return subprocess.run(["git", *words], cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/results")
    return git("rev-parse", "--short", "HEAD") + (", changed" if changed else "")


def machine():
    about = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", about, re.MULTILINE)
    return f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}"


def write_result(folder, suite, cases, lines, seconds):
    """What a long run found, as a file that is committed."""
    failed = [case for case in cases if not case.passed]
    head = [f"{suite.name}: {suite.purpose}",
            f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit()}, "
            f"{machine()}, {seconds:.0f} s",
            f"{len(cases) - len(failed)} passed, {len(failed)} failed",
            *(f"FAILED {case.name}" for case in failed), ""]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{suite.name}.txt").write_text("\n".join(head + lines[-RESULT_LINES:]) + "\n")


def judge(suite, results=None):
    """Runs one suite; returns its cases. What it found is kept in the folder `results`."""
    report = ROOT / "build" / "reports" / f"{suite.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    print(f"== {suite.name}: {suite.purpose}", flush=True)
    began = time.monotonic()
    ended = run(suite, dict(os.environ, BESSEMER_TEST_REPORT=str(report), **suite.environment))
    if suite.reports == BY_EXIT:
        cases = [Case(suite.name, ended.status == 0 and not ended.timed_out)]
    else:
        cases = junit_cases(report) if suite.reports == JUNIT else tap_cases(ended.lines)
        if ended.timed_out:
            cases.append(Case(f"{suite.name} ended within {suite.limit_seconds} s", False))
        elif not cases:
            cases.append(Case(f"{suite.name} reported its cases", False))
        elif ended.status != 0 and all(case.passed for case in cases):
            cases.append(Case(f"{suite.name} exited with {ended.status}", False))
    seconds = time.monotonic() - began
    if results:
        write_result(results, suite, cases, ended.lines, seconds)
    failed = [case for case in cases if not case.passed]
    if failed and suite.quiet:
        print("\n".join("    " + line for line in ended.lines[-KEPT_LINES:]))
    for case in failed:
        print(f"    FAILED {case.name}")
    print(f"   {suite.name}: {len(cases) - len(failed)} passed, {len(failed)} failed, "
          f"{seconds:.0f} s", flush=True)
    return cases


def main():
    parser = argparse.ArgumentParser(add_help=False)
    for depth in DEPTHS[:1] + DEPTHS[2:]:
        parser.add_argument(f"--{depth}", dest="depth", action="store_const", const=depth)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    known = suites()
    unknown = set(options.names) - {suite.name for suite in known}
    if unknown:
        sys.exit(f"no such suite: {', '.join(sorted(unknown))}; known: "
                 + ", ".join(suite.name for suite in known))
    depth = options.depth or DEPTHS[1]
    chosen = [suite for suite in known
              if (suite.name in options.names if options.names else depth in suite.depths)]
    if options.list:
        for suite in chosen:
            print(f"{suite.name:<16} {suite.purpose}")
        return 0
    cases, failed_needs = [], set()
    for suite in chosen:
        blocked = [need for need in suite.needs if need in failed_needs]
        if blocked:
            print(f"== {suite.name}: cannot run, because {blocked[0]} failed")
            results = [Case(suite.name, False)]
        else:
            kept = depth == "soak" and not suite.name.startswith("build_")
            results = judge(suite, RESULTS if kept else None)
        cases += results
        if not all(case.passed for case in results):
            failed_needs.add(suite.name)
    failed = [case for case in cases if not case.passed]
    print(f"{len(cases) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
