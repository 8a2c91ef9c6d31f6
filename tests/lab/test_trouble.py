"""The lab's start and end when something is in the way. No VMs run here."""
import json
import os
import signal
import socket
import subprocess
import unittest

import labfixture

# Each file takes an inode: with few of them the disk is full at one step of the start after the other.
NO_ROOM = '''
mkdir "$2" && mount -t tmpfs -o nr_inodes="$3" none "$2" || exit 99
export VDC_LAB_DIR="$2"
"$1" lab up --name full; status=$?
"$1" lab status --name full --json >&3
timeout 30 "$1" lab down --name full --now || exit 98
exit $status
'''


class Trouble(unittest.TestCase):
    def setUp(self):
        missing = labfixture.lack()
        if missing:
            self.skipTest(missing)
        self.lab = labfixture.Lab('trouble')
        self.addCleanup(self.lab.down)

    def up(self, *words):
        process = subprocess.Popen([labfixture.VDC, 'lab', 'up', '--name', 'trouble', *words], env=self.lab.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def state(self):
        return self.lab.status()['state']

    def lock_is_free(self):
        """No supervisor holds it: nothing of the lab lives."""
        return subprocess.run(['flock', '-n', self.lab.folder + '/lock', 'true'], check=False).returncode == 0

    def test_taken_port_is_named_and_another_one_can_be_given(self):
        with socket.socket() as other:
            other.bind(('127.0.0.1', 0))
            other.listen()
            port = str(other.getsockname()[1])
            done = self.lab.run('lab', 'up', '--name', 'trouble', '--api-port', port)
            self.assertEqual(4, done.returncode, done.stderr)
            self.assertIn(f'127.0.0.1:{port}', done.stderr.decode())
            self.assertIn('--api-port', done.stderr.decode())
            self.assertEqual('down', self.state())
            self.assertTrue(self.lock_is_free())
            with socket.socket() as probe:
                probe.bind(('127.0.0.1', 0))
                free = str(probe.getsockname()[1])
            self.lab.vdc('lab', 'up', '--name', 'trouble', '--api-port', free)
        self.assertEqual(f'https://127.0.0.1:{free}', self.lab.status()['url'])

    def test_settings_that_cannot_be_read_are_made_anew(self):
        for text in ('{', '[]', '{"api_port": "x", "server_uuid": 7}'):
            with open(self.lab.folder + '/lab.json', 'w', encoding='utf-8') as out:
                out.write(text)
            self.lab.up()
            self.lab.vdc('lab', 'down', '--name', 'trouble', '--now')

    def test_two_ups_at_once_start_one_lab(self):
        processes = [self.up(), self.up()]
        codes = sorted((process.communicate(timeout=120), process.returncode)[1] for process in processes)
        self.assertEqual(0, codes[0])
        self.assertIn(codes[1], (0, 4))  # 0: it came when the first one was done
        self.assertEqual('up', self.state())

    def test_down_while_it_starts(self):
        process = self.up()
        self.assertIn('starting', process.stderr.readline())
        self.lab.vdc('lab', 'down', '--name', 'trouble', timeout_s=60)
        said = process.stderr.read()
        self.assertNotEqual(0, process.wait(30))
        self.assertIn('taken down', said)
        self.assertEqual('down', self.state())
        self.assertTrue(self.lock_is_free())

    def test_interrupted_up_goes_on(self):
        process = self.up()
        self.assertIn('starting', process.stderr.readline())
        process.send_signal(signal.SIGINT)
        self.assertIn('goes on', process.stderr.read())
        self.assertEqual(130, process.wait(30))
        # A second one finds it being started, or up already.
        subprocess.run(['timeout', '60', 'sh', '-c', f'until "$1" lab status --name trouble | grep -q "up$"; do sleep 0.1; done',
                        'sh', labfixture.VDC], env=self.lab.env, check=True)

    def test_killed_machines_come_back(self):
        self.lab.up()
        client = self.lab.client
        for name in ('ctl', 's1'):
            old = self.lab.machine_pid(name)
            os.kill(old, signal.SIGKILL)
            client.wait(f'{name} is back', lambda n=name, o=old: self.lab.machine_pid(n) not in (o, None), 30, silence_s=0.2)
            client.wait('vdcd answers', lambda: client.get('servers'), 30, silence_s=0.2)
        client.wait('the server is up', lambda: client.get('servers/s1')['state'] == 'up' and self.lab.processes('vdc-agent'),
                    30, silence_s=0.5)

    def test_no_room_for_the_start_is_said_and_ends_it(self):
        seen = set()
        for inodes in range(5, 11):
            folder = f'{self.lab.folder}/full-{inodes}'
            read, write = os.pipe()
            done = subprocess.run(['unshare', '-m', 'sh', '-c', f'exec 3>&{write}; {NO_ROOM}', 'sh', labfixture.VDC, folder,
                                   str(inodes)], env=self.lab.env, pass_fds=[write], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, timeout=90, text=True, check=False)
            os.close(write)
            with os.fdopen(read) as answer:
                state = json.load(answer)['state']
            self.assertEqual(1, done.returncode, done.stderr)
            self.assertIn('No space left', done.stderr)
            self.assertIn(state, ('down', 'stopping'))
            seen.add(done.stderr.rpartition(': No space')[0])
        self.assertLess(3, len(seen), seen)  # else the counts above no longer meet the steps of the start


if __name__ == '__main__':
    unittest.main()
