"""The runner itself: whatever a suite does, its failures are counted."""

import contextlib
import io
import unittest

import suites
import tap
from registry import BY_EXIT, JUNIT, TAP, Suite


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


if __name__ == "__main__":
    tap.main()
