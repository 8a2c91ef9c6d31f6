"""The support bundle: what is in it, and what is not."""
import io
import json
import os
import subprocess
import tarfile
import unittest

import apigrid
import vdc

CANARY = 'canary-5e1f0c'

DESCRIPTION = f"""# {CANARY}-comment
application: shop
summary: {CANARY}-summary
properties: {{pw: {CANARY}-application-property, text: {CANARY}-text-property}}
instances:
  in:  {{class: GATE}}
  web: {{class: FRONT, set: {{title: {CANARY}-text}}}}
  db:  {{class: BASE, set: {{password: {CANARY}-secret}}, volumes: {{data: data}}}}
  bad: {{class: FRONT, ignore_failure: true, set: {{fake_fault: fail, title: {CANARY}-title-of-one-that-fails}}}}
wires:
  - in.out -> web.in
  - web.db -> db.in
volumes:
  data: {{size: 8M}}
"""


class Support(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client

    def plant(self):
        """A canary in every field that may hold a secret or what people wrote; beside those of vdcd itself."""
        secrets = [CANARY]
        client = self.client
        client.post('applications', {'name': 'shop', 'description': DESCRIPTION})
        self.grid.done(client.act('shop', 'start'))
        client.act('shop', 'config', set={'db.password': CANARY + '-changed'})
        client.raw('POST', '/api/v1/applications/shop/actions', json.dumps({'action': 'fly', 'x': CANARY}),
                   {'Content-Type': 'application/json', 'Idempotency-Key': CANARY + '-key'})
        client.post('users', {'name': 'ann', 'role': 'admin', 'password': CANARY + '-password'})
        secrets.append(client.post('login', {'user': 'ann', 'password': CANARY + '-password'})['token'])
        secrets.append(self.as_ann(secrets[-1]).post('tokens', {'name': 'robot', 'role': 'admin'})['token'])
        for name in ('ctl/token', *self.keys()):
            with open(self.grid.path(name), 'rb') as text:
                lines = text.read().splitlines()
            secrets.append(lines[1 if b'BEGIN' in lines[0] else 0].decode(errors='replace'))
        return [secret for secret in secrets if len(secret) >= 8]

    def as_ann(self, token):
        return vdc.Client(f'https://127.0.0.1:{self.grid.ports["api"]}', token, self.grid.path('ctl/pki/ca.crt'))

    def keys(self):
        """Every key file of controller and agent."""
        found = [os.path.relpath(os.path.join(folder, name), self.grid.folder)
                 for top in ('ctl', 's1/pki') for folder, _, names in os.walk(self.grid.path(top)) for name in names
                 if name.endswith('.key') or 'seal' in name]
        self.assertGreater(len(found), 3)
        return found

    def bundle(self):
        out = self.grid.path('bundle.tar.gz')
        with open(self.grid.path('ctl/token'), encoding='ascii') as token:
            env = dict(os.environ, VDC_URL=f'https://127.0.0.1:{self.grid.ports["api"]}', VDC_TOKEN=token.read().strip(),
                       VDC_CA=self.grid.path('ctl/pki/ca.crt'))
        subprocess.run([apigrid.BUILD + '/vdc/cli/vdc', 'support', 'bundle', '--out', out], env=env, check=True,
                       stdout=subprocess.DEVNULL)
        self.assertEqual(0o600, os.stat(out).st_mode & 0o777)
        with tarfile.open(out, 'r:gz') as archive:
            return {member.name: archive.extractfile(member).read() for member in archive.getmembers()}

    def test_what_is_in_it_and_no_secret(self):
        secrets = self.plant()
        files = self.bundle()
        names = {name.removeprefix('vdc-support/') for name in files}
        self.assertEqual({'README.txt', 'about.json', 'applications.json', 'volumes.json', 'trash.json', 'jobs.json',
                          'servers.json', 'networks.json', 'events.json', 'audit.json', 'verify.json', 'log.txt', 'metrics.txt',
                          'servers/s1/inventory.json', 'servers/s1/log.txt'}, names)
        for name, content in files.items():
            for secret in secrets:
                self.assertNotIn(secret.encode(), content, name)
        read = {name: json.loads(content) for name, content in files.items() if name.endswith('.json')}
        shop = read['vdc-support/applications.json'][0]
        self.assertEqual(('shop', 'running', 4), (shop['name'], shop['state'], len(shop['members'])))
        failed = next(member for member in shop['members'] if member['name'] == 'bad')
        self.assertEqual(('failed', 'guest'), (failed['state'], failed['error']['step']))
        gate = next(member for member in shop['members'] if member['name'] == 'in')
        self.assertEqual({'port': 80}, gate['settings'])
        self.assertEqual(('s1', 'up'), tuple(read['vdc-support/servers.json'][0][key] for key in ('name', 'state')))
        self.assertTrue(read['vdc-support/verify.json']['clean'])
        self.assertIn('createUser', [entry['action'] for entry in read['vdc-support/audit.json']])
        self.assertIn('application.created', [event['kind'] for event in read['vdc-support/events.json']])
        inventory = read['vdc-support/servers/s1/inventory.json']
        self.assertLessEqual({'db', 'in', 'web'}, {spec['member'] for spec in inventory['specs']})
        self.assertIn(b'vdc_application_up{', files['vdc-support/metrics.txt'])
        self.assertIn(b'member moves', files['vdc-support/servers/s1/log.txt'])
        self.assertIn(b'"application created" application=shop', files['vdc-support/log.txt'])

    def test_silent_server_is_said(self):
        self.grid.kill_agent()
        try:
            status, _, body = self.client.raw('GET', '/api/v1/support/bundle')
            self.assertEqual(200, status)
            with tarfile.open(fileobj=io.BytesIO(body), mode='r:gz') as archive:
                names = archive.getnames()
            self.assertIn('vdc-support/servers/s1/inventory.json.problem.txt', names)
            self.assertIn('vdc-support/verify.json', names)
        finally:
            self.grid.start_agent()
            self.grid.wait_server()


if __name__ == '__main__':
    unittest.main()
