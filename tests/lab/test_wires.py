"""Wires of the running lamp: names, ports, forged frames, a wire taken away and given back, two applications."""
import os
import re
import socket
import subprocess
import sys
import threading

import guestbook
import labfixture
import lamp
import vdc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'wires'))
import frames  # noqa: E402

NOWHERE = '0.255.255.255'
PORTS = (22, 53, 80, 111, 443, 514, 2049, 3306, 8080, 20048)
WIRED = {'in': {('lb', 'in', 80)}, 'lb': {('web.1', 'in', 80), ('web.2', 'in', 80)},
         'web.1': {('db', 'in', 3306), ('nas', 'nfs', 2049)}, 'web.2': {('db', 'in', 3306), ('nas', 'nfs', 2049)},
         'db': set(), 'nas': set()}

# Listens on every tap at once, inside the server's namespaces; a frame that went out to a guest is a line.
CAPTURE = r'''
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
print("listening", flush=True)
while True:
    data, where = s.recvfrom(65536)
    at = data.find(b"VDC-")
    if where[0].startswith("vt") and where[2] == socket.PACKET_OUTGOING and at >= 0:
        print(where[0], data[at:at + 40].split(b";")[0].decode(errors="replace"), flush=True)
'''


class Capture:
    """Marks seen on their way to guests: {mark: {tap}}."""

    def __init__(self, lab):
        enter = ['nsenter', '-t', str(lab.machine_pid('s1')), '-m', '-n', '--']
        self.process = subprocess.Popen(enter + ['/usr/bin/python3', '-c', CAPTURE], stdout=subprocess.PIPE, text=True, cwd='/')
        self.process.stdout.readline()
        self.seen, self.changed = {}, threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            tap, _, mark = line.strip().partition(' ')
            with self.changed:
                self.seen.setdefault(mark, set()).add(tap)
                self.changed.notify_all()

    def wait(self, mark, seconds=20):
        with self.changed:
            return self.changed.wait_for(lambda: mark in self.seen, seconds)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()


class Wires(lamp.LampTest):
    def resolve(self, target, name):
        code, text = self.execute(target, 'getent', 'ahostsv4', name)
        return sorted({line.split()[0] for line in text.splitlines()}) if code == 0 else []

    def test_names_are_terminals(self):
        """main-H2: what resolves inside web.1."""
        self.assertEqual(self.resolve('lamp:web.1', 'db'), [self.nic('db', 'in')['address']])
        self.assertEqual(self.resolve('lamp:web.1', 'fs'), [self.nic('nas', 'nfs')['address']])
        self.assertEqual(self.resolve('lamp:web.1', 'in'), [self.nic('web.1', 'in')['address']])
        self.assertEqual(self.resolve('lamp:web.1', 'log'), [NOWHERE])
        for name in ('web', 'lb', 'nas', 'web.1', 'example.org'):
            self.assertEqual(self.resolve('lamp:web.1', name), [], name)
        self.assertEqual(self.resolve('lamp:lb', 'out'), sorted(self.nic(f'web.{n}', 'in')['address'] for n in (1, 2)))
        self.assertEqual(self.resolve('lamp:lb', 'out.2'), [self.nic('web.2', 'in')['address']])

    def test_only_wired_ports_answer(self):
        """main-H2: from every appliance, every address of every other one, every port that anything listens on."""
        nics = [(member, nic) for member in WIRED for nic in self.client.instance('lamp', member)['nics']]
        for client, wired in WIRED.items():
            self.put_tool(f'lamp:{client}')
            targets = [f'{nic["address"]}:{port}' for member, nic in nics if member != client for port in PORTS]
            code, text = self.execute(f'lamp:{client}', '/tmp/guest-tool', 'ports', '4000', *targets)
            self.assertEqual(code, 0, text)
            expected = {f'{self.nic(member, terminal)["address"]}:{port}' for member, terminal, port in wired}
            self.assertEqual(set(text.split()), expected, f'reachable from {client}')

    def forged(self, own, peer, stranger):
        """Frames of web.1's root: name → frame. @own: its db NIC, @peer: the database's, @stranger: another member's."""
        def tcp(mark, source_mac=own['mac'], source=own['address'], target_mac=peer['mac'], target=peer['address'],
                port=3306, tags=b'', **ip):
            segment = frames.tcp(40000, port, frames.SYN, f'VDC-{mark};'.encode())
            return frames.ether(source_mac, target_mac, 0x0800, frames.ipv4(source, target, 6, segment, **ip), tags)

        def arp(mark, operation, sender_mac, sender, target_mac=frames.BROADCAST, target=peer['address'], source_mac=own['mac']):
            return frames.ether(source_mac, target_mac, 0x0806,
                                frames.arp(operation, sender_mac, sender, '00:00:00:00:00:00', target)) + f'VDC-{mark};'.encode()
        other = '02:de:ad:be:ef:01'
        dhcp = frames.udp(67, 68, b'VDC-dhcp-answer;' + bytes(240))
        return {
            'mac': tcp('mac', source_mac=other),
            'mac-of-stranger': tcp('mac-of-stranger', source_mac=stranger['mac']),
            'ip': tcp('ip', source='100.64.9.9'),
            'ip-of-stranger': tcp('ip-of-stranger', source=stranger['address']),
            'ip-of-peer': tcp('ip-of-peer', source=peer['address']),
            'wrong-port': tcp('wrong-port', port=22),
            'to-stranger': tcp('to-stranger', target_mac=stranger['mac'], target=stranger['address']),
            'to-stranger-port-80': tcp('to-stranger-port-80', target_mac=stranger['mac'], target=stranger['address'], port=80),
            'flooded': tcp('flooded', target_mac='02:00:00:00:00:77'),
            'broadcast': tcp('broadcast', target_mac=frames.BROADCAST),
            'vlan': tcp('vlan', tags=b'\x81\x00\x00\x05'),
            'q-in-q': tcp('q-in-q', tags=b'\x88\xa8\x00\x05\x81\x00\x00\x05'),
            'fragment': tcp('fragment', flags=0x2000),
            'arp-mac': arp('arp-mac', 1, other, own['address']),
            'arp-ip': arp('arp-ip', 1, own['mac'], '100.64.9.9'),
            'arp-claims-peer': arp('arp-claims-peer', 2, own['mac'], peer['address']),
            'arp-claims-stranger': arp('arp-claims-stranger', 2, own['mac'], stranger['address'], target=stranger['address']),
            'arp-source-mac': arp('arp-source-mac', 1, own['mac'], own['address'], source_mac=other),
            'arp-for-stranger': arp('arp-for-stranger', 1, own['mac'], own['address'], target=stranger['address']),
            'ipv6': frames.ether(own['mac'], '33:33:00:00:00:01', 0x86dd, b'\x60\0\0\0\0\x20\x3a\xff' + bytes(32) + b'VDC-ipv6;'),
            'dhcp-answer': frames.ether(own['mac'], frames.BROADCAST, 0x0800,
                                        frames.ipv4(own['address'], '255.255.255.255', 17, dhcp)),
            'other-protocol': frames.ether(own['mac'], frames.BROADCAST, 0x88b5, b'VDC-other-protocol;' + bytes(40)),
        }, tcp

    def test_forged_frames_reach_nobody(self):
        """main-H3: sent by root inside a guest, watched on every other guest's tap."""
        self.put_tool('lamp:web.1')
        own, peer = self.nic('web.1', 'db'), self.nic('db', 'in')
        capture = Capture(self.lab)
        self.addCleanup(capture.close)

        def send(*batch):
            lines = '\n'.join(frame.hex() for frame in batch) + '\n'
            code, text = self.execute('lamp:web.1', '/tmp/guest-tool', 'send', own['mac'], stdin=lines.encode())
            self.assertEqual(code, 0, text)

        sent = set()
        for stranger in (self.nic('web.2', 'db'), self.nic('lb', 'out'), self.nic('nas', 'nfs')):
            forged, tcp = self.forged(own, peer, stranger)
            before = tcp(f'allowed-before-{stranger["address"]}')
            after = tcp(f'allowed-after-{stranger["address"]}')
            # Frames of one NIC keep their order: when the last allowed one has come, the forged ones would have.
            send(before, *forged.values(), after)
            self.assertTrue(capture.wait(f'VDC-allowed-before-{stranger["address"]}'), 'the capture sees an allowed frame')
            self.assertTrue(capture.wait(f'VDC-allowed-after-{stranger["address"]}'), 'the capture sees an allowed frame')
            sent |= set(forged)
        self.assertGreaterEqual(len(sent), 20)
        leaked = {mark: taps for mark, taps in capture.seen.items() if not mark.startswith('VDC-allowed')}
        self.assertEqual(leaked, {})

    def apply_wires(self, right):
        """The description with other wires, applied without a restart of anything."""
        description = self.client.get('applications/lamp/description?format=json')
        description = description.get('description', description)
        description['wires'] = right
        before = {i['name']: (i['since'], i['restarts']) for i in self.client.items('applications/lamp/instances')}
        self.client.post('applications/lamp/apply', {'description': description, 'confirm': True})
        self.client.wait_application('lamp', 'running')
        return before

    def test_wire_removed_and_added_live(self):
        """main-H4: traffic, name and dependency go with the wire and come with it, nothing is restarted."""
        self.put_tool('lamp:web.1')
        database = self.nic('db', 'in')['address']

        def reaches():
            _, text = self.execute('lamp:web.1', '/tmp/guest-tool', 'ports', '2000', f'{database}:3306')
            return bool(text.strip())

        def configured(wired):
            def look():
                return self.resolve('lamp:web.1', 'db') == [database if wired else NOWHERE]
            return self.client.wait(f'web.1 sees db {"wired" if wired else "unwired"}', look, 60)
        self.assertTrue(reaches())
        uptime = self.execute('lamp:web.1', 'cat', '/proc/sys/kernel/random/boot_id')
        wires = ['in.out -> lb.in', 'lb.out -> web.in', 'web.db -> db.in', 'web.fs -> nas.nfs']
        self.apply_wires([wire for wire in wires if not wire.startswith('web.db')])
        try:
            configured(False)
            self.assertFalse(reaches())
            self.assertEqual(self.depends_on('web.1'), ['nas'])
        finally:
            self.apply_wires(wires)
        configured(True)
        self.assertTrue(reaches())
        self.assertEqual(self.depends_on('web.1'), ['db', 'nas'])
        self.assertEqual(self.execute('lamp:web.1', 'cat', '/proc/sys/kernel/random/boot_id'), uptime, 'not restarted')
        self.page(self.url + 'api/entries')

    def depends_on(self, member):
        """The instances that it waits for at a start: those at the other ends of its outputs."""
        nics = self.client.instance('lamp', member)['nics']
        wired = [nic['wired_to'] for nic in nics if nic['side'] == 'output' and nic.get('wired_to')]
        return sorted({re.split(r'[.:]', end if isinstance(end, str) else end[0])[0] for end in wired})


class TwoApplications(lamp.LampTest):
    def test_two_lamps_with_the_same_addresses(self):
        """main-H6: side by side, each with its own pages and rows, and no frame from one to the other."""
        self.addCleanup(self.client.remove, 'lamp-two')
        two = lamp.start(self.lab, 'lamp-two')
        for member, terminal in (('db', 'in'), ('web.1', 'in'), ('nas', 'nfs'), ('lb', 'in')):
            here, there = self.nic(member, terminal), self.nic(member, terminal, 'lamp-two')
            self.assertEqual(here['address'], there['address'])
            self.assertNotEqual(here['mac'], there['mac'])
        one_row = guestbook.write(self.url, 'written in the first', name='one')
        two_row = guestbook.write(two['urls'][0], 'written in the second', name='two')
        self.assertEqual(lamp.rows(self.url)[one_row]['name'], 'one')
        self.assertEqual({row['name'] for row in lamp.rows(two['urls'][0]).values()}, {'two'}, two_row)
        self.assertNotIn('two', {row['name'] for row in lamp.rows(self.url).values()})

        capture = Capture(self.lab)
        self.addCleanup(capture.close)
        self.put_tool('lamp:web.1')
        own, peer, other = self.nic('web.1', 'db'), self.nic('db', 'in'), self.nic('db', 'in', 'lamp-two')

        def tcp(mark, target):
            segment = frames.tcp(40001, 3306, frames.SYN, f'VDC-{mark};'.encode())
            return frames.ether(own['mac'], target, 0x0800, frames.ipv4(own['address'], peer['address'], 6, segment))
        batch = [tcp('first', peer['mac']), tcp('to-two', other['mac']), tcp('to-all', frames.BROADCAST),
                 tcp('last', peer['mac'])]
        lines = '\n'.join(frame.hex() for frame in batch) + '\n'
        code, text = self.execute('lamp:web.1', '/tmp/guest-tool', 'send', own['mac'], stdin=lines.encode())
        self.assertEqual(code, 0, text)
        self.assertTrue(capture.wait('VDC-first') and capture.wait('VDC-last'))
        self.assertEqual(len(capture.seen['VDC-first']), 1)
        self.assertNotIn('VDC-to-two', capture.seen)
        self.assertNotIn('VDC-to-all', capture.seen)
