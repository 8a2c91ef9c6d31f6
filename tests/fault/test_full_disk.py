"""A server's disk is full: what gives space back works all the same."""
import os
import subprocess
import unittest

import apigrid


def fill(path):
    """Until nothing more goes in."""
    with open(path, 'wb', buffering=0) as out:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    out.write(b'x' * size)
            except OSError:
                pass


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.grid = apigrid.Grid()
        self.addCleanup(self.grid.end)
        self.state = self.grid.path('s1')
        os.makedirs(self.state)
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m', 'small', self.state], stderr=subprocess.PIPE,
                              check=False)
        if done.returncode:
            with open(self.grid.path('vdcd.log'), 'wb'):
                pass
            self.skipTest('needs root to mount a small tmpfs')
        self.addCleanup(self.unmount)
        self.grid.start()
        self.client = self.grid.client

    def unmount(self):
        """Before the folder goes, and after the agent: cleanups run backwards."""
        self.grid.agent.kill()
        self.grid.agent.wait()
        subprocess.run(['umount', self.state], check=True)

    def test_destroy_and_empty_on_a_full_disk(self):
        self.client.post('applications', {'name': 'shop', 'from': 'catalog/shop'})
        self.grid.done(self.client.act('shop', 'start'))
        self.client.wait('the reserve is there', lambda: os.path.exists(self.state + '/reserve'), 20)
        fill(self.state + '/rubbish')
        self.grid.done(self.client.delete('applications/shop?force=1'))
        self.client.wait('space is made', lambda: not self.client.items('trash'), 30)
        self.client.wait('volumes are erased', lambda: not self.client.items('volumes'), 20)
        reasons = [event['data']['why'] for event in self.grid.events() if event['kind'] == 'trash.removed']
        self.assertEqual(['space'], reasons)
        os.unlink(self.state + '/rubbish')
        self.client.wait('the reserve is back', lambda: os.path.exists(self.state + '/reserve'), 20)
        self.client.post('applications', {'name': 'again', 'from': 'catalog/shop'})
        self.grid.done(self.client.act('again', 'start'))
        self.assertEqual([], self.grid.settled_findings())


if __name__ == '__main__':
    unittest.main()
