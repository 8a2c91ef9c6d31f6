"""What was destroyed can be brought back."""
import base64
import json
import os
import unittest

import apigrid
import vdc


class TrashCase(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid(options=cls.options).start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client

    def setUp(self):
        self.addCleanup(self.clear)

    def clear(self):
        for application in self.client.items('applications'):
            self.grid.job(self.client.delete(f'applications/{application["name"]}?force=1'))
        for volume in self.client.items('volumes'):
            if volume['state'] != 'deleting':
                self.client.delete(f'volumes/{volume["name"]}')
        self.client.delete('trash')
        self.client.wait('no volume is left', lambda: not self.client.items('volumes'), 20)

    def create(self, name='shop'):
        self.client.post('applications', {'name': name, 'from': 'catalog/shop'})

    def started(self, name='shop'):
        self.create(name)
        self.grid.done(self.client.act(name, 'start'))

    def destroy(self, name='shop', more=''):
        return self.grid.done(self.client.delete(f'applications/{name}?force=1{more}'))

    def restore(self, name, **body):
        return self.grid.done(self.client.post(f'trash/{name}/restore', body))

    def file_of(self, volume_id):
        return self.grid.path('s1', 'volumes', volume_id + '.raw')

    def mark(self, volume_id, text):
        with open(self.file_of(volume_id), 'r+b') as raw:
            raw.write(text)

    def marked(self, volume_id, length):
        with open(self.file_of(volume_id), 'rb') as raw:
            return raw.read(length)

    def refused(self, status, code, path, body=None):
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.post(path, body or {})
        self.assertEqual((status, code), (caught.exception.status, caught.exception.code))
        return str(caught.exception)

    def addresses(self, name):
        return {item['name']: [nic['address'] for nic in item['nics']]
                for item in self.client.items(f'applications/{name}/instances')}


class Trash(TrashCase):
    def test_destroyed_and_restored_with_ids_addresses_and_content(self):
        self.started()
        volume = self.client.items('volumes')[0]
        self.mark(volume['id'], b'precious')
        application, addresses = self.client.application('shop'), self.addresses('shop')
        job = self.destroy()
        self.assertEqual('move shop to the trash', job['steps'][-1]['name'])
        self.assertEqual({'done'}, {step['state'] for step in job['steps']})
        self.assertEqual(([], []), (self.client.items('applications'), self.client.items('volumes')))
        entry = self.client.items('trash')[0]
        self.assertEqual(('application', 'shop', 8 << 20), (entry['kind'], entry['name'], entry['size_bytes']))
        self.assertEqual([volume['id']], [item['id'] for item in entry['volumes']])
        self.assertEqual([], self.grid.settled_findings())
        self.assertTrue(os.path.exists(self.file_of(volume['id'])))
        self.restore('shop')
        again = self.client.application('shop')
        self.assertEqual((application['id'], application['urls'], 'stopped'), (again['id'], again['urls'], again['state']))
        self.assertEqual(volume['id'], self.client.items('volumes')[0]['id'])
        self.grid.done(self.client.act('shop', 'start'))
        self.assertEqual('running', self.client.application('shop')['state'])
        self.assertEqual(addresses, self.addresses('shop'))
        self.assertEqual(b'precious', self.marked(volume['id'], 8))
        self.assertEqual(([], []), (self.client.items('trash'), self.grid.settled_findings()))

    def test_name_is_free_at_once_and_restore_takes_another(self):
        self.started()
        old = self.client.items('volumes')[0]['id']
        self.mark(old, b'old')
        self.destroy()
        self.started()
        self.assertNotEqual(old, self.client.items('volumes')[0]['id'])
        self.assertIn('--as', self.refused(409, 'conflict', 'trash/shop/restore'))
        self.refused(422, 'invalid', 'trash/shop/restore', {'as': '../x'})
        self.restore('shop', **{'as': 'shop-old'})
        self.grid.done(self.client.act('shop-old', 'start'))
        states = {name: self.client.application(name)['state'] for name in ('shop', 'shop-old')}
        self.assertEqual({'shop': 'running', 'shop-old': 'running'}, states)
        self.assertEqual({'shop-old.data': old},
                         {v['name']: v['id'] for v in self.client.items('volumes') if v['application'] == 'shop-old'})
        urls = [self.client.application(name)['urls'] for name in ('shop', 'shop-old')]
        self.assertNotEqual(urls[0], urls[1], 'its outside address had gone to the new one')
        self.assertEqual('shop-old', self.agent_volume(old)['application'])
        self.assertEqual(b'old', self.marked(old, 3))
        text = self.client.raw('GET', '/api/v1/applications/shop-old/description')[2].decode()
        self.assertIn('application: shop-old', text)
        self.assertEqual([], self.grid.settled_findings())

    def agent_volume(self, volume_id):
        return json.loads(self.grid.read(f's1/volumes/{volume_id}.json'))

    def test_secrets_come_back_under_another_name(self):
        description = ('application: shop\ninstances:\n  db: {class: BASE, set: {password: open-sesame}, volumes: {data: data}}\n'
                       'volumes:\n  data: {size: 8M}\n')
        self.client.post('applications', {'name': 'shop', 'description': description})
        self.destroy()
        self.restore('shop', **{'as': 'other'})
        self.grid.done(self.client.act('other', 'start'))
        session = self.client.post('applications/other/instances/db/get', {'path': '/run/vdc/instance.json'})['session']
        lines = self.client.raw('GET', f'/api/v1/sessions/{session}/output')[2].decode().splitlines()
        given = json.loads(b''.join(base64.b64decode(json.loads(line).get('data', '')) for line in lines))
        self.assertEqual('open-sesame', given['properties']['password'])

    def test_dry_run_restores_nothing(self):
        self.create()
        self.destroy()
        before = self.grid.last_event()
        plan = self.client.post('trash/shop/restore', {'dry_run': True})
        self.assertEqual(['restore shop', 'take back volume shop.data'], [step['name'] for step in plan['steps']])
        self.assertEqual((before, []), (self.grid.last_event(), self.client.items('applications')))

    def test_kept_volumes_come_back_to_it(self):
        self.started()
        volume = self.client.items('volumes')[0]
        self.destroy(more='&keep_volumes=1')
        self.assertEqual([('shop.data', 'unused')], [(v['name'], v['state']) for v in self.client.items('volumes')])
        self.assertEqual((1, []), (self.client.items('trash')[0]['kept'], self.client.items('trash')[0]['volumes']))
        self.restore('shop')
        self.assertEqual([(volume['id'], 'shop', 'ready')],
                         [(v['id'], v['application'], v['state']) for v in self.client.items('volumes')])

    def test_kept_volume_that_is_gone_must_be_confirmed(self):
        self.started()
        self.destroy(more='&keep_volumes=1')
        self.client.delete('volumes/shop.data')
        self.assertIn('must be confirmed', self.refused(409, 'refused', 'trash/shop/restore'))
        self.restore('shop', confirm=True)
        self.assertEqual(['new'], [v['state'] for v in self.client.items('volumes')])

    def test_volume_destroyed_and_restored(self):
        self.client.post('volumes', {'name': 'shop.archive', 'size': '8M'})
        volume = self.client.get('volumes/shop.archive')
        self.client.delete('volumes/shop.archive')
        self.assertEqual([], self.client.items('volumes'))
        self.client.post('volumes', {'name': 'shop.archive', 'size': '16M'})
        self.refused(409, 'conflict', 'trash/shop.archive/restore')
        back = self.client.post('trash/shop.archive/restore', {'as': 'shop.older'})
        self.assertEqual((volume['id'], 'shop.older', 'unused', 8 << 20),
                         (back['id'], back['name'], back['state'], back['size_bytes']))

    def test_emptied_by_order_erases_the_files(self):
        self.started()
        volume = self.client.items('volumes')[0]['id']
        self.destroy()
        before = self.grid.last_event()
        self.assertEqual({'removed': ['shop']}, self.client.delete('trash/shop'))
        self.client.wait('the volume is erased', lambda: not self.client.items('volumes'), 20)
        self.assertFalse(os.path.exists(self.file_of(volume)))
        self.assertEqual(['asked'], [e['data']['why'] for e in self.grid.events(before) if e['kind'] == 'trash.removed'])
        self.refused(404, 'not_found', 'trash/shop/restore')
        self.assertEqual([], self.grid.settled_findings())

    def test_trash_survives_kill_of_vdcd(self):
        self.started()
        volume = self.client.items('volumes')[0]['id']
        self.destroy()
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.restore('shop')
        self.assertEqual(volume, self.client.items('volumes')[0]['id'])

    def test_lost_file_is_said_by_the_restore(self):
        self.started()
        volume = self.client.items('volumes')[0]['id']
        self.destroy()
        os.unlink(self.file_of(volume))
        job = self.grid.job(self.client.post('trash/shop/restore', {}))
        self.assertEqual('failed', job['state'])
        self.assertIn('missing', job['error']['message'])
        self.assertFalse(os.path.exists(self.file_of(volume)), 'an empty one in its place would hide the loss')


class Servers(TrashCase):
    def test_server_is_removed_only_when_it_holds_nothing(self):
        def refused(thing):
            with self.assertRaises(vdc.ApiError) as caught:
                self.client.delete('servers/s1')
            self.assertEqual((409, 'refused'), (caught.exception.status, caught.exception.code))
            self.assertIn(thing, str(caught.exception))
        # Stopped and cleaned: it remembers where it was, and nothing of it is there.
        self.client.post('applications', {'name': 'page', 'description': {
            'application': 'page', 'instances': {'web': {'class': 'FRONT'}}}, 'format': 'json'})
        for action in ('start', 'stop', 'clean'):
            self.grid.done(self.client.act('page', action))
        self.assertEqual('s1', self.client.instance('page', 'web')['server'])
        self.started()
        refused('instance shop:')
        self.destroy()
        refused('shop in the trash')
        self.client.delete('trash')
        self.client.wait('no volume is left', lambda: not self.client.items('volumes'), 20)
        self.client.delete('servers/s1?dry_run=1')
        self.assertEqual(1, len(self.client.items('servers')))
        self.client.delete('servers/s1')
        self.assertEqual([], self.client.items('servers'))
        self.assertEqual('server.removed', self.grid.events()[-1]['kind'])
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.assertEqual([], self.client.items('servers'))
        self.assertIsNone(self.client.instance('page', 'web')['server'])


class Expiry(TrashCase):
    options = ('--trash-keep', '0.0003')  # hours: about a second

    def test_it_goes_when_its_time_is_over(self):
        self.started()
        before = self.grid.last_event()
        self.destroy()

        def gone():
            return [e for e in self.grid.events(before) if e['kind'] == 'trash.removed']
        event = self.client.wait('the trash is emptied', gone, 30)[0]
        self.assertEqual(('expired', 'shop'), (event['data']['why'], event['data']['name']))
        self.client.wait('the volume is erased', lambda: not self.client.items('volumes'), 20)
        self.assertEqual([], os.listdir(self.grid.path('s1', 'volumes')))


class Space(TrashCase):
    options = ('--trash-free', '100')  # no disk has that much free

    def test_a_server_without_space_empties_it_and_says_so(self):
        self.started()
        before = self.grid.last_event()
        self.destroy()

        def gone():
            return [e for e in self.grid.events(before) if e['kind'] == 'trash.removed']
        event = self.client.wait('the trash is emptied', gone, 30)[0]
        self.assertEqual(('space', 's1', 'shop'), (event['data']['why'], event['data']['server'], event['data']['name']))
        self.assertGreater(event['data']['disk_bytes'], event['data']['free_bytes'])
        self.client.wait('the volume is erased', lambda: not self.client.items('volumes'), 20)


if __name__ == '__main__':
    unittest.main()
