"""kill -9 of vdcd at every point between deciding, storing and acting, for each action."""
import http.client
import os
import subprocess
import unittest

import crashcase
import vdc

POINT_COUNTS = [int(count) for count in os.environ.get('VDC_CRASH_POINTS', '').split()]


class CrashPoints(crashcase.CrashCase):
    def die_at(self, point, act):
        """vdcd passes @point once more than it needed to come up and to take @act up; whether it got there."""
        self.grid.kill_vdcd()
        self.grid.start_vdcd({'VDC_FAILPOINT': point})
        try:
            self.grid.wait_api()
            self.grid.wait_server()
            act()
        except (AssertionError, OSError, http.client.HTTPException, vdc.TooLate):
            pass  # it died: that was the point
        except vdc.ApiError as error:
            self.assertIn(error.status, (404, 409), str(error))
        try:
            self.grid.vdcd.wait(3)
            died = True
        except subprocess.TimeoutExpired:
            died = False
        self.restart_vdcd()
        return died

    def check_settled(self, what):
        application = self.settle('shop')
        self.assertNotEqual('failed', application['state'], f'{what}: {application["error"]}')
        self.assertEqual([], self.grid.settled_findings(), what)
        restarts = [item['restarts'] for item in self.client.items('applications/shop/instances')]
        self.assertEqual([0] * len(restarts), restarts, f'{what}: a dead controller is no failure of a member')
        volumes = {item['name']: item['state'] for item in self.client.items('volumes')}
        self.assertEqual({'shop.data'}, set(volumes), what)
        seen = [event['seq'] for event in self.grid.events()]
        self.assertEqual(sorted(set(seen)), seen, f'{what}: events are numbered once')

    def test_vdcd_killed_at_each_point_of_each_action(self):
        if not self.grid.has_failpoints():
            self.skipTest('not a test build: it has no failpoints')
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        actions = [('start', {}), ('scale', {'instances': {'web': 3}}), ('config', {'set': {'title': 'x'}}),
                   ('scale', {'instances': {'web': 1}}), ('restart', {}), ('stop', {})]
        points = ['commit.01.before', 'commit.02.after', 'round.01.stored']
        died = 0
        for step, (action, more) in enumerate(actions):
            for count in POINT_COUNTS or (3 + step % 4,):
                point = f'{points[(step + count) % 3]}:{count}'
                died += self.die_at(point, lambda: self.client.act('shop', action, **more))
                self.check_settled(f'{action} killed at {point}')
            self.try_act('shop', action, **more)
            self.settle('shop')
        self.assertGreater(died, len(actions) // 2, 'the points are passed')
        self.assertEqual('stopped', self.client.application('shop')['state'])

    def test_destroy_killed_at_each_point(self):
        if not self.grid.has_failpoints():
            self.skipTest('not a test build: it has no failpoints')
        for number, point in enumerate(('commit.01.before:3', 'commit.02.after:4')):
            name = f'shop{number}'
            self.client.post('applications', {'name': name, 'from': 'shop'})
            self.grid.done(self.client.act(name, 'start'))
            self.die_at(point, lambda: self.client.delete(f'applications/{name}?force=1'))
            self.client.wait('no job', lambda: self.client.items('jobs') and all(
                job['state'] != 'running' for job in self.client.items('jobs')), 60)
            if self.client.items('applications'):
                self.grid.done(self.client.delete(f'applications/{name}?force=1'))
            self.assertEqual([], self.client.items('volumes'), point)
            self.assertEqual([], self.grid.settled_findings(), point)


if __name__ == '__main__':
    unittest.main()
