"""Each kind of damage has its code, and what can be repaired is repaired: by hand, to a grid that runs."""
import json
import os
import time
import unittest

import apigrid

LEFTOVER_AGE_S = 600
STRAY = '00000000deadbeef'


class Verify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client
        cls.client.post('applications', {'name': 'shop', 'from': 'catalog/shop'})
        cls.grid.done(cls.client.act('shop', 'start'))
        assert cls.grid.settled_findings() == []
        cls.data = cls.client.items('volumes')[0]['id']

    def host(self, *names):
        return self.grid.path('s1', *names)

    def found(self, code, thing):
        """verify says @code of @thing, and nothing else; with a remedy, and as the table says."""
        report = self.client.post('verify')
        self.assertEqual([code], [finding['code'] for finding in report['findings']], report)
        finding = report['findings'][0]
        row = {row['code']: row for row in self.client.items('verify/codes')}[code]
        self.assertIn(thing, (finding['object'] or '') + finding['message'])
        self.assertEqual((row['remedy'], row['repair'] is not None), (finding['remedy'], finding['repairable']))
        self.assertEqual((False, True), (report['clean'], report['complete']))

    def repaired(self, code):
        report = self.client.post('verify/repair')
        self.assertEqual([code], [finding['code'] for finding in report['repaired']], report)
        self.assertEqual(([], []), (report['not_repaired'], report['findings']))
        self.assertEqual([], self.grid.settled_findings())

    def not_repaired(self, code, undo):
        report = self.client.post('verify/repair')
        self.assertEqual(([], [code]), (report['repaired'], [finding['code'] for finding in report['findings']]), report)
        undo()
        self.assertEqual([], self.grid.settled_findings())

    def quarantine(self):
        return os.listdir(self.host('quarantine')) if os.path.isdir(self.host('quarantine')) else []

    def edit_record(self, change, into=None):
        """The agent's record of the volume, or a changed copy of it for another."""
        with open(self.host('volumes', self.data + '.json'), encoding='utf-8') as text:
            record = json.load(text)
        change(record)
        with open(self.host('volumes', (into or self.data) + '.json'), 'w', encoding='utf-8') as text:
            json.dump(record, text)

    def test_volume_orphan_goes_to_the_trash_with_its_content(self):
        with open(self.host('volumes', STRAY + '.raw'), 'wb') as raw:
            raw.write(b'precious')
            raw.truncate(1 << 20)
        self.edit_record(lambda record: record.update(writer=None, readers=[]), STRAY)
        self.found('volume_orphan', STRAY)
        self.repaired('volume_orphan')
        entry = self.client.items('trash')[0]
        self.assertEqual(('found', None, 1 << 20), (entry['why'], entry['expires'], entry['size_bytes']))
        with open(self.host('volumes', STRAY + '.raw'), 'rb') as raw:
            self.assertEqual(b'precious', raw.read(8))
        self.client.post(f'trash/{STRAY}/restore', {'as': 'found.data'})
        self.assertEqual('found.data', self.client.get(f'volumes/{STRAY}')['name'])
        self.client.delete('volumes/found.data')
        self.client.delete('trash')
        self.client.wait('it is erased', lambda: len(self.client.items('volumes')) == 1, 20)

    def test_volume_missing(self):
        raw, aside = self.host('volumes', self.data + '.raw'), self.host('aside')
        os.rename(raw, aside)
        self.found('volume_missing', 'shop.data')
        self.not_repaired('volume_missing', lambda: os.rename(aside, raw))

    def test_volume_size(self):
        raw = self.host('volumes', self.data + '.raw')
        os.truncate(raw, 1 << 20)
        self.found('volume_size', 'shop.data')
        self.not_repaired('volume_size', lambda: os.truncate(raw, 8 << 20))

    def test_volume_unrecorded(self):
        os.unlink(self.host('volumes', self.data + '.json'))
        self.found('volume_unrecorded', 'shop.data')
        self.repaired('volume_unrecorded')
        record = json.loads(self.grid.read(f's1/volumes/{self.data}.json'))
        self.assertEqual(('shop.data', 'shop', 8 << 20, True),
                         (record['name'], record['application'], record['size_bytes'], record['used']))
        self.edit_record(lambda record: record.update(writer='shop/db'))

    def test_volume_open(self):
        self.edit_record(lambda record: record.update(writer='shop/gone'))
        self.found('volume_open', 'shop.data')
        self.repaired('volume_open')
        self.edit_record(lambda record: record.update(writer='shop/db'))

    def test_volume_writers(self):
        self.edit_record(lambda record: record.update(readers=['shop/web.1']))
        self.found('volume_writers', 'shop.data')
        self.not_repaired('volume_writers', lambda: self.edit_record(lambda record: record.update(readers=[])))

    def test_disk_orphan_is_moved_not_deleted(self):
        os.mkdir(self.host('disks/ghost'))
        with open(self.host('disks/ghost/web.qcow2'), 'wb') as disk:
            disk.write(b'precious')
        self.found('disk_orphan', 'web')
        before = set(self.quarantine())
        self.repaired('disk_orphan')
        moved = (set(self.quarantine()) - before).pop()
        self.assertIn('disks_ghost_web.qcow2', moved)
        with open(self.host('quarantine', moved), 'rb') as disk:
            self.assertEqual(b'precious', disk.read())
        os.rmdir(self.host('disks/ghost'))

    def test_disk_missing(self):
        disk, aside = self.host('disks/shop/db.qcow2'), self.host('aside')
        os.rename(disk, aside)
        self.found('disk_missing', 'db')
        self.not_repaired('disk_missing', lambda: os.rename(aside, disk))

    def test_file_orphan(self):
        for name, kept in (('volumes/rubbish', False), ('volumes/fresh.new', True), ('consoles/shop/gone.log', False)):
            with self.subTest(name):
                with open(self.host(name), 'wb') as out:
                    out.write(b'precious')
                if kept:  # what is being made now is nobody's rubbish
                    self.assertEqual([], self.grid.settled_findings())
                    os.unlink(self.host(name))
                    continue
                old = time.time() - LEFTOVER_AGE_S - 1
                os.utime(self.host(name), (old, old))
                self.found('file_orphan', name)
                self.repaired('file_orphan')
                self.assertFalse(os.path.exists(self.host(name)))
                self.assertTrue([one for one in self.quarantine() if one.endswith(name.replace('/', '_'))])

    def test_trash_missing(self):
        self.client.post('volumes', {'name': 'shop.more', 'size': '8M'})
        self.client.post('applications', {'name': 'other', 'from': 'catalog/shop'})
        self.grid.done(self.client.act('other', 'start'))
        volume = self.client.get('volumes/other.data')['id']
        self.grid.done(self.client.delete('applications/other?force=1'))
        self.client.delete('volumes/shop.more')
        self.assertEqual([], self.grid.settled_findings())
        os.rename(self.host('volumes', volume + '.raw'), self.host('aside'))
        self.found('trash_missing', 'other')
        self.not_repaired('trash_missing', lambda: os.rename(self.host('aside'), self.host('volumes', volume + '.raw')))
        self.client.delete('trash')
        self.client.wait('they are erased', lambda: len(self.client.items('volumes')) == 1, 20)

    def test_spec_orphan(self):
        """A member that the store forgot: its agent has a record of it."""
        record = json.loads(self.grid.read('s1/instances/shop/web.1.json'))
        self.grid.kill_agent()
        spec = record['spec']
        spec.update(application='ghost', application_id='ffffffff', power='off')
        record.update(vm='stopped')
        self.grid.write('s1/instances/ghost/web.1.json', json.dumps(record))
        self.grid.start_agent()
        self.client.wait('it is found', lambda: [f for f in self.client.post('verify')['findings']
                                                 if f['code'] == 'spec_orphan'], 30)
        self.settled_members()
        self.found('spec_orphan', 'web.1')
        self.repaired('spec_orphan')

    def settled_members(self):
        """A fake VM does not outlive its agent: the grid starts them again."""
        self.client.wait('shop runs', lambda: self.client.application('shop')['state'] == 'running', 40)

    def test_silent_server_is_no_clean_one(self):
        self.grid.kill_agent()
        try:
            report = self.client.post('verify')
            self.assertEqual((False, False, ['s1']),
                             (report['clean'], report['complete'], [one['server'] for one in report['could_not_look']]))
        finally:
            self.grid.start_agent()
            self.grid.wait_server()
            self.client.wait('agreed again', lambda: self.client.post('verify')['clean'], 60)


if __name__ == '__main__':
    unittest.main()
