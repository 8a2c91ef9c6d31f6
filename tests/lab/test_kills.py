"""Daemons killed while the lamp serves; and `vdc verify`, which names what was damaged by hand."""
import json
import os
import shutil
import signal
import subprocess

import labfixture
import lamp
import vdc

# A name as ours for an interface, of nobody.
TAP, BRIDGE, CHAIN = 'vtaaaaaaaaaaaaa', 'vbaaaaaaaaaaaaa', 'vtbbbbbbbbbbbbb'
GHOST = 'vdc-0000dead-ghost'

# A VM that libvirt has and we never asked for; by the library, for a server need not have virsh.
LIBVIRT = """
import ctypes, sys
library = ctypes.CDLL('libvirt.so.0')
for name in ('virConnectOpen', 'virDomainCreateXML', 'virDomainLookupByName'):
    getattr(library, name).restype = ctypes.c_void_p
connection = ctypes.c_void_p(library.virConnectOpen(b'qemu:///system'))
name = sys.argv[2]
xml = f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory><os><type machine='q35'>hvm</type></os></domain>"
if sys.argv[1] == 'create':
    sys.exit(not library.virDomainCreateXML(connection, xml.encode(), 1))
sys.exit(library.virDomainDestroy(ctypes.c_void_p(library.virDomainLookupByName(connection, name.encode()))))
"""


class GridTest(lamp.LampTest):
    def verify(self):
        """(exit code, report)."""
        done = self.lab.run('verify', '--json')
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            return done.returncode, {'findings': [], 'stderr': done.stderr.decode(errors='replace')}

    def wait_agreed(self, what, timeout_s=60):
        """Everything is back: all members run, their guests speak, and the records are what is there."""
        seen = []

        def look():
            application = self.client.application('lamp')
            members = self.client.items('applications/lamp/instances')
            seen[:] = [application['state'], {i['name']: (i['state'], i['restarts']) for i in members}, self.verify()]
            return (application['state'] == 'running' and all(i['state'] == 'running' for i in members)
                    and all((i['guest'] or {}).get('connected') for i in members) and seen[2][0] == 0)
        try:
            self.client.wait(what, look, timeout_s, silence_s=0.5)
        except vdc.TooLate:
            self.fail(f'{what}: {seen}\n{self.lab.tail_of_logs()}')


class Kills(GridTest):
    def incarnations(self):
        return {i['name']: (i['incarnation'], i['restarts']) for i in self.client.items('applications/lamp/instances')}

    def test_no_request_is_lost(self):
        """main-H9: kill -9 of vdcd, vdc-agent and libvirtd, one after the other, under ten connections."""
        before = self.incarnations()
        machines = sorted(self.lab.processes('qemu-system-x86_64'))
        with lamp.Load(self.url) as load:
            for program in ('vdcd', 'vdc-agent', 'libvirtd'):
                enough = load.count_of(30)
                self.client.wait(f'answers before {program} dies', lambda n=enough: load.answers >= n, 60, silence_s=0.2)
                old = self.lab.processes(program)
                os.kill(old[0], signal.SIGKILL)
                self.client.wait(f'{program} is back', lambda p=program, o=old: set(self.lab.processes(p)) - set(o), 30,
                                 silence_s=0.2)
                self.wait_agreed(f'all agree after {program} was killed')
                self.assertEqual(load.bad, [], f'of {load.answers} answers, after {program} was killed')
            enough = load.count_of(30)
            self.client.wait('answers after all', lambda: load.answers >= enough, 60, silence_s=0.2)
        self.assertEqual(load.bad, [], f'of {load.answers} answers')
        # The same VMs all the time, and nobody thought otherwise.
        self.assertEqual(self.incarnations(), before)
        self.assertEqual(sorted(self.lab.processes('qemu-system-x86_64')), machines)


class Damage(GridTest):
    """Each kind: damaged by hand, named by verify as that and nothing else, undone, and clean again."""

    def setUp(self):
        super().setUp()
        self.wait_agreed('all agree before')
        self.app_id = self.client.application('lamp')['id']

    def inside(self, *argv):
        return self.lab.inside('s1', list(argv))

    def host(self, *names):
        return os.path.join(self.lab.folder, 's1/agent', *names)

    def log_tap(self):
        """A tap of web.1 that nothing is wired to: damaging it harms no visitor."""
        for line in self.inside('ip', '-o', 'link').splitlines():
            if f'alias vdc:{self.app_id}/web.1/log/' in line:
                return line.split(': ')[1]
        return self.fail('web.1.log has no tap')

    def volume(self, name):
        return next(v['id'] for v in self.client.items('volumes') if v['name'] == name)

    def assert_named(self, code, thing):
        """verify exits 1, and among what it says is @code of @thing. Codes found."""
        exit_code, report = self.verify()
        self.assertEqual(exit_code, 1, f'{code} of {thing}: {report}')
        findings = report['findings']
        self.assertTrue([f for f in findings if f['code'] == code and thing in (f['object'] or '') + f['message']],
                        f'no {code} of {thing} in {findings}')
        for finding in findings:
            self.assertEqual(finding['server'], 's1')
            self.assertTrue(finding['remedy'] and finding['message'])
        return {finding['code'] for finding in findings}

    def check(self, code, thing, damage, undo, also=()):
        with self.subTest(code):
            damage()
            try:
                found = self.assert_named(code, thing)
                self.assertEqual(found - set(also), {code})
            finally:
                undo()
            self.wait_agreed(f'clean again after {code}')

    def repair(self):
        """What verify found is repaired by it, nothing is left to say."""
        report = self.lab.json('verify', '--repair')
        self.assertTrue(report['repaired'])
        self.assertEqual(([], []), (report['not_repaired'], report['findings']))

    def restart_agent(self):
        old = self.lab.processes('vdc-agent')
        os.kill(old[0], signal.SIGKILL)
        self.client.wait('vdc-agent is back', lambda: set(self.lab.processes('vdc-agent')) - set(old), 30, silence_s=0.2)

    def test_links_and_rules(self):
        """main-H9"""
        nft = ('nft', 'delete', 'chain', 'bridge', 'vdc')
        self.check('tap_orphan', TAP, lambda: self.inside('ip', 'tuntap', 'add', TAP, 'mode', 'tap'),
                   self.repair)
        self.check('bridge_orphan', BRIDGE, lambda: self.inside('ip', 'link', 'add', BRIDGE, 'type', 'bridge'),
                   self.repair)
        self.check('chain_orphan', CHAIN, lambda: self.inside('nft', 'add', 'chain', 'bridge', 'vdc', CHAIN),
                   self.repair)
        tap = self.log_tap()
        self.check('tap_missing', 'web.1', lambda: self.inside('ip', 'link', 'set', tap, 'name', 'away'),
                   lambda: self.inside('ip', 'link', 'set', 'away', 'name', tap), also=['chain_orphan'])
        # As verify advises: a new agent lays the rules anew.
        self.check('wire_differs', 'web.1', lambda: self.inside('nft', 'insert', 'rule', 'bridge', 'vdc', tap, 'accept'),
                   self.restart_agent)

        # The agent's own digest and number of rules stay: the content tells.
        def swap_rule():
            lines = self.inside('nft', '-a', 'list', 'chain', 'bridge', 'vdc', tap).splitlines()
            handles = [line.rsplit('# handle ', 1)[1] for line in lines if '# handle ' in line]
            self.inside('nft', 'replace', 'rule', 'bridge', 'vdc', tap, 'handle', handles[-2], 'accept')
        self.check('wire_differs', 'web.1', swap_rule, self.repair)
        self.check('wire_differs', 'all taps pass',
                   lambda: self.inside('nft', 'insert', 'rule', 'bridge', 'vdc', 'from_taps', 'accept'), self.repair)

        def lose_rules():
            self.inside('nft', 'delete', 'element', 'bridge', 'vdc', 'taps', f'{{ "{tap}" }}')
            self.inside(*nft, tap)
        self.check('chain_missing', 'web.1', lose_rules, self.restart_agent)

    def test_vms_and_groups(self):
        """main-H9"""
        def libvirt(verb):
            enter = ['nsenter', '-t', str(self.lab.machine_pid('s1')), '-m', '-n', '-u', '-p', '-i', '--']
            subprocess.run(enter + ['python3', '-c', LIBVIRT, verb, GHOST], check=True, cwd='/')
        self.check('domain_orphan', GHOST, lambda: libvirt('create'), lambda: libvirt('destroy'))

        strays = []

        def stray_qemu():
            enter = ['nsenter', '-t', str(self.lab.machine_pid('s1')), '-m', '-n', '-p', '--']
            before = set(self.lab.processes('qemu-system-x86_64'))
            strays.append(subprocess.Popen(enter + ['qemu-system-x86_64', '-machine', 'none', '-nodefaults', '-display',
                                                    'none', '-S', '-name', GHOST], stderr=subprocess.DEVNULL))
            new = self.client.wait('the stray runs', lambda: set(self.lab.processes('qemu-system-x86_64')) - before, 20,
                                   silence_s=0.1)
            strays.append(new.pop())

        def end_stray():
            if len(strays) == 2:
                os.kill(strays[1], signal.SIGKILL)
            strays[0].wait(10)
        self.check('qemu_orphan', 'QEMU process', stray_qemu, end_stray)

        group = self.inside('find', '/run/vdc/cgroup', '-type', 'd', '-name', f'vdc-{self.app_id}-web.1').split()
        groups = [os.path.join(os.path.dirname(path), GHOST) for path in group]
        self.assertTrue(groups)
        self.check('cgroup_orphan', GHOST, lambda: self.inside('mkdir', *groups), self.repair)

    def test_disks_and_volumes(self):
        """main-H9"""
        data, content = self.volume('lamp.data'), self.volume('lamp.content')
        raw, aside = self.host('volumes', data + '.raw'), self.host('aside')
        stray = '00000000deadbeef'

        def shrink():
            os.rename(raw, aside)  # the database goes on with the file it has open
            with open(raw, 'wb') as shorter:
                shorter.truncate(1 << 20)

        def stray_volume():
            record = self.host('volumes', stray)
            shutil.copy(self.host('volumes', content + '.json'), record + '.json')
            with open(record + '.raw', 'wb') as empty:
                empty.truncate(1 << 20)

        def unstray_volume():
            os.unlink(self.host('volumes', stray + '.json'))
            os.unlink(self.host('volumes', stray + '.raw'))

        def edit_record(change):
            path = self.host('volumes', data + '.json')
            with open(path, encoding='utf-8') as text:
                record = json.load(text)
            change(record)
            with open(path + '.test', 'w', encoding='utf-8') as text:
                json.dump(record, text)
            os.rename(path + '.test', path)

        self.check('volume_missing', 'lamp.data', lambda: os.rename(raw, aside), lambda: os.rename(aside, raw))
        self.check('volume_size', 'lamp.data', shrink, lambda: os.rename(aside, raw))
        self.check('volume_orphan', stray, stray_volume, unstray_volume)
        self.check('volume_writers', 'lamp.data', lambda: edit_record(lambda r: r['readers'].append('lamp/web.1')),
                   lambda: edit_record(lambda r: r['readers'].clear()))

        disk = self.host('disks/lamp/web.1.qcow2')
        ghost = self.host('disks/ghost')
        self.check('disk_missing', 'web.1', lambda: os.rename(disk, aside), lambda: os.rename(aside, disk))

        def stray_disk():
            os.mkdir(ghost)
            with open(ghost + '/web.qcow2', 'wb'):
                pass
        self.check('disk_orphan', 'ghost/web', stray_disk, lambda: shutil.rmtree(ghost))

    def test_what_cannot_be_looked_at_is_not_called_clean(self):
        """main-H9: exit 6 while a server does not answer, and without a controller."""
        agent = self.lab.processes('vdc-agent')[0]
        os.kill(agent, signal.SIGSTOP)
        try:
            exit_code, report = self.verify()
        finally:
            os.kill(agent, signal.SIGCONT)
        self.assertEqual(exit_code, 6, report)
        self.assertEqual([blind['server'] for blind in report['could_not_look']], ['s1'])
        self.assertFalse(report['clean'])
        self.wait_agreed('all agree after the pause')
        nowhere = dict(self.lab.env, VDC_URL='https://127.0.0.1:1', VDC_TOKEN='x')
        done = subprocess.run([labfixture.VDC, 'verify'], env=nowhere, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False)
        self.assertEqual(done.returncode, 6, done.stderr)
