"""One effect for each change, whatever the network does to requests and replies on either side of vdcd.

Every changing call of the API's document goes through a proxy (badnet.py) that loses its reply, doubles it, or delivers it
after its own repetition. What was done is counted in the audit, which has one entry for each effect.
"""
import json
import unittest
import uuid

import apigrid
import badnet
import openapi_client
import test_openapi

WAYS = ('lose', 'double', 'late')
# Who is not known yet has no keys; and what is refused here has no effect to be doubled.
NOT_HERE = {'login', 'logout', 'changeMyPassword', 'endMySession', 'acceptRestore', 'actOnJob', 'verifyAudit'}


def setUpModule():
    global grid, client, api
    grid = apigrid.Grid().start()
    client = grid.client
    api = openapi_client.OpenApi(client.get('openapi.json'))
    test_openapi.grid, test_openapi.client, test_openapi.api = grid, client, api


def tearDownModule():
    grid.end()


def audited(after):
    """Entries later than that number."""
    return client.get(f'audit?after={after}&limit=1000')['items']


def last_entry():
    return client.post('audit/verify')['last']


class Once(unittest.TestCase):
    maxDiff = None

    def run_way(self, net, way):
        """(calls, what went wrong) of all changing calls."""
        walk, wrong, calls = test_openapi.Walk(way).begin(), [], 0
        for call in sorted(api.calls, key=test_openapi.order):
            if call.method == 'GET' or call.id in NOT_HERE:
                continue
            calls += 1
            wrong += self.one(net, way, walk, call)
        return calls, wrong

    def one(self, net, way, walk, call):
        values, before = walk.values(call), last_entry()
        body = walk.raw(call) if call.raw else json.dumps(walk.body(call)).encode() if call.body is not None else None
        headers = client.headers({'Idempotency-Key': uuid.uuid4().hex})
        if body is not None:
            headers['Content-Type'] = 'application/octet-stream' if call.raw else 'application/json'
        net.begin(way)
        status, answer, _ = badnet.ask_until(net.port, client.tls, call.method, call.url(values), body, headers)
        sent = net.end()
        again = badnet.ask_until(grid.ports['api'], client.tls, call.method, call.url(values), body, headers)
        wrong = []
        if not 200 <= status < 300:
            wrong.append(f'{call.id}: {status} {answer[:200]}')
        if again[:2] != (status, answer):
            wrong.append(f'{call.id}: answered {status} {answer[:100]}, then {again[0]} {again[1][:100]}')
        if sent < 2 and way != 'double':
            wrong.append(f'{call.id}: was sent {sent} times')
        effects = [entry for entry in audited(before) if entry['action'] == call.id and entry['result'] in ('ok', 'passed')]
        # What is typed or sent in has an entry now and then, not for each piece.
        if len(effects) != 1 and call.id not in ('typeIntoConsole', 'postSessionInput'):
            wrong.append(f'{call.id}: {len(effects)} effects: {effects}')
        return wrong

    def way(self, way):
        net = badnet.of_api(grid)
        try:
            calls, wrong = self.run_way(net, way)
        finally:
            net.close()
        self.assertEqual([], wrong)
        self.assertGreater(calls, 35)
        print(f'# {way}: {calls} calls, one effect each')

    def test_reply_lost(self):
        self.way('lose')

    def test_request_doubled(self):
        self.way('double')

    def test_request_late_and_after_its_repetition(self):
        self.way('late')

    def test_without_a_key_it_is_done_twice(self):
        """The proxy does what it says: without keys the same call is an effect each time."""
        net = badnet.of_api(grid)
        name = 'twice-' + uuid.uuid4().hex[:6]
        client.post('users', {'name': name})
        before = last_entry()
        net.begin('double')
        badnet.ask_until(net.port, client.tls, 'POST', f'/api/v1/users/{name}/actions', b'{"action": "disable"}',
                         client.headers({'Content-Type': 'application/json'}))
        net.end()
        net.close()
        self.assertEqual(2, len([entry for entry in audited(before) if entry['action'] == 'actOnUser']))

    def test_key_is_one_request_of_one_person(self):
        headers = {'Content-Type': 'application/json', 'Idempotency-Key': 'mine'}
        first = client.raw('POST', '/api/v1/users', '{"name": "anna"}', headers)
        self.assertEqual(201, first[0])
        for body, path in (('{"name": "bert"}', '/api/v1/users'), ('{"name": "anna"}', '/api/v1/users?dry_run=0')):
            status, _, answer = client.raw('POST', path, body, headers)
            self.assertEqual((409, 'key_reused'), (status, json.loads(answer)['code']))
        token = client.post('tokens', {'name': 'other', 'role': 'admin'})
        self.assertEqual(first[2], client.raw('POST', '/api/v1/users', '{"name": "anna"}',
                                              {**headers, 'Authorization': 'Bearer ' + token['token']})[2])

    def test_answer_outlives_the_controller(self):
        """Also one with a secret: it is not shown again, and nothing is made twice."""
        headers = {'Content-Type': 'application/json', 'Idempotency-Key': 'before'}
        made = client.raw('POST', '/api/v1/users', '{"name": "carla"}', headers)
        secret = client.raw('POST', '/api/v1/tokens', '{"name": "kept"}', headers | {'Idempotency-Key': 'secret'})
        again = client.raw('POST', '/api/v1/tokens', '{"name": "kept"}', headers | {'Idempotency-Key': 'secret'})
        self.assertEqual((201, secret[2]), (again[0], again[2]))
        grid.kill_vdcd()
        grid.start_vdcd()
        grid.wait_api()
        grid.wait_server()
        self.assertEqual(made[2], client.raw('POST', '/api/v1/users', '{"name": "carla"}', headers)[2])
        status, _, answer = client.raw('POST', '/api/v1/tokens', '{"name": "kept"}', headers | {'Idempotency-Key': 'secret'})
        self.assertEqual((409, 'shown_once'), (status, json.loads(answer)['code']))
        self.assertEqual(1, len([token for token in client.items('tokens') if token['name'] == 'kept']))


class Agent(unittest.TestCase):
    """The same between vdcd and an agent, for what is passed on to it: retried by whoever asked vdcd."""

    def test_replies_of_the_agent(self):
        net, wrong, calls = badnet.of_agent(grid), [], 0
        client.post('servers', {'name': 's1', 'address': '127.0.0.1', 'port': net.port})
        walk = test_openapi.Walk('agent').begin()
        try:
            for way in WAYS:
                for name in ('execInInstance', 'putFile', 'getFile', 'typeIntoConsole', 'postSessionInput', 'actOnInstance'):
                    calls += 1
                    wrong += self.one(net, way, walk, api.call(name))
        finally:
            client.post('servers', {'name': 's1', 'address': '127.0.0.1', 'port': grid.ports['agent']})
            net.close()
        self.assertEqual([], wrong)
        print(f'# {calls} calls passed on, one effect each')

    def one(self, net, way, walk, call):
        values = walk.values(call)
        target = f'applications/{values["application"]}/instances/{values["instance"]}'
        body = walk.raw(call) if call.raw else json.dumps(walk.body(call)).encode()
        headers = client.headers({'Idempotency-Key': uuid.uuid4().hex,
                                  'Content-Type': 'application/octet-stream' if call.raw else 'application/json'})
        net.begin(way)
        status, answer = 504, b''
        for _ in range(6):
            status, answer, _ = badnet.ask_until(grid.ports['api'], client.tls, call.method, call.url(values), body, headers)
            if status not in (503, 504):
                break
        sent, wrong = net.end(), []
        again = badnet.ask_until(grid.ports['api'], client.tls, call.method, call.url(values), body, headers)
        if not 200 <= status < 300:
            wrong.append(f'{way} {call.id}: {status} {answer[:200]}')
        if again[:2] != (status, answer):
            wrong.append(f'{way} {call.id}: answered {status} {answer[:100]}, then {again[0]} {again[1][:100]}')
        if sent < 2 and way != 'double':
            wrong.append(f'{way} {call.id}: was sent {sent} times')
        if call.id == 'actOnInstance':
            client.wait('the VM is back', lambda: client.get(target)['state'] == 'running', 60)
        return wrong


if __name__ == '__main__':
    unittest.main()
