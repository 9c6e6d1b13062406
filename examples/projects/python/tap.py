"""Runs the tests and prints their results as TAP."""
import unittest


class Tap(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.printed = 0

    def print_result(self, test, is_good, remark=""):
        self.printed += 1
        print(f"{'ok' if is_good else 'not ok'} {self.printed} - {test.id()}{remark}")

    def addSuccess(self, test):
        self.print_result(test, True)

    def addSkip(self, test, reason):
        self.print_result(test, True, f" # SKIP {reason}")

    def addFailure(self, test, err):
        self.print_result(test, False)

    addError = addFailure


result = Tap()
unittest.defaultTestLoader.discover(".").run(result)
print(f"1..{result.printed}")
