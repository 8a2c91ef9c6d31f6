#!/usr/bin/env python3
"""Builds VDC and runs its tests. README.md beside this file says what the parts are and how to add to them.

  ./check                            every part
  ./check unit lab                   these parts
  ./check --promise main-H6          the tests of one promise
  ./check --long NAME --minutes 30   a test that runs as long as it is let; goes on after the last recorded round

The last line is "N passed, N failed, N skipped"; the exit code is 0 when none failed. In a full run a promise whose
tests did not all run and pass is a failure of its own.
"""
import argparse
import fnmatch
import glob
import json
import os
import shutil
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
BUDGETS = {'build': 300, 'unit': 60, 'api': 240, 'fault': 480, 'lab': 660, 'ui': 360}
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
        return (self.patterns is None or name.startswith('promise/')
                or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns))

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
            # A C test says its program's name again. The lab's one program has modules, and one of them is named lab too.
            title = title.removeprefix(program.partition('/')[2] + '/')
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


def run_script(run, program, argv, limit_s=SCRIPT_LIMIT_S, env=None):
    """A script is one test: exit 0 passed, 77 skipped (its last line says what it lacks)."""
    if not run.may_hold_wanted(program):
        return
    output, status = execute(argv, limit_s, env)
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
            program, runner = f'{part}/{test["name"]}', run_tap if test['protocol'] == 'tap' else run_script
            yield program, lambda run, f=runner, p=program, t=test, e=env: f(run, p, t['cmd'], t['timeout'] * 4, e)
    modules = sorted(glob.glob(f'{TESTS}/{part}/test_*.py'))
    if part == 'lab' and modules:
        argv = [sys.executable, TESTS + '/lib/taprunner.py'] + modules
        yield 'lab/*', lambda run: run_lab(run, argv)
    elif part != 'lab':
        for module in modules:
            program = f'{part}/{os.path.basename(module)[:-3]}'
            yield program, lambda run, p=program, m=module: run_tap(run, p, [sys.executable, TESTS + '/lib/taprunner.py', m], 600)
    for path in sorted(glob.glob(f'{TESTS}/{part}/*.test')):
        yield f'{part}/{os.path.basename(path)}', lambda run, p=path: run_script(run, f'{part}/{os.path.basename(p)}', [p])
    if part == 'lab':
        for path in sorted(glob.glob(TOP + '/appliances/*/test')):
            program = f'lab/appliance-{os.path.basename(os.path.dirname(path))}'
            yield program, lambda run, p=path, n=program: run_script(run, n, [p])


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
    jobs = [(program, job) for program, job in jobs_of(part) if program == 'lab/*' or run.may_hold_wanted(program)]
    # The modules of the lab share one, which has the machine for itself; each appliance has a VM or two of its own.
    alone = [job for program, job in jobs if program == 'lab/*' or part not in PARALLEL + ('lab',)]
    beside = [job for program, job in jobs if job not in alone]
    for job in alone:
        job(run)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for future in [pool.submit(job, run) for job in beside]:
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


# --- long tests -----------------------------------------------------------------------------------------------------------

# A long test is a program tests/long/NAME FIRST MINUTES. It prints "round N passed" or "round N failed" for each round
# from FIRST on; N is the seed of a test that has one. long.json keeps what was seen: for each name a list of records
#   {"commit", "changed": the tree was not the commit's, "first", "last", "passed", "failed": [N…], "minutes", "ended"}
# A record is written after each round, so a run may be broken off; the next one goes on after its last round.
RECORDS = TESTS + '/long.json'
LONG_OVERTIME_S = 7200


def git(*argv):
    """Its output; None when it fails, or is not there, as on the machine of bare/run."""
    if shutil.which('git') is None:
        return None
    done = subprocess.run(['git', '-c', 'safe.directory=*', '-C', TOP, *argv], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def read_records():
    try:
        with open(RECORDS, encoding='utf-8') as text:
            return json.load(text)
    except FileNotFoundError:
        return {}


def record_of(records, name):
    """The record to add to: the last one when it is of this commit, else a new one, with rounds never run before."""
    commit = git('rev-parse', 'HEAD') or 'unknown'
    changed = git('status', '--porcelain', '--', '.', ':!tests/long.json') != ''
    kept = records.setdefault(name, [])
    if not kept or (kept[-1]['commit'], kept[-1]['changed']) != (commit, changed):
        first = kept[-1]['last'] + 1 if kept else 1
        kept.append({'commit': commit, 'changed': changed, 'first': first, 'last': first - 1, 'passed': 0, 'failed': [],
                     'minutes': 0.0, 'ended': ''})
    return kept[-1]


def add_round(records, record, number, good, minutes):
    record['last'] = max(record['last'], number)
    record['passed'] += good
    if not good:
        record['failed'].append(number)
    record['minutes'] = round(record['minutes'] + minutes, 2)
    record['ended'] = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
    with open(RECORDS + '.new', 'w', encoding='utf-8') as out:
        json.dump(records, out, indent=1)
        out.write('\n')
    os.replace(RECORDS + '.new', RECORDS)


def run_rounds(run, name, path, minutes):
    """Runs the program, recording each round as it ends; its status."""
    records = read_records()
    record = record_of(records, name)
    process = subprocess.Popen([path, str(record['last'] + 1), str(minutes)], stdin=subprocess.DEVNULL, cwd=TOP,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                               env=environment(), start_new_session=True)
    limit = threading.Timer(minutes * 60 + LONG_OVERTIME_S, os.killpg, (process.pid, signal.SIGTERM))
    limit.start()
    began, notes = time.monotonic(), []
    try:
        for line in process.stdout:
            say(line.rstrip('\n'))
            words = line.split()
            if len(words) != 3 or words[0] != 'round' or words[2] not in ('passed', 'failed'):
                notes = notes[-40:] + [line]
                continue
            add_round(records, record, int(words[1]), words[2] == 'passed', (time.monotonic() - began) / 60)
            run.add(f'long/{name}/round-{words[1]}', words[2], ''.join(notes))
            began, notes = time.monotonic(), []
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    finally:
        limit.cancel()


def run_long(name, minutes):
    path = f'{TESTS}/long/{name}'
    if not os.access(path, os.X_OK):
        there = ' '.join(sorted(os.listdir(TESTS + '/long')))
        raise SystemExit(f'no long test {name}; there are: {there}')
    run = Run(None)
    build(['api'])
    status = run_rounds(run, name, path, minutes)
    if status == 77:
        run.add(f'long/{name}', 'skipped', 'it says why above')
    elif status and not run.count('failed'):
        run.add(f'long/{name}', 'failed', f'exit {status}')
    say(f'long/{name}: {long_text(name)}')
    return run


def last_record(name):
    """The newest record of a commit that this one comes from, None when there is none."""
    for record in reversed(read_records().get(name, [])):
        if not record['changed'] and git('merge-base', '--is-ancestor', record['commit'], 'HEAD') is not None:
            return record
    return None


def long_state(name):
    record = last_record(name)
    if record is None or record['passed'] + len(record['failed']) == 0:
        return 'NOT RUN'
    return 'BROKEN' if record['failed'] else 'held'


def long_text(name):
    record = last_record(name)
    if record is None:
        return f'{name}: no record; ./check --long {name}'
    failed = f', failed: {" ".join(map(str, record["failed"]))}' if record['failed'] else ''
    return (f'{name}: {record["passed"]} passed{failed}, rounds {record["first"]} to {record["last"]}, '
            f'{record["minutes"]:.0f} min, at {record["commit"][:10]}')


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
        if pattern.startswith('long/'):
            state = long_state(pattern.split('/', 1)[1])
            if state != 'held':
                return state
            continue
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
        records = [long_text(pattern.split('/', 1)[1]) for pattern in patterns if pattern.startswith('long/')]
        say(f'{name:12} {state:8} {part:6} {promise}' + ''.join(f' [{text}]' for text in records))
        if part == 'long':
            # Its test is part of no run but its own and counts in none; who asks for the promise is told how it stands.
            if run.patterns is not None:
                run.add(f'promise/{name}', 'passed' if state == 'held' else 'failed', f'{state}, by the record')
        elif full and state in ('NOT RUN', 'SKIPPED'):
            run.add(f'promise/{name}', 'failed', f'its tests did not run: {" ".join(patterns)}')


# --- main -----------------------------------------------------------------------------------------------------------------

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
    os.makedirs(os.path.dirname(path), exist_ok=True)
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
