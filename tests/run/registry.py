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


def script(name, purpose, path, limit_seconds=300, depths=CHANGE_ON, arguments=(), prepare=None,
           needs=("build_release",)):
    """A program of tests/ that reports as TAP; `prepare` fetches what it needs before."""
    command = ["/usr/bin/python3", f"tests/{path}", *map(str, arguments)]
    if prepare:
        command = ["bash", "-c", f"{prepare} && exec \"$@\"", "prepared", *command]
    return Suite(name, purpose, command, depths, TAP, limit_seconds, needs)


def kills(depths, count):
    return script(f"kills_{count}", f"kill -9 of the daemon at {count} random moments of the example",
                  "factory/kills.py", 300 + 60 * count, depths, [count])


def simulate(depths, count, steps, limit_seconds):
    return script(f"simulation_{count}",
                  f"{count} histories of the whole core, by seed, with faults and judges",
                  "run/simulate.py", limit_seconds, depths, ["seeds", 1, count, steps])


def fuzz(depths, seconds, limit_seconds):
    return script(f"fuzz_{seconds}s", f"each parser is fed hostile bytes for {seconds} s",
                  "run/fuzz.py", limit_seconds, depths, [seconds], needs=("build_fuzz",))


def suites():
    """Every suite, in the order in which they run."""
    alone = {"needs": ()}  # no program of the build is needed
    return [
        script("runner", "this runner counts what it should", "run/suites_test.py", depths=FAST_ON,
               **alone),
        build("release", DEPTHS),
        units("release", FAST_ON),
        build("release", FAST_ON, "all_verify_interface_header_sets"),
        script("scene_language", "the language of scenes", "scenes/script_test.py",
               depths=FAST_ON, **alone),
        script("example_arithmetic", "the served model computes what the trained one does",
               "examples/arithmetic.py", **alone),
        script("example_language", "the first example's programs, each as a task without a factory",
               "examples/first_factory.py", **alone),
        script("example_digits", "the second example's programs, each as a task without a factory",
               "examples/digits.py", prepare="examples/digits/fetch", **alone),
        script("clients_direct", "OpenAI's own libraries against the first example's server",
               "clients/direct.py", 600, prepare="tests/clients/prepare", **alone),
        script("main_job", "data, training, gate, registry, endpoint, tokens and bill, for real",
               "factory/main_job.py", 900),
        script("scenes", "stories as text, each on a factory of its own", "scenes/run.py", 900),
        script("inside", "commands, files and ports of running tasks, and who may not",
               "factory/inside.py", 600),
        script("ordinary_user", "a factory without root: what is missing is said, the rest holds",
               "factory/unprivileged.py"),
        script("hostile", "a hostile tenant beside another, and planted secrets",
               "factory/hostile.py", 600),
        script("clients_gateway", "OpenAI's own libraries against the gateway",
               "factory/clients.py", 900, prepare="tests/clients/prepare"),
        script("main_job_digits", "the second example for real, served and billed by the request",
               "factory/digits.py", 600, prepare="examples/digits/fetch"),
        script("backup", "a factory backed up while it works comes back whole, and only whole",
               "factory/backup.py", 600),
        script("snapshots", "snapshots come by themselves and survive kills",
               "factory/snapshots.py"),
        script("retention", "of a long past the last is kept, and the rest says where it is",
               "factory/retention.py"),
        script("reboot", "a machine started anew: what ran is lost, and begun again where it may be",
               "factory/reboot.py"),
        script("full_disk", "a full disk says so, and everything goes on once there is room",
               "factory/full_disk.py", 600),
        simulate(DEPTHS[1:2], 2000, 250, 600), simulate(FULL, 10000, 400, 2400),
        simulate(SOAK, 200000, 400, 36000),
        build("release", CHANGE_ON, "planted"),
        script("simulation_planted", "each bug that was planted in the core is found by simulation",
               "run/simulate.py", 600, arguments=["planted"], needs=("build_release_planted",)),
        script("cancel", "a job that is cancelled at any moment around its start ends",
               "factory/cancel.py", 600),
        script("deciding", "a budget or wallet for 50 serves 50, through kill -9 and SIGSTOP",
               "factory/deciding.py", 400),
        script("promises", "repeated, long and refused requests, and counted things, for real",
               "factory/promises.py"),
        script("bad_input", "each bad input gets its own clear error, and nothing is half done",
               "factory/bad_input.py"),
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
        script("simulation_compilers", "both compilers' programs decide the same, bit by bit",
               "run/simulate.py", 1800, FULL, ["compare", 1, 400],
               needs=("build_release", "build_clang")),
        build("asan", FULL),
        units("asan", FULL),
        build("tsan", FULL),
        units("tsan", FULL),
        build("fuzz", DEPTHS[2:], "fuzzers"),
        fuzz(FULL, 20, 1200),
        fuzz(SOAK, 1200, 14400),
    ]
