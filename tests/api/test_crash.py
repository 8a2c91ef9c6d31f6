"""kill -9 of vdcd and vdc-agent at arbitrary moments: everything converges, nothing is lost or left."""
import http.client
import os
import random
import subprocess
import threading
import unittest

import apigrid
import vdc

ROUNDS = int(os.environ.get('VDC_CRASH_ROUNDS', '12'))
POINT_COUNTS = [int(count) for count in os.environ.get('VDC_CRASH_POINTS', '').split()]
LOST = (OSError, http.client.HTTPException)


class Crash(unittest.TestCase):
    def setUp(self):
        self.grid = apigrid.Grid().start()
        self.addCleanup(self.grid.end)
        self.client = self.grid.client
        self.random = random.Random(os.environ.get('VDC_SEED', '1'))

    def kill_soon(self, delay_s):
        """vdcd dies after @delay_s, whatever it is doing then: the moment is the point, no event stands for it."""
        timer = threading.Timer(delay_s, self.grid.vdcd.kill)
        timer.start()
        return timer

    def restart_vdcd(self):
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()

    def try_act(self, *args, **more):
        try:
            self.client.act(*args, **more)
        except LOST:
            pass
        except vdc.ApiError as error:
            self.assertEqual(409, error.status)

    def settle(self, name):
        """No job is running any more and the state is a resting one."""
        def look():
            application = self.client.application(name)
            return application if application['job'] is None and application['state'] in (
                'running', 'stopped', 'failed') else None
        return self.client.wait(f'{name} rests', look, 90)

    def test_vdcd_killed_at_arbitrary_moments(self):
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        actions = [('start', {}), ('scale', {'instances': {'web': 4}}), ('config', {'set': {'title': 'x'}}),
                   ('scale', {'instances': {'web': 1}}), ('restart', {}), ('stop', {})]
        for number in range(ROUNDS):
            action, more = actions[number % len(actions)]
            timer = self.kill_soon(self.random.uniform(0, 0.8))
            self.try_act('shop', action, **more)
            timer.join()
            self.restart_vdcd()
            application = self.settle('shop')
            self.assertNotEqual('failed', application['state'], application['error'])
            restarts = [item['restarts'] for item in self.client.items('applications/shop/instances')]
            self.assertEqual([0] * len(restarts), restarts, 'a dead controller is no failure of a member')
        self.assertEqual([], self.grid.settled_findings())

    def test_running_application_does_not_notice(self):
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        self.grid.done(self.client.act('shop', 'start'))
        before = {i['name']: (i['incarnation'], i['generation']) for i in self.client.items('applications/shop/instances')}
        for _ in range(3):
            self.restart_vdcd()
            self.grid.wait_server()
        after = {i['name']: (i['incarnation'], i['generation']) for i in self.client.items('applications/shop/instances')}
        self.assertEqual(before, after)
        self.assertEqual([], self.grid.settled_findings())

    def test_agent_killed_while_running_and_while_starting(self):
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        answer = self.client.act('shop', 'start')
        self.grid.kill_agent()
        self.grid.start_agent()
        self.grid.done(answer, 90)
        before = {i['name']: i['incarnation'] for i in self.client.items('applications/shop/instances')}
        self.grid.kill_agent()
        self.grid.start_agent()
        self.assertEqual([], self.grid.settled_findings(60))
        after = {i['name']: i['incarnation'] for i in self.client.items('applications/shop/instances')}
        self.assertEqual((before, 'running'), (after, self.client.application('shop')['state']))

    def test_silent_server_makes_instances_unknown_until_it_is_back(self):
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        self.grid.done(self.client.act('shop', 'start'))
        self.grid.kill_agent()
        self.grid.wait_server('down', 60)
        self.client.wait('unknown', lambda: self.client.application('shop')['state'] == 'unknown', 10)
        self.assertEqual({'unknown'}, set(self.grid.states('shop').values()))
        report = self.client.post('verify')
        self.assertEqual((False, False, ['s1']),
                         (report['clean'], report['complete'], [blind['server'] for blind in report['could_not_look']]))
        self.grid.start_agent()
        self.client.wait('running', lambda: self.client.application('shop')['state'] == 'running', 30)
        self.assertEqual([], self.grid.settled_findings())

    def test_destroy_survives_kill(self):
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        self.grid.done(self.client.act('shop', 'start'))
        timer = self.kill_soon(0.3)
        try:
            self.client.delete('applications/shop?force=1')
        except LOST:
            pass
        timer.join()
        self.restart_vdcd()
        self.client.wait('destroyed', lambda: self.client.items('applications') == [], 60)
        self.assertEqual([], self.client.items('volumes'))
        self.assertEqual([], self.grid.settled_findings())

    # --- at every point between deciding, storing and acting ------------------------------------------------------------

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
        points = ['controller.before_commit', 'controller.after_commit', 'reconcile.before_act']
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
        for number, point in enumerate(('controller.before_commit:3', 'controller.after_commit:4')):
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

    # --- a server that does not come back -------------------------------------------------------------------------------

    def test_jobs_say_which_silence_they_wait_for(self):
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        self.grid.done(self.client.act('shop', 'start'))
        self.grid.kill_agent()
        self.grid.wait_server('down', 60)
        answer = self.client.act('shop', 'stop')
        job = self.client.wait('the job says so', lambda: next((step for step in self.client.get(
            f'jobs/{answer["job"]}')['steps'] if (step['text'] or '').startswith('waiting: its server is down')), None), 20)
        self.assertEqual('running', job['state'])
        self.assertEqual('stopping', self.client.application('shop')['state'])
        self.client.post('applications', {'name': 'other', 'from': 'shop'})
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.act('other', 'start')
        self.assertIn('server s1 is down', str(caught.exception))
        self.assertIn('bring the server', caught.exception.body['params']['remedy'])
        self.grid.start_agent()
        job = self.grid.done(answer)
        self.assertFalse([step for step in job['steps'] if (step['text'] or '').startswith('waiting')])
        self.assertEqual([], self.grid.settled_findings())


if __name__ == '__main__':
    unittest.main()
