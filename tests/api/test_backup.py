"""Backups of the controller, and a bare machine restored from one beside running VMs."""
import os
import shutil
import stat
import subprocess
import unittest

import apigrid
import vdc


class Restored(unittest.TestCase):
    def setUp(self):
        self.grid = apigrid.Grid()
        self.grid.options = ['--learn-min', '1']
        self.grid.start()
        self.addCleanup(self.grid.end)
        self.client = self.grid.client

    def started(self, name):
        self.client.post('applications', {'name': name, 'from': 'catalog/shop'})
        self.grid.done(self.client.act(name, 'start'))

    def backup(self):
        made = self.client.post('backups')
        self.assertEqual(0o600, stat.S_IMODE(os.stat(made['path']).st_mode))
        self.assertEqual([made['name']], [item['name'] for item in self.client.items('backups')])
        kept = self.grid.path('kept.vdcbackup')
        shutil.copy2(made['path'], kept)
        return kept

    def lives(self, *names):
        """Which life every VM is in, and its root disk."""
        return {(name, item['name']): (item['incarnation'], item['server'])
                for name in names for item in self.client.items(f'applications/{name}/instances')}

    def restore(self, file):
        """The machine is lost: another one has nothing but the backup."""
        self.grid.kill_vdcd()
        shutil.rmtree(self.grid.path('ctl'))
        done = self.run_restore(file)
        self.assertEqual(0, done.returncode, done.stderr)
        self.grid.start_vdcd()
        self.grid.wait_api()

    def run_restore(self, file):
        return subprocess.run([apigrid.BUILD + '/vdc/controller/vdcd', 'restore', '--from', file, '--state',
                               self.grid.path('ctl')], capture_output=True, text=True, timeout=60, check=False)

    def wait_learned(self):
        return self.client.wait('everything is learned',
                                lambda: self.client.get('restore')['learning'] is None, 60)

    def agent_log(self):
        return self.grid.read('agent.log')

    def test_everything_is_relearned_and_nothing_restarted(self):
        for name in ('shop', 'gone', 'still'):
            self.started(name)
        kept = self.backup()
        self.grid.done(self.client.act('shop', 'scale', instances={'web': 3}))
        self.grid.done(self.client.act('shop', 'config', set={'title': 'changed after'}))
        self.started('late')
        self.grid.done(self.client.act('still', 'stop'))
        self.grid.job(self.client.delete('applications/gone?force=1'))
        volumes = {item['id']: item['name'] for item in self.client.items('volumes')}
        before = self.lives('shop', 'late')
        head = self.client.post('audit/verify')['last']
        began = len(self.agent_log())

        self.restore(kept)
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.act('shop', 'stop')
        self.assertEqual((503, 'busy'), (caught.exception.status, caught.exception.code))
        self.assertEqual(os.path.basename(kept), self.client.get('restore')['learning']['backup'])
        self.wait_learned()

        self.assertEqual(before, self.lives('shop', 'late'))
        self.client.wait('both run', lambda: all(self.client.application(name)['state'] == 'running'
                                                 for name in ('shop', 'late')), 60)
        self.assertEqual('stopped', self.client.application('still')['state'])
        self.assertEqual(5, self.client.application('shop')['instances'])
        lost = self.client.application('gone')
        self.assertEqual(('failed', 'not_found'), (lost['state'], lost['error']['code']))
        known = {item['id']: item['name'] for item in self.client.items('volumes')}
        self.assertEqual(volumes, {key: known.get(key) for key in volumes})
        self.grid.settled_findings()
        self.assertEqual(before, self.lives('shop', 'late'))
        self.assertNotIn('member moves', self.agent_log()[began:])
        report = self.client.post('audit/verify')
        self.assertTrue(report['clean'], report)
        self.assertLess(report['last'], head + 5)
        self.assertEqual(['restoreStore'], [e['action'] for e in self.client.items('audit?action=restoreStore')])
        # It is a whole controller again: what was learned can be changed.
        self.grid.done(self.client.act('shop', 'scale', instances={'web': 2}))
        self.grid.done(self.client.act('late', 'stop'))
        self.grid.done(self.client.act('still', 'start'))

    def test_restored_twice_from_the_same_backup(self):
        self.started('shop')
        kept = self.backup()
        for web in (3, 1):
            self.grid.done(self.client.act('shop', 'scale', instances={'web': web}))
            before = self.lives('shop')
            self.restore(kept)
            self.wait_learned()
            self.assertEqual(before, self.lives('shop'))

    def test_killed_while_learning_begins_again(self):
        self.started('shop')
        kept = self.backup()
        self.started('late')
        before = self.lives('shop', 'late')
        self.restore(kept)
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.assertIsNotNone(self.client.get('restore')['learning'])
        self.wait_learned()
        self.assertEqual(before, self.lives('shop', 'late'))

    def test_server_that_does_not_answer_is_waited_for_or_left_out(self):
        self.started('shop')
        kept = self.backup()
        self.grid.kill_agent()
        self.restore(kept)
        learning = self.client.get('restore')['learning']
        self.assertEqual(['s1'], learning['waiting'])
        self.client.post('restore')
        self.wait_learned()
        self.assertEqual(4, self.client.application('shop')['instances'])
        self.grid.start_agent()
        self.grid.wait_server()

    def test_restore_refuses_what_is_no_backup(self):
        kept = self.backup()
        self.grid.kill_vdcd()
        done = self.run_restore(kept)  # the folder is not empty
        self.assertEqual((4, True), (done.returncode, 'not empty' in done.stderr), done.stderr)
        shutil.rmtree(self.grid.path('ctl'))
        with open(kept, 'rb') as file:
            whole = file.read()
        for name, damaged in (('cut', whole[:-100]), ('flipped', whole[:-5000] + bytes([whole[-5000] ^ 1]) + whole[-4999:]),
                              ('longer', whole + b'x'), ('other', b'hello'), ('empty', b'')):
            with open(self.grid.path(name), 'wb') as file:
                file.write(damaged)
            done = self.run_restore(self.grid.path(name))
            self.assertEqual((2, False), (done.returncode, os.path.exists(self.grid.path('ctl'))), (name, done.stderr))
            self.assertEqual([], [entry for entry in os.listdir(self.grid.folder) if 'restoring' in entry])
        self.assertEqual(0, self.run_restore(kept).returncode)
        self.grid.start_vdcd()
        self.grid.wait_api()


class Kept(unittest.TestCase):
    def test_seven_are_kept_and_a_folder_is_for_root_only(self):
        grid = apigrid.Grid(agent=False).start()
        self.addCleanup(grid.end)
        names = [grid.client.post('backups')['name'] for _ in range(9)]
        self.assertEqual(names[:1:-1], [item['name'] for item in grid.client.items('backups')])
        os.mkdir(grid.path('elsewhere'))
        made = grid.client.post('backups', {'to': grid.path('elsewhere')})
        self.assertEqual(grid.path('elsewhere', made['name']), made['path'])
        with self.assertRaises(vdc.ApiError) as caught:
            grid.client.post('backups', {'to': 'relative'})
        self.assertEqual(422, caught.exception.status)
        self.assertEqual(7, len(grid.client.items('backups')))
        self.assertEqual(10, len([e for e in grid.client.items('audit?action=createBackup') if e['result'] == 'passed']))
