"""What the lab itself promises: nothing outside its namespaces, nothing left after it, state kept over a kill."""
import os
import re
import signal
import subprocess
import unittest

import labfixture

FOLDERS = ('/etc/libvirt', '/var/lib/libvirt', '/var/cache/libvirt', '/var/log/libvirt', '/run/libvirt', '/run/netns',
           '/run/vdc', '/var/lib/vdc')


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as text:
            return text.read()
    except OSError:
        return ''


def processes():
    """Those that could be a lab's: in a PID namespace that is not ours, or a program of ours. Zombies are the caller's."""
    own = os.readlink('/proc/self/ns/pid')
    found = set()
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            namespace = os.readlink(f'/proc/{pid}/ns/pid')
        except OSError:
            continue
        command = read(f'/proc/{pid}/cmdline').split('\0')[0]
        state = re.search(r'^State:\s+(\S)', read(f'/proc/{pid}/status'), re.M)
        if state and state[1] != 'Z' and (namespace != own or os.path.basename(command).startswith(('vdc', 'qemu', 'libvirt'))):
            found.add((pid, command))
    return found


def network_namespaces():
    found = set()
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            found.add(os.readlink(f'/proc/{pid}/ns/net'))
        except OSError:
            pass
    return found


def control_groups():
    return {path for path, _, _ in os.walk('/sys/fs/cgroup') if 'vdc' in path}


def loop_devices():
    return {name for name in os.listdir('/sys/block') if name.startswith('loop') and os.path.exists(f'/sys/block/{name}/loop')}


def listing(folder):
    return sorted(os.path.join(path, name) for path, folders, files in os.walk(folder) for name in folders + files)


def census():
    return {
        'processes': processes(),
        'mounts': set(re.sub(r'^\d+ \d+ ', '', line) for line in read('/proc/self/mountinfo').splitlines()),
        'links': set(os.listdir('/sys/class/net')),
        'network namespaces': network_namespaces(),
        'control groups': control_groups(),
        'loop devices': loop_devices(),
        'files': {folder: listing(folder) for folder in FOLDERS},
        'rules': subprocess.run(['nft', 'list', 'ruleset'], stdout=subprocess.PIPE, text=True, check=True).stdout,
    }


class OwnLab(unittest.TestCase):
    """Tests that take their lab down: one of their own beside the shared one."""

    def setUp(self):
        missing = labfixture.lack()
        if missing:
            self.skipTest(missing)
        self.before = census()
        self.lab = labfixture.Lab('own')
        self.addCleanup(self.lab.down)

    def start_hello(self):
        client = self.lab.client
        client.post('applications', {'name': 'hello', 'from': 'catalog/hello'})
        client.act('hello', 'start')
        client.wait_application('hello', 'running')

    def assert_as_before(self, but=()):
        after = census()
        for what, value in self.before.items():
            if what not in but:
                self.assertEqual(after[what], value, what)

    def test_down_leaves_nothing(self):
        self.lab.up()
        self.start_hello()
        during = census()
        # The census can fail: it sees the lab. And while it is up, no link and no mount of it is in the root namespace.
        self.assertNotEqual(during['processes'], self.before['processes'])
        self.assertNotEqual(during['network namespaces'], self.before['network namespaces'])
        self.assertNotEqual(during['control groups'], self.before['control groups'])
        for what in ('mounts', 'links', 'loop devices', 'files', 'rules'):
            self.assertEqual(during[what], self.before[what], what)
        self.lab.vdc('lab', 'down', '--name', 'own', '--purge')
        self.assert_as_before()
        self.assertFalse(os.path.exists(self.lab.folder))

    def test_killed_supervisor_takes_all_with_it_and_comes_back(self):
        self.lab.up()
        self.start_hello()
        os.kill(self.lab.status()['pid'], signal.SIGKILL)
        self.assertEqual(self.lab.status()['state'], 'down')
        self.lab.up()
        self.lab.client.wait_application('hello', 'running')
        self.lab.vdc('lab', 'down', '--name', 'own', '--now', '--purge')
        self.assert_as_before()

    def test_applications_that_ran_are_started_again(self):
        self.lab.up()
        self.start_hello()
        self.lab.vdc('lab', 'down', '--name', 'own')
        self.assert_as_before()
        self.lab.up()
        self.lab.client.wait_application('hello', 'running')


class SharedLab(labfixture.LabTest):
    def test_second_up_changes_nothing(self):
        before = self.lab.status()
        self.lab.vdc('lab', 'up', '--name', self.lab.name)
        after = self.lab.status()
        self.assertEqual(before['pid'], after['pid'])

    def test_killed_daemons_are_started_again(self):
        for program in ('libvirtd', 'vdc-agent', 'vdcd'):
            old = self.lab.processes(program)
            self.assertEqual(len(old), 1, program)
            os.kill(old[0], signal.SIGKILL)
            self.client.wait(f'{program} is back', lambda p=program, o=old: set(self.lab.processes(p)) - set(o), 30,
                             silence_s=0.2)
        self.client.wait('the server is up', lambda: self.client.get('servers/s1')['state'] == 'up', 30)

    def test_more_servers_are_refused(self):
        done = self.lab.run('lab', 'up', '--name', 'more', '--servers', '3')
        self.assertEqual(done.returncode, 2)
        self.assertIn(b'one server', done.stderr)
