"""Runs unittest cases and reports each as a TAP line, which is how ./test counts them."""

import sys
import unittest


class _Tap(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self._number = 0

    def _line(self, test, passed, detail=""):
        self._number += 1
        for line in detail.splitlines():
            print("#", line)
        print(f"{'ok' if passed else 'not ok'} {self._number} - {test.id().split('.', 1)[-1]}",
              flush=True)

    def addSuccess(self, test):
        self._line(test, True)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._line(test, False, self.failures[-1][1])

    def addError(self, test, error):
        super().addError(test, error)
        self._line(test, False, self.errors[-1][1])

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        detail = ""
        if error is not None:
            kept = self.failures if issubclass(error[0], test.failureException) else self.errors
            detail = kept[-1][1]
        self._line(subtest, error is None, detail)

    def addSkip(self, test, reason):
        self.addFailure(test, (AssertionError, AssertionError(f"skipped: {reason}"), None))


def main():
    """Runs all cases of the calling program, or those whose names it is given."""
    loader = unittest.defaultTestLoader
    module = sys.modules["__main__"]
    names = sys.argv[1:]
    cases = loader.loadTestsFromNames(names, module) if names else loader.loadTestsFromModule(module)
    result = _Tap()
    cases.run(result)
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)
