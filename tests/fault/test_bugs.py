"""Planted bugs (tests/bugs.tsv): five of them in each run, another five the next time; all: ./check --long bugs."""
import os
import subprocess
import unittest

import apigrid
import plantedbugs

SHARE = 5
BUGS_MIN = 20
AREAS = {'store', 'planner', 'reconciler', 'access', 'HTTP', 'wires'}
PROGRAMS = ('vdc/controller/vdcd', 'vdc/agent/vdc-agent', 'vdc/cli/vdc', 'vdc/lab/vdc-lab', 'vdc/guest/vdc-guest')
# Not a bug: how a test makes the disk fail (unit/store/sync-failure-ends-process).
FAULTS = {'store-sync-fails'}


def next_share():
    """A number that is one more in each run; VDC_SHARE names it."""
    path = apigrid.BUILD + '/bugs.next'
    try:
        with open(path, encoding='utf-8') as text:
            number = int(text.read())
    except (OSError, ValueError):
        number = 0
    number = int(os.environ.get('VDC_SHARE', number))
    with open(path, 'w', encoding='utf-8') as text:
        text.write(str(number + 1))
    return number


class Bugs(unittest.TestCase):
    def test_a_share_of_them_is_caught(self):
        with open(apigrid.BUILD + '/vdc/controller/vdcd', 'rb') as program:
            if b'VDC_BUG' not in program.read():
                self.skipTest('not a test build: nothing is planted in it')
        rows = plantedbugs.table()
        number = next_share()
        chosen = [rows[(number * SHARE + i) % len(rows)] for i in range(SHARE)]
        self.assertEqual([], plantedbugs.run(chosen, lambda text: print('# ' + text)), f'VDC_SHARE={number} runs these again')

    def test_table_names_all_that_is_planted(self):
        rows = plantedbugs.table()
        self.assertEqual(plantedbugs.planted() - FAULTS, {bug for bug, _, _ in rows})
        self.assertGreaterEqual(len(rows), BUGS_MIN)
        self.assertEqual(AREAS, {area for _, area, _ in rows})

    def test_release_has_none(self):
        seen = 0
        for name in PROGRAMS:
            path = f'{apigrid.TOP}/build/release/{name}'
            if not os.path.exists(path):
                continue
            seen += 1
            symbols = subprocess.run(['nm', path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
            self.assertNotIn(b'vdc_bug', symbols, path)
            self.assertNotIn(b'vdc_failpoint', symbols, path)
            with open(path, 'rb') as binary:
                text = binary.read()
            for bug in sorted(plantedbugs.planted()):
                self.assertNotIn(bug.encode() + b'\0', text, path)
        if not seen:
            self.skipTest('there is no release build')


if __name__ == '__main__':
    unittest.main()
