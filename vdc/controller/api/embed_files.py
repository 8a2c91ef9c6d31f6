#!/usr/bin/env python3
"""Makes the table of the console page's files: embed_files.py OUT.c FILE..."""
import os
import sys


def entry(path):
    with open(path, 'rb') as content:
        data = content.read()
    lines = [data[at:at + 24] for at in range(0, len(data), 24)]
    text = '\n'.join('     "' + ''.join(f'\\{byte:03o}' for byte in line) + '"' for line in lines)
    return f'    {{"{os.path.basename(path)}",\n{text}, {len(data)}}},\n'


with open(sys.argv[1], 'w', encoding='ascii') as code:
    code.write('/* Made by embed_files.py. */\n#include "vdc/controller/api/console_files.h"\n\n'
               'const StaticFile console_files[] = {\n' + ''.join(map(entry, sorted(sys.argv[2:]))) + '};\n'
               'const gsize n_console_files = G_N_ELEMENTS (console_files);\n')
