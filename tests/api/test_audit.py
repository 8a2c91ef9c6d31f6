"""The audit: one entry for every changing call and every refusal, chained, bounded, without secrets."""
import hashlib
import http.client
import json
import os
import subprocess
import unittest
import urllib.parse

import apigrid
import vdc


def digest(entry):
    """As FORMAT.md says, by another program."""
    bare = {key: value for key, value in entry.items() if key != 'digest'}
    text = json.dumps(bare, sort_keys=True, separators=(',', ':'), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client

    def entries(self, after=0, **filters):
        found, query = [], urllib.parse.urlencode(filters)
        while after is not None:
            page = self.client.get(f'audit?after={after}&{query}')
            found += page['items']
            after = page['next']
        return found

    def last(self):
        return self.client.post('audit/verify')['last'] + 1  # with the entry of the asking itself

    def remove(self, name):
        self.grid.job(self.client.delete(f'applications/{name}?force=1'))

    def refused(self, status, method, path, document=None):
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.call(method, path, document)
        self.assertEqual(status, caught.exception.status)

    def test_one_entry_for_each_change_and_refusal(self):
        before = self.last()
        calls = []

        def call(action, result, method, path, document=None, status=None):
            if status is None:
                self.client.call(method, path, document)
            else:
                self.refused(status, method, path, document)
            calls.append((action, result))

        call('createApplication', 'ok', 'POST', 'applications', {'name': 'shop', 'from': 'catalog/shop'})
        call('createApplication', 'conflict', 'POST', 'applications', {'name': 'shop', 'from': 'catalog/shop'}, 409)
        call('createApplication', 'invalid', 'POST', 'applications', {'name': 'b', 'description': 'application: 1'}, 422)
        call('actOnApplication', 'invalid', 'POST', 'applications/shop/actions', {'action': 'dance'}, 422)
        call('actOnApplication', 'not_found', 'POST', 'applications/nothing/actions', {'action': 'start'}, 404)
        call('createVolume', 'ok', 'POST', 'volumes', {'name': 'other.spare', 'size': '8M'})
        call('destroyVolume', 'ok', 'DELETE', 'volumes/other.spare')
        call('verify', 'ok', 'POST', 'verify', {})
        self.client.get('applications')
        self.refused(404, 'GET', 'applications/nothing')  # an answer, no refusal
        self.remove('shop')
        calls.append(('destroyApplication', 'ok'))
        entries = self.entries(before)
        self.assertEqual(calls, [(entry['action'], entry['result']) for entry in entries])
        first = entries[0]
        self.assertEqual(('local', '127.0.0.1', 'application', 'shop'),
                         (first['who'], first['address'], first['object'], first['id']))
        self.assertEqual('shop', entries[-1]['application'])
        self.assertTrue(self.client.post('audit/verify')['clean'])

    def test_dry_run_is_no_change_and_repetition_is_told(self):
        before = self.last()
        self.client.post('volumes?dry_run=1', {'name': 'other.spare', 'size': '8M', 'dry_run': True})
        made = len(self.client.items('volumes'))
        for _ in range(2):
            status, _, _ = self.client.raw('POST', '/api/v1/applications',
                                           json.dumps({'name': 'twice', 'from': 'catalog/shop'}),
                                           {'Content-Type': 'application/json', 'Idempotency-Key': 'once'})
            self.assertLess(status, 300)
        self.addCleanup(self.remove, 'twice')
        results = [(entry['action'], entry['result']) for entry in self.entries(before)]
        self.assertEqual([('createApplication', 'ok'), ('createApplication', 'repeated')], results[made:])

    def test_chain_can_be_checked_by_anyone(self):
        self.client.post('verify')
        entries = self.entries()
        self.assertEqual(list(range(1, len(entries) + 1)), [entry['seq'] for entry in entries])
        prev = '0' * 64
        for entry in entries:
            self.assertEqual(prev, entry['prev'])
            self.assertEqual(digest(entry), entry['digest'])
            prev = entry['digest']
        head = entries[-1]
        self.assertTrue(self.client.post('audit/verify', {'seq': head['seq'], 'digest': head['digest']})['clean'])
        report = self.client.post('audit/verify', {'seq': head['seq'], 'digest': 'f' * 64})
        self.assertEqual((False, 'replaced'), (report['clean'], report['finding']['code']))

    def test_filters_and_pages(self):
        before = self.last()
        for number in range(3):
            self.client.post('volumes', {'name': f'other.v{number}', 'size': '8M'})
        for number in range(3):
            self.client.delete(f'volumes/other.v{number}')
        self.assertEqual(['other.v0', 'other.v1', 'other.v2'], [e['id'] for e in self.entries(before, action='destroyVolume')])
        self.assertEqual(2, len(self.entries(before, object='volume', id='other.v1')))
        page = self.client.get(f'audit?after={before}&limit=2&action=createVolume')
        self.assertEqual(2, len(page['items']))
        page = self.client.get(f'audit?after={page["next"]}&limit=2&action=createVolume')
        self.assertEqual((['other.v2'], None), ([e['id'] for e in page['items']], page['next']))
        self.assertEqual([], self.entries(before, since='2999-01-01'))
        self.refused(400, 'GET', 'audit?limit=0')
        self.refused(400, 'GET', 'audit?limit=2001')

    def test_no_secret_and_no_forged_line(self):
        self.client.post('applications', {'name': 'safe', 'from': 'catalog/shop'})
        self.addCleanup(self.remove, 'safe')
        before = self.last()
        canary = 'canary-4711'
        self.refused(422, 'POST', 'applications/safe/actions',
                     {'action': 'config', 'settings': {'db.password': canary}, 'password': canary, 'note': canary})
        path = urllib.parse.quote('a\n2026-01-01 admin everything\x1b[2J', safe='')
        self.refused(404, 'DELETE', f'applications/{path}')
        first, second = [entry for entry in self.entries(before) if entry['action'] != 'verifyAudit']
        self.assertNotIn(canary, json.dumps(first))
        self.assertEqual({'action': 'config', 'settings': {'db.password': '(not kept)'}, 'password': '(not kept)',
                          'note': '(11 bytes)'}, first['params'])
        self.assertEqual('a\n2026-01-01 admin everything\x1b[2J', second['id'])
        status, _, raw = self.client.raw('GET', f'/api/v1/audit?after={before}')
        self.assertEqual((200, 1), (status, raw.count(b'\n')))  # one line of JSON, whatever the name

    def stranger(self, times):
        connection = self.client.connection(30)
        try:
            for _ in range(times):
                connection.request('GET', '/api/v1/applications', headers={'Authorization': 'Bearer wrong'})
                answer = connection.getresponse()
                answer.read()
                self.assertEqual(401, answer.status)
        finally:
            connection.close()

    def test_strangers_cannot_fill_the_disk(self):
        before = self.last()
        self.stranger(300)
        entries = [entry for entry in self.entries(before) if entry['who'] is None]
        self.assertGreaterEqual(len(entries), 15)
        self.assertLess(len(entries), 60, 'a burst, then a count')
        self.assertEqual({('listApplications', 'not_logged_in')}, {(e['action'], e['result']) for e in entries})


    def vdc(self, *words):
        env = dict(os.environ, VDC_URL=f'https://127.0.0.1:{self.grid.ports["api"]}', VDC_TOKEN=self.client.token,
                   VDC_CA=self.grid.path('ctl/pki/ca.crt'))
        return subprocess.run([apigrid.BUILD + '/vdc/cli/vdc', *words], env=env, capture_output=True, text=True, timeout=30,
                              check=False)

    def test_command_line(self):
        self.client.post('applications', {'name': 'said', 'from': 'catalog/shop'})
        self.addCleanup(self.remove, 'said')
        listed = self.vdc('audit', 'list', '--id', 'said')
        self.assertEqual((0, True), (listed.returncode, 'createApplication' in listed.stdout), listed.stderr)
        exported = [json.loads(line) for line in self.vdc('audit', 'export').stdout.splitlines()]
        self.assertEqual([digest(entry) for entry in exported], [entry['digest'] for entry in exported])
        whole = self.vdc('audit', 'verify')
        self.assertEqual(0, whole.returncode, whole.stderr)
        head = whole.stdout.split('head: ')[1].strip()
        self.assertEqual(0, self.vdc('audit', 'verify', '--head', head).returncode)
        other = self.vdc('audit', 'verify', '--head', head.split(':')[0] + ':' + 'f' * 64)
        self.assertEqual((1, True), (other.returncode, 'not whole' in other.stdout), other.stdout)
        self.assertEqual(2, self.vdc('audit', 'verify', '--head', 'x').returncode)
        made = self.vdc('backup', 'store')
        self.assertEqual(0, made.returncode, made.stderr)
        self.assertTrue(os.path.exists(made.stdout.splitlines()[0]))
        self.assertEqual(1, len(json.loads(self.vdc('backup', 'list', '--json').stdout)['items']))
        self.assertEqual(0, self.vdc('backup', 'accept').returncode)


class Durable(unittest.TestCase):
    """The entry is durable with the change."""

    def test_killed_vdcd_has_the_entry_of_what_it_answered(self):
        grid = apigrid.Grid(agent=False).start()
        self.addCleanup(grid.end)
        for number in range(5):
            grid.client.post('volumes', {'name': f'other.v{number}', 'size': '8M'})
            grid.kill_vdcd()
            grid.start_vdcd()
            grid.wait_api()
            made = [e['id'] for e in grid.client.items('audit?action=createVolume')]
            self.assertEqual([f'other.v{n}' for n in range(number + 1)], made)
        self.assertTrue(grid.client.post('audit/verify')['clean'])

    def test_kill_between_change_and_answer(self):
        grid = apigrid.Grid(agent=False).start()
        self.addCleanup(grid.end)
        if not grid.has_failpoints():
            self.skipTest('vdcd was built without -Dtest_build=true')
        for point, changed in (('commit.01.before', 0), ('commit.02.after', 1)):
            grid.kill_vdcd()
            grid.start_vdcd({'VDC_FAILPOINT': f'{point}:2'})
            try:
                grid.wait_api()
                grid.client.post('volumes', {'name': f'other.v{changed}', 'size': '8M'})
                self.fail('it was to die')
            except (OSError, http.client.HTTPException, AssertionError):
                pass
            grid.vdcd.wait(30)
            grid.start_vdcd()
            grid.wait_api()
            volumes = {item['name'] for item in grid.client.items('volumes')}
            entries = {e['id'] for e in grid.client.items('audit?action=createVolume')}
            self.assertEqual(volumes, entries, point)
            self.assertTrue(grid.client.post('audit/verify')['clean'])
