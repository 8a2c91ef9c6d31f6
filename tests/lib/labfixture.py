"""The lab that the tests in tests/lab share, and labs of a test's own.

    import labfixture
    lab = labfixture.shared_lab()      # up already, or brought up now; taken down at the end of the run
    lab.client                         # vdc.Client
    lab.vdc('app', 'list')             # the command line, as root in this lab
    lab.url                            # console

Each lab has a folder of its own below /var/tmp, so that a lab of the machine's user is never touched.
"""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import shared
import vdc

TOP = os.environ.get('VDC_TOP') or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('VDC_BUILD', TOP + '/build/release')
VDC = BUILD + '/vdc/cli/vdc'


class Lab:
    def __init__(self, name):
        self.name = name
        self.folder = tempfile.mkdtemp(prefix=f'vdc-{name}-', dir='/var/tmp')
        # Nothing of the user's own settings: XDG_CONFIG_HOME is where they would be.
        self.env = dict(os.environ, VDC_LAB_DIR=self.folder, XDG_CONFIG_HOME=self.folder)
        for variable in ('VDC_URL', 'VDC_TOKEN', 'VDC_CA'):
            self.env.pop(variable, None)
        self.client = None

    def up(self):
        self.vdc('lab', 'up', '--name', self.name, timeout_s=120)
        self.client = vdc.Client.of_lab(self.folder)
        return self

    def down(self, now=True):
        """Everything of it is gone after this, also its folder; its logs only when it went well."""
        try:
            self.vdc('lab', 'down', '--name', self.name, *(['--now'] if now else []), '--purge', timeout_s=120)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *argv, timeout_s=300, stdin=None):
        """The command line in this lab: subprocess.CompletedProcess, bytes."""
        return subprocess.run([VDC, *argv], env=self.env, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=timeout_s, check=False)

    def vdc(self, *argv, timeout_s=300, stdin=None):
        """Its output as text; an error when it exits with anything but 0."""
        done = self.run(*argv, timeout_s=timeout_s, stdin=stdin)
        if done.returncode:
            raise AssertionError(f'vdc {" ".join(argv)}: exit {done.returncode}\n{done.stderr.decode(errors="replace")}'
                                 f'\n{self.tail_of_logs()}')
        return done.stdout.decode(errors='replace')

    def json(self, *argv, timeout_s=300):
        return json.loads(self.vdc(*argv, '--json', timeout_s=timeout_s))

    def status(self):
        return self.json('lab', 'status', '--name', self.name)

    def processes(self, program):
        """Pids (of the host) of a program in the lab's machines: 'vdcd', 'vdc-agent', 'libvirtd', 'qemu-system-x86_64'."""
        return [process['pid'] for machine in self.status()['machines'] for process in machine['processes']
                if process['name'] == program]

    def machine_pid(self, name):
        """The init of a machine ('s1', 'ctl'): /proc/PID/ns/… are its namespaces."""
        return next(machine['pid'] for machine in self.status()['machines'] if machine['name'] == name)

    def inside(self, machine, argv, timeout_s=60):
        """Run a program of the host in a machine's namespaces; its output as text."""
        enter = ['nsenter', '-t', str(self.machine_pid(machine)), '-m', '-n', '-u', '-p', '-i', '--']
        return subprocess.run(enter + argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout_s, check=True,
                              text=True, cwd='/').stdout

    def tail_of_logs(self, lines=15):
        text = ''
        for path in sorted(glob.glob(self.folder + '/log/*.log')):
            with open(path, encoding='utf-8', errors='replace') as log:
                text += f'--- {os.path.basename(path)}\n' + ''.join(log.readlines()[-lines:])
        return text


def lack():
    """What is missing to run a lab at all, or None."""
    if os.geteuid() != 0:
        return 'needs root'
    if not os.access(VDC, os.X_OK):
        return f'{VDC} is not built'
    if not os.path.exists(TOP + '/build/images.json'):
        return 'no images: appliances/build'
    return None


def shared_lab():
    missing = lack()
    if missing:
        raise unittest.SkipTest(missing)
    return shared.hold('lab', lambda: start(Lab('check')), lambda lab: lab.down())


def start(lab):
    """Up, or nothing left of it."""
    try:
        return lab.up()
    except BaseException:
        lab.down()
        raise


class LabTest(unittest.TestCase):
    """A test case on the shared lab. Applications it makes by self.create are removed again, failed or not."""

    @classmethod
    def setUpClass(cls):
        cls.lab = shared_lab()
        cls.client = cls.lab.client

    def create(self, name, template, started=True, **settings):
        """An application from the catalog, running unless told otherwise; its object."""
        self.addCleanup(self.client.remove, name)
        self.client.post('applications', {'name': name, 'from': template, 'set': settings})
        if not started:
            return self.client.application(name)
        self.client.act(name, 'start')
        return self.client.wait_application(name, 'running')

    def page(self, url, right=lambda status, text: status == 200, timeout_s=30):
        """The text of a page, asked again until right (status, text)."""
        seen = []

        def look():
            seen[:] = [vdc.http_get(url)]
            return right(seen[0][0], seen[0][2]) and seen[0]
        try:
            return self.client.wait(f'{url} answers', look, timeout_s, silence_s=0.5)[2]
        except vdc.TooLate:
            self.fail(f'{url}: last answer {seen[0][0]}: {seen[0][2][:500]}')
