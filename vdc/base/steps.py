#!/usr/bin/env python3
"""Makes steps.c of steps.def, unless table and code disagree: then nothing is built.

  steps.py TOP OUT DEPFILE

Every step of the table must be passed by FP ("its name") in the folders of its process, and every FP be a step.
"""
import os
import re
import sys

FOLDERS = {'vdcd': ('vdc/controller', 'vdc/store'), 'vdc-agent': ('vdc/agent',)}
ROW = re.compile(r'^([a-z]+\.\d\d\.[a-z0-9_]+)\s+(\S+)\s+(\S.*)$')
FP = re.compile(r'\bFP \("([^"]*)"\)')


def fail(problems):
    sys.exit('\n'.join(problems))


def read_table(path):
    rows, problems = [], []
    with open(path, encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            line = line.rstrip()
            if not line or line.startswith('#'):
                continue
            found = ROW.match(line)
            if not found or found[2] not in FOLDERS:
                problems.append(f'{path}:{number}: a step is OPERATION.NN.NAME, a process ({" ".join(FOLDERS)}), a text')
            elif found[1] in [row[0] for row in rows]:
                problems.append(f'{path}:{number}: {found[1]} is there twice')
            else:
                rows.append(found.groups())
    if problems:
        fail(problems)
    return rows


def scan(top):
    """name → [(file, line)], and every file and folder looked at."""
    found, seen = {}, []
    for folder in sorted({folder for folders in FOLDERS.values() for folder in folders}):
        for path, _, names in os.walk(os.path.join(top, folder)):
            seen.append(path)
            for name in sorted(names):
                if not name.endswith('.c'):
                    continue
                file = os.path.join(path, name)
                seen.append(file)
                with open(file, encoding='utf-8') as lines:
                    for number, line in enumerate(lines, 1):
                        for step in FP.findall(line):
                            found.setdefault(step, []).append((os.path.relpath(file, top), number))
    return found, seen


def disagreements(rows, found):
    table = {name: process for name, process, _ in rows}
    problems = [f'{places[0][0]}:{places[0][1]}: FP ("{name}") is no step of vdc/base/steps.def'
                for name, places in sorted(found.items()) if name not in table]
    for name, process in table.items():
        mine = [place for place in found.get(name, []) if place[0].startswith(tuple(f + '/' for f in FOLDERS[process]))]
        if not mine:
            problems.append(f'vdc/base/steps.def: step {name} has no FP ("{name}") in {process}'
                            f' ({", ".join(FOLDERS[process])})')
        problems += [f'{file}:{line}: step {name} belongs to {process}' for file, line in found.get(name, [])
                     if (file, line) not in mine]
    return problems


def write_if_changed(path, text):
    try:
        with open(path, encoding='utf-8') as old:
            if old.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, 'w', encoding='utf-8') as out:
        out.write(text)


def main():
    top, out, depfile = sys.argv[1:]
    table = os.path.join(top, 'vdc/base/steps.def')
    rows = read_table(table)
    found, seen = scan(top)
    problems = disagreements(rows, found)
    if problems:
        fail(problems)
    lines = ['#include "vdc/base/bug.h"', '', '#ifdef VDC_TEST_BUILD', 'const VdcStep vdc_steps[] = {']
    lines += [f'    {{"{name}", "{process}", "{text}"}},' for name, process, text in
              ((name, process, text.replace('"', '\\"')) for name, process, text in rows)]
    write_if_changed(out, '\n'.join(lines + ['    {NULL, NULL, NULL},', '};', '#endif', '']))
    with open(depfile, 'w', encoding='utf-8') as deps:
        deps.write(f'{out}: ' + ' '.join([table] + seen) + '\n')


if __name__ == '__main__':
    main()
