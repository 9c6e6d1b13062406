"""Runs the tests and tells their results as TAP."""
import unittest


class Tap(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.told = 0

    def tell(self, test, is_good, note=""):
        self.told += 1
        print(f"{'ok' if is_good else 'not ok'} {self.told} - {test.id()}{note}")

    def addSuccess(self, test):
        self.tell(test, True)

    def addSkip(self, test, reason):
        self.tell(test, True, f" # SKIP {reason}")

    def addFailure(self, test, err):
        self.tell(test, False)

    addError = addFailure


result = Tap()
unittest.defaultTestLoader.discover(".").run(result)
print(f"1..{result.told}")
