"""A share of the crash matrix (lib/crashmatrix.py), another one in each run; all of it: ./check --long crash-matrix."""
import os
import unittest

import apigrid
import crashmatrix

OPERATIONS_OF_SHARE = 3
CASES_OF_OPERATION = 6


def next_share():
    """A number that is one more in each run; VDC_SHARE names it."""
    path = apigrid.BUILD + '/crash_matrix.next'
    try:
        with open(path, encoding='utf-8') as text:
            number = int(text.read())
    except (OSError, ValueError):
        number = 0
    number = int(os.environ.get('VDC_SHARE', number))
    with open(path, 'w', encoding='utf-8') as text:
        text.write(str(number + 1))
    return number


def share(number):
    kinds = crashmatrix.OPERATIONS
    chosen = []
    for k in range(OPERATIONS_OF_SHARE):
        kind = kinds[(number * OPERATIONS_OF_SHARE + k) % len(kinds)]
        own = [case for case in crashmatrix.in_order() if case[0] is kind]
        begin = number * OPERATIONS_OF_SHARE // len(kinds) * CASES_OF_OPERATION
        chosen += [own[(begin + i) % len(own)] for i in range(min(CASES_OF_OPERATION, len(own)))]
    return chosen


class CrashMatrix(unittest.TestCase):
    def test_a_share_of_the_matrix(self):
        lack = crashmatrix.cannot_run()
        if lack:
            self.skipTest(lack)
        crashmatrix.own_network()
        number = next_share()
        counts, failed = crashmatrix.run_all(share(number), lambda text: print('# ' + text.replace('\n', '\n# ')))
        print(f'# share {number}: {crashmatrix.summary(counts)}')
        self.assertEqual([], failed, f'VDC_SHARE={number} runs these again')
        self.assertEqual([], counts['not passed'], 'every step is passed by its operation')

    def test_every_step_of_the_table_is_in_the_matrix(self):
        steps = {step for step, _ in crashmatrix.table() if step.split('.')[0] not in crashmatrix.ELSEWHERE}
        self.assertEqual(steps, {case[1] for case in crashmatrix.cases()})


if __name__ == '__main__':
    unittest.main()
