"""Catalogs of the grid, and classes of images that somebody brought: real vdcd and agent, fake VMs."""
import hashlib
import json
import os
import re
import subprocess
import unittest

import apigrid
import vdc

PIECE = 4 << 20

EXTRA = """
class: EXTRA
version: {version}
summary: {summary}
terminals:
  in: {{side: input, protocol: http}}
properties:
  title: {{type: string, default: hello}}
"""
PAIR = """
assembly: PAIR
version: 1.0.0
terminals:
  in: {side: input, protocol: http, inside: front.in}
instances:
  front: {class: EXTRA}
"""
USER = """
application: %s
instances:
  in:  {class: GATE}
  web: {class: %s}
wires:
  - in.out -> web.in
"""
BROUGHT = """
class: PAGE
version: %s
unmanaged: true
summary: a page
terminals:
  in: {side: input, protocol: http}
properties:
  fake_fault: {type: string, default: none}
resources:
  memory: {min: 32M, max: 4G, default: 64M}
"""


def disk(size=3 << 20, at=1 << 20):
    """A disk with a boot sector and a little data far behind it."""
    data = bytearray(size)
    data[510:512] = b'\x55\xaa'
    data[at:at + 5] = b'hello'
    return bytes(data)


class Catalogs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client

    def refused(self, status, call, *arguments):
        with self.assertRaises(vdc.ApiError) as caught:
            call(*arguments)
        self.assertEqual(status, caught.exception.status, caught.exception)
        return str(caught.exception)

    def catalog(self, name='mine'):
        self.client.post('catalogs', {'name': name, 'summary': 'a test'})
        self.addCleanup(self.client.delete, f'catalogs/{name}?force=1')
        return name

    def publish(self, catalog, text, **more):
        return self.client.post(f'catalogs/{catalog}/entries', {'description': text, **more})

    def application(self, name, ref):
        self.client.post('applications', {'name': name, 'description': USER % (name, ref)})
        self.addCleanup(self.remove_if_there, name)

    def remove_application(self, name, trash=False):
        self.grid.done(self.client.delete(f'applications/{name}?force=1'))
        if not trash:
            self.empty_trash()

    def test_versions_stand_beside_each_other_and_never_change(self):
        self.catalog()
        old = EXTRA.format(version='1.0.0', summary='first')
        self.assertTrue(self.publish('mine', old, image='FRONT')['published'])
        self.assertFalse(self.publish('mine', old, image='FRONT')['published'], 'the same again changes nothing')
        text = self.refused(409, lambda: self.publish('mine', old.replace('first', 'other'), image='FRONT'))
        self.assertIn('raise the version', text)
        self.publish('mine', EXTRA.format(version='1.10.0', summary='newer'), image='FRONT')
        self.publish('mine', EXTRA.format(version='1.9.0', summary='between'), image='FRONT')
        self.assertEqual('1.10.0', self.client.get('classes/EXTRA')['version'])
        shown = self.client.get('classes/mine%2FEXTRA@1.9.0')
        self.assertEqual(('between', ['1.0.0', '1.9.0', '1.10.0'], 'mine'),
                         (shown['summary'], shown['versions'], shown['catalog']))
        self.assertEqual(3, self.client.get('catalogs/mine')['entries'])

    def test_what_runs_does_not_change_with_the_catalog(self):
        self.catalog()
        self.publish('mine', EXTRA.format(version='1.0.0', summary='first'), image='FRONT')
        self.client.post('applications', {'name': 'user', 'description': USER % ('user', 'EXTRA')})
        self.grid.done(self.client.act('user', 'start'))
        self.assertEqual('mine/EXTRA@1.0.0', self.client.instance('user', 'web')['class'])
        self.publish('mine', EXTRA.format(version='2.0.0', summary='second'), image='FRONT')
        self.grid.done(self.client.act('user', 'restart'))
        self.assertEqual('mine/EXTRA@1.0.0', self.client.instance('user', 'web')['class'])
        plan = self.client.post('applications/user/plan', {'description': USER % ('user', 'EXTRA')})
        self.assertIn('mine/EXTRA@1.0.0 -> mine/EXTRA@2.0.0', json.dumps(plan))
        # Used: refused with the list; by force the application goes on with what it recorded.
        text = self.refused(409, self.client.delete, 'catalogs/mine/entries/EXTRA@1.0.0')
        self.assertIn('user', text)
        self.assertEqual(['user'], self.client.get('classes/mine%2FEXTRA@1.0.0')['used_by']['applications'])
        self.client.delete('catalogs/mine/entries/EXTRA@1.0.0?force=1')
        self.grid.done(self.client.act('user', 'restart'))
        self.assertEqual('running', self.client.application('user')['state'])
        self.refused(422, lambda: self.client.post('applications/user/apply',
                                                   {'description': USER % ('user', 'mine/EXTRA@1.0.0')}))
        self.grid.done(self.client.post('applications/user/apply', {'description': USER % ('user', 'EXTRA')}))
        self.assertEqual('mine/EXTRA@2.0.0', self.client.instance('user', 'web')['class'])
        self.remove_application('user')
        self.assertEqual([], self.grid.settled_findings())

    def test_an_assembly_keeps_what_it_means(self):
        self.catalog()
        self.publish('mine', EXTRA.format(version='1.0.0', summary='first'), image='FRONT')
        self.publish('mine', PAIR)
        self.publish('mine', EXTRA.format(version='2.0.0', summary='second'), image='FRONT')
        self.assertEqual(['mine/PAIR@1.0.0'], self.client.get('classes/mine%2FEXTRA@1.0.0')['used_by']['assemblies'])
        self.assertEqual([], self.client.get('classes/mine%2FEXTRA@2.0.0')['used_by']['assemblies'])
        for force in ('', '?force=1'):
            self.assertIn('mine/PAIR@1.0.0', self.refused(409, self.client.delete,
                                                          'catalogs/mine/entries/EXTRA@1.0.0' + force))
        self.client.post('applications', {'name': 'user', 'description': USER % ('user', 'PAIR')})
        self.assertEqual('mine/EXTRA@1.0.0', self.client.instance('user', 'web.front')['class'])
        self.assertIn('user', self.refused(409, self.client.delete, 'catalogs/mine'))
        self.remove_application('user')
        self.client.delete('catalogs/mine/entries/PAIR@1.0.0')
        self.client.delete('catalogs/mine/entries/EXTRA@1.0.0')

    def test_a_draft_counts_and_so_does_the_trash(self):
        self.catalog()
        self.publish('mine', EXTRA.format(version='1.0.0', summary='first'), image='FRONT')
        self.application('user', 'FRONT')
        self.client.call('PUT', 'applications/user/draft', {'text': USER % ('user', 'EXTRA'), 'base': 0})
        self.assertEqual((['user'], []), tuple(self.client.get('classes/EXTRA')['used_by'][key]
                                               for key in ('drafts', 'applications')))
        self.assertIn('the draft of user', self.refused(409, self.client.delete, 'catalogs/mine/entries/EXTRA@1.0.0'))
        # What was destroyed can be restored for a day: its image stays.
        before = self.images()
        self.grid.done(self.make(self.upload(disk(5 << 20))))
        image = self.images()
        self.assertEqual(len(before) + 1, len(image))
        self.application('other', 'PAGE')
        self.remove_application('other', trash=True)
        self.assertIn('in the trash', self.refused(409, self.client.delete, 'catalogs/mine/entries/PAGE@1.0.0'))
        self.client.delete('catalogs/mine/entries/PAGE@1.0.0?force=1')
        self.assertEqual(image, self.images())
        self.empty_trash()
        self.publish('mine', EXTRA.format(version='2.0.0', summary='x'), image='FRONT')
        self.client.delete('catalogs/mine/entries/EXTRA@2.0.0?force=1')
        self.assertEqual([], self.images())

    def test_an_assembly_of_an_application_is_shared(self):
        self.catalog()
        text = USER % ('user', 'local/FACE') + '''assemblies:
  FACE:
    terminals:
      in: {side: input, protocol: http, inside: front.in}
    instances:
      front: {class: FRONT}
'''
        self.client.post('applications', {'name': 'user', 'description': text})
        self.addCleanup(self.remove_if_there, 'user')
        self.assertIn('mine/FACE@1.0.0 is published', self.vdc('catalog', 'publish', 'mine', '--app', 'user', '--assembly', 'FACE'))
        self.vdc('catalog', 'publish', 'mine', '--app', 'user', '--assembly', 'FACE')
        self.vdc('catalog', 'publish', 'mine', '--app', 'user', '--assembly', 'NOTHING', code=3)
        self.vdc('catalog', 'publish', 'mine', '--app', 'none', '--assembly', 'FACE', code=3)
        self.vdc('catalog', 'publish', 'mine', code=2)
        self.client.post('applications', {'name': 'other', 'description': USER % ('other', 'FACE')})
        self.addCleanup(self.remove_if_there, 'other')
        self.assertEqual('FRONT@1.0.0', self.client.instance('other', 'web.front')['class'])

    def test_a_new_catalog_takes_no_name_from_an_older_one(self):
        self.catalog('zeta')
        self.publish('zeta', EXTRA.format(version='1.0.0', summary='older'), image='FRONT')
        self.catalog('alpha')
        self.publish('alpha', EXTRA.format(version='9.0.0', summary='newer'), image='FRONT')
        self.publish('alpha', apigrid.CATALOG['classes/FRONT/class.yaml'].replace('1.0.0', '9.0.0'), image='FRONT')
        for _ in range(2):
            self.assertEqual('zeta', self.client.get('classes/EXTRA')['catalog'])
            self.assertEqual(('system', '1.0.0'), tuple(self.client.get('classes/FRONT')[key]
                                                        for key in ('catalog', 'version')))
            self.grid.kill_vdcd()
            self.grid.start_vdcd()
            self.grid.wait_api()
        self.grid.wait_server()

    def test_refusals(self):
        self.catalog()
        for name in ('system', 'catalog', 'shop', 'mine'):
            self.refused(409, lambda wrong=name: self.client.post('catalogs', {'name': wrong}))
        self.refused(422, lambda: self.client.post('catalogs', {'name': 'No'}))
        self.refused(409, lambda: self.publish('system', EXTRA.format(version='1.0.0', summary='x'), image='FRONT'))
        self.refused(404, lambda: self.publish('other', EXTRA.format(version='1.0.0', summary='x'), image='FRONT'))
        self.assertIn('needs an image', self.refused(422, lambda: self.publish('mine', EXTRA.format(
            version='1.0.0', summary='x'))))
        self.refused(404, lambda: self.publish('mine', EXTRA.format(version='1.0.0', summary='x'), image='NOTHING'))
        self.assertIn('unmanaged', self.refused(422, lambda: self.publish('mine', BROUGHT % '1.0.0', image='FRONT')))
        self.refused(422, lambda: self.publish('mine', PAIR.replace('EXTRA', 'NOTHING')))
        self.refused(404, self.client.delete, 'catalogs/mine/entries/EXTRA@1.0.0')
        self.refused(404, self.client.delete, 'catalogs/mine/entries/EXTRA')
        self.assertEqual(0, self.client.get('catalogs/mine')['entries'])

    # --- images that somebody brought ------------------------------------------------------------------------------------

    def upload(self, data, begin=0):
        digest = hashlib.sha256(data).hexdigest()
        state = self.client.post('uploads', {'sha256': digest, 'size_bytes': len(data)})
        while not state['complete']:
            offset = state['offset']
            status, _, answer = self.client.raw('PUT', f'/api/v1/uploads/{digest}?offset={offset}',
                                                data[offset:offset + PIECE], {'Content-Type': 'application/octet-stream'})
            state = json.loads(answer)
            self.assertEqual(200, status, state)
        return digest

    def make(self, digest, version='1.0.0', **more):
        return self.client.post('classes', {'catalog': 'mine', 'upload': digest, 'description': BROUGHT % version, **more})

    def images(self):
        return sorted(os.listdir(self.grid.path('ctl/images')))

    def empty_trash(self):
        """What can be restored keeps its image."""
        self.client.delete('trash')

    def test_a_class_of_a_raw_and_of_a_qcow2_image(self):
        self.catalog()
        raw = disk(9 << 20)
        self.grid.done(self.make(self.upload(raw)))
        shown = self.client.get('classes/PAGE')
        digest = hashlib.sha256(raw).hexdigest()
        self.assertEqual((True, f'sha256:{digest}', 'raw'),
                         (shown['unmanaged'], shown['image']['digest'], shown['image']['format']))
        self.assertEqual([digest], self.images())
        self.assertEqual([], os.listdir(self.grid.path('ctl/uploads')))
        # The same file is no second image; and a qcow2 of the same content becomes the same disk.
        self.assertFalse(self.make(self.upload(raw))['published'])
        with open(self.grid.path('disk.raw'), 'wb') as out:
            out.write(raw)
        for compress in ([], ['-c']):
            subprocess.run(['qemu-img', 'convert', *compress, '-f', 'raw', '-O', 'qcow2', self.grid.path('disk.raw'),
                            self.grid.path('disk.qcow2')], check=True)
            with open(self.grid.path('disk.qcow2'), 'rb') as brought:
                job = self.grid.done(self.make(self.upload(brought.read()), f'1.{len(compress) + 1}.0'))
            self.assertEqual(['done'] * 3, [step['state'] for step in job['steps']])
        self.assertEqual({f'sha256:{digest}'}, {self.client.get(f'classes/PAGE@{version}')['image']['digest']
                                                for version in ('1.0.0', '1.1.0', '1.2.0')})
        with open(self.grid.path('ctl/images', digest, 'root.raw'), 'rb') as made:
            self.assertEqual(raw, made.read())
        # It goes with the last class that has it.
        for version in ('1.0.0', '1.1.0', '1.2.0'):
            self.assertEqual([digest], self.images())
            self.client.delete(f'catalogs/mine/entries/PAGE@{version}')
        self.assertEqual([], self.images())

    def test_what_is_no_image_makes_no_class(self):
        self.catalog()
        before = self.images()
        backing = self.grid.path('backing.qcow2')
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/hostname', backing], check=True)
        with open(backing, 'rb') as content:
            hostile = content.read()
        for data, words in ((hostile, 'another file below it'), (b'KDMV' + disk()[4:], 'VMDK'),
                            (bytes(1 << 20), 'no boot sector'), (disk()[:-7], 'whole number of sectors')):
            job = self.grid.job(self.make(self.upload(data)))
            self.assertEqual('failed', job['state'])
            self.assertIn(words, job['error']['message'])
        self.refused(404, self.client.get, 'classes/PAGE')
        self.assertEqual(before, self.images())
        for name in os.listdir(self.grid.path('ctl/uploads')):
            if name.endswith('.part'):
                self.client.delete(f'uploads/{name[:64]}')

    def test_uploads(self):
        self.catalog()
        data = disk(PIECE + 1024)
        digest = hashlib.sha256(data).hexdigest()
        self.refused(404, self.client.get, f'uploads/{digest}')
        self.refused(404, lambda: self.make(digest))
        self.client.post('uploads', {'sha256': digest, 'size_bytes': len(data)})

        def put(offset, piece):
            status, _, answer = self.client.raw('PUT', f'/api/v1/uploads/{digest}?offset={offset}', piece,
                                                {'Content-Type': 'application/octet-stream'})
            return status, json.loads(answer)
        self.assertEqual(409, put(512, data[512:1024])[0], 'no holes')
        try:
            self.assertEqual(413, put(0, data[:PIECE + 1])[0])
        except OSError:
            pass  # it is told before the body was sent, and the connection is closed
        self.assertEqual(0, self.client.get(f'uploads/{digest}')['offset'])
        self.assertEqual(PIECE, put(0, data[:PIECE])[1]['offset'])
        self.assertEqual(PIECE, put(0, data[:PIECE])[1]['offset'], 'twice is once')
        self.assertEqual(PIECE, put(1024, data[1024:2048])[1]['offset'])
        self.refused(409, lambda: self.make(digest))
        self.refused(409, lambda: self.client.post('uploads', {'sha256': digest, 'size_bytes': 77}))
        self.assertEqual(422, put(PIECE, data[PIECE:] + b'x')[0])
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.assertEqual(PIECE, self.client.get(f'uploads/{digest}')['offset'], 'goes on after a restart')
        self.assertTrue(put(PIECE, b'\1' + data[PIECE + 1:])[1]['complete'])
        job = self.grid.job(self.make(digest))
        self.assertIn('another digest', job['error']['message'])
        self.refused(404, self.client.get, f'uploads/{digest}')
        self.refused(413, lambda: self.client.post('uploads', {'sha256': digest, 'size_bytes': (64 << 30) + 1}))
        for i in range(8):
            self.client.post('uploads', {'sha256': f'{i:064x}', 'size_bytes': 512})
        self.refused(409, lambda: self.client.post('uploads', {'sha256': digest, 'size_bytes': len(data)}))
        for i in range(8):
            self.client.delete(f'uploads/{i:064x}')
        self.grid.wait_server()

    def vdc(self, *argv, code=0):
        env = dict(os.environ, VDC_URL=f'https://127.0.0.1:{self.grid.ports["api"]}', VDC_CA=self.grid.path('ctl/pki/ca.crt'),
                   VDC_TOKEN=self.client.token)
        done = subprocess.run([apigrid.BUILD + '/vdc/cli/vdc', *argv], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(code, done.returncode, done.stderr)
        return done.stdout + done.stderr

    def test_the_command_line(self):
        self.vdc('catalog', 'create', 'mine', '--summary', 'ours')
        self.addCleanup(self.client.delete, 'catalogs/mine?force=1')
        with open(self.grid.path('page.raw'), 'wb') as image:
            image.write(disk(6 << 20))
        argv = ['class', 'create', 'PAGE', '--image', self.grid.path('page.raw'), '--terminal', 'in:http', '--memory', '64M']
        self.assertIn('is in catalog mine', self.vdc(*argv))
        self.vdc(*argv)  # the same again
        self.assertIn('raise the version', self.vdc(*argv, '--cpu', '2', code=4))
        self.vdc(*argv, '--cpu', '2', '--version', '1.1.0')
        self.assertIn('1.0.0, 1.1.0', self.vdc('class', 'show', 'mine/PAGE'))
        self.grid.write('class.yaml', EXTRA.format(version='1.0.0', summary='x'))
        self.assertIn('needs an image', self.vdc('catalog', 'publish', 'mine', self.grid.path('class.yaml'), code=2))
        for words in ('is published', 'was published before'):
            self.assertIn(words, self.vdc('catalog', 'publish', 'mine', self.grid.path('class.yaml'), '--image-of', 'FRONT'))
        self.grid.write('wrong.yaml', 'class: EXTRA\nversion: 1\n')
        self.assertIn('wrong.yaml:2:', self.vdc('catalog', 'publish', 'mine', self.grid.path('wrong.yaml'), code=2))
        self.application('user', 'EXTRA')
        self.assertIn('Used by applications:  user', self.vdc('class', 'show', 'EXTRA'))
        self.assertIn('is used by user', self.vdc('class', 'remove', 'mine/EXTRA@1.0.0', code=4))
        self.assertIn('EXTRA', self.vdc('catalog', 'show', 'mine'))
        self.vdc('class', 'remove', 'EXTRA', code=2)
        self.assertIn('mine', self.vdc('catalog', 'list'))
        self.remove_application('user')
        self.vdc('catalog', 'remove', 'mine')
        self.vdc('catalog', 'show', 'mine', code=3)
        self.vdc('catalog', 'create', 'mine')

    # --- and run ---------------------------------------------------------------------------------------------------------

    def started(self, name='page', settings=''):
        self.client.post('applications', {'name': name, 'description': USER % (name, 'PAGE, stop_timeout: 2' + settings)})
        self.addCleanup(self.remove_if_there, name)
        return self.grid.job(self.client.act(name, 'start'))

    def remove_if_there(self, name):
        try:
            self.remove_application(name)
        except vdc.ApiError as error:
            self.assertEqual(404, error.status)

    def test_an_unmanaged_class_runs(self):
        self.catalog()
        data = disk(7 << 20, 6 << 20)
        digest = hashlib.sha256(data).hexdigest()
        self.grid.done(self.make(self.upload(data)))
        self.assertEqual('done', self.started()['state'])
        web = self.client.instance('page', 'web')
        self.assertEqual(('running', 'mine/PAGE@1.0.0'), (web['state'], web['class']))
        # Its server had not the image: it is there now, whole, and its holes are holes.
        here = self.grid.path('s1/images', digest, 'root.raw')
        with open(here, 'rb') as fetched:
            self.assertEqual(data, fetched.read())
        self.assertLess(os.stat(here).st_blocks * 512, len(data))
        with open(self.grid.path('s1/disks/page/web.seed'), 'rb') as seed:
            seed = seed.read()
        for words in (b'cidata', b'"local-hostname":"web"', web['nics'][0]['mac'].encode(), b'#cloud-config'):
            self.assertIn(words, seed)
        self.assertIn('no vdc-guest', self.refused(409, lambda: self.client.post(
            'applications/page/instances/web/exec', {'argv': ['true']})))
        self.assertEqual([], self.grid.settled_findings())
        # An agent that was killed finds it ready.
        self.grid.kill_agent()
        self.grid.start_agent()
        self.grid.wait_server()
        self.client.wait_instance('page', 'web', lambda now: now['state'] == 'running', 'runs on')
        self.assertEqual(web['incarnation'], self.client.instance('page', 'web')['incarnation'])
        self.grid.done(self.client.act('page', 'stop'))
        self.assertNotIn('guest did not stop in time', self.grid.read('agent.log'))
        self.grid.done(self.client.act('page', 'start'))
        # A server keeps no image that nobody there has.
        self.remove_application('page')
        self.grid.kill_agent()
        self.grid.start_agent()
        self.grid.wait_server()
        self.client.wait('the image is gone', lambda: not os.listdir(self.grid.path('s1/images')), 20, 0.2)

    def test_one_that_does_not_listen_to_its_power_button_is_ended(self):
        self.catalog()
        self.grid.done(self.make(self.upload(disk(5 << 20))))
        self.assertEqual('done', self.started(settings=', set: {fake_fault: stubborn}')['state'])
        self.grid.done(self.client.act('page', 'stop'))
        self.assertIn('guest did not stop in time', self.grid.read('agent.log'))

    def test_one_whose_inputs_do_not_answer_is_not_ready(self):
        self.catalog()
        self.grid.done(self.make(self.upload(disk(5 << 20))))
        job = self.started(settings=', start_timeout: 2, restart: {limit: 0, window: 1h}, set: {fake_fault: hang}')
        self.assertEqual('failed', job['state'])
        self.assertIn('not ready within 2 s', job['error']['message'])

    def test_it_starts_when_what_it_is_wired_to_is_ready(self):
        self.catalog()
        text = (BROUGHT % '1.0.0').replace('  in: {side: input, protocol: http}\n',
                                           '  in: {side: input, protocol: http}\n  db: {side: output, protocol: mysql}\n')
        digest = self.upload(disk(5 << 20))
        self.grid.done(self.client.post('classes', {'catalog': 'mine', 'upload': digest, 'description': text}))
        description = USER % ('held', 'PAGE') + '  - web.db -> db.in\nvolumes:\n  data: {size: 8M}\n'
        description = description.replace('wires:', '  db:  {class: BASE, volumes: {data: data}, set: {fake_fault: slow}}\nwires:')
        self.client.post('applications', {'name': 'held', 'description': description})
        self.addCleanup(self.remove_if_there, 'held')
        before = self.grid.last_event()
        self.grid.done(self.client.act('held', 'start'))
        order = [(event['id'], event['state']) for event in self.grid.events(before) if event['kind'] == 'instance.state']
        self.assertLess(order.index(('db', 'running')), order.index(('web', 'running')))
        # Its VM itself was held back: no guest of ours in it would wait.
        log = [line for line in self.grid.read('agent.log').splitlines() if 'member moves' in line]
        moves = [re.search(r'member=(\S+) .*to=(\S+)', line).groups() for line in log if 'application=held ' in line]
        self.assertLess(moves.index(('db', 'running')), moves.index(('web', 'preparing')))


if __name__ == '__main__':
    unittest.main()
