#!/usr/bin/env python3
"""Runs unittest modules and prints TAP: one line per test case, named MODULE/CASE, the module without "test_".

taprunner.py FILE…   VDC_TEST_ONLY (patterns, one a line) runs only the tests that match.
What the modules share (the lab) is let go at the end, also after Ctrl-C or a SIGTERM of the caller.
"""
import fnmatch
import importlib.util
import os
import signal
import sys
import time
import traceback
import unittest

import shared

CASE_LIMIT_S = 600


class TooLong(Exception):
    pass


def on_alarm(number, frame):
    raise TooLong(f'not ended after {CASE_LIMIT_S} s')


def on_terminate(number, frame):
    raise KeyboardInterrupt


class TapResult(unittest.TestResult):
    """Writes each result as it comes, so that an aborted run still tells what it did."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.began = time.monotonic()

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()
        signal.alarm(CASE_LIMIT_S)

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def line(self, test, good, note=''):
        self.number += 1
        print(f'{"ok" if good else "not ok"} {self.number} {name_of(test)}{note}', flush=True)
        print(f'# {time.monotonic() - self.began:.1f} s', file=sys.stderr, flush=True)

    def addSuccess(self, test):
        self.line(test, True)

    def addSkip(self, test, reason):
        self.line(test, True, f' # SKIP {reason}')

    def bad(self, test, err):
        for line in ''.join(traceback.format_exception(*err)).splitlines():
            print(f'# {line}', flush=True)
        self.line(test, False)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.bad(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            super().addSubTest(test, subtest, err)
            self.bad(subtest, err)


def name_of(test):
    text = test.id().split('[', 1)[0] if hasattr(test, 'id') else str(test)
    if text.startswith(('setUp', 'tearDown')):  # of a class or module: "setUpClass (test_lab.SharedLab)"
        step, _, owner = text.partition(' (')
        return f'{owner.split(".")[0].removeprefix("test_").rstrip(")")}/{owner.split(".")[-1].rstrip(")")}-{step}'
    parts = text.replace('(', ' ').replace(')', ' ').split()[0].split('.')
    module = parts[0][5:] if parts[0].startswith('test_') else parts[0]
    case = parts[-1][5:] if parts[-1].startswith('test_') else parts[-1]
    return f'{module}/{case.replace("_", "-")}'


def load(path):
    name = os.path.basename(path)[:-3]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if os.path.dirname(path) not in sys.path:
        sys.path.append(os.path.dirname(path))  # for what test modules of a part share
    spec.loader.exec_module(module)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def cases(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases(test)
        else:
            yield test


def wanted(test):
    only = [pattern for pattern in os.environ.get('VDC_TEST_ONLY', '').splitlines() if pattern]
    return not only or any(fnmatch.fnmatchcase(name_of(test), pattern) for pattern in only)


def main():
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, on_terminate)
    # Grouped by class, as the suite runs setUpClass by neighbours.
    tests = [test for path in sys.argv[1:] for test in cases(load(path)) if wanted(test)]
    result = TapResult()
    try:
        unittest.TestSuite(tests).run(result)
        # Only now: a run that was cut short has no plan, and that is how its reader knows.
        print(f'1..{result.number}', flush=True)
    finally:
        signal.alarm(0)
        shared.let_go()
    return 0 if result.wasSuccessful() else 1


if __name__ == '__main__':
    sys.exit(main())
