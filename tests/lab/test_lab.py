"""What the lab itself promises: nothing outside its namespaces, nothing left after it, state kept over a kill."""
import hashlib
import os
import re
import select
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


def link_of(path):
    try:
        return os.readlink(path)
    except OSError:
        return ''


def processes(folder, namespaces):
    """What belongs to the lab in @folder: by its environment or arguments, or by being in one of its namespaces."""
    found = set()
    for pid in filter(str.isdigit, os.listdir('/proc')):
        state = re.search(r'^State:\s+(\S)', read(f'/proc/{pid}/status'), re.M)
        if state is None or state[1] == 'Z':
            continue  # a zombie is its parent's, and that is not ours
        command = read(f'/proc/{pid}/cmdline')
        theirs = {link_of(f'/proc/{pid}/ns/{kind}') for kind in ('pid', 'net')}
        if theirs & namespaces or folder in read(f'/proc/{pid}/environ') + command:
            found.add((int(pid), command.split('\0')[0]))
    return found


def control_groups(folder):
    key = hashlib.sha256(folder.encode()).hexdigest()[:8]
    return {path for path, _, _ in os.walk('/sys/fs/cgroup') if f'vdc-lab-{key}-' in path}


def kill_and_wait(pid):
    handle = os.pidfd_open(pid)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    select.select([handle], [], [])
    os.close(handle)


def loop_devices():
    return {name for name in os.listdir('/sys/block') if name.startswith('loop') and os.path.exists(f'/sys/block/{name}/loop')}


def listing(folder):
    return sorted(os.path.join(path, name) for path, folders, files in os.walk(folder) for name in folders + files)


def census():
    """What a lab never changes, up or down. Other labs and tests of this machine do not either."""
    return {
        'mounts': set(re.sub(r'^\d+ \d+ ', '', line) for line in read('/proc/self/mountinfo').splitlines()),
        'links': set(os.listdir('/sys/class/net')),
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
        self.namespaces = set()

    def start_hello(self):
        client = self.lab.client
        client.post('applications', {'name': 'hello', 'from': 'catalog/hello'})
        client.act('hello', 'start')
        client.wait_application('hello', 'running')

    def look_while_up(self):
        """Remembers the lab's namespaces. The looks can fail: while it is up they see it."""
        status = self.lab.status()
        for machine in status['machines']:
            self.namespaces |= {link_of(f'/proc/{machine["pid"]}/ns/{kind}') for kind in ('pid', 'net')}
        self.assertEqual(len(self.namespaces), 4)
        seen = {os.path.basename(command) for _, command in processes(self.lab.folder, self.namespaces)}
        self.assertLessEqual({'vdc-lab', 'vdcd', 'vdc-agent', 'libvirtd', 'qemu-system-x86_64'}, seen)
        self.assertNotEqual(control_groups(self.lab.folder), set())
        self.assert_root_namespace_untouched()

    def assert_root_namespace_untouched(self):
        after = census()
        for what, value in self.before.items():
            self.assertEqual(after[what], value, what)

    def assert_nothing_left(self):
        self.assertEqual(processes(self.lab.folder, self.namespaces), set())
        self.assertEqual(control_groups(self.lab.folder), set())
        self.assert_root_namespace_untouched()

    def test_down_leaves_nothing(self):
        self.lab.up()
        self.start_hello()
        self.look_while_up()
        self.lab.vdc('lab', 'down', '--name', 'own', '--purge')
        self.assert_nothing_left()
        self.assertFalse(os.path.exists(self.lab.folder))

    def test_killed_supervisor_takes_all_with_it_and_comes_back(self):
        self.lab.up()
        self.start_hello()
        self.look_while_up()
        kill_and_wait(self.lab.status()['pid'])
        self.assertEqual(self.lab.status()['state'], 'down')
        self.lab.up()
        self.lab.client.wait_application('hello', 'running')
        self.lab.vdc('lab', 'down', '--name', 'own', '--now', '--purge')
        self.assert_nothing_left()

    def test_applications_that_ran_are_started_again(self):
        self.lab.up()
        self.start_hello()
        self.look_while_up()
        self.lab.vdc('lab', 'down', '--name', 'own')
        self.assert_nothing_left()
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
