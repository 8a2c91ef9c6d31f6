"""The store under kill -9, without disk space, at the limit of its map, without descriptors."""
import json
import os
import resource
import time
import unittest

import apigrid
import storekills
import vdc

KILLS = int(os.environ.get('VDC_KILLS', '30'))
SEED = int(os.environ.get('VDC_SEED', '0')) or time.time_ns() % 1000000


class StoreKills(unittest.TestCase):
    def test_nothing_acknowledged_is_lost(self):
        grid = apigrid.Grid(agent=False).start()
        self.addCleanup(grid.end)
        kills, acknowledged = storekills.Kills(grid, SEED).run(KILLS)
        print(f'# seed {SEED}: {kills} kills, {acknowledged} acknowledged changes, 0 lost')
        self.assertGreater(acknowledged, kills)


class NoDescriptors(unittest.TestCase):
    def test_is_refused_and_goes_on(self):
        grid = apigrid.Grid(agent=False).start()
        self.addCleanup(grid.end)
        grid.client.post('volumes', {'name': 'other.before', 'size': '8M'})
        soft, hard = resource.prlimit(grid.vdcd.pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir(f'/proc/{grid.vdcd.pid}/fd'))
        resource.prlimit(grid.vdcd.pid, resource.RLIMIT_NOFILE, (used, hard))
        connection = grid.client.connection(3)
        with self.assertRaises(OSError):  # nobody is let in, nobody is answered wrongly
            connection.request('GET', '/api/v1/volumes', headers=grid.client.headers())
            connection.getresponse()
        connection.close()
        self.assertIsNone(grid.vdcd.poll(), 'it lives on')
        resource.prlimit(grid.vdcd.pid, resource.RLIMIT_NOFILE, (soft, hard))
        grid.client.wait('it answers again', lambda: grid.client.items('volumes'), 30)
        grid.client.post('volumes', {'name': 'other.after', 'size': '8M'})
        self.assertTrue(grid.client.post('audit/verify')['clean'])


class FullDisk(unittest.TestCase):
    """vdcd's state on a file system of its own, which is filled."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest('needs root, to mount a small file system')
        self.grid = apigrid.Grid(agent=False)
        os.makedirs(self.grid.path('ctl'))
        if os.system(f'mount -t tmpfs -o size=4m tmpfs {self.grid.path("ctl")}') != 0:
            self.skipTest('a small file system cannot be mounted')
        self.addCleanup(os.system, f'umount -l {self.grid.path("ctl")}')
        self.grid.start()
        self.addCleanup(self.grid.end)
        self.client = self.grid.client

    def test_is_refused_and_goes_on_when_there_is_room(self):
        self.client.post('volumes', {'name': 'other.before', 'size': '8M'})
        full = self.grid.path('ctl/ballast')
        ballast = os.open(full, os.O_WRONLY | os.O_CREAT)
        try:
            while os.write(ballast, b'x' * 4096):
                pass
        except OSError:
            os.close(ballast)
        made, refused = [], None
        for number in range(100):  # what is reserved is used up first
            text = f'application: app{number}\ninstances:\n  web: {{class: FRONT}}\n' + ('# ' + 'x' * 98 + '\n') * 800
            try:
                self.client.post('applications', {'name': f'app{number}', 'description': text})
                made.append(f'app{number}')
            except vdc.ApiError as error:
                refused = error
                break
        self.assertIsNotNone(refused, 'the disk was never full')
        self.assertEqual((507, 'full'), (refused.status, refused.code))
        status, headers, _ = self.client.raw('POST', '/api/v1/applications',
                                             json.dumps({'name': 'again', 'description': text.replace(f': app{number}', ': again')}),
                                             {'Content-Type': 'application/json'})
        self.assertEqual((507, True), (status, 'Retry-After' in headers))
        there = {item['name'] for item in self.client.items('applications')}
        self.assertEqual(set(made), there, 'reading goes on; nothing half done')
        os.unlink(full)
        self.client.wait('it writes again', self.writes, 30)
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.assertLessEqual(there, {item['name'] for item in self.client.items('applications')})
        self.assertEqual({'other.before', 'other.after'}, {item['name'] for item in self.client.items('volumes')})
        report = self.client.post('audit/verify')
        self.assertTrue(report['clean'], report)
        results = {entry['result'] for entry in self.client.items('audit?action=createApplication&limit=2000')}
        self.assertEqual({'ok', 'full'}, results)

    def writes(self):
        try:
            self.client.post('volumes', {'name': 'other.after', 'size': '8M'})
            return True
        except vdc.ApiError as error:
            self.assertEqual(507, error.status)
            return False
