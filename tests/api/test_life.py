"""The life of an application through the API: real vdcd, real vdc-agent, fake VMs."""
import datetime
import json
import unittest

import apigrid
import vdc


class Life(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client

    def create(self, name='shop', **settings):
        self.addCleanup(self.remove, name)
        return self.client.post('applications', {'name': name, 'from': 'catalog/shop', 'set': settings})

    def remove(self, name):
        try:
            self.grid.job(self.client.delete(f'applications/{name}?force=1'))
        except vdc.ApiError as error:
            self.assertEqual(404, error.status)

    def started(self, name='shop', **settings):
        self.create(name, **settings)
        self.grid.done(self.client.act(name, 'start'))

    def test_start_stop_destroy(self):
        created = self.create()
        self.assertEqual(('stopped', 'stopped', 4), (created['state'], created['desired'], created['instances']))
        job = self.grid.done(self.client.act('shop', 'start'))
        names = [step['name'] for step in job['steps']]
        self.assertEqual(['make volume data', 'start db', 'start web.1', 'start web.2', 'start in'], names)
        running = self.client.application('shop')
        self.assertEqual(('running', 4, None), (running['state'], running['ready'], running['error']))
        self.assertEqual([], self.grid.settled_findings())
        self.grid.done(self.client.act('shop', 'stop'))
        self.assertEqual('stopped', self.client.application('shop')['state'])
        self.assertEqual(['data'], [item['volume'] for item in self.client.items('volumes')])
        self.assertEqual([], self.grid.settled_findings())
        self.grid.done(self.client.delete('applications/shop'))
        self.assertEqual([], self.client.items('applications'))
        self.assertEqual([], self.client.items('volumes'))
        self.assertEqual([], self.grid.settled_findings())

    def test_stop_is_clients_first(self):
        self.started()
        before = self.grid.last_event()
        self.grid.done(self.client.act('shop', 'stop'))
        events = self.grid.events(before)
        order = [event['id'] for event in events if event['kind'] == 'instance.state' and event['state'] == 'stopping']
        self.assertEqual(('in', 'db'), (order[0], order[-1]))

    def test_start_is_servers_first(self):
        self.create(**{'db.fake_fault': 'slow'})
        before = self.grid.last_event()
        self.grid.done(self.client.act('shop', 'start'))
        events = self.grid.events(before)
        order = [event['id'] for event in events if event['kind'] == 'instance.state' and event['state'] == 'running']
        self.assertEqual(('db', 'in'), (order[0], order[-1]), 'the start hook waits for what it is wired to')

    def test_instance_shows_wires_and_peers(self):
        self.started()
        web = self.client.instance('shop', 'web.1')
        self.assertEqual(('FRONT@1.0.0', 'web', 's1', 'running'),
                         (web['class'], web['instance'], web['server'], web['state']))
        nics = {nic['terminal']: nic for nic in web['nics']}
        self.assertEqual(['db.in'], nics['db']['wired_to'])
        self.assertEqual(['in.out'], nics['in']['wired_to'])
        peers = self.client.instance('shop', 'in')['peers']['out']
        self.assertEqual([('web.1', 'running'), ('web.2', 'running')], [(p['name'], p['state']) for p in peers])
        self.assertEqual({'web.1', 'web.2'}, {i['name'] for i in self.client.items('applications/shop/instances/web')})

    def test_scale_up_and_drained_down(self):
        self.started()
        self.grid.done(self.client.act('shop', 'scale', instances={'web': 4}))
        self.assertEqual({'in', 'db', 'web.1', 'web.2', 'web.3', 'web.4'}, set(self.grid.states('shop')))
        before = self.grid.last_event()
        job = self.grid.done(self.client.act('shop', 'scale', instances={'web': 2}))
        self.assertIn('drain web.3', [step['name'] for step in job['steps']])
        self.assertEqual({'in': 'running', 'db': 'running', 'web.1': 'running', 'web.2': 'running'},
                         self.grid.states('shop'))
        states = {event['state'] for event in self.grid.events(before)
                  if event['kind'] == 'application.state'}
        self.assertEqual(set(), states, 'scaling down a tier changes nothing for the application')
        self.assertEqual([], self.grid.settled_findings())

    def test_member_leaves_only_after_its_peers_know(self):
        self.started(**{'in.fake_fault': 'deaf'})
        job = self.grid.done(self.client.act('shop', 'scale', instances={'web': 1}))
        drain = [step for step in job['steps'] if step['kind'] == 'drain'][0]
        began, ended = (datetime.datetime.fromisoformat(drain[key].replace('Z', '+00:00')) for key in ('began', 'ended'))
        self.assertGreater((ended - began).total_seconds(), 2, '"in" says only after 3 s that it knows')

    def test_scale_of_what_is_no_tier_is_refused(self):
        self.create()
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.act('shop', 'scale', instances={'db': 2})
        self.assertEqual((422, 'invalid'), (caught.exception.status, caught.exception.code))

    def test_config_is_live(self):
        self.started()
        before = self.client.instance('shop', 'web.1')
        self.grid.done(self.client.act('shop', 'config', set={'title': 'other'}))
        after = self.client.instance('shop', 'web.1')
        self.assertEqual('other', after['settings']['title'])
        self.assertEqual(before['incarnation'], after['incarnation'])
        self.assertGreaterEqual(after['guest']['configured'], after['revision'])

    def test_wire_removed_and_added_without_restart(self):
        self.started()
        text = self.client.raw('GET', '/api/v1/applications/shop/description')[2].decode()
        without = '\n'.join(line for line in text.splitlines() if 'db.in' not in line)
        plan = self.client.post('applications/shop/plan', {'description': without})
        self.assertEqual({'live'}, {change['change'] for change in plan['changes']['members']})
        before = {i['name']: i['incarnation'] for i in self.client.items('applications/shop/instances')}
        self.grid.done(self.client.post('applications/shop/apply', {'description': without}))
        nics = {nic['terminal']: nic for nic in self.client.instance('shop', 'web.1')['nics']}
        self.assertEqual([], nics['db']['wired_to'])
        self.grid.done(self.client.post('applications/shop/apply', {'description': text}))
        self.assertEqual(['db.in'], {n['terminal']: n for n in self.client.instance('shop', 'web.1')['nics']}['db']['wired_to'])
        self.assertEqual(before, {i['name']: i['incarnation'] for i in self.client.items('applications/shop/instances')})

    def test_changed_resources_restart_this_instance(self):
        self.started()
        text = self.client.raw('GET', '/api/v1/applications/shop/description?format=json')[2].decode()
        document = json.loads(text)
        document['instances']['db']['resources'] = {'memory': '64M'}
        before = {i['name']: i['incarnation'] for i in self.client.items('applications/shop/instances')}
        self.grid.done(self.client.post('applications/shop/apply',
                                        {'description': json.dumps(document), 'format': 'json'}))
        after = {i['name']: i['incarnation'] for i in self.client.items('applications/shop/instances')}
        self.assertEqual([name for name in before if before[name] != after[name]], ['db'])
        self.assertEqual(64 << 20, self.client.instance('shop', 'db')['resources']['memory_bytes'])

    def test_added_and_removed_instances(self):
        self.started()
        document = json.loads(self.client.raw('GET', '/api/v1/applications/shop/description?format=json')[2])
        document['instances']['extra'] = {'class': 'FRONT'}
        self.grid.done(self.client.post('applications/shop/apply',
                                        {'description': json.dumps(document), 'format': 'json'}))
        self.assertEqual('running', self.grid.states('shop')['extra'])
        addresses = {i['name']: [n['address'] for n in i['nics']] for i in self.client.items('applications/shop/instances')}
        del document['instances']['extra']
        self.grid.done(self.client.post('applications/shop/apply',
                                        {'description': json.dumps(document), 'format': 'json'}))
        self.assertNotIn('extra', self.grid.states('shop'))
        for item in self.client.items('applications/shop/instances'):
            self.assertEqual(addresses[item['name']], [nic['address'] for nic in item['nics']])

    def test_volume_no_longer_named_is_kept_unused(self):
        self.create()
        document = json.loads(self.client.raw('GET', '/api/v1/applications/shop/description?format=json')[2])
        del document['instances']['db'], document['volumes']
        document['wires'] = ['in.out -> web.in']
        body = {'description': json.dumps(document), 'format': 'json'}
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.post('applications/shop/apply', body)
        self.assertEqual('refused', caught.exception.code)
        self.client.post('applications/shop/apply', dict(body, confirm=True))
        self.assertEqual([('shop.data', 'unused')], [(v['name'], v['state']) for v in self.client.items('volumes')])

    def test_destroy_may_keep_volumes(self):
        self.started()
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.delete('applications/shop')
        self.assertEqual('refused', caught.exception.code)
        self.grid.done(self.client.delete('applications/shop?force=1&keep_volumes=1'))
        self.assertEqual([('shop.data', 'unused', None)],
                         [(v['name'], v['state'], v['application']) for v in self.client.items('volumes')])
        with self.assertRaises(vdc.ApiError) as caught:
            self.create()
        self.assertEqual('refused', caught.exception.code)
        self.assertIn('vdc volume destroy shop.data', str(caught.exception))
        identity = self.client.get('volumes/shop.data')['id']
        self.client.post('applications', {'name': 'shop', 'from': 'catalog/shop', 'confirm': True})
        self.assertEqual((identity, 'ready', 'shop'), tuple(
            self.client.get('volumes/shop.data')[key] for key in ('id', 'state', 'application')))
        self.grid.done(self.client.act('shop', 'start'))
        self.grid.done(self.client.delete('applications/shop?force=1&keep_volumes=1'))
        self.client.delete('volumes/shop.data')
        self.client.wait('the volume is gone', lambda: self.client.items('volumes') == [], 20)
        self.assertEqual([], self.grid.settled_findings())

    def test_volume_made_before_its_application_is_taken_by_it(self):
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.post('volumes', {'name': 'archive', 'size': '8M'})
        self.assertEqual(422, caught.exception.status)
        self.assertIn('APPLICATION.VOLUME', str(caught.exception))
        made = self.client.post('volumes', {'name': 'shop.data', 'size': '16M'})
        self.assertEqual(('unused', None), (made['state'], made['application']))
        before = self.grid.last_event()
        self.started()
        volume = self.client.get('volumes/shop.data')
        self.assertEqual((made['id'], 'ready', 16 << 20, ['db']),
                         (volume['id'], volume['state'], volume['size_bytes'], volume['used_by']))
        self.assertEqual(['new', 'ready'], [event['state'] for event in self.grid.events(before)
                                            if event['kind'] == 'volume.state'])
        self.assertEqual([], self.grid.settled_findings())

    def test_spare_is_on_standby(self):
        self.create()
        document = json.loads(self.client.raw('GET', '/api/v1/applications/shop/description?format=json')[2])
        document['instances']['spare'] = {'class': 'FRONT', 'standby': True}
        self.client.post('applications/shop/apply', {'description': json.dumps(document), 'format': 'json'})
        self.grid.done(self.client.act('shop', 'start'))
        self.assertEqual(('standby', 'running'), (self.grid.states('shop')['spare'], self.client.application('shop')['state']))
        self.grid.done(self.client.act('shop', 'stop'))
        self.assertEqual('stopped', self.grid.states('shop')['spare'])

    def test_required_wire_cannot_be_taken_away(self):
        self.started()
        text = self.client.raw('GET', '/api/v1/applications/shop/description')[2].decode()
        without = '\n'.join(line for line in text.splitlines() if 'web.in' not in line)
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.post('applications/shop/apply', {'description': without})
        self.assertEqual('terminal_required', caught.exception.body['problems'][0]['code'])
        self.assertEqual('running', self.client.application('shop')['state'])

    def test_names_are_quoted_once(self):
        for path in ('applications/"none', 'classes/none', 'servers/none', 'volumes/none', 'jobs/none'):
            with self.assertRaises(vdc.ApiError) as caught:
                self.client.get(path.replace('"', '%22'))
            self.assertNotRegex(str(caught.exception), '\'"|"\'')

    def test_two_applications_have_their_own_outside_addresses(self):
        self.create('one')
        self.create('two')
        used = self.client.get('networks/outside')['used']
        self.assertEqual(2, len({use['address'] for use in used}))
        self.assertEqual(2, len({port['local_port'] for use in used for port in use['published']}))
        inner = [[nic['address'] for nic in self.client.instance(name, 'db')['nics']] for name in ('one', 'two')]
        self.assertEqual(inner[0], inner[1])

    def test_one_instance_is_restarted_stopped_started(self):
        self.started()
        before = self.client.instance('shop', 'web.1')['incarnation']
        self.grid.done(self.client.post('applications/shop/instances/web.1/actions', {'action': 'restart'}))
        self.assertEqual(before + 1, self.client.instance('shop', 'web.1')['incarnation'])
        self.grid.done(self.client.post('applications/shop/instances/web.1/actions', {'action': 'stop'}))
        self.assertEqual(('stopped', 'degraded'),
                         (self.client.instance('shop', 'web.1')['state'], self.client.application('shop')['state']))
        self.grid.done(self.client.post('applications/shop/instances/web.1/actions', {'action': 'start'}))
        self.assertEqual('running', self.client.application('shop')['state'])

    def test_clean_makes_root_disks_anew(self):
        self.started()
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.act('shop', 'clean')
        self.assertEqual(409, caught.exception.status)
        self.grid.done(self.client.act('shop', 'stop'))
        self.client.act('shop', 'clean')
        self.grid.done(self.client.act('shop', 'start'))
        self.assertEqual([], self.grid.settled_findings())

    def test_restart_of_all(self):
        self.started()
        before = {i['name']: i['incarnation'] for i in self.client.items('applications/shop/instances')}
        self.grid.done(self.client.act('shop', 'restart'))
        for item in self.client.items('applications/shop/instances'):
            self.assertEqual(('running', before[item['name']] + 1), (item['state'], item['incarnation']))

    def test_same_key_takes_effect_once(self):
        self.create()
        headers = {'Content-Type': 'application/json', 'Idempotency-Key': 'once-1'}
        answers = [self.client.raw('POST', '/api/v1/applications/shop/actions', '{"action": "start"}', headers)
                   for _ in range(2)]
        self.assertEqual([202, 202], [answer[0] for answer in answers])
        self.assertEqual(answers[0][2], answers[1][2])
        self.grid.done(json.loads(answers[0][2]))
        status, _, body = self.client.raw('POST', '/api/v1/applications', '{"name": "x"}', headers)
        self.assertEqual((409, 'key_reused'), (status, json.loads(body)['code']))

    def test_busy_application_is_a_conflict(self):
        self.create()
        answer = self.client.act('shop', 'start')
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.act('shop', 'scale', instances={'web': 3})
        self.assertEqual('conflict', caught.exception.code)
        self.grid.done(answer)

    def test_stop_takes_over_from_start(self):
        self.create()
        start = self.client.act('shop', 'start')
        self.grid.done(self.client.act('shop', 'stop'))
        self.assertEqual('cancelled', self.client.get(f'jobs/{start["job"]}')['state'])
        self.assertEqual('stopped', self.client.application('shop')['state'])
        self.assertEqual([], self.grid.settled_findings())

    def test_dry_runs_change_nothing(self):
        before = self.grid.events()
        plan = self.client.post('applications', {'name': 'dry', 'from': 'shop', 'dry_run': True})
        self.assertEqual('start in', plan['steps'][-1]['name'])
        self.assertEqual([], self.client.items('applications'))
        self.create()
        for action in ('start', 'stop', 'restart', 'clean'):
            self.client.act('shop', action, dry_run=True)
        self.assertEqual('stopped', self.client.application('shop')['state'])
        self.assertGreater(len(self.grid.events()), len(before))

    def test_events_are_replayed_from_where_the_client_was(self):
        self.create()
        all_events = self.grid.events()
        after = all_events[-2]['seq']
        connection = self.client.connection(10)
        connection.request('GET', '/api/v1/events', headers=self.client.headers(
            {'Accept': 'text/event-stream', 'Last-Event-ID': str(after)}))
        answer = connection.getresponse()
        wanted, lines = f'id: {all_events[-1]["seq"]}', []
        while wanted not in lines:  # the mark of where it goes on comes first
            self.assertLess(len(lines), 10, lines)
            lines.append(answer.readline().decode().strip())
        connection.close()

    def test_exec_and_console_are_passed_on(self):
        self.started()
        session = self.client.post('applications/shop/instances/web.1/exec', {'argv': ['echo', 'hi']})['session']
        self.assertTrue(session.startswith('s1.'))
        status, _, body = self.client.raw('GET', f'/api/v1/sessions/{session}/output')
        lines = [json.loads(line) for line in body.decode().splitlines()]
        self.assertEqual((200, {'exit': 0}), (status, lines[-1]))
        status, _, body = self.client.raw('GET', '/api/v1/applications/shop/instances/web.1/console?tail=1000')
        self.assertEqual(200, status)
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.post('applications/shop/instances/web/exec', {'argv': ['true']})
        self.assertEqual(400, caught.exception.status)

    def test_catalog_and_servers_are_listed(self):
        self.assertEqual({'GATE', 'FRONT', 'BASE'}, {item['name'] for item in self.client.items('classes')})
        self.assertEqual('FRONT', self.client.get('classes/FRONT')['name'])
        catalog = self.client.get('catalogs')
        self.assertEqual([], catalog['problems'])
        self.assertIn('shop', [item['name'] for item in catalog['items']])
        server = self.client.get('servers/s1')
        self.assertEqual('up', server['state'])
        self.assertGreater(server['memory_bytes'], 0)

    def test_nothing_without_the_token(self):
        other = vdc.Client(f'https://127.0.0.1:{self.grid.ports["api"]}', 'wrong', self.grid.path('ctl/pki/ca.crt'))
        for path in ('applications', 'events', 'servers', 'jobs', 'networks/outside'):
            with self.assertRaises(vdc.ApiError) as caught:
                other.get(path)
            self.assertEqual(401, caught.exception.status)
        self.assertEqual(200, other.raw('GET', '/')[0])
        self.assertNotIn(self.client.token.encode(), other.raw('GET', '/')[2])


if __name__ == '__main__':
    unittest.main()
