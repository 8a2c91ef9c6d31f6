"""The step table is what the programs pass, and a build in which they disagree does not come to be."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import apigrid

PROGRAMS = {'vdcd': 'vdc/controller/vdcd', 'vdc-agent': 'vdc/agent/vdc-agent'}
OPERATIONS = ('start', 'stop', 'apply', 'scale', 'destroy', 'restore', 'empty')
POINTS_MIN = 60


def table():
    """[(step, process)] of vdc/base/steps.def."""
    with open(apigrid.TOP + '/vdc/base/steps.def', encoding='utf-8') as text:
        return re.findall(r'^([a-z]+\.\d\d\.\w+)\s+(\S+)', text.read(), re.M)


def listed(program):
    done = subprocess.run([f'{apigrid.BUILD}/{PROGRAMS[program]}', '--list-failpoints'], stdout=subprocess.PIPE, text=True,
                          check=True)
    return [line.split()[0] for line in done.stdout.splitlines()]


class Failpoints(unittest.TestCase):
    def check_source(self, *changes):
        """What steps.py says of a copy of the sources with @changes: (file, old, new)."""
        folder = tempfile.mkdtemp(prefix='vdc-steps-')
        self.addCleanup(shutil.rmtree, folder)
        shutil.copytree(apigrid.TOP + '/vdc', folder + '/vdc')
        for file, old, new in changes:
            with open(f'{folder}/{file}', encoding='utf-8') as text:
                before = text.read()
            self.assertIn(old, before)
            with open(f'{folder}/{file}', 'w', encoding='utf-8') as text:
                text.write(before.replace(old, new))
        done = subprocess.run([sys.executable, folder + '/vdc/base/steps.py', folder, folder + '/out.c', folder + '/out.d'],
                              stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stderr, os.path.exists(folder + '/out.c')

    def test_programs_pass_what_the_table_says(self):
        for program in PROGRAMS:
            self.assertEqual(sorted(step for step, process in table() if process == program), listed(program))

    def test_there_are_enough_of_every_operation_and_process(self):
        steps = table()
        self.assertGreaterEqual(len(steps), POINTS_MIN)
        for operation in OPERATIONS:
            processes = {process for step, process in steps if step.startswith(operation + '.')}
            self.assertEqual(set(PROGRAMS), processes, operation)

    def test_numbers_are_the_order_of_an_operation(self):
        seen = {}
        for step, _ in table():
            operation, number, _ = step.split('.')
            seen.setdefault(operation, []).append(int(number))
        for operation, numbers in seen.items():
            self.assertEqual(list(range(1, len(numbers) + 1)), numbers, operation)

    def test_a_step_without_failpoint_does_not_build(self):
        self.assertEqual((0, '', True), self.check_source())
        status, text, made = self.check_source(('vdc/agent/prepare.c', 'FP ("start.23.wires_up");', ''))
        self.assertEqual((1, False), (status, made))
        self.assertIn('step start.23.wires_up has no FP', text)

    def test_a_failpoint_without_step_does_not_build(self):
        status, text, made = self.check_source(('vdc/agent/prepare.c', 'FP ("start.23.wires_up");',
                                                'FP ("start.23.wires_up"); FP ("start.99.new");'))
        self.assertEqual((1, False), (status, made))
        self.assertIn('FP ("start.99.new") is no step', text)

    def test_a_failpoint_in_another_process_does_not_build(self):
        status, text, _ = self.check_source(('vdc/agent/prepare.c', 'FP ("start.23.wires_up");',
                                             'FP ("start.23.wires_up"); FP ("start.01.decided");'))
        self.assertEqual(1, status)
        self.assertIn('belongs to vdcd', text)

    def test_release_has_none(self):
        for program in PROGRAMS.values():
            path = f'{apigrid.TOP}/build/release/{program}'
            if not os.path.exists(path):
                self.skipTest('there is no release build')
            with open(path, 'rb') as binary:
                text = binary.read()
            for word in (b'VDC_FAILPOINT', b'VDC_BUG', b'list-failpoints', b'start.01.decided', b'vdc_failpoint'):
                self.assertNotIn(word, text, path)


if __name__ == '__main__':
    unittest.main()
