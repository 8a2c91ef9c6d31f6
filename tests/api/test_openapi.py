"""The API against its own document: every call walked, dry runs, requests nobody should send; pages, tags, errors."""
import hashlib
import http.client
import json
import os
import random
import subprocess
import unittest

import apigrid
import openapi_client
import redocly

WRONG_PER_CALL = 24
SEED = int(os.environ.get('VDC_SEED', '1'))

PAGE = """
class: PAGE
version: 1.0.0
unmanaged: true
summary: A page
terminals:
  in: {side: input, protocol: http}
"""
PAIR = """
assembly: PAIR
version: %s
terminals:
  in: {side: input, protocol: http, inside: front.in}
instances:
  front: {class: FRONT}
"""
# What cannot be done here, and what is answered instead.
NOT_HERE = {'openConsole': {400, 401, 403, 426}, 'acceptRestore': {409}, 'logout': {409}, 'changeMyPassword': {403, 409},
            'endMySession': {404}, 'login': {401}, 'getWireHistory': {404}, 'actOnJob': {409}}


def setUpModule():
    global grid, client, api
    grid = apigrid.Grid().start()
    client = grid.client
    api = openapi_client.OpenApi(client.get('openapi.json'))


def tearDownModule():
    grid.end()


class Walk:
    """What stands in paths and bodies so that a call can be done."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.image = b'\0' * 510 + b'\x55\xaa' + prefix.encode().ljust(512, b'\0') + b'\0' * ((3 << 20) - 1024)
        self.digest = hashlib.sha256(self.image).hexdigest()
        self.shop = self.name('shop')
        self.tokens = 0

    def name(self, what):
        return f'{self.prefix}-{what}'

    def begin(self):
        client.post('applications', {'name': self.shop, 'from': 'catalog/shop'})
        grid.done(client.act(self.shop, 'start'))
        self.job = client.get(f'jobs?application={self.shop}')['items'][0]['id']
        client.post('volumes', {'name': self.name('spare') + '.data', 'size': '4M'})
        for name in ('gone', 'away'):
            client.post('applications', {'name': self.name(name), 'description': self.plain(self.name(name))})
            client.delete(f'applications/{self.name(name)}')
            client.wait(f'{name} is in the trash', lambda name=name: self.trash(self.name(name)), 30)
        client.post('users', {'name': self.name('user')})
        client.post('catalogs', {'name': self.name('mine')})
        client.post(f'catalogs/{self.name("mine")}/entries', {'description': PAIR % '1.0.0'})
        return self

    @staticmethod
    def trash(name):
        return next((entry for entry in client.items('trash') if name in (entry.get('name'), entry.get('id'))), None)

    @staticmethod
    def plain(name):
        return f'application: {name}\ninstances:\n  db: {{class: BASE, volumes: {{data: data}}}}\nvolumes:\n  data: {{size: 4M}}\n'

    def values(self, call):
        """Of the path's parameters."""
        entry = {'restoreTrash': 'gone', 'removeTrash': 'away'}.get(call.id, 'gone')
        found = {'application': self.shop, 'instance': 'web.1', 'wire': 'in.out:web.in', 'volume': self.shop + '.data',
                 'job': self.job, 'server': 's1', 'network': 'outside', 'class': 'FRONT', 'catalog': self.name('mine'),
                 'entry': 'PAIR@1.0.0' if 'catalogs' in call.path else self.name(entry), 'user': self.name('user'),
                 'upload': self.digest, 'revision': 1, 'login': 'nobody', 'session': 'none', 'token': 'none',
                 'backup': 'none', 'ticket': 'none'}
        if call.id == 'removeServer':
            found['server'] = self.name('s9')
        if call.id == 'destroyVolume':
            found['volume'] = self.name('spare') + '.data'
        if 'session' in call.names('path'):
            ran = client.post(f'applications/{self.shop}/instances/db/exec', {'argv': ['cat']})
            found['session'] = ran['session']
        if 'token' in call.names('path'):
            self.tokens += 1
            found['token'] = client.post('tokens', {'name': f'{self.name("token")}{self.tokens}'})['id']
        return found

    def body(self, call):
        own = {
            'createApplication': {'name': self.name('more'), 'from': 'catalog/shop'},
            'destroyApplication': {'force': True},
            'applyApplication': {},
            'actOnApplication': {'action': 'scale', 'instances': {'web': 1}},
            'actOnInstance': {'action': 'kill'},
            'putFile': {'path': '/tmp/x'}, 'getFile': {'path': '/etc/hostname'}, 'execInInstance': {'argv': ['true']},
            'editDraft': {'base': self.draft() if call.id == 'editDraft' else 0,
                          'ops': [{'op': 'set', 'path': 'instances.web.count', 'value': 3}]},
            'putDraft': {'text': self.plain(self.shop), 'base': self.draft() if call.id == 'putDraft' else 0},
            'checkWire': {'from': 'in.out'},
            'createConsoleTicket': {'kind': 'serial'},
            'createCatalog': {'name': self.name('other')},
            'publish': {'description': PAIR % '1.0.1'},
            'beginUpload': {'sha256': self.digest, 'size_bytes': len(self.image)},
            'createClass': {'catalog': self.name('mine'), 'upload': self.digest, 'description': PAGE},
            'createVolume': {'name': self.name('new') + '.data', 'size': '4M'},
            'registerServer': {'name': self.name('s9'), 'address': '127.0.0.1', 'port': 1},
            'createNetwork': {'name': self.name('net'), 'subnet': '198.51.100.0/24', 'gateway': '198.51.100.1',
                              'addresses': '198.51.100.20-198.51.100.29'},
            'actOnJob': {'action': 'cancel'},
            'createUser': {'name': self.name('second')},
            'actOnUser': {'action': 'role', 'role': 'viewer'},
            'setApplicationRole': {'user': self.name('user'), 'role': 'operator'},
            'createToken': {'name': self.name('mine')},
            'changeMyPassword': {'current': 'xxxxxxxxxx', 'password': 'long enough words'},
        }
        return own.get(call.id, api.sample(call.body) if call.body else None)

    def draft(self):
        return client.get(f'applications/{self.shop}/draft')['rev']

    def raw(self, call):
        return self.image if call.id == 'putUpload' else b'x'

    def ask(self, call, query=None, headers=None, values=None):
        """(status, headers, bytes)."""
        body, kind = (self.raw(call), 'application/octet-stream') if call.raw else (None, None)
        if call.body is not None:
            body, kind = json.dumps(self.body(call)).encode(), 'application/json'
        return client.raw(call.method, call.url(values or self.values(call), query), body,
                          {**({'Content-Type': kind} if kind else {}), **(headers or {})})


def order(call):
    """Looking first, then making, then changing, what destroys last."""
    late = ['putUpload', 'putDraft', 'removeServer', 'createClass', 'actOnInstance', 'actOnApplication', 'discardDraft', 'restoreTrash', 'removeTrash',
            'emptyTrash', 'deleteUser', 'unpublish', 'removeCatalog', 'removeUpload', 'destroyVolume', 'destroyApplication']
    first = ['beginUpload']
    return (call.method != 'GET' and call.id not in first, late.index(call.id) + 1 if call.id in late else 0)


class Document(unittest.TestCase):
    def test_passes_redocly(self):
        grid.write('openapi.json', json.dumps(api.document))
        try:
            code, said = redocly.lint(grid.path('openapi.json'), apigrid.TOP + '/tests/lib/redocly.yaml')
        except redocly.Missing as missing:
            self.skipTest(f'needs {missing}')
        self.assertEqual(0, code, said[-3000:])
        grid.write('wrong.json', json.dumps({**api.document, 'paths': {**api.document['paths'], '/x': {'get': {}}}}))
        self.assertNotEqual(0, redocly.lint(grid.path('wrong.json'), apigrid.TOP + '/tests/lib/redocly.yaml')[0])

    def test_generated_client_walks_every_call(self):
        walk, wrong, done = Walk('walk').begin(), [], 0
        for call in sorted(api.calls, key=order):
            if call.id in ('getUpload', 'getSessionOutput'):
                continue  # looked at where there is one: below
            status, headers, body = walk.ask(call)
            problem = api.answer_problem(call, status, headers, body)
            if problem is None and not 200 <= status < 300 and status not in NOT_HERE.get(call.id, ()):
                problem = f'{call.id}: {status} {body[:300]}'
            done += 200 <= status < 300
            wrong += [problem] if problem else []
        self.assertEqual([], wrong)
        print(f'# {len(api.calls)} calls walked, {done} of them done, every answer as the document says')

    def test_dry_runs_change_nothing(self):
        walk, wrong, count = Walk('dry').begin(), [], 0
        client.raw('POST', '/api/v1/uploads', json.dumps({'sha256': walk.digest, 'size_bytes': len(walk.image)}),
                   {'Content-Type': 'application/json'})
        for call in sorted(api.calls, key=order):
            if call.method == 'GET' or call.id in ('logout', 'verifyAudit', 'verify'):
                continue
            values = walk.values(call)  # what it needs is made before the look
            before = grid.last_event()
            status, headers, body = walk.ask(call, {'dry_run': 1}, values=values)
            problem = api.answer_problem(call, status, headers, body)
            events = [event for event in grid.events(before) if event['kind'] not in ('instance.state', 'metrics')]
            if events:
                problem = f'{call.id}: a dry run did something: {events}'
            count += 1
            wrong += [problem] if problem else []
        self.assertEqual([], wrong)
        print(f'# {count} dry runs')

    def test_errors_are_of_the_table(self):
        codes = {entry['code']: entry for entry in client.items('errors')}
        self.assertEqual(client.get('openapi.json')['x-errors'], client.items('errors'))
        for path, method, body, code in (('nothing', 'GET', None, 'not_found'), ('servers', 'DELETE', None, 'method_not_allowed'),
                                         ('volumes', 'POST', '{', 'usage'), ('volumes', 'POST', '{}', 'invalid'),
                                         ('servers?limt=1', 'GET', None, 'usage')):
            status, _, answer = client.raw(method, '/api/v1/' + path, body)
            found = json.loads(answer)
            self.assertEqual((code, codes[code]['status']), (found['code'], status), found)
        self.assertEqual('limt', json.loads(client.raw('GET', '/api/v1/servers?limt=1')[2])['path'].strip('"'))

    def test_sources_use_no_other_code(self):
        """Codes come from the table: no text literal is one."""
        found = subprocess.run(['grep', '-rnE', '--include=*.c', r'"code", *(json_string \()?"', apigrid.TOP + '/vdc/http',
                                apigrid.TOP + '/vdc/controller/api'], stdout=subprocess.PIPE, text=True, check=False).stdout
        own = [line for line in found.splitlines() if 'openapi.c' not in line and '"invalid"' not in line]
        self.assertEqual([], own)

    def test_depth_of_bodies_is_bounded(self):
        for depth, code in ((31, 'invalid'), (32, 'invalid'), (33, 'usage')):
            body = '{"name": ' * (depth - 1) + '{}' + '}' * (depth - 1)
            found = json.loads(client.raw('POST', '/api/v1/volumes', body)[2])
            self.assertEqual(code, found['code'], (depth, found['message']))

    def test_page_loads_nothing_from_elsewhere(self):
        status, headers, page = client.raw('GET', '/api/docs')
        self.assertEqual(200, status)
        self.assertIn("frame-ancestors 'none'", headers['Content-Security-Policy'])
        self.assertNotIn(b'http://', page)
        self.assertNotIn(b'https://', page)
        for path in ('/api/docs.js', '/api/docs.css'):
            self.assertEqual(200, client.raw('GET', path)[0])


# --- requests nobody should send ---------------------------------------------------------------------------------------

STRANGE = [None, True, -1, 0, 1.5, 1e300, 2 ** 53 + 1, '', 'x' * 70000, '\u0000', '\ud83d\ude00' * 50, '\u202e\u2066evil', '../../etc/passwd',
           "'; drop table x; --", '${jndi:ldap://x}', '%s%n%s', [], [[]] * 3, {}, {'': {}}, {'\u00e9' * 300: 1}, [None] * 5000]


class Wrong:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def spoil(self, value, depth=0):
        """@value with something in it replaced, removed or added."""
        dice = self.random.random()
        if isinstance(value, dict) and value and dice < 0.7 and depth < 6:
            name = self.random.choice(sorted(value))
            changed = dict(value)
            if dice < 0.12:
                del changed[name]
            elif dice < 0.24:
                changed[self.random.choice(['nmae', 'x' * 300, '__proto__', name + '_'])] = self.random.choice(STRANGE)
            else:
                changed[name] = self.spoil(value[name], depth + 1)
            return changed
        if isinstance(value, list) and value and dice < 0.6:
            return [self.spoil(value[0], depth + 1)] + value[1:]
        return self.random.choice(STRANGE)

    def text(self, body):
        """What is sent instead of JSON."""
        whole = json.dumps(body).encode()
        return self.random.choice([
            b'', b'{', whole[:-1], b'[' * 5000, b'{"a":' * 3000 + b'1' + b'}' * 3000, b'\xff\xfe' + whole, b'null', b'"x"', b'[]',
            b'{"name":"a","name":"b"}', whole + whole, b'{"name": 1e999}', b'{"name": ' + b'9' * 400 + b'}', b' ' * 70000 + whole,
            b'{"name": "\\ud800"}', b'{"\\u0000": 1}'])

    def request(self, call, walk):
        """(method, path, body, headers), wrong in one way."""
        way = self.random.randrange(8)
        values = walk.fixed if way < 5 else {
            name: self.random.choice(['nope', '..', '%', '\u00e9', 'a/b', '*', 'x' * 500, walk.shop, 'web.1', '-1'])
            for name in call.names('path')}
        method, kind, query = call.method, 'application/json', None
        body = walk.body(call) if call.body else {}
        data = json.dumps(self.spoil(api.sample(call.body, True) if way == 0 else body) if call.body else body).encode()
        if way == 1:
            data = self.text(body)
        elif way == 2:
            kind = self.random.choice(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'x' * 400, ';'])
        elif way == 3:
            method = self.random.choice(['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'BREW'])
        elif way == 4:
            names = call.names('query') + ['x', '', 'limit', 'dry_run']
            query = {self.random.choice(names): self.random.choice(['', '-1', '1e9', 'x' * 3000, '\u0000', '\u00e9', '../..', '9' * 40])}
        headers = {'Content-Type': kind, 'If-Match': '"x"'} if way == 5 else {'Content-Type': kind}
        if way == 7:
            headers['Idempotency-Key'] = self.random.choice(['same', 'k' * 128, 'k' * 129, ' '])
        return method, call.url(values, query), None if method in ('GET', 'HEAD') else data, headers


class Kept:
    """One connection for many requests, made anew when the server closed it."""

    def __init__(self):
        self.connection = None

    def ask(self, method, path, body, headers):
        for fresh in (self.connection is None, True):
            if fresh:
                self.connection = client.connection(30)
            try:
                self.connection.request(method, path, body=body, headers=client.headers(headers))
                answer = self.connection.getresponse()
                found = answer.status, dict(answer.getheaders()), answer.read()
            except (http.client.HTTPException, OSError):
                self.connection.close()
                self.connection = None
                if fresh:
                    raise
                continue
            if answer.will_close:
                self.connection = None
            return found
        raise AssertionError


class Fuzz(unittest.TestCase):
    def test_wrong_requests_never_break_it(self):
        walk, wrong, statuses, kept = Walk('fuzz').begin(), [], {}, Kept()
        codes = {entry['code']: entry['status'] for entry in client.items('errors')}
        for call in sorted(api.calls, key=order):
            if call.id in ('logout', 'listEvents', 'getSessionOutput'):
                continue
            spoiler = Wrong(f'{SEED} {call.id}')
            walk.fixed = walk.values(call)
            for _ in range(WRONG_PER_CALL):
                method, path, body, headers = spoiler.request(call, walk)
                try:
                    status, sent, answer = kept.ask(method, path, body, headers)
                except (http.client.HTTPException, OSError) as error:
                    wrong.append(f'{method} {path[:100]} {body and body[:100]}: {error!r}')
                    continue
                statuses[status] = statuses.get(status, 0) + 1
                wrong += self.problems(codes, method, path, body, status, sent, answer)
        self.assertEqual([], wrong[:20])
        self.assertIsNone(grid.vdcd.poll())
        self.assertGreater(statuses.get(422, 0), 50)
        print(f'# {sum(statuses.values())} wrong requests: ' + ', '.join(f'{n} × {s}' for s, n in sorted(statuses.items())))

    @staticmethod
    def problems(codes, method, path, body, status, headers, answer):
        where = f'{method} {path[:100]} {body and body[:100]}: {status} {answer[:200]}'
        if status >= 500 and not (status == 503 and headers.get('Retry-After')):
            return [where]
        if status < 400 or method == 'HEAD':
            return []
        try:
            found = json.loads(answer)
        except ValueError:
            return [where]
        fits = found.get('code') in codes and (codes[found['code']] == status or status in (408, 414, 431))
        return [] if fits and isinstance(found.get('message'), str) else [where]


# --- pages, fields, tags ------------------------------------------------------------------------------------------------


class Lists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.names = sorted(f'page-{n:02}' for n in range(12))
        for name in cls.names:
            client.post('applications', {'name': name, 'description': Walk.plain(name).replace('instances:', 'properties: {title: x}\ninstances:')})

    def pages(self, path, limit, meanwhile=None):
        found, after = [], None
        while True:
            page = client.get(f'{path}{"&" if "?" in path else "?"}limit={limit}' + (f'&after={after}' if after else ''))
            self.assertLessEqual(len(page['items']), limit)
            found += [item['name'] for item in page['items']]
            if page['next'] is None:
                return found
            after = page['next']
            if meanwhile:
                meanwhile = meanwhile()

    def test_pages_are_the_list(self):
        whole = [item['name'] for item in client.items('applications')]
        self.assertEqual(sorted(whole), whole)
        for limit in (1, 5, len(whole) - 1, len(whole), len(whole) + 1):
            self.assertEqual(whole, self.pages('applications', limit))

    def test_what_comes_and_goes_moves_no_other(self):
        def meanwhile():
            client.post('applications', {'name': 'page-000-new', 'description': Walk.plain('page-000-new')})
            client.delete('applications/page-00')
        found = [name for name in self.pages('applications?state=stopped', 4, meanwhile) if name.startswith('page-')]
        self.assertEqual(sorted(set(self.names) - {'page-00'}), sorted(set(found) - {'page-00', 'page-000-new'}))
        self.assertEqual(len(found), len(set(found)))
        client.post('applications', {'name': 'page-00', 'description': Walk.plain('page-00'), 'confirm': True})

    def test_fields_and_filters(self):
        for item in client.items('applications?fields=name,state&limit=3'):
            self.assertEqual({'name', 'state'}, set(item))
        self.assertEqual({'name': 'page-01'}, client.get('applications/page-01?fields=name'))
        self.assertEqual([], client.items('applications?state=failed'))
        status, _, body = client.raw('GET', '/api/v1/applications?fields=nmae')
        self.assertEqual((400, 'name'), (status, json.loads(body)['message'].split("'")[-2]))
        for limit, status in (('0', 400), ('1', 200), ('10000', 200), ('10001', 400), ('x', 400)):
            self.assertEqual(status, client.raw('GET', f'/api/v1/applications?limit={limit}')[0], limit)

    def test_unchanged_is_304(self):
        for path in ('applications', 'applications/page-02', 'applications/page-02/description', 'servers/s1?fields=name', 'openapi.json'):
            status, headers, body = client.raw('GET', '/api/v1/' + path)
            self.assertEqual(200, status)
            again = client.raw('GET', '/api/v1/' + path, headers={'If-None-Match': headers['ETag']})
            self.assertEqual((304, b'', headers['ETag']), (again[0], again[2], again[1]['ETag']), path)
            other = client.raw('GET', '/api/v1/' + path, headers={'If-None-Match': '"other"'})
            self.assertEqual((200, body), (other[0], other[2]))

    def test_change_of_what_was_changed_is_412(self):
        tag = client.raw('GET', '/api/v1/applications/page-03')[1]['ETag']
        config = json.dumps({'action': 'config', 'set': {'title': 'one'}})
        headers = {'Content-Type': 'application/json', 'If-Match': tag}
        self.assertEqual(200, client.raw('POST', '/api/v1/applications/page-03/actions', config, headers)[0])
        status, _, body = client.raw('POST', '/api/v1/applications/page-03/actions', config, headers)
        found = json.loads(body)
        self.assertEqual((412, 'precondition_failed'), (status, found['code']))
        self.assertEqual(client.application('page-03')['revision'], found['params']['application']['revision'])
        headers['If-Match'] = found['params']['etag']
        self.assertEqual(200, client.raw('POST', '/api/v1/applications/page-03/actions', config, headers)[0])
        self.assertEqual(412, client.raw('DELETE', '/api/v1/applications/page-03', None, {'If-Match': tag})[0])
        self.assertEqual(400, client.raw('POST', '/api/v1/volumes', '{"name": "a.b", "size": "4M"}', headers)[0])


if __name__ == '__main__':
    unittest.main()
