"""Secret properties: sealed wherever they are kept, write-only in the API, whole in the guest."""
import base64
import json
import os
import unittest

import apigrid
import vdc

CANARIES = [f'canary-{name}-7f3a91c2' for name in ('set', 'yaml', 'json', 'config', 'property', 'wrong')]

DESCRIPTION = """# of the shop
application: {name}
properties: {{pw: "{property}"}}  # used below
instances:
  db:    {{class: BASE, set: {{password: {yaml}}}, volumes: {{data: data}}}}  # the password of yaml
  other: {{class: BASE, set: {{password: $pw}}, volumes: {{data: more}}}}
volumes:
  data: {{size: 8M}}
  more: {{size: 8M}}
"""


def description(name, yaml=CANARIES[1], of_property=CANARIES[4]):
    return DESCRIPTION.format(name=name, yaml=yaml, property=of_property)


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client

    def create(self, name, **request):
        self.addCleanup(self.remove, name)
        return self.client.post('applications', {'name': name, **request})

    def remove(self, name):
        try:
            self.grid.job(self.client.delete(f'applications/{name}?force=1'))
        except vdc.ApiError as error:
            self.assertEqual(404, error.status)

    def text(self, name):
        return self.client.raw('GET', f'/api/v1/applications/{name}/description')[2].decode()

    def apply(self, name, text):
        return self.client.post(f'applications/{name}/apply', {'description': text, 'format': 'yaml'})

    def settings(self, name, member):
        """What the guest was given."""
        session = self.client.post(f'applications/{name}/instances/{member}/get', {'path': '/run/vdc/instance.json'})['session']
        lines = self.client.raw('GET', f'/api/v1/sessions/{session}/output')[2].decode().splitlines()
        return b''.join(base64.b64decode(json.loads(line).get('data', '')) for line in lines)

    def password(self, name, member):
        return json.loads(self.settings(name, member))['properties'].get('password')

    # --- where they are not --------------------------------------------------------------------------------------------

    def assert_nowhere(self, text, where):
        for canary in CANARIES:
            self.assertFalse(canary.encode() in text, f'{canary} in {where}')

    def look_at_files(self):
        looked = 0
        for folder, _, files in os.walk(self.grid.folder):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and os.path.getsize(path) < 200 << 20:
                    with open(path, 'rb') as content:
                        self.assert_nowhere(content.read(), path)
                    looked += 1
        self.assertGreater(looked, 10)

    def look_at_processes(self):
        for process in (self.grid.vdcd, self.grid.agent):
            for name in ('cmdline', 'environ'):
                with open(f'/proc/{process.pid}/{name}', 'rb') as content:
                    self.assert_nowhere(content.read(), name)
            with open(f'/proc/{process.pid}/limits', encoding='utf-8') as limits:
                core = next(line for line in limits if line.startswith('Max core file size'))
            self.assertEqual('0', core.split()[4], core)

    def look_at_answers(self, name):
        looked = 0
        for path in ('applications', f'applications/{name}', f'applications/{name}/description',
                     f'applications/{name}/description?format=json', f'applications/{name}/instances',
                     f'applications/{name}/instances/db', f'applications/{name}/logs', 'volumes', 'jobs', 'events', 'servers',
                     'classes', 'catalogs', f'applications/{name}/draft', f'applications/{name}/diff',
                     f'applications/{name}/descriptions', 'audit', 'trash'):
            status, _, body = self.client.raw('GET', '/api/v1/' + path)
            self.assertIn(status, (200, 404, 409), path)
            self.assert_nowhere(body, path)
            looked += status == 200
        self.assertGreater(looked, 12)

    def test_canaries_appear_nowhere(self):
        """Given in every way there is, refused too; the guest has them, nothing else does."""
        self.create('one', **{'from': 'catalog/shop', 'set': {'db.password': CANARIES[0]}})
        self.create('two', description=description('two'), format='yaml')
        self.create('three', format='json', description={
            'application': 'three', 'instances': {'db': {'class': 'BASE', 'set': {'password': CANARIES[2]}, 'volumes': {'data': 'd'}}},
            'volumes': {'d': {'size': '8M'}}})
        for wrong in (CANARIES[5] + '\n', [CANARIES[5]], CANARIES[5] * 100):
            with self.assertRaises(vdc.ApiError) as caught:
                self.client.post('applications/one/actions', {'action': 'config', 'set': {'db.password': wrong}})
            self.assert_nowhere(json.dumps(caught.exception.body).encode(), 'the error')
        for name in ('one', 'two', 'three'):
            self.grid.done(self.client.act(name, 'start'))
        self.assertEqual(CANARIES[0], self.password('one', 'db'))
        self.assertEqual((CANARIES[1], CANARIES[4]), (self.password('two', 'db'), self.password('two', 'other')))
        self.assertEqual(CANARIES[2], self.password('three', 'db'))
        self.grid.done(self.client.post('applications/three/actions', {'action': 'config', 'set': {'db.password': CANARIES[3]}}))
        self.assertEqual(CANARIES[3], self.password('three', 'db'))
        self.look_at_files()
        self.look_at_processes()
        for name in ('one', 'two', 'three'):
            self.look_at_answers(name)

    # --- what a person sees and gives back -----------------------------------------------------------------------------

    def test_text_keeps_comments_and_can_be_given_back(self):
        self.create('two', description=description('two'), format='yaml')
        text = self.text('two')
        self.assertIn('# the password of yaml', text)
        self.assertEqual(2, text.count('sealed:'))
        self.assertEqual({}, {key: value for key, value in self.apply('two', text).items() if key == 'job'})
        self.assertEqual(text, self.text('two'))
        # The value itself, too, is no change; another one is.
        self.assertNotIn('job', self.apply('two', description('two')))
        self.grid.done(self.client.act('two', 'start'))
        changed = self.apply('two', description('two', yaml='else'))
        self.assertNotIn('else', json.dumps(changed['changes']))
        self.grid.done(changed)
        self.assertEqual(('else', CANARIES[4]), (self.password('two', 'db'), self.password('two', 'other')))

    def test_a_seal_opens_for_its_application_only(self):
        self.create('two', description=description('two'), format='yaml')
        stolen = self.text('two').replace('application: two', 'application: thief')
        with self.assertRaises(vdc.ApiError) as caught:
            self.create('thief', description=stolen, format='yaml')
        self.assertIn('instances.db.set.password: this secret was not sealed for this application', str(caught.exception))
        self.assertEqual(['two'], [item['name'] for item in self.client.items('applications')])

    def test_restarted_agent_and_controller(self):
        """The agent keeps no secret over its restart: it gets them again; the guest is not touched meanwhile."""
        self.create('two', description=description('two'), format='yaml')
        self.grid.done(self.client.act('two', 'start'))
        self.grid.kill_agent()
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.grid.start_agent()
        self.grid.wait_server()
        self.assertEqual([], self.grid.settled_findings())
        self.grid.done(self.client.post('applications/two/actions', {'action': 'config', 'set': {'pw': 'new'}}))
        self.assertEqual((CANARIES[1], 'new'), (self.password('two', 'db'), self.password('two', 'other')))


if __name__ == '__main__':
    unittest.main()
