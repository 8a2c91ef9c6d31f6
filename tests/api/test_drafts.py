"""Drafts: two editors, conflicts and merges, applied as a set, over crashes; differences and earlier descriptions."""
import http.client
import json
import os
import subprocess
import unittest

import apigrid
import vdc


def move(name, x=1, y=2):
    return {'op': 'move', 'path': f'instances.{name}', 'x': x, 'y': y}


def put(path, value):
    return {'op': 'set', 'path': path, 'value': value}


class Drafts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client

    def create(self, name='shop', **settings):
        self.addCleanup(self.remove, name)
        return self.client.post('applications', {'name': name, 'from': 'catalog/shop', 'set': settings})

    def started(self, name='shop'):
        self.create(name)
        self.grid.done(self.client.act(name, 'start'))

    def remove(self, name):
        try:
            self.grid.job(self.client.delete(f'applications/{name}?force=1'))
        except vdc.ApiError as error:
            self.assertEqual(404, error.status)

    def draft(self, name='shop'):
        return self.client.get(f'applications/{name}/draft')

    def ops(self, base, *ops, name='shop', **more):
        return self.client.post(f'applications/{name}/draft/ops', {'base': base, 'ops': list(ops), **more})

    def refused(self, call, *args, **kwargs):
        with self.assertRaises(vdc.ApiError) as caught:
            call(*args, **kwargs)
        return caught.exception

    def call_if_match(self, method, path, body, tag):
        status, headers, answer = self.client.raw(method, '/api/v1/' + path, json.dumps(body),
                                                  {'Content-Type': 'application/json', 'If-Match': tag})
        return status, headers, json.loads(answer)

    # --- editing -----------------------------------------------------------------------------------------------------------

    def test_edited_while_the_applied_runs(self):
        self.started()
        first = self.draft()
        self.assertEqual((0, [], [], 'generated'), (first['rev'], first['problems'], first['pending'], first['text_state']))
        before = self.grid.last_event()
        answer = self.ops(0, put('instances.web.set.title', 'other'), move('web'))
        self.assertEqual((1, []), (answer['rev'], answer['problems']))
        draft = self.draft()
        self.assertEqual('other', draft['document']['instances']['web']['set']['title'])
        pending = self.client.application('shop')['pending']
        self.assertEqual([('instances.web.set.title', '$title', 'other', 'live', 'web'),
                          ('layout', None, {'web': {'x': 1, 'y': 2}}, 'none', None)][:1],
                         [(c['path'], c['from'], c['to'], c['effect'], c['instance']) for c in pending][:1])
        self.assertIn('none', [c['effect'] for c in pending])
        events = [e for e in self.grid.events(before) if e['kind'] == 'draft.changed']
        self.assertEqual([(1, 'shop', 'set')], [(e['data']['rev'], e['application'], e['data']['ops'][0]['op']) for e in events])
        self.assertEqual('welcome', self.client.instance('shop', 'web.1')['settings']['title'])
        undone = self.ops(1, *answer['inverse'])
        self.assertEqual(2, undone['rev'])
        self.assertEqual((first['document'], []), (self.draft()['document'], self.client.application('shop')['pending']))

    def test_editors_in_different_places_merge(self):
        self.create()
        self.ops(0, put('instances.web.count', 3))
        self.assertEqual(2, self.ops(0, put('instances.db.order', 1))['rev'])
        self.assertEqual(3, self.ops(0, move('web', 5, 5))['rev'])
        self.assertEqual(4, self.ops(1, move('web', 7, 7))['rev'], 'positions do not conflict: the last one holds')
        self.assertEqual(5, self.ops(0, put('instances.web.count', 3), move('in'))['rev'], 'the same again is no conflict')
        document = self.draft()['document']
        self.assertEqual((3, 1, 7), (document['instances']['web']['count'], document['instances']['db']['order'],
                                     document['layout']['web']['x']))

    def test_editors_in_one_place_conflict_with_both_values_and_who(self):
        self.create()
        self.ops(0, put('instances.web.count', 3))
        error = self.refused(self.ops, 0, put('instances.web.count', 4), put('instances.db.order', 1))
        self.assertEqual((409, 'conflict'), (error.status, error.code))
        params = error.body['params']
        self.assertEqual((1, False, [1]), (params['rev'], params['reload'], [entry['rev'] for entry in params['ops']]))
        self.assertEqual([('instances.web.count', 4, 3, 1, 'local')],
                         [(c['path'], c['mine'], c['theirs'], c['rev'], c['user']) for c in params['conflicts']])
        self.assertTrue(params['conflicts'][0]['time'])
        self.assertEqual(1, self.draft()['rev'], 'nothing of a refused batch is there')

    def test_what_was_removed_conflicts(self):
        self.create()
        self.ops(0, {'op': 'remove', 'path': 'instances.web'})
        error = self.refused(self.ops, 0, put('instances.web.count', 4))
        self.assertEqual((409, 'instances.web.count', 'instances.web'),
                         (error.status, error.body['params']['conflicts'][0]['path'],
                          error.body['params']['conflicts'][0]['place']))
        error = self.refused(self.ops, 0, {'op': 'wire', 'from': 'in.out', 'to': 'web.in'})
        self.assertEqual(409, error.status)
        error = self.refused(self.ops, 1, put('instances.web.count', 4))
        self.assertEqual((422, 'unknown_instance'), (error.status, error.body['problems'][0]['code']))

    def test_wrong_operations_are_all_told_at_once(self):
        self.create()
        error = self.refused(self.ops, 0, {'op': 'wire', 'from': 'in.out', 'to': 'db.in'}, put('instances.wbe.count', 1),
                             {'op': 'rename', 'path': 'instances.db', 'to': '../etc'}, {'op': 'grow'})
        self.assertEqual((422, ['bad_name', 'bad_value', 'output_wired_twice', 'unknown_instance']),
                         (error.status, sorted(problem['code'] for problem in error.body['problems'])))
        self.assertEqual(0, self.draft()['rev'])

    def test_dry_run_of_a_group_shows_its_boundary(self):
        self.create()
        group = {'op': 'group', 'instances': ['web'], 'as': 'FRONTS', 'name': 'fronts'}
        seen = self.ops(0, group, dry_run=True)
        made = seen['document']['assemblies']['FRONTS']
        self.assertEqual({'in': 'web.in', 'db': 'web.db'}, {n: t['inside'] for n, t in made['terminals'].items()})
        self.assertEqual(0, self.draft()['rev'])
        self.assertEqual([], self.ops(0, group)['problems'])
        self.assertEqual(2, self.ops(1, {'op': 'ungroup', 'path': 'instances.fronts'})['rev'])
        self.assertEqual([], self.draft()['pending'])

    def test_limits_of_what_is_kept(self):
        self.create()
        for rev in range(201):
            self.ops(rev, move('web', rev, 0))
        self.assertEqual(200, len(self.client.items('applications/shop/draft/ops?after=1')))
        late = self.client.get('applications/shop/draft/ops?after=0')
        self.assertEqual((True, [], 201), (late['reload'], late['items'], late['rev']))
        error = self.refused(self.ops, 0, move('db'))
        self.assertEqual((409, True, 201), (error.status, error.body['params']['reload'], error.body['params']['rev']))
        error = self.refused(self.ops, 202, move('db'))
        self.assertEqual(409, error.status)

    # --- texts -------------------------------------------------------------------------------------------------------------

    TEXT = ('# my shop\napplication: shop\nproperties: {title: welcome}\ninstances:\n  in:  {class: GATE}\n'
            '  web: {class: FRONT, count: 2}  # two are enough\n  db:  {class: BASE, volumes: {data: data}}\n'
            'wires: [in.out -> web.in, web.db -> db.in]\nvolumes: {data: {size: 8M}}\n')

    def test_text_with_its_revision(self):
        self.create()
        status, _, answer = self.call_if_match('PUT', 'applications/shop/draft', {'text': self.TEXT}, '"0"')
        self.assertEqual((200, 1, 'current', self.TEXT),
                         (status, answer['rev'], answer['text_state'], answer['text']))
        self.ops(1, put('instances.web.count', 3))
        draft = self.draft()
        self.assertEqual(('behind', 1, self.TEXT), (draft['text_state'], draft['text_behind'], draft['last_text']))
        self.assertIn('count: 3', draft['text'])
        status, _, answer = self.call_if_match('PUT', 'applications/shop/draft', {'text': self.TEXT}, '"1"')
        self.assertEqual((409, 2, [2]), (status, answer['params']['rev'], [e['rev'] for e in answer['params']['ops']]))
        status, headers, _ = self.call_if_match('GET', 'applications/shop/draft', {}, '"2"')
        self.assertEqual('"2"', {k.lower(): v for k, v in headers.items()}['etag'])

    def test_comments_are_kept_where_only_values_changed(self):
        self.create()
        self.client.call('PUT', 'applications/shop/draft', {'text': self.TEXT, 'base': 0})
        self.ops(1, put('instances.web.count', 3), put('properties.title', 'a: b'), move('web'))
        draft = self.draft()
        self.assertEqual(('behind', 1), (draft['text_state'], draft['text_behind']))
        self.assertIn('web: {class: FRONT, count: 3}  # two are enough', draft['text'])
        self.assertTrue(draft['text'].startswith('# my shop\n'), draft['text'])
        self.client.post('applications/shop/apply', {})
        self.assertEqual(draft['text'], self.client.raw('GET', '/api/v1/applications/shop/description')[2].decode())
        self.assertEqual('current', self.draft()['text_state'])

    def test_secrets_are_sealed_before_a_draft_is_kept(self):
        self.create()
        canaries = [f'canary-draft-{way}-51d0' for way in ('set', 'add', 'text', 'own', 'default')]
        own = {'properties': {'pw': {'type': 'secret', 'default': canaries[4]}, 'other': {'type': 'secret'}},
               'instances': {'db': {'class': 'BASE', 'set': {'password': '$pw'}}}, 'volumes': {'data': {'inside': 'db.data'}}}
        answers = [self.ops(0, put('instances.db.set.password', canaries[0]), dry_run=True),
                   self.ops(0, put('instances.db.set.password', canaries[0])),
                   self.ops(1, {'op': 'add', 'path': 'instances.more', 'value': {'class': 'BASE', 'set': {'password': canaries[1]}}}),
                   self.ops(2, {'op': 'add', 'path': 'assemblies.KEEP', 'value': own},
                            {'op': 'add', 'path': 'instances.kept', 'value': {'class': 'local/KEEP', 'set': {'other': canaries[3]}}}),
                   self.refused(self.ops, 0, put('instances.db.set.password', canaries[1])).body,
                   self.client.items('applications/shop/draft/ops'), self.client.items('events?after=0'), self.draft(),
                   self.client.get('applications/shop/diff')]
        text = self.TEXT.replace('data: data}', 'data: data}, set: {password: ' + canaries[2] + '}')
        answers.append(self.client.call('PUT', 'applications/shop/draft', {'text': text, 'base': 3}))
        self.assertIn('# two are enough', answers[-1]['text'])
        self.assertEqual('(secret)', [c['to'] for c in answers[-1]['pending'] if c['path'] == 'instances.db.set'][0]['password'])
        with open(self.grid.path('ctl/store/data.mdb'), 'rb') as store:
            found = store.read() + json.dumps(answers).encode()
        self.assertEqual([], [canary for canary in canaries if canary.encode() in found])

    def test_text_and_document_must_say_the_same(self):
        self.create()
        document = self.draft()['document']
        body = {'text': self.TEXT, 'document': document, 'base': 0}
        error = self.refused(self.client.call, 'PUT', 'applications/shop/draft', body)
        self.assertEqual((422, 'text_mismatch'), (error.status, error.body['problems'][0]['code']))
        for text, code in (('a: [', 'syntax'), (self.TEXT.replace('shop', 'other'), 'name_mismatch'),
                           (self.TEXT.replace('  db:', '  D.B:'), 'bad_name')):
            error = self.refused(self.client.call, 'PUT', 'applications/shop/draft', {'text': text, 'base': 0})
            self.assertEqual(422, error.status)
            self.assertIn(code, [problem['code'] for problem in error.body['problems']])
        error = self.refused(self.client.call, 'PUT', 'applications/shop/draft', {'text': self.TEXT})
        self.assertEqual(400, error.status)
        unfinished = self.TEXT.replace('class: BASE', 'class: BASEMENT')
        draft = self.client.call('PUT', 'applications/shop/draft', {'text': unfinished, 'base': 0})
        self.assertEqual([('unknown_class', 7)], [(p['code'], p['line']) for p in draft['problems']])
        error = self.refused(self.client.post, 'applications/shop/apply', {})
        self.assertEqual((422, 'unknown_class'), (error.status, error.body['problems'][0]['code']))

    # --- apply, discard ----------------------------------------------------------------------------------------------------

    def test_applied_as_a_set(self):
        self.started()
        self.ops(0, put('instances.web.count', 3), put('instances.db.resources.memory', '64M'))
        changes = self.client.get('applications/shop/diff')['changes']
        self.assertEqual([('instances.web.count', 'live', []), ('instances.db.resources', 'restart', ['db'])],
                         [(c['path'], c['effect'], c['members']) for c in changes])
        planned = [step['name'] for step in self.client.post('applications/shop/plan', {})['steps']]
        self.assertEqual({'start web.3', 'stop db', 'start db', 'settings of in'}, set(planned))
        error = self.refused(self.client.post, 'applications/shop/apply', {'rev': 0})
        self.assertEqual((409, 1), (error.status, error.body['params']['rev']))
        self.grid.done(self.client.post('applications/shop/apply', {'rev': 1}))
        shop = self.client.application('shop')
        self.assertEqual(([], 2, 4 + 1), (shop['pending'], shop['revision'], shop['instances']))
        self.assertEqual([], self.client.get('applications/shop/diff')['changes'])
        self.assertEqual(2, self.draft()['base_applied_revision'])

    def test_discarded_as_a_set(self):
        self.create()
        document = self.draft()['document']
        self.ops(0, put('instances.web.count', 3), {'op': 'remove', 'path': 'instances.in'})
        self.assertEqual(2, self.client.delete('applications/shop/draft')['rev'])
        self.assertEqual((document, []), (self.draft()['document'], self.client.application('shop')['pending']))
        self.assertEqual(2, self.client.delete('applications/shop/draft')['rev'], 'there is nothing to discard')

    def test_scale_and_config_are_operations_on_both(self):
        self.started()
        self.ops(0, put('instances.db.order', 4), put('instances.web.count', 9))
        self.grid.done(self.client.act('shop', 'scale', instances={'web': 3}))
        self.grid.done(self.client.act('shop', 'config', set={'title': 'other'}))
        self.assertEqual(['instances.db.order'], [c['path'] for c in self.client.application('shop')['pending']])
        document = self.draft()['document']
        self.assertEqual((3, 'other', 4), (document['instances']['web']['count'], document['properties']['title'],
                                           document['instances']['db']['order']))

    def test_scale_that_drains_keeps_the_draft(self):
        self.started()
        self.ops(0, put('instances.db.order', 4))
        self.grid.done(self.client.act('shop', 'scale', instances={'web': 1}))
        self.assertEqual(['instances.db.order'], [c['path'] for c in self.client.application('shop')['pending']])
        self.assertEqual(1, self.draft()['document']['instances']['web']['count'])

    def test_apply_of_a_text_leaves_other_changes_pending(self):
        self.create()
        self.ops(0, put('instances.db.order', 4), put('properties.title', 'mine'))
        text = self.client.raw('GET', '/api/v1/applications/shop/description')[2].decode()
        self.grid.done(self.client.post('applications/shop/apply', {'description': text.replace('welcome', 'theirs')
                                                                    .replace('count: 2', 'count: 1')}))
        document = self.draft()['document']
        self.assertEqual((1, 'mine', 4), (document['instances']['web']['count'], document['properties']['title'],
                                          document['instances']['db']['order']))
        self.assertEqual([('properties.title', 'theirs', 'mine'), ('instances.db.order', None, 4)],
                         [(c['path'], c['from'], c['to']) for c in self.client.application('shop')['pending']])

    def test_edited_while_it_is_applied(self):
        self.started()
        self.ops(0, put('instances.web.count', 1))
        answer = self.client.post('applications/shop/apply', {})
        self.assertEqual(2, self.ops(1, put('instances.db.order', 1))['rev'])
        self.grid.done(answer)
        shop = self.client.application('shop')
        self.assertEqual((['instances.db.order'], 3), ([c['path'] for c in shop['pending']], shop['instances']))

    def test_renamed_volume_keeps_its_data(self):
        self.started()
        volume, = [v for v in self.client.items('volumes') if v['application'] == 'shop']
        incarnation = self.client.instance('shop', 'db')['incarnation']
        self.ops(0, {'op': 'rename', 'path': 'volumes.data', 'to': 'rows'})
        self.ops(1, {'op': 'rename', 'path': 'volumes.rows', 'to': 'tables'})
        self.assertEqual([('volumes.tables', 'data', 'live')],
                         [(c['path'], c['from'], c['effect']) for c in self.client.application('shop')['pending']])
        self.assertEqual([], self.client.post('applications/shop/plan', {})['changes']['members'])
        self.grid.done(self.client.post('applications/shop/apply', {}))
        after, = [v for v in self.client.items('volumes') if v['application'] == 'shop']
        self.assertEqual((volume['id'], 'shop.tables'), (after['id'], after['name']))
        self.assertEqual(incarnation, self.client.instance('shop', 'db')['incarnation'], 'nothing restarts')
        self.assertEqual([], self.client.application('shop')['pending'])
        self.assertEqual([], self.grid.settled_findings())

    def test_a_volume_by_another_name_must_be_confirmed(self):
        self.started()
        self.ops(0, {'op': 'remove', 'path': 'volumes.data'},
                 {'op': 'add', 'path': 'volumes.fresh', 'value': {'size': '8M'}},
                 put('instances.db.volumes.data', 'fresh'))
        error = self.refused(self.client.post, 'applications/shop/apply', {})
        self.assertEqual((409, 'refused'), (error.status, error.code))
        self.assertIn('volume_replaced', [w['code'] for w in error.body['params']['warnings']])
        self.grid.done(self.client.post('applications/shop/apply', {'confirm': True}))
        self.assertEqual({'shop.data': 'unused', 'shop.fresh': 'ready'},
                         {v['name']: v['state'] for v in self.client.items('volumes')})

    # --- earlier descriptions ----------------------------------------------------------------------------------------------

    def test_earlier_descriptions_and_differences(self):
        self.create()
        self.client.act('shop', 'scale', instances={'web': 3})
        self.ops(0, {'op': 'unwire', 'from': 'web.db'}, put('summary', 'A shop'))
        self.client.post('applications/shop/apply', {})
        items = self.client.items('applications/shop/descriptions')
        self.assertEqual([(3, 'apply', 'local', True), (2, 'scale', 'local', False), (1, 'create', 'local', False)],
                         [(i['revision'], i['cause'], i['user'], i['applied']) for i in items])
        self.assertEqual(2, self.client.get('applications/shop/descriptions/1')['document']['instances']['web']['count'])
        changes = self.client.get('applications/shop/diff?from=1&to=draft')['changes']
        self.assertEqual([('summary', 'none'), ('instances.web.count', 'live'), ('wires["web.db"]', 'live')],
                         [(c['path'], c['effect']) for c in changes])
        self.assertEqual(404, self.refused(self.client.get, 'applications/shop/descriptions/9').status)
        self.assertEqual(400, self.refused(self.client.get, 'applications/shop/diff?from=no').status)

    # --- command line ------------------------------------------------------------------------------------------------------

    def vdc(self, *words, code=0, stdin='', **env):
        done = subprocess.run([apigrid.BUILD + '/vdc/cli/vdc', *words], input=stdin, text=True, capture_output=True, timeout=60,
                              env=dict(os.environ, VDC_URL=f'https://127.0.0.1:{self.grid.ports["api"]}', VDC_TOKEN=self.client.token,
                                       VDC_CA=self.grid.path('ctl/pki/ca.crt'), VISUAL='', **env))
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def test_command_line(self):
        self.create()
        shown, _ = self.vdc('app', 'draft', 'show', 'shop')
        self.assertIn('application: shop\n', shown)
        edited, _ = self.vdc('app', 'edit', 'shop', EDITOR="sed -i -e 's/count: 2/count: 3/' -e '1i # mine'")
        self.assertRegex(edited, r'instances.web.count +2 +3 +live')
        self.assertIn('# mine', self.vdc('app', 'draft', 'show', 'shop')[0])
        self.assertIn('nothing was changed', self.vdc('app', 'edit', 'shop', EDITOR='true')[0])
        _, said = self.vdc('app', 'edit', 'shop', code=2, EDITOR="sed -i s/instances:/instances;/")
        kept = said.split('your text is in ')[1].strip()
        self.assertEqual(0o600, os.stat(kept).st_mode & 0o777)
        os.unlink(kept)
        ops = json.dumps([put('instances.web.count', 4)])
        self.assertIn('is at revision 2', self.vdc('app', 'draft', 'ops', 'shop', '-', stdin=ops)[0])
        _, said = self.vdc('app', 'draft', 'ops', 'shop', '-', '--base', '1', stdin=ops.replace('4', '5'), code=4)
        self.assertIn('instances.web.count: yours 5, now 4 (by local)', said)
        diff = json.loads(self.vdc('app', 'diff', 'shop', '--json')[0])
        self.assertEqual(['instances.web.count'], [change['path'] for change in diff['changes']])
        self.vdc('app', 'apply', 'shop')
        self.assertIn('no differences', self.vdc('app', 'diff', 'shop')[0])
        self.assertRegex(self.vdc('app', 'diff', 'shop', '1', 'applied')[0], r'instances.web.count +2 +4 +live')
        self.vdc('app', 'draft', 'ops', 'shop', '-', stdin=json.dumps([put('instances.web.count', 1)]))
        self.assertIn('is what is applied', self.vdc('app', 'draft', 'discard', 'shop')[0])
        self.assertEqual([], self.client.application('shop')['pending'])

    # --- wires -------------------------------------------------------------------------------------------------------------

    def test_every_terminal_and_why_not(self):
        self.create()
        answer = self.client.post('applications/shop/draft/wire-check', {'from': 'in.out'})
        self.assertEqual('in.out -> web.in', answer['wired'])
        found = {item['terminal']: item['code'] for item in answer['items']}
        self.assertEqual({'web.in': 'output_wired_twice', 'web.db': 'side_mismatch', 'db.in': 'protocol_mismatch'}, found)
        self.ops(0, {'op': 'add', 'path': 'instances.more', 'value': {'class': 'FRONT'}})
        answer = self.client.post('applications/shop/draft/wire-check', {'from': 'more.in'})
        self.assertEqual([('in.out', 'in.out -> web.in')],
                         [(i['terminal'], i['replaces']) for i in answer['items'] if i['may']])
        self.assertEqual(404, self.refused(self.client.post, 'applications/shop/draft/wire-check', {'from': 'no.in'}).status)
        speaks = {item['name']: item for item in self.client.items('protocols')}['http']
        self.assertEqual(([80], ['any', 'http']), ([p['from'] for p in speaks['ports']], speaks['speaks_with']))
        self.assertIn('protocol_mismatch', [rule['code'] for rule in self.client.items('wiring-rules')])

    # --- crashes -----------------------------------------------------------------------------------------------------------

    def crash(self, point, call):
        """vdcd dies at @point of what @call does; it is started again and the call repeated under the same key."""
        self.grid.kill_vdcd()
        self.grid.start_vdcd({'VDC_FAILPOINT': point})
        self.grid.wait_api()
        try:
            call()
            self.fail(f'{point} was not passed')
        except (OSError, http.client.HTTPException):
            pass
        self.grid.vdcd.wait(20)
        self.grid.start_vdcd()
        self.grid.wait_api()
        return call()

    def test_a_draft_over_crashes(self):
        if not self.grid.has_failpoints():
            self.skipTest('needs a build with failpoints')
        self.create()

        def keyed(path, body, key):
            status, _, answer = self.client.raw('POST', '/api/v1/applications/shop/' + path, json.dumps(body),
                                                {'Content-Type': 'application/json', 'Idempotency-Key': key})
            self.assertIn(status, (200, 202), answer)
            return json.loads(answer)
        for number, point in enumerate(('draft.01.noted', 'draft.02.kept')):
            answer = self.crash(point, lambda n=number: keyed('draft/ops', {'base': n, 'ops': [move('web', n, n)]}, f'ops{n}'))
            self.assertEqual(number + 1, answer['rev'])
            self.assertEqual(number + 1, self.draft()['rev'], point)
        self.ops(2, put('instances.web.count', 3))
        self.crash('apply.02.decided', lambda: keyed('apply', {}, 'apply'))
        self.grid.wait_server()
        self.assertEqual(([], 4 + 1), (self.draft()['pending'], self.client.application('shop')['instances']))
        self.assertEqual([2, 1], [i['revision'] for i in self.client.items('applications/shop/descriptions')])
