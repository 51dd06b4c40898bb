"""The list of suites: what ./test runs, at which depth, and how each reports.

Depths: fast (each push), change (what protects a change), full, soak.
"""

import dataclasses
import os

DEPTHS = ("fast", "change", "full", "soak")
JUNIT, TAP, BY_EXIT = "junit", "tap", "exit"
FAST_ON, CHANGE_ON, FULL, SOAK = DEPTHS[:3], DEPTHS[1:3], DEPTHS[2:3], DEPTHS[3:]
CORES = str(os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class Suite:
    name: str
    purpose: str
    command: list
    depths: tuple
    reports: str = BY_EXIT
    limit_seconds: int = 600
    needs: tuple = ()        # suites without which this one means nothing
    quiet: bool = True       # show output only when something failed
    environment: dict = dataclasses.field(default_factory=dict)


def build(preset, depths, target="all"):
    """Configures and builds; goes on after an error, so that one broken module hides no other."""
    script = (f"cmake --preset {preset} >build/configure.log 2>&1 "
              f"|| {{ cat build/configure.log; exit 1; }}; "
              f"cmake --build build/{preset} --target {target} -j{CORES} -- -k 0")
    suffix, purpose = {
        "all": ("", "programs, unit tests and link checks compile and link"),
        "all_verify_interface_header_sets": ("_headers", "each header compiles alone"),
        "planted": ("_planted", "the simulator with one bug planted in each compiles and links"),
        "fuzzers": ("", "the hostile readers compile and link")}[target]
    return Suite(f"build_{preset}{suffix}", f"{purpose} ({preset})",
                 ["bash", "-c", f"mkdir -p build; {script}"], depths, limit_seconds=2400)


def units(preset, depths, environment=None):
    return Suite(f"units_{preset}", f"unit tests and source rules ({preset})",
                 ["bash", "-c", f"ctest --test-dir build/{preset} --output-on-failure -j{CORES} "
                                f"--timeout 300 --output-junit \"$BESSEMER_TEST_REPORT\""],
                 depths, reports=JUNIT, limit_seconds=1800, environment=environment or {})


def kills(depths, count):
    return Suite(f"kills_{count}", f"kill -9 of the daemon at {count} random moments of the example",
                 ["/usr/bin/python3", "tests/factory/kills.py", str(count)], depths, reports=TAP,
                 limit_seconds=300 + 60 * count, needs=("build_release",))


def simulate(depths, count, steps, limit_seconds):
    return Suite(f"simulation_{count}",
                 f"{count} histories of the whole core, by seed, with faults and judges",
                 ["/usr/bin/python3", "tests/run/simulate.py", "seeds", "1", str(count),
                  str(steps)], depths,
                 reports=TAP, limit_seconds=limit_seconds, needs=("build_release",))


def fuzz(depths, seconds, limit_seconds):
    return Suite(f"fuzz_{seconds}s", f"each parser is fed hostile bytes for {seconds} s",
                 ["/usr/bin/python3", "tests/run/fuzz.py", str(seconds)], depths, reports=TAP,
                 limit_seconds=limit_seconds, needs=("build_fuzz",))


def suites():
    """Every suite, in the order in which they run."""
    return [
        Suite("runner", "this runner counts what it should",
              ["/usr/bin/python3", "tests/run/suites_test.py"], FAST_ON, reports=TAP),
        build("release", FAST_ON),
        units("release", FAST_ON),
        build("release", FAST_ON, "all_verify_interface_header_sets"),
        Suite("scene_language", "the language of scenes",
              ["/usr/bin/python3", "tests/scenes/script_test.py"], FAST_ON, reports=TAP),
        Suite("example_arithmetic", "the served model computes what the trained one does",
              ["/usr/bin/python3", "tests/examples/arithmetic.py"], CHANGE_ON, reports=TAP),
        Suite("example_language", "the first example's programs, each as a task without a factory",
              ["/usr/bin/python3", "tests/examples/first_factory.py"], CHANGE_ON, reports=TAP,
              limit_seconds=300),
        Suite("example_digits", "the second example's programs, each as a task without a factory",
              ["bash", "-c", "examples/digits/fetch && "
                             "exec /usr/bin/python3 tests/examples/digits.py"],
              CHANGE_ON, reports=TAP, limit_seconds=300),
        Suite("clients_direct", "OpenAI's own libraries against the first example's server",
              ["bash", "-c", "tests/clients/prepare && "
                             "exec /usr/bin/python3 tests/clients/direct.py"],
              CHANGE_ON, reports=TAP, limit_seconds=600),
        Suite("main_job", "data, training, gate, registry, endpoint, tokens and bill, for real",
              ["/usr/bin/python3", "tests/factory/main_job.py"], CHANGE_ON, reports=TAP,
              limit_seconds=900, needs=("build_release",)),
        Suite("scenes", "stories as text, each on a factory of its own",
              ["/usr/bin/python3", "tests/scenes/run.py"], CHANGE_ON, reports=TAP,
              limit_seconds=900, needs=("build_release",)),
        Suite("inside", "commands, files and ports of running tasks, and who may not",
              ["/usr/bin/python3", "tests/factory/inside.py"], CHANGE_ON, reports=TAP,
              limit_seconds=600, needs=("build_release",)),
        Suite("ordinary_user", "a factory without root: what is missing is said, the rest holds",
              ["/usr/bin/python3", "tests/factory/unprivileged.py"], CHANGE_ON, reports=TAP,
              limit_seconds=300, needs=("build_release",)),
        Suite("hostile", "a hostile tenant beside another, and planted secrets",
              ["/usr/bin/python3", "tests/factory/hostile.py"], CHANGE_ON, reports=TAP,
              limit_seconds=600, needs=("build_release",)),
        Suite("clients_gateway", "OpenAI's own libraries against the gateway",
              ["bash", "-c", "tests/clients/prepare && "
                             "exec /usr/bin/python3 tests/factory/clients.py"],
              CHANGE_ON, reports=TAP, limit_seconds=900, needs=("build_release",)),
        Suite("main_job_digits", "the second example for real, served and billed by the request",
              ["bash", "-c", "examples/digits/fetch && "
                             "exec /usr/bin/python3 tests/factory/digits.py"],
              CHANGE_ON, reports=TAP, limit_seconds=600, needs=("build_release",)),
        Suite("backup", "a factory backed up while it works comes back whole, and only whole",
              ["/usr/bin/python3", "tests/factory/backup.py"], CHANGE_ON, reports=TAP,
              limit_seconds=600, needs=("build_release",)),
        Suite("snapshots", "snapshots come by themselves and survive kills",
              ["/usr/bin/python3", "tests/factory/snapshots.py"], CHANGE_ON, reports=TAP,
              limit_seconds=300, needs=("build_release",)),
        Suite("reboot", "a machine started anew: what ran is lost, and begun again where it may be",
              ["/usr/bin/python3", "tests/factory/reboot.py"], CHANGE_ON, reports=TAP,
              limit_seconds=300, needs=("build_release",)),
        Suite("full_disk", "a full disk says so, and everything goes on once there is room",
              ["/usr/bin/python3", "tests/factory/full_disk.py"], CHANGE_ON, reports=TAP,
              limit_seconds=600, needs=("build_release",)),
        simulate(DEPTHS[1:2], 2000, 250, 600), simulate(DEPTHS[2:], 10000, 400, 2400),
        build("release", CHANGE_ON, "planted"),
        Suite("simulation_planted", "each bug that was planted in the core is found by simulation",
              ["/usr/bin/python3", "tests/run/simulate.py", "planted"], CHANGE_ON, reports=TAP,
              needs=("build_release_planted",)),
        Suite("cancel", "a job that is cancelled at any moment around its start ends",
              ["/usr/bin/python3", "tests/factory/cancel.py"], CHANGE_ON, reports=TAP,
              needs=("build_release",)),
        Suite("deciding", "a budget for 50 serves 50 of 1,000, through kill -9 and SIGSTOP",
              ["/usr/bin/python3", "tests/factory/deciding.py"], CHANGE_ON, reports=TAP,
              limit_seconds=400, needs=("build_release",)),
        Suite("promises", "repeated, long and refused requests, and counted things, for real",
              ["/usr/bin/python3", "tests/factory/promises.py"], CHANGE_ON, reports=TAP,
              limit_seconds=300, needs=("build_release",)),
        Suite("bad_input", "each bad input gets its own clear error, and nothing is half done",
              ["/usr/bin/python3", "tests/factory/bad_input.py"], CHANGE_ON, reports=TAP,
              limit_seconds=300, needs=("build_release",)),
        Suite("openapi", "the OpenAPI document is valid, true, and within reach of the commands",
              ["bash", "-c", "tests/openapi/prepare && "
                             "exec .deps/openapi/python/bin/python tests/openapi/check.py"],
              CHANGE_ON, reports=TAP, limit_seconds=300, needs=("build_release",)),
        kills(DEPTHS[1:2], 10), kills(FULL, 50), kills(SOAK, 500),
        # Ten thousand of these run with the unit tests of every run.
        Suite("oracle_1m", "a million price books with usage: streaming = batch = oracle",
              ["/usr/bin/python3", "tests/oracle/rate.py", "--cases", "build/release/oracle_cases",
               "--count", "1000000", "--seed", "20001"], SOAK, limit_seconds=14400,
              needs=("build_release",)),
        build("clang", FULL),
        units("clang", FULL),
        Suite("simulation_compilers", "both compilers' programs decide the same, bit by bit",
              ["/usr/bin/python3", "tests/run/simulate.py", "compare", "1", "400"], FULL,
              reports=TAP, limit_seconds=1800, needs=("build_release", "build_clang")),
        build("asan", FULL),
        units("asan", FULL),
        build("tsan", FULL),
        units("tsan", FULL),
        build("fuzz", DEPTHS[2:], "fuzzers"),
        fuzz(FULL, 20, 1200),
        fuzz(SOAK, 1200, 14400),
    ]
