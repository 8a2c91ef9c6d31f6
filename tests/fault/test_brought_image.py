"""A server that is killed while it gets an image, or makes a seed, for an appliance that somebody brought."""
import hashlib
import json
import os
import unittest

import apigrid

STEPS = ('publish.12.fetching', 'publish.13.fetched', 'publish.14.image_here', 'publish.15.seed_made')
CLASS = """
class: PAGE
version: 1.0.0
unmanaged: true
terminals:
  in: {side: input, protocol: http}
resources:
  memory: {min: 32M, max: 4G, default: 64M}
"""
APPLICATION = """
application: page
instances:
  in:  {class: GATE}
  web: {class: PAGE}
wires:
  - in.out -> web.in
"""


class BroughtImage(unittest.TestCase):
    def setUp(self):
        self.grid = apigrid.Grid().start()
        self.addCleanup(self.grid.end)
        self.client = self.grid.client
        if not self.grid.has_failpoints():
            self.skipTest('not a test build: it has no failpoints')
        data = bytes(510) + b'\x55\xaa' + bytes((5 << 20) - 512)
        self.digest = hashlib.sha256(data).hexdigest()
        self.client.post('catalogs', {'name': 'mine'})
        self.client.post('uploads', {'sha256': self.digest, 'size_bytes': len(data)})
        for offset in range(0, len(data), 4 << 20):
            status, _, answer = self.client.raw('PUT', f'/api/v1/uploads/{self.digest}?offset={offset}',
                                                data[offset:offset + (4 << 20)])
            self.assertEqual(200, status, json.loads(answer))
        self.grid.done(self.client.post('classes', {'catalog': 'mine', 'upload': self.digest, 'description': CLASS}))

    def make_application(self):
        self.client.post('applications', {'name': 'page', 'description': APPLICATION})

    def images(self):
        return sorted(os.listdir(self.grid.path('s1/images')))

    def test_agent_killed_at_each_step(self):
        for step in STEPS:
            with self.subTest(step=step):
                self.make_application()
                self.grid.kill_agent()
                self.grid.start_agent({'VDC_FAILPOINT': step})  # which removes an image that nobody there has
                job = self.client.act('page', 'start')
                self.assertEqual(-9, self.grid.agent.wait(30), 'it died there')
                self.grid.start_agent()
                self.grid.done(job)
                self.assertEqual([self.digest], self.images(), 'whole, and nothing half made')
                self.assertEqual([], self.grid.settled_findings())
                self.grid.done(self.client.delete('applications/page?force=1'))
                self.client.wait('its root disk is gone', lambda: not os.path.exists(self.grid.path('s1/disks/page')),
                                 20, 0.2)

    def test_an_image_that_is_not_what_it_says(self):
        self.make_application()
        self.grid.kill_agent()
        image = self.grid.path('ctl/images', self.digest, 'root.raw')
        with open(image, 'r+b') as disk:
            disk.write(b'other')  # not what its digest says
        self.grid.start_agent()
        job = self.grid.job(self.client.act('page', 'start'))
        self.assertEqual('failed', job['state'])
        self.assertIn('did not arrive as it is', job['error']['message'])
        self.assertEqual([], self.images())
        self.assertEqual([], self.grid.settled_findings())


if __name__ == '__main__':
    unittest.main()
