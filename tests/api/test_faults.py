"""What goes wrong, and what the user sees of it."""
import json
import unittest

import apigrid
import vdc


def description(name='shop', **changes):
    """A gateway, two fronts, a base; changes: instance → keys to merge."""
    document = {
        'application': name,
        'instances': {'in': {'class': 'GATE'}, 'web': {'class': 'FRONT', 'count': 2, 'stop_timeout': 5},
                      'db': {'class': 'BASE', 'volumes': {'data': 'data'}}},
        'wires': ['in.out -> web.in', 'web.db -> db.in'],
        'volumes': {'data': {'size': '8M'}},
    }
    for instance, keys in changes.items():
        document['instances'].setdefault(instance, {}).update(keys)
    return json.dumps(document)


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client

    def create(self, name='shop', **changes):
        self.addCleanup(self.remove, name)
        return self.client.post('applications', {'name': name, 'description': description(name, **changes),
                                                 'format': 'json'})

    def remove(self, name):
        try:
            self.grid.job(self.client.delete(f'applications/{name}?force=1'))
        except vdc.ApiError as error:
            self.assertEqual(404, error.status)

    def failed_start(self, **changes):
        self.create(**changes)
        job = self.grid.job(self.client.act('shop', 'start'))
        self.assertEqual('failed', job['state'])
        application = self.client.application('shop')
        self.assertEqual('failed', application['state'])
        for key in ('instance', 'step', 'message', 'remedy'):
            self.assertTrue(application['error'][key], application['error'])
        return application['error']

    def nothing_left(self):
        self.assertEqual([], self.grid.settled_findings())
        self.assertEqual({'db', 'in', 'web.1', 'web.2'}, set(self.grid.states('shop')))
        self.assertLessEqual(set(self.grid.states('shop').values()), {'stopped', 'failed'})

    def test_guest_that_fails_its_start_hook(self):
        error = self.failed_start(web={'set': {'fake_fault': 'fail'}})
        self.assertEqual('guest', error['step'])
        self.assertIn(error['instance'], ('web.1', 'web.2'))
        self.nothing_left()

    def test_guest_that_is_never_ready(self):
        error = self.failed_start(db={'set': {'fake_fault': 'hang'}, 'start_timeout': 3})
        self.assertEqual(('db', 'guest', 'timeout'), (error['instance'], error['step'], error['code']))
        self.nothing_left()

    def test_vm_that_cannot_be_made_leaves_others_alone(self):
        self.create('other')
        self.grid.done(self.client.act('other', 'start'))
        before = self.grid.states('other')
        error = self.failed_start(db={'set': {'fake_fault': 'start'}})
        self.assertEqual('db', error['instance'])
        self.nothing_left()
        self.assertEqual((before, 'running'), (self.grid.states('other'), self.client.application('other')['state']))

    def test_failure_that_may_be(self):
        self.create(web={'set': {'fake_fault': 'fail'}, 'ignore_failure': True})
        self.grid.done(self.client.act('shop', 'start'))
        self.assertEqual('running', self.client.application('shop')['state'])
        self.assertEqual('failed', self.grid.states('shop')['web.1'])

    def test_debug_leaves_it_up_and_continue_goes_on(self):
        self.create(db={'set': {'fake_fault': 'hang'}, 'start_timeout': 3})
        job = self.grid.job(self.client.act('shop', 'start', debug=True))
        self.assertEqual('failed', job['state'])
        self.assertEqual('failed', self.client.application('shop')['state'])
        self.assertEqual('running', self.client.instance('shop', 'db')['vm'])
        self.assertEqual('failed', self.grid.job(self.client.act('shop', 'continue'))['state'])
        self.grid.done(self.client.act('shop', 'stop'))
        self.nothing_left()

    def test_killed_vm_is_restarted_and_the_fourth_failure_ends_it(self):
        self.create()
        self.grid.done(self.client.act('shop', 'start'))
        for number in range(1, 4):
            self.client.post('applications/shop/instances/web.1/actions', {'action': 'kill'})
            web = self.client.wait_instance('shop', 'web.1', lambda item, n=number: item['restarts'] == n and
                                            item['state'] == 'running', f'restarted {number} times', 30)
            self.assertEqual(1 + number, web['incarnation'])
        self.client.wait('whole again', lambda: self.client.application('shop')['state'] == 'running', 20)
        self.client.post('applications/shop/instances/web.1/actions', {'action': 'kill'})
        web = self.client.wait_instance('shop', 'web.1', lambda item: item['state'] == 'failed', 'failed', 30)
        self.assertIn('limit is 3', web['error']['message'])
        self.assertIn('console_tail', web['error'])
        application = self.client.application('shop')
        self.assertEqual(('degraded', 3), (application['state'], application['ready']))
        peers = {peer['name']: peer['state'] for peer in self.client.instance('shop', 'in')['peers']['out']}
        self.assertEqual({'web.1': 'failed', 'web.2': 'running'}, peers)
        self.assertEqual([], self.grid.settled_findings())
        self.grid.done(self.client.act('shop', 'start'))
        self.assertEqual('running', self.client.application('shop')['state'])

    def test_new_member_that_fails_ends_the_job_not_the_application(self):
        self.create()
        self.grid.done(self.client.act('shop', 'start'))
        document = json.loads(description())
        document['instances']['extra'] = {'class': 'FRONT', 'set': {'fake_fault': 'fail'}}
        job = self.grid.job(self.client.post('applications/shop/apply',
                                             {'description': json.dumps(document), 'format': 'json'}))
        self.assertEqual(('failed', 'extra', 'guest'), (job['state'], job['error']['instance'], job['error']['step']))
        self.assertEqual('degraded', self.client.application('shop')['state'])
        self.assertEqual('running', self.grid.states('shop')['web.1'])
        self.assertEqual([], self.grid.settled_findings())

    def test_failing_guest_of_a_running_application_is_restarted(self):
        self.create(web={'count': 1}, db={'set': {'fake_fault': 'crash'}, 'restart': {'limit': 2, 'window': '1h'}})
        self.client.act('shop', 'start')
        db = self.client.wait_instance('shop', 'db', lambda item: item['state'] == 'failed', 'failed', 60)
        self.assertEqual(2, db['restarts'])
        self.assertIn('limit is 2', db['error']['message'])

    def test_no_memory_names_member_step_remedy(self):
        self.create(db={'resources': {'memory': '900G'}})
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.act('shop', 'start')
        error = caught.exception
        self.assertEqual((409, 'no_capacity', 'db', 'place'),
                         (error.status, error.code, error.body['params']['instance'], error.body['params']['step']))
        self.assertRegex(str(error), r"cannot place 'db': no server has 921600 MB free \(most: \d+ MB on s1\)")
        self.assertTrue(error.body['params']['remedy'])
        self.assertEqual('stopped', self.client.application('shop')['state'])

    def test_missing_image_names_member_step_remedy(self):
        self.grid.write('classes/NOIMAGE/class.yaml', apigrid.CATALOG['classes/FRONT/class.yaml'].replace('FRONT', 'NOIMAGE'))
        self.grid.vdcd.send_signal(1)
        self.client.wait('class is read', lambda: 'NOIMAGE' in [c['name'] for c in self.client.items('classes')], 20)
        self.create(web={'class': 'NOIMAGE'})
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.act('shop', 'start')
        params = caught.exception.body['params']
        self.assertEqual(('web.1', 'image', 'build it: appliances/build NOIMAGE'),
                         (params['instance'], params['step'], params['remedy']))

    def test_broken_class_is_shown_and_harms_no_other(self):
        self.grid.write('classes/BROKEN/class.yaml', 'class: BROKEN\nversion: 1.0.0\nterminal: {}\n')
        self.grid.vdcd.send_signal(1)
        problems = self.client.wait('problem is shown', lambda: self.client.get('catalogs')['problems'], 20)
        self.assertIn('BROKEN', problems[0]['file'])
        self.assertTrue(problems[0]['problems'][0]['line'])
        self.assertIn('FRONT', [item['name'] for item in self.client.items('classes')])

    def test_wrong_descriptions_half_apply_nothing(self):
        self.create()
        before = (self.client.application('shop'), self.grid.last_event(), self.client.items('volumes'))
        wrong = [('instances', 'web: {class: FRONT, cuont: 2}', 'cuont', 'count'),
                 ('instances', 'web: {class: FRONTT}', 'FRONTT', 'FRONT'),
                 ('wires', '- in.out -> wbe.in', 'wbe', 'web'), ('instances', 'web: {class: FRONT, count: no}', 'count', None)]
        for part, line, _, nearest in wrong:
            web = line if part == 'instances' else 'web: {class: FRONT, count: 2}'
            wire = line if part == 'wires' else '- in.out -> web.in'
            text = f'application: shop\ninstances:\n  in: {{class: GATE}}\n  {web}\nwires:\n  {wire}\n'
            for path, body in (('applications/shop/apply', {'description': text}),
                               ('applications', {'name': 'fresh', 'description': text.replace('shop', 'fresh')})):
                with self.assertRaises(vdc.ApiError) as caught:
                    self.client.post(path, body)
                self.assertEqual(422, caught.exception.status, text)
                problem = caught.exception.body['problems'][0]
                self.assertEqual(4 if part == 'instances' else 6, problem['line'])
                if nearest:
                    self.assertEqual(nearest, problem['nearest'])
        after = (self.client.application('shop'), self.grid.last_event(), self.client.items('volumes'))
        self.assertEqual(before, after)

    def test_hostile_names_are_refused(self):
        for name in ('a,b=c', '"><', '; drop', 'a\nb', 'a\u202eb', 'x' * 300, '', '../x', 'a.b', 'A'):
            with self.assertRaises(vdc.ApiError) as caught:
                self.client.post('applications', {'name': name, 'from': 'shop'})
            self.assertEqual(422, caught.exception.status, name)
            with self.assertRaises(vdc.ApiError) as caught:
                self.client.post('volumes', {'name': 'a.' + name, 'size': '8M'})
            self.assertEqual(422, caught.exception.status, name)

    def test_malformed_requests(self):
        self.create()
        for body in ({}, {'action': 'fly'}, {'action': 'scale'}, {'action': 'scale', 'instances': {'web': 'x'}},
                     {'action': 'config', 'set': {}}, {'action': 'config', 'set': {'none': 1}}):
            with self.assertRaises(vdc.ApiError) as caught:
                self.client.post('applications/shop/actions', body)
            self.assertIn(caught.exception.status, (400, 404, 422), body)
        status, _, _ = self.client.raw('POST', '/api/v1/applications', '{"name": "x", "name": "y"}',
                                       {'Content-Type': 'application/json'})
        self.assertEqual(400, status)


if __name__ == '__main__':
    unittest.main()
