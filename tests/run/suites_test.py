"""The runner itself: whatever a suite does, its failures are counted."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import registry
import suites
import tap
from registry import BY_EXIT, DEPTHS, JUNIT, TAP, Suite


def outcome(script, reports, limit_seconds=20):
    """(passed, failed) of a suite that runs this shell script."""
    suite = Suite("trial", "a suite of this test", ["bash", "-c", script], ("fast",),
                  reports=reports, limit_seconds=limit_seconds)
    with contextlib.redirect_stdout(io.StringIO()):
        cases = suites.judge(suite)
    passed = sum(case.passed for case in cases)
    return passed, len(cases) - passed


class Counting(unittest.TestCase):
    def test_tap_lines_are_cases(self):
        self.assertEqual(outcome("echo ok 1 - a; echo talk; echo not ok 2 - b; exit 1", TAP), (1, 1))

    def test_a_suite_without_cases_failed(self):
        self.assertEqual(outcome("true", TAP), (0, 1))
        self.assertEqual(outcome("true", JUNIT), (0, 1))

    def test_a_bad_exit_after_good_cases_is_a_failure(self):
        self.assertEqual(outcome("echo ok 1 - a; exit 3", TAP), (1, 1))

    def test_exit_status_alone(self):
        self.assertEqual(outcome("true", BY_EXIT), (1, 0))
        self.assertEqual(outcome("false", BY_EXIT), (0, 1))

    def test_time_runs_out(self):
        self.assertEqual(outcome("echo ok 1 - a; exec tail -f /dev/null", TAP, 0.3), (1, 1))

    def test_junit(self):
        def report(inside):
            return f"""cat >"$BESSEMER_TEST_REPORT" <<'X'
<testsuite><testcase name="a" status="run"/>{inside}</testsuite>
X"""
        self.assertEqual(outcome(report(""), JUNIT), (1, 0))
        self.assertEqual(outcome(report('<testcase name="b" status="fail"><failure/></testcase>')
                                 + "\nexit 8", JUNIT), (1, 1))
        self.assertEqual(outcome(report('<testcase name="b" status="notrun"/>'), JUNIT), (1, 1))


class Registry(unittest.TestCase):
    def test_each_depth_has_what_its_suites_need(self):
        for depth in DEPTHS:
            there = set()
            for suite in registry.suites():
                if depth not in suite.depths:
                    continue
                self.assertLessEqual(set(suite.needs), there, f"{suite.name} at {depth}")
                there.add(suite.name)

    def test_every_script_is_there(self):
        for suite in registry.suites():
            for word in suite.command:
                if word.endswith(".py") and " " not in word:
                    self.assertTrue((suites.ROOT / word).is_file(), word)

    def test_what_is_fetched_before_decides(self):
        for prepare, expected in (("true", (1, 0)), ("false", (0, 1))):
            made = registry.script("trial", "a suite of this test", "", prepare=prepare)
            shell = [*made.command[:4], "echo", "ok 1 - a"]
            with contextlib.redirect_stdout(io.StringIO()):
                cases = suites.judge(Suite("trial", "", shell, DEPTHS, TAP))
            passed = sum(case.passed for case in cases)
            self.assertEqual((passed, len(cases) - passed), expected)


class Results(unittest.TestCase):
    def test_a_long_run_leaves_what_it_found(self):
        suite = Suite("trial", "a suite of this test",
                      ["bash", "-c", "echo ok 1 - a; echo '# talk'; echo not ok 2 - b"], DEPTHS, TAP)
        with tempfile.TemporaryDirectory() as folder:
            with contextlib.redirect_stdout(io.StringIO()):
                suites.judge(suite, pathlib.Path(folder))
            title, about, counts, *rest = (
                pathlib.Path(folder) / "trial.txt").read_text().splitlines()
        self.assertEqual(title, "trial: a suite of this test")
        self.assertRegex(about, r"^\d{4}-\d\d-\d\d \d\d:\d\d UTC, commit [0-9a-f]{7,}.*, "
                                r"\d+ cores of .+, \d+ s$")
        self.assertEqual(counts, "1 passed, 1 failed")
        self.assertEqual(rest, ["FAILED b", "", "ok 1 - a", "# talk", "not ok 2 - b"])


if __name__ == "__main__":
    tap.main()
