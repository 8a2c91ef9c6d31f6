#!/usr/bin/env python3
"""Makes the table of the API's schemas: embed_schemas.py OUT.c NAME.json...

A file that is no JSON, or holds a key twice, stops the build.
"""
import json
import os
import sys


def once(pairs):
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f'a key is there twice: {names}'
    return dict(pairs)


def quoted(text):
    return ''.join(c if ' ' <= c <= '~' and c not in '"\\?' else ''.join(f'\\{byte:03o}' for byte in c.encode()) for c in text)


def entry(path):
    with open(path, encoding='utf-8') as text:
        try:
            schema = json.load(text, object_pairs_hook=once)
        except (ValueError, AssertionError) as error:
            sys.exit(f'{path}: {error}')
    name = os.path.basename(path).removesuffix('.json')
    return f'    {{"{name}", "{quoted(json.dumps(schema, ensure_ascii=False))}"}},\n'


out, files = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
with open(out, 'w', encoding='ascii') as code:
    code.write('/* Made by embed_schemas.py. */\n#include "vdc/controller/api/schemas_private.h"\n\n'
               'const SchemaText schema_texts[] = {\n' + ''.join(map(entry, files)) + '    {NULL, NULL},\n};\n')
