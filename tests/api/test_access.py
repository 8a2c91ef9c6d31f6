"""Who may what: every route × everybody × own, foreign, deleted and missing objects; then what a table cannot say.

What is right comes from access_rules.tsv and from the rights written down in setUpClass, not from vdcd.
"""
import json
import os
import re
import unittest

import accessgrid
import vdc
from accessgrid import DELETED, FOREIGN, FOREIGN_DELETED, MISSING, OWN, ROLES

HERE = os.path.dirname(os.path.abspath(__file__))
SURPRISE = {'surprise': 1}  # a body that every schema refuses, after access was decided and before anything is done
KINDS = ('own', 'foreign', 'deleted', 'missing')
GRID_PARAMS = {'revision': '1', 'server': 's1', 'network': 'outside', 'file': 'console.js', 'class': 'BASE', 'catalog': 'shop', 'user': 'viewer'}
NOT_THERE = ('upload',)  # whoever may ask is told that there is none
OBJECT_PARAMS = ('volume', 'job', 'session', 'entry')


def rules():
    with open(HERE + '/access_rules.tsv', encoding='utf-8') as text:
        rows = {tuple(line.rstrip('\n').split('\t')) for line in text if not line.startswith('#')}
    assert len(rows) == len({row[0] for row in rows}), 'a route has two rules'
    return {name: (role, scope) for name, role, scope in rows}


class Access(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        grid = cls.grid = accessgrid.AccessGrid().start()
        cls.addClassCleanup(grid.end)
        cls.local = grid.local
        cls.make_people(grid)
        cls.make_objects(grid)

    @classmethod
    def make_people(cls, grid):
        grid.person('nobody')
        grid.person('guesser', 'vdct_' + '0' * 64, valid=False)
        grid.user('ann', creates=True, roles={OWN: 'admin', DELETED: 'admin'})
        grid.user('bob', creates=True, roles={FOREIGN: 'admin', FOREIGN_DELETED: 'admin'})
        grid.user('stranger')
        for role in ROLES[1:]:
            grid.user(role, roles={OWN: role})
            grid.user('grid-' + role, role=role)
        grid.user('browser', cookie=True, roles={OWN: 'editor'})
        grid.person('hostile-page', grid.people['browser'].secret, cookie=True, ours=False, roles={OWN: 'editor'})

    @classmethod
    def make_objects(cls, grid):
        people, cls.jobs, cls.app_ids = grid.people, {}, {}
        for owner, name, gone in (('ann', OWN, DELETED), ('bob', FOREIGN, FOREIGN_DELETED)):
            cls.jobs[name] = grid.make(people[owner], name, start=True)
            grid.make(people[owner], gone)
            cls.jobs[gone] = grid.destroy(people[owner], gone)
            cls.app_ids[name] = people[owner].get('applications/' + name)['id']
        for name in ('browser', *ROLES[1:]):
            people['ann'].post(f'applications/{OWN}/roles', {'user': name, 'role': people[name].roles[OWN]})
        for role in ROLES[1:-1]:
            grid.token('ann', 'may-' + role, role=role)
        grid.token('grid-admin', 'may-operator', role='operator')
        grid.token('ann', 'own-only', role='admin', applications=[OWN])
        grid.token('grid-admin', 'own-only', role='admin', applications=[OWN])
        ended = grid.token('ann', 'revoked', role='admin')
        people['ann'].call('DELETE', 'tokens/' + people['ann'].items('tokens')[0]['id'])
        ended.valid = False
        disabled = grid.user('disabled', roles={OWN: 'admin'})
        people['ann'].post(f'applications/{OWN}/roles', {'user': 'disabled', 'role': 'admin'})
        token = grid.token('disabled', 'forgotten', role='admin')
        grid.local.post('users/disabled/actions', {'action': 'disable'})
        disabled.valid = token.valid = False
        foreign = people['bob'].get(f'volumes/{FOREIGN}.data')['id']
        cls.foreign_session = people['bob'].post(f'applications/{FOREIGN}/instances/db/exec', {'argv': ['true']})['session']
        cls.foreign_token = people['bob'].post('tokens', {'name': 'canary-token'})['id']
        cls.foreign_login = people['bob'].items('me/sessions')[0]['id']
        grid.canaries = [FOREIGN, FOREIGN_DELETED, 'bob', foreign, cls.jobs[FOREIGN], cls.jobs[FOREIGN_DELETED],
                         cls.app_ids[FOREIGN], cls.foreign_session, cls.foreign_token, cls.foreign_login]

    # --- the matrix ----------------------------------------------------------------------------------------------------

    def application_of(self, kind):
        return {'own': OWN, 'foreign': FOREIGN, 'deleted': DELETED, 'missing': MISSING}[kind]

    def value(self, person, param, kind):
        """What stands for {param} in the path; unknown ones fail the test: a new one needs a line here."""
        application = self.application_of(kind)
        if param == 'application':
            return application
        if param in ('instance', 'wire'):
            return {'instance': 'db', 'wire': 'web.db-%3Edb.in'}[param]
        if param == 'volume':
            return application + '.data'
        if param == 'job':
            return self.jobs.get(application, '0123456789abcdef')
        if param == 'entry':
            return {'own': DELETED, 'foreign': FOREIGN_DELETED}.get(kind, MISSING)
        if param == 'session':
            return {'own': self.session_of(person), 'foreign': self.foreign_session}.get(kind, 's1.1.1.' + '0' * 32)
        if param in ('token', 'login', *NOT_THERE):
            return '0' * 64
        self.assertIn(param, GRID_PARAMS, 'a new parameter: say what stands for it')
        return GRID_PARAMS[param]

    def session_of(self, person):
        """Of the operator alone: a session is known to who opened it."""
        opener = self.grid.people['operator']
        if person.name != 'operator':
            return self.own_session
        return opener.post(f'applications/{OWN}/instances/db/exec', {'argv': ['true']})['session']

    def role_on(self, person, scope, params, kind):
        """The number of the role on what the path names; None: there is none for him."""
        application = self.application_of(kind)
        if 'entry' in params:
            application = {'own': DELETED, 'foreign': FOREIGN_DELETED}.get(kind, MISSING)
            if kind in ('missing', 'deleted'):
                return None
        elif 'job' in params and kind == 'missing':
            return None
        elif 'session' in params:
            opener = {'own': 'operator', 'foreign': 'bob'}.get(kind)
            return person.role(application) if person.name == opener else None
        elif 'job' not in params and kind in ('missing', 'deleted'):
            return None
        return person.role(application) or None

    def expected(self, person, route, kind):
        """401, 403, 404 or 'passes'."""
        role, scope = self.rules[route['name']]
        if role == 'public':
            return 'passes'
        if not person.valid and person.name != 'hostile-page':
            return 401
        if person.cookie and not person.ours and route['method'] != 'GET':
            return 403
        needed = ROLES.index(role)
        if scope == 'none' or (scope == 'filtered' and needed <= 1):
            return 'passes'
        if scope == 'filtered':
            return 'passes' if person.highest() >= needed else 403
        if scope == 'create':
            return 'passes' if person.may_create() else 403
        if scope == 'grid':
            return 'passes' if person.role() >= needed else 403
        have = self.role_on(person, scope, re.findall(r'\{(\w+)', route['path']), kind)
        if have is None:
            return 404
        return 'passes' if have >= needed else 403

    def fits(self, route, expected, status, content):
        if expected != 'passes':
            return status == expected
        if self.rules[route['name']][0] == 'public':  # a console's ticket is its own permission
            return status < 500 and status != 401
        if route['method'] == 'GET':
            return status == (404 if any('{%s}' % name in route['path'] for name in NOT_THERE) else 200)
        if route['raw']:  # there is nothing to check before it is acted on: whatever comes of it
            return status not in (401, 403, 500) and (self.rules[route['name']][1] == 'grid' or b'"no ' not in content)
        return status == 422

    def send(self, person, route, path):
        if route['raw']:
            return person.ask(route['method'], path, raw=b'')
        return person.ask(route['method'], path, None if route['method'] == 'GET' else SURPRISE)

    def leaks(self, person, path, content):
        """Foreign names in an answer, beside those he said himself."""
        if person.valid and (person.role(FOREIGN) or person.name.startswith('bob')):
            return []
        return [name for name in self.grid.canaries if name.encode() in content and name not in path]

    def cells(self):
        """(person, route, kind, path)"""
        for person in self.grid.people.values():
            for route in self.routes:
                params = re.findall(r'\{(\w+)', route['path'])
                several = any(param == 'application' or param in OBJECT_PARAMS for param in params)
                # Who is nobody is so whatever he asks for.
                for kind in KINDS if several and person.valid else KINDS[:1]:
                    path = re.sub(r'\{(\w+)\*?\}', lambda m, k=kind: self.value(person, m[1], k), route['path'])
                    if route['name'] in ('getUser', 'listUserSessions') or kind == 'own' or several:
                        yield person, route, kind, path

    def test_matrix(self):
        self.routes, self.rules = accessgrid.routes(), rules()
        self.assertEqual({r['name']: (r['role'], r['scope']) for r in self.routes}, self.rules,
                         'access_rules.tsv and the router differ: say there who may call a new route')
        self.own_session = self.session_of(self.grid.people['operator'])
        missing, problems, n = {}, [], 0
        for person, route, kind, path in self.cells():
            expected = self.expected(person, route, kind)
            status, _, content = self.send(person, route, path)
            n += 1
            where = f'{person.name}: {route["method"]} {path} ({kind})'
            if not self.fits(route, expected, status, content):
                problems.append(f'{where}: {status}, not {expected}: {content[:120]!r}')
            problems += [f'{where}: tells {name}' for name in self.leaks(person, path, content)]
            if status == 404 and expected == 404:
                # The same bytes as of a missing one, but for the name that was asked for.
                named = self.unnamed(route, path, content)
                problems += [f'{where}: {named!r} differs from {missing[route["name"]]!r}'
                             for _ in [0] if missing.setdefault(route['name'], named) != named]
        print(f'# access matrix: {len(self.routes)} routes, {len(self.grid.people)} callers, {n} cells', flush=True)
        self.assertEqual([], problems[:20], f'{len(problems)} wrong')

    def unnamed(self, route, path, content):
        """Without the part of the path that names the object; a long one is quoted in part."""
        at = next(i for i, part in enumerate(route['path'].split('/')) if part.startswith('{'))
        return re.sub(rb's1\.[\w.]+', b'NAME', content.replace(path.split('/')[at].encode(), b'NAME'))

    # --- lists and streams ---------------------------------------------------------------------------------------------

    def test_lists_hold_only_what_is_seen(self):
        for path in ('applications', 'volumes', 'jobs', 'trash'):
            key = 'application' if path == 'jobs' else 'name'
            shown = {name: {item[key].split('.')[0] for item in self.grid.people[name].items(path)}
                     for name in ('ann', 'bob', 'viewer', 'stranger', 'grid-viewer', 'ann:own-only', 'grid-admin:own-only')}
            self.assertEqual(set(), shown['stranger'], path)
            self.assertFalse(shown['ann'] & {FOREIGN, FOREIGN_DELETED}, path)
            self.assertFalse(shown['bob'] & {OWN, DELETED}, path)
            self.assertFalse((shown['ann:own-only'] | shown['grid-admin:own-only'] | shown['viewer']) - {OWN}, path)
            self.assertLessEqual(shown['ann'] | shown['bob'], shown['grid-viewer'], path)
        for person in ('viewer', 'ann:own-only'):
            self.assertEqual({OWN}, {event['application'] for event in self.grid.people[person].items('events')})
        self.assertEqual([], self.grid.people['stranger'].items('events'))
        self.assertIn('server.state', {event['kind'] for event in self.grid.people['grid-viewer'].items('events')})

    def stream(self, person, path='events?follow=1'):
        connection = self.grid.client.connection(20)
        self.addCleanup(connection.close)
        connection.request('GET', '/api/v1/' + path, headers={**person.headers('GET'), 'Accept': 'text/event-stream'})
        return connection.getresponse()

    def until(self, stream, text):
        """What came up to the line that has it; the rest of the stream when it never comes."""
        seen = b''
        while text not in seen:
            line = stream.readline()
            if not line:
                break
            seen += line
        return seen

    def test_stream_holds_only_what_is_seen(self):
        after = self.grid.last_event()
        mine, all_of_it = (self.stream(self.grid.people[name], f'events?follow=1&after={after}')
                           for name in ('ann', 'grid-viewer'))
        for _ in range(2):
            for owner, name in (('bob', FOREIGN), ('ann', OWN)):
                self.grid.people[owner].post(f'applications/{name}/actions', {'action': 'config', 'set': {'db.fake_fault': 'none'}})
        self.grid.make(self.grid.people['bob'], 'canary-lime')
        self.grid.make(self.grid.people['ann'], 'ann-last')
        self.assertIn(b'canary-lime', self.until(all_of_it, b'ann-last'))
        seen = self.until(mine, b'ann-last')
        self.assertIn(b'ann-last', seen)
        self.assertEqual([], [name for name in [*self.grid.canaries, 'canary-lime'] if name.encode() in seen])

    def test_streams_end_with_the_right_to_them(self):
        people = self.grid.people
        self.grid.user('leaver', roles={OWN: 'operator'})
        people['ann'].post(f'applications/{OWN}/roles', {'user': 'leaver', 'role': 'operator'})
        token = self.grid.token('leaver', 'short', role='operator')
        events, console = self.stream(token), self.stream(token, f'applications/{OWN}/instances/db/console?follow=1')
        own = self.stream(people['leaver'], f'applications/{OWN}/instances/db/console?follow=1')
        people['leaver'].call('DELETE', 'tokens/' + people['leaver'].items('tokens')[0]['id'])
        self.until(events, b'never said')  # returns as the stream ends
        with self.assertRaises(Exception):  # cut off, not ended
            console.read()
            raise EOFError
        people['ann'].post(f'applications/{OWN}/roles', {'user': 'leaver', 'role': 'viewer'})
        with self.assertRaises(Exception):
            own.read()
            raise EOFError
        self.assertEqual(403, people['leaver'].ask('GET', f'applications/{OWN}/instances/db/console')[0])

    # --- what handlers decide ------------------------------------------------------------------------------------------

    def refused(self, status, person, method, path, document=None):
        got, _, content = self.grid.people[person].ask(method, path, {} if document is None and method != 'GET' else document)
        self.assertEqual(status, got, (person, method, path, content))
        return content

    def test_settings_need_an_editor(self):
        change = {'action': 'config', 'set': {'db.fake_fault': 'none'}}
        self.refused(403, 'operator', 'POST', f'applications/{OWN}/actions', change)
        self.refused(403, 'ann:may-operator', 'POST', f'applications/{OWN}/actions', change)
        self.assertEqual(200, self.grid.people['editor'].ask('POST', f'applications/{OWN}/actions?dry_run=1', change)[0])

    def test_volume_of_a_foreign_application(self):
        for name in (FOREIGN + '.more', MISSING + '.more'):
            text = self.refused(403, 'ann', 'POST', 'volumes', {'name': name, 'size': '8M'})
            self.assertEqual(b'APP', re.search(rb"application '([\w-]+)'", text.replace(name.split('.')[0].encode(), b'APP'))[1])
        self.refused(403, 'operator', 'POST', 'volumes', {'name': OWN + '.more', 'size': '8M'})
        self.grid.people['editor'].post('volumes', {'name': OWN + '.more', 'size': '8M'})
        self.assertIn(OWN + '.more', [v['name'] for v in self.grid.people['viewer'].items('volumes')])
        self.assertEqual(200, self.grid.people['editor'].ask('DELETE', f'volumes/{OWN}.more', {})[0])

    def test_kept_volume_is_not_taken_by_another_tenant(self):
        ann, bob = self.grid.people['ann'], self.grid.people['bob']
        self.grid.make(bob, 'pear', start=True)
        self.grid.finished(bob, bob.post('applications/pear/actions', {'action': 'stop'}))
        self.grid.finished(bob, bob.call('DELETE', 'applications/pear?keep_volumes=1'))
        wanted = {'name': 'pear', 'description': accessgrid.DESCRIPTION % 'pear', 'confirm': True}
        self.refused(409, 'ann', 'POST', 'applications', wanted)
        self.refused(404, 'ann', 'GET', 'volumes/pear.data')
        bob.post('applications', wanted)
        self.grid.destroy(bob, 'pear')

    def test_later_application_of_a_name_is_another(self):
        ann, bob = self.grid.people['ann'], self.grid.people['bob']
        self.grid.make(bob, 'fig')
        job = self.grid.destroy(bob, 'fig')
        self.grid.make(ann, 'fig')
        self.refused(404, 'bob', 'GET', 'applications/fig')
        self.refused(404, 'ann', 'GET', 'jobs/' + job)
        self.assertEqual('done', bob.get('jobs/' + job)['state'])
        created = [event for event in ann.items('events') if event['kind'] == 'application.created' and event['id'] == 'fig']
        self.assertEqual(1, len(created))
        self.assertEqual(1, len([e for e in ann.items('applications/fig/logs') if e['kind'] == 'application.created']))

    def test_creator_is_admin_and_gives_roles(self):
        ann, stranger = self.grid.people['ann'], self.grid.people['stranger']
        self.grid.make(ann, 'lent')
        self.refused(404, 'stranger', 'GET', 'applications/lent')
        ann.post('applications/lent/roles', {'user': 'stranger', 'role': 'viewer'})
        self.assertEqual('lent', stranger.get('applications/lent')['name'])
        self.refused(403, 'stranger', 'POST', 'applications/lent/roles', {'user': 'stranger', 'role': 'admin'})
        self.assertEqual([('ann', 'admin'), ('stranger', 'viewer')],
                         [(row['user'], row['role']) for row in ann.items('applications/lent/roles')])
        ann.post('applications/lent/roles', {'user': 'stranger', 'role': 'none'})
        self.refused(404, 'stranger', 'GET', 'applications/lent')
        self.refused(404, 'ann', 'POST', 'applications/lent/roles', {'user': 'who', 'role': 'viewer'})

    def test_foreign_tokens_and_sessions_are_not_there(self):
        for path, good in (('tokens/', self.foreign_token), ('me/sessions/', self.foreign_login)):
            texts = [self.refused(404, 'ann', 'DELETE', path + name).replace(name.encode(), b'NAME')
                     for name in (good, '0123456789abcdef')]
            self.assertEqual(texts[0], texts[1])
        self.assertIn(self.foreign_token, [t['id'] for t in self.grid.people['bob'].items('tokens')])
        self.assertNotIn('canary-token', [t['name'] for t in self.grid.people['ann'].items('tokens?all=1')])
        self.assertIn('canary-token', [t['name'] for t in self.grid.people['grid-admin'].items('tokens?all=1')])

    def test_key_of_another_user_gives_nothing(self):
        wanted = {'name': 'keyed', 'description': accessgrid.DESCRIPTION % 'keyed'}
        first = self.grid.people['bob'].ask('POST', 'applications', wanted, Idempotency_Key='same-key-1')
        again = self.grid.people['bob'].ask('POST', 'applications', wanted, Idempotency_Key='same-key-1')
        other = self.grid.people['ann'].ask('POST', 'applications', wanted, Idempotency_Key='same-key-1')
        self.assertEqual((201, 409), (first[0], other[0]))
        self.assertEqual(json.loads(first[2])['id'], json.loads(again[2])['id'])
        self.assertNotIn(json.loads(first[2])['id'].encode(), other[2])

    def test_fields_that_are_not_meant_for_the_caller(self):
        """Owner, role, epoch and the like in a body: refused, and nothing of it is there afterwards."""
        before = self.grid.people['ann'].get('me')
        for extra in ('owner', 'role', 'roles', 'user', 'epoch', 'server', 'seed', 'id', 'quota', 'application_id'):
            self.refused(422, 'ann', 'POST', 'applications',
                         {'name': 'massy', 'description': accessgrid.DESCRIPTION % 'massy', extra: 'admin'})
            self.refused(422, 'editor', 'POST', 'volumes', {'name': OWN + '.massy', 'size': '8M', extra + '_': 'x'})
            self.refused(422, 'ann', 'POST', f'applications/{OWN}/actions', {'action': 'restart', extra + '_': 'x'})
            self.refused(422, 'ann', 'POST', 'tokens', {'name': 'massy', extra + '_': 'x'})
        self.refused(422, 'ann', 'POST', 'tokens', {'name': 'massy', 'user': 'grid-admin'})
        self.assertEqual(before, {**self.grid.people['ann'].get('me'), 'credential': before['credential']})
        self.refused(404, 'ann', 'GET', 'applications/massy')

    # --- tokens --------------------------------------------------------------------------------------------------------

    def test_token_never_has_more_than_its_owner(self):
        self.grid.user('riser', roles={OWN: 'viewer'})
        ann, riser = self.grid.people['ann'], self.grid.people['riser']
        ann.post(f'applications/{OWN}/roles', {'user': 'riser', 'role': 'viewer'})
        token = self.grid.token('riser', 'wide', role='admin')
        self.assertEqual(403, token.ask('POST', f'applications/{OWN}/actions', {'action': 'restart'})[0])
        ann.post(f'applications/{OWN}/roles', {'user': 'riser', 'role': 'operator'})
        self.assertEqual(200, token.ask('POST', f'applications/{OWN}/actions?dry_run=1', {'action': 'stop'})[0])
        ann.post(f'applications/{OWN}/roles', {'user': 'riser', 'role': 'none'})
        self.assertEqual(404, token.ask('GET', f'applications/{OWN}')[0])
        self.assertEqual(403, token.ask('POST', 'tokens', {'name': 'wider'})[0])
        self.assertEqual(403, token.ask('POST', 'me/password', {'current': accessgrid.PASSWORD, 'password': 'another long one'})[0])
        self.assertEqual(409, token.ask('POST', 'logout', {})[0])
        self.local.call('DELETE', 'users/riser', {})
        self.assertEqual(401, token.ask('GET', 'me')[0])
        self.assertEqual(401, riser.ask('GET', 'me')[0])

    def test_scope_of_what_is_not_seen_is_refused(self):
        for name in (FOREIGN, MISSING):
            self.refused(404, 'ann', 'POST', 'tokens', {'name': 'reach', 'applications': [name]})
        self.refused(409, 'ann', 'POST', 'tokens', {'name': 'own-only'})
        for seconds in (0, 59, 366 * 24 * 3600 + 1):
            self.refused(422, 'ann', 'POST', 'tokens', {'name': 'long', 'expires_s': seconds})

    def test_secrets_are_not_in_the_store(self):
        secrets = [person.secret for person in self.grid.people.values() if person.secret] + [accessgrid.PASSWORD]
        secrets.remove(self.grid.client.token)
        found = []
        for folder, _, files in os.walk(self.grid.path('ctl')):
            for name in files:
                with open(os.path.join(folder, name), 'rb') as content:
                    data = content.read()
                found += [(name, secret) for secret in secrets if secret.encode() in data]
        self.assertEqual([], found)


if __name__ == '__main__':
    unittest.main()
