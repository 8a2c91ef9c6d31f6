"""Planted bugs (tests/bugs.tsv): each must make the test named beside it fail, which passes without it."""
import fnmatch
import json
import os
import re
import subprocess
import sys
import time

import apigrid

LIMIT_S = 240


def table():
    """[(bug, area, PART/PROGRAM/CASE)]."""
    with open(apigrid.TOP + '/tests/bugs.tsv', encoding='utf-8') as lines:
        return [tuple(line.rstrip('\n').split('\t')) for line in lines if line.strip() and not line.startswith('#')]


def planted():
    """Every name that the sources plant."""
    found = set()
    for path, _, names in os.walk(apigrid.TOP + '/vdc'):
        for name in names:
            if name.endswith('.c'):
                with open(os.path.join(path, name), encoding='utf-8') as text:
                    found |= set(re.findall(r'\bvdc_bug \("([a-z0-9-]+)"\)', text.read()))
    return found


def unit_program(program):
    """(argv, env) of a unit test."""
    listing = subprocess.run(['meson', 'introspect', apigrid.BUILD, '--tests'], stdout=subprocess.PIPE, check=True).stdout
    for test in json.loads(listing):
        if test['name'] == program and any(suite.endswith('unit') for suite in test['suite']):
            return test['cmd'], test['env']
    raise KeyError(f'there is no unit test {program}')


def command(part, program, case):
    """(argv, env) that runs the cases matching @case, perhaps others too."""
    if part == 'unit':
        return unit_program(program)
    argv = [sys.executable, apigrid.TOP + '/tests/lib/taprunner.py', f'{apigrid.TOP}/tests/{part}/{program}.py']
    return argv, {'VDC_TEST_ONLY': program.removeprefix('test_') + '/' + case}


def cases_of(output, program):
    """{case: passed} of TAP."""
    found = {}
    for line in output.splitlines():
        match = re.match(r'(not )?ok \d+ (?:- )?/?(\S+)', line)
        if match and '# SKIP' not in line.upper():
            name = match[2].removeprefix(program.removeprefix('test_') + '/')
            found[name] = match[1] is None
    return found


def caught(bug, test):
    """(whether the test failed with @bug, what was seen, seconds). A crash of the test program is a failure of it."""
    part, program, case = test.split('/', 2)
    argv, env = command(part, program, case)
    began = time.monotonic()
    try:
        done = subprocess.run(argv, env=dict(os.environ, VDC_BUG=bug, VDC_TOP=apigrid.TOP, VDC_BUILD=apigrid.BUILD, **env),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors='replace', timeout=LIMIT_S, check=False)
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = (late.stdout or b'').decode(errors='replace'), 'too long'
    seen = cases_of(output, program)
    mine = {name: passed for name, passed in seen.items() if fnmatch.fnmatchcase(name, case)}
    failed = [name for name, passed in mine.items() if not passed]
    if not failed and part == 'unit' and status != 0:
        failed = [f'ended with {status} in one of them']  # GLib ends at the first assertion that does not hold
    text = ' '.join(failed) if failed else f'nothing failed of {sorted(mine)}'
    return bool(failed), text, time.monotonic() - began


def run(rows, say):
    """Prints the table; the bugs that got through."""
    through = []
    for bug, area, test in rows:
        good, text, seconds = caught(bug, test)
        say(f'{bug:34} {area:10} {test:62} {"caught" if good else "NOT CAUGHT: " + text} ({seconds:.1f} s)')
        if not good:
            through.append(bug)
    say(f'{len(rows)} planted, {len(rows) - len(through)} caught')
    return through
