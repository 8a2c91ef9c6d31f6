#!/usr/bin/env python3
"""Builds VDC and runs its tests. README.md beside this file says what the parts are and how to add to them.

  ./check                            every part
  ./check unit lab                   these parts
  ./check --promise main-H6          the tests of one promise
  ./check --long NAME --minutes 30   a test that runs as long as it is let

The last line is "N passed, N failed, N skipped"; the exit code is 0 when none failed. In a full run a promise whose
tests did not all run and pass is a failure of its own.
"""
import argparse
import fnmatch
import glob
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

TESTS = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(TESTS)
RELEASE = TOP + '/build/release'
ASAN = TOP + '/build/asan'

# What a part may take on the build machine, in seconds: printed beside what it took, over it is shown.
BUDGETS = {'build': 300, 'unit': 120, 'api': 180, 'fault': 180, 'lab': 1080, 'ui': 120}
PARTS = ['unit', 'api', 'fault', 'lab', 'ui']
PARALLEL = ('unit', 'api', 'fault')  # their tests share nothing
SANITIZED = PARALLEL + ('ui',)
SCRIPT_LIMIT_S = 900


class Result:
    """One test case: part/program/name, and how it went."""

    def __init__(self, name, state, text=''):
        self.name, self.state, self.text = name, state, text


class Run:
    def __init__(self, patterns):
        self.results = []
        self.patterns = patterns
        self.lock = threading.Lock()
        self.times = {}

    def wanted(self, name):
        return self.patterns is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns)

    def may_hold_wanted(self, program):
        """Whether a program could hold a wanted test: its cases are only known after it ran."""
        return self.patterns is None or any(fnmatch.fnmatchcase(program, '/'.join(pattern.split('/')[:2]))
                                            for pattern in self.patterns)

    def add(self, name, state, text=''):
        if not self.wanted(name):
            return
        with self.lock:
            self.results.append(Result(name, state, text))
            if state == 'failed':
                print(f'FAILED  {name}' + ''.join(f'\n    {line}' for line in text.splitlines()[-40:]), flush=True)
            elif state == 'skipped':
                print(f'skipped {name}: {text}', flush=True)

    def count(self, state):
        return sum(1 for result in self.results if result.state == state)


def say(text):
    print(text, flush=True)


# --- building -------------------------------------------------------------------------------------------------------------

def build_one(folder, options):
    if not os.path.exists(folder + '/build.ninja'):
        subprocess.run(['meson', 'setup', folder, TOP] + options, check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(['ninja', '-C', folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        say('\n'.join(done.stdout.splitlines()[-60:]))
        raise SystemExit(f'0 passed, 1 failed, 0 skipped (build of {os.path.relpath(folder, TOP)})')


def build(parts):
    build_one(RELEASE, ['--buildtype=debugoptimized'])
    if any(part in SANITIZED for part in parts):
        build_one(ASAN, ['-Db_sanitize=address,undefined', '-Dtest_build=true', '-Db_lundef=false'])


def build_images(run):
    """The lab needs images; the builder makes only those that are missing."""
    done = subprocess.run([TOP + '/appliances/build', '--guest', RELEASE + '/vdc/guest'], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    run.add('lab/images/build', 'passed' if done.returncode == 0 else 'failed', done.stdout)
    return done.returncode == 0


# --- running --------------------------------------------------------------------------------------------------------------

def environment():
    env = dict(os.environ)
    env.update(VDC_TOP=TOP, VDC_BUILD=RELEASE, VDC_TEST_BUILD=ASAN, PYTHONPATH=TESTS + '/lib',
               PYTHONDONTWRITEBYTECODE='1', G_DEBUG='fatal-criticals',
               ASAN_OPTIONS='detect_leaks=1:abort_on_error=0', UBSAN_OPTIONS='halt_on_error=1:print_stacktrace=1')
    env['PATH'] += ':/usr/local/sbin:/usr/sbin:/sbin'
    return env


def execute(argv, limit_s, env=None, cwd=TOP):
    """Output and status; a program over its limit is ended with everything it started in its group."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               errors='replace', env=env or environment(), cwd=cwd, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=limit_s)
        return output, process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        return output + f'\nnot ended after {limit_s} s', 124
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def parse_tap(run, program, output, status):
    """TAP, also of GLib: 'ok 3 /json/depth', 'not ok 4 …', 'ok 5 … # SKIP reason'."""
    planned, seen, notes = None, 0, []
    for line in output.splitlines():
        words = line.strip()
        if words.startswith('1..'):
            planned = int(words[3:].split()[0])
            if planned == 0:
                run.add(program, 'skipped', words.partition('SKIP')[2].strip())
        elif words.startswith(('ok ', 'not ok ')):
            seen += 1
            good = words.startswith('ok ')
            rest = words.split(' ', 1 if good else 2)[-1]
            name, _, directive = rest.partition(' # ')
            number, _, title = name.partition(' ')
            title = (title if number.isdigit() else name).lstrip('- ').strip('/')
            title = title.removeprefix(program.split('/')[-1] + '/')
            skip = directive.upper().startswith(('SKIP', 'TODO'))
            run.add(f'{program}/{title}', 'skipped' if skip else 'passed' if good else 'failed',
                    directive[4:].strip() if skip else '\n'.join(notes))
            notes = []
        else:
            notes.append(line)
    if status not in (0, 1) or planned is None or seen < planned:
        run.add(f'{program}/end', 'failed', f'exit {status} after {seen} of {planned} tests\n' + '\n'.join(notes))


def run_tap(run, program, argv, limit_s, env=None):
    if not run.may_hold_wanted(program):
        return
    output, status = execute(argv, limit_s, env)
    parse_tap(run, program, output, status)


def run_script(run, program, path):
    """A script is one test: exit 0 passed, 77 skipped (its last line says what it lacks)."""
    if not run.may_hold_wanted(program):
        return
    output, status = execute([path], SCRIPT_LIMIT_S)
    state = {0: 'passed', 77: 'skipped'}.get(status, 'failed')
    run.add(program, state, (output.strip().splitlines() or [''])[-1] if state == 'skipped' else output)


def meson_tests(suite):
    listing = subprocess.run(['meson', 'introspect', ASAN, '--tests'], stdout=subprocess.PIPE, check=True).stdout
    for test in json.loads(listing):
        if any(name.split(':')[-1] == suite for name in test['suite']):
            yield test


def jobs_of(part):
    """(program, function of run) of everything in a part."""
    if part in PARALLEL:
        for test in meson_tests(part):
            env = environment()
            env.update(test['env'])
            program = f'{part}/{test["name"]}'
            yield program, lambda run, p=program, t=test, e=env: run_tap(run, p, t['cmd'], t['timeout'] * 4, e)
    modules = sorted(glob.glob(f'{TESTS}/{part}/test_*.py'))
    if part == 'lab' and modules:
        argv = [sys.executable, TESTS + '/lib/taprunner.py'] + modules
        yield 'lab/*', lambda run: run_lab(run, argv)
    elif part != 'lab':
        for module in modules:
            program = f'{part}/{os.path.basename(module)[:-3]}'
            yield program, lambda run, p=program, m=module: run_tap(run, p, [sys.executable, TESTS + '/lib/taprunner.py', m], 600)
    for path in sorted(glob.glob(f'{TESTS}/{part}/*.test')):
        yield f'{part}/{os.path.basename(path)}', lambda run, p=path: run_script(run, f'{part}/{os.path.basename(p)}', p)
    if part == 'lab':
        for path in sorted(glob.glob(TOP + '/appliances/*/test')):
            program = f'lab/appliance-{os.path.basename(os.path.dirname(path))}'
            yield program, lambda run, p=path, n=program: run_script(run, n, p)


def run_lab(run, argv):
    """One process for all lab modules: they share the lab. It names its tests module/case itself."""
    env = environment()
    if run.patterns is not None:
        env['VDC_TEST_ONLY'] = '\n'.join(pattern.split('/', 1)[1] for pattern in run.patterns if pattern.startswith('lab/'))
    output, status = execute(argv, BUDGETS['lab'] * 2, env)
    parse_tap(run, 'lab', output, status)


def run_part(run, part):
    if part == 'lab' and (os.geteuid() != 0 or not build_images(run)):
        run.add('lab/lab', 'skipped' if os.geteuid() else 'failed', 'needs root' if os.geteuid() else 'no images')
        return
    jobs = [job for program, job in jobs_of(part) if program == 'lab/*' or run.may_hold_wanted(program)]
    with ThreadPoolExecutor(os.cpu_count() if part in PARALLEL else 1) as pool:
        for future in [pool.submit(job, run) for job in jobs]:
            future.result()


def timed(run, name, work, *args):
    began = time.monotonic()
    passed, failed, skipped = (run.count(state) for state in ('passed', 'failed', 'skipped'))
    work(*args)
    took = time.monotonic() - began
    over = '  OVER BUDGET' if took > BUDGETS[name] else ''
    run.times[name] = round(took, 1)
    say(f'{name:6} {took:6.1f} s (budget {BUDGETS[name]} s){over}  {run.count("passed") - passed} passed, '
        f'{run.count("failed") - failed} failed, {run.count("skipped") - skipped} skipped')


# --- promises -------------------------------------------------------------------------------------------------------------

def read_promises():
    """Rows of promises.tsv: id, promise, patterns of test names, part."""
    promises = []
    with open(TESTS + '/promises.tsv', encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            line = line.rstrip('\n')
            if not line or line.startswith('#'):
                continue
            fields = line.split('\t')
            if len(fields) != 4:
                raise SystemExit(f'tests/promises.tsv:{number}: four columns, tab between them, not {len(fields)}')
            promises.append((fields[0], fields[1], fields[2].split(), fields[3]))
    return promises


def promise_state(run, patterns):
    worst = 'held'
    for pattern in patterns:
        states = [result.state for result in run.results if fnmatch.fnmatchcase(result.name, pattern)]
        if 'failed' in states:
            return 'BROKEN'
        if not states:
            worst = 'NOT RUN'
        elif 'passed' not in states and worst == 'held':
            worst = 'SKIPPED'
    return worst


def print_promises(run, promises, full):
    say('')
    for name, promise, patterns, part in promises:
        state = promise_state(run, patterns)
        say(f'{name:12} {state:8} {part:6} {promise}')
        if full and state in ('NOT RUN', 'SKIPPED'):
            run.add(f'promise/{name}', 'failed', f'its tests did not run: {" ".join(patterns)}')


# --- main -----------------------------------------------------------------------------------------------------------------

def run_long(name, minutes):
    path = f'{TESTS}/long/{name}'
    if not os.access(path, os.X_OK):
        there = ' '.join(sorted(os.listdir(TESTS + '/long'))) if os.path.isdir(TESTS + '/long') else 'none'
        raise SystemExit(f'no long test {name}; there are: {there}')
    build(['unit'])
    run = Run(None)
    output, status = execute([path, str(minutes)], minutes * 60 + 600)
    say(output)
    run.add(f'long/{name}', {0: 'passed', 77: 'skipped'}.get(status, 'failed'), output)
    return run


def run_parts(parts, patterns, promises, full):
    run = Run(patterns)
    timed(run, 'build', build, parts)
    for part in parts:
        timed(run, part, run_part, run, part)
    print_promises(run, promises, full)
    keep_times(run, full)
    return run


def keep_times(run, full):
    """What this run took, for the next look; a run of some parts keeps what the last full one took."""
    path, total = TOP + '/build/check.json', round(sum(run.times.values()), 1)
    try:
        with open(path, encoding='utf-8') as text:
            last_full = json.load(text).get('last_full_s')
    except (OSError, ValueError):
        last_full = None
    with open(path, 'w', encoding='utf-8') as out:
        json.dump({'full': full, 'seconds': run.times, 'total_s': total, 'last_full_s': total if full else last_full}, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', metavar='PART', help=' '.join(PARTS))
    parser.add_argument('--promise', metavar='ID')
    parser.add_argument('--long', metavar='NAME')
    parser.add_argument('--minutes', type=int, default=10)
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f'no such part: {unknown[0]}; there are {" ".join(PARTS)}')
    promises = read_promises()
    if options.long:
        run = run_long(options.long, options.minutes)
    elif options.promise:
        promises = [promise for promise in promises if promise[0] == options.promise]
        if not promises:
            raise SystemExit(f'no promise {options.promise} in tests/promises.tsv')
        patterns = [pattern for promise in promises for pattern in promise[2]]
        parts = [part for part in PARTS if any(pattern.startswith(part + '/') for pattern in patterns)]
        run = run_parts(parts, patterns, promises, True)
    else:
        parts = [part for part in PARTS if not options.parts or part in options.parts]
        run = run_parts(parts, None, promises, not options.parts)
    say(f'{run.count("passed")} passed, {run.count("failed")} failed, {run.count("skipped")} skipped')
    return 1 if run.count('failed') or not run.results else 0


if __name__ == '__main__':
    sys.exit(main())
