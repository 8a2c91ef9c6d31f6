"""kill -9 of vdcd and vdc-agent at arbitrary moments: everything converges, nothing is lost or left."""
import os
import unittest

import crashcase

ROUNDS = int(os.environ.get('VDC_CRASH_ROUNDS', '12'))


class Crash(crashcase.CrashCase):
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

    def test_destroy_survives_kill(self):
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        self.grid.done(self.client.act('shop', 'start'))
        timer = self.kill_soon(0.3)
        try:
            self.client.delete('applications/shop?force=1')
        except crashcase.LOST:
            pass
        timer.join()
        self.restart_vdcd()
        self.client.wait('destroyed', lambda: self.client.items('applications') == [], 60)
        self.assertEqual([], self.client.items('volumes'))
        self.assertEqual([], self.grid.settled_findings())


if __name__ == '__main__':
    unittest.main()
