"""The answers of the agent are lost: what vdcd asks again is done once."""
import unittest

import apigrid
import lossy


class LostReplies(unittest.TestCase):
    def setUp(self):
        self.grid = apigrid.Grid()
        self.relay = lossy.LossyRelay(self.grid.ports['agent'], 0.4)
        self.addCleanup(self.relay.end)
        register = self.grid.register
        agent_port = self.grid.ports['agent']

        def by_relay():
            self.grid.ports['agent'] = self.relay.port
            register()
            self.grid.ports['agent'] = agent_port
        self.grid.register = by_relay
        self.grid.start()
        self.addCleanup(self.grid.end)
        self.client = self.grid.client

    def once(self, incarnations):
        """VMs made so far, each of them wanted; nobody failed."""
        found = {item['name']: (item['incarnation'], item['restarts']) for item in
                 self.client.items('applications/shop/instances')}
        self.assertEqual({name: (count, 0) for name, count in incarnations.items()}, found)
        self.assertEqual([], self.grid.settled_findings())

    def test_everything_is_done_once(self):
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        self.grid.done(self.client.act('shop', 'start'), 120)
        self.once({'in': 1, 'db': 1, 'web.1': 1, 'web.2': 1})
        self.grid.done(self.client.act('shop', 'scale', instances={'web': 3}), 120)
        self.grid.done(self.client.act('shop', 'config', set={'title': 'x'}), 120)
        self.once({'in': 1, 'db': 1, 'web.1': 1, 'web.2': 1, 'web.3': 1})
        self.grid.done(self.client.act('shop', 'restart'), 120)
        self.once({'in': 2, 'db': 2, 'web.1': 2, 'web.2': 2, 'web.3': 2})
        self.grid.done(self.client.delete('applications/shop?force=1'), 120)
        self.client.delete('trash')
        self.client.wait('erased', lambda: not self.client.items('volumes'), 60, 1)
        self.assertEqual([], self.grid.settled_findings())
        self.assertGreater(self.relay.lost, 5, f'{self.relay.passed} answers passed')


if __name__ == '__main__':
    unittest.main()
