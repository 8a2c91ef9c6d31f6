#!/usr/bin/env python3
"""
Every forged frame, sent by a guest's root, captured on every other tap; the same capture first and afterwards sees an
allowed frame, so that it can fail. Runs in a network namespace of its own (root).

    run_frames.py WIRE_TOOL
"""
import os
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from frames import *  # noqa: E402,F403
from grid import ADDRESSES, Application, Tool, sh  # noqa: E402

LB, MON, WEB, WEB2 = ('lb', 'out'), ('mon', 'out'), ('web.1', 'in'), ('web.2', 'in')
WDB, DB, WLOG, LOG = ('web.1', 'db'), ('db', 'in'), ('web.1', 'log'), ('log', 'in')
WNET, NET, WADM, ADM = ('web.1', 'net'), ('net', 'in'), ('web.1', 'adm'), ('adm', 'in')
FS, IN, NETOUT = ('web.1', 'fs'), ('in', 'outside'), ('net', 'outside')
WORLD, WORLD_MAC = '198.51.100.7', '02:00:00:00:ff:01'


class Report:
    def __init__(self):
        self.count = self.failed = 0

    def row(self, good, name, note=''):
        self.count += 1
        self.failed += not good
        print('%s %d - %s%s' % ('ok' if good else 'not ok', self.count, name, ' # ' + note if note and not good else ''))


class Bed:
    def __init__(self, tool, apps):
        self.apps, self.guests, self.serial = apps, {}, 0
        self.report = Report()
        for app in apps:
            for nic, tap in tool.ensure(*[app.spec(m) for m in app.members()]).items():
                self.guests[(app.number, nic)] = Guest(tap)
        self.guests['wan'] = Wire('wan')
        self.drain()

    def drain(self):
        return {key: guest.receive() for key, guest in self.guests.items()}

    def mark(self):
        self.serial += 1
        return b'VDC-MARK-%08d' % self.serial

    def arrived(self, sender, frame, expect=()):
        """Who got @frame. Frames of another mark or none are the kernel's own noise on the wire."""
        self.drain()
        if not self.guests[sender].send(frame):
            return set()
        for key in expect:
            self.guests[key].wait(2)
        return {key for key, frames in self.drain().items()
                if any(frame[12:] in f or frame[14:] in f or frame[18:] in f for f in frames)}

    def probe(self, app=0):
        """The allowed frame of every capture: a SYN of lb to web.1."""
        a = self.apps[app]
        frame = ether(a.mac(LB), a.mac(WEB), 0x800,
                      ipv4(ADDRESSES[LB], ADDRESSES[WEB], 6, tcp(40000, 80, SYN, self.mark())))
        return self.arrived((app, LB), frame, [(app, WEB)]) == {(app, WEB)}

    def forged(self, name, sender, frame):
        before = self.probe()
        got = self.arrived(sender, frame)
        after = self.probe()
        self.report.row(before and after and not got, 'refused: ' + name,
                        'before %s, after %s, arrived at %s' % (before, after, got))

    def allowed(self, name, sender, frame, *receivers):
        got = self.arrived(sender, frame, receivers)
        self.report.row(got == set(receivers), 'passes: ' + name, 'arrived at %s' % got)


def pad(data, bed):
    return data + bed.mark()


def tcp4(bed, a, source, target, sport, dport, flags, **kw):
    """From NIC to NIC with true addresses unless said otherwise."""
    return ether(kw.get('source_mac', a.mac(source)), kw.get('target_mac', a.mac(target)), kw.get('kind', 0x800),
                 ipv4(kw.get('source_ip', ADDRESSES[source]), kw.get('target_ip', ADDRESSES[target]), 6,
                      tcp(sport, dport, flags, bed.mark()), kw.get('ip_flags', 0x4000), kw.get('options', b'')),
                 kw.get('tags', b''))


def udp4(bed, a, source, target, sport, dport, **kw):
    return ether(kw.get('source_mac', a.mac(source)), kw.get('target_mac', a.mac(target)), 0x800,
                 ipv4(kw.get('source_ip', ADDRESSES[source]), kw.get('target_ip', ADDRESSES[target]), 17,
                      udp(sport, dport, bed.mark())))


def icmp4(bed, a, source, target, kind, code, **kw):
    return ether(a.mac(source), a.mac(target), 0x800,
                 ipv4(kw.get('source_ip', ADDRESSES[source]), kw.get('target_ip', ADDRESSES[target]), 1,
                      icmp(kind, code, data=kw.get('data', b'') + bed.mark())))


def arp4(bed, a, source, target, operation=1, **kw):
    body = arp(operation, kw.get('sender_mac', a.mac(source)), kw.get('sender_ip', ADDRESSES[source]),
               kw.get('about_mac', '00:00:00:00:00:00'), kw.get('target_ip', ADDRESSES.get(target, '0.0.0.0')),
               kw.get('hardware', 1))
    return ether(kw.get('source_mac', a.mac(source)), kw.get('target_mac', BROADCAST), 0x806, pad(body, bed))


def quote(source, target, proto, sport, dport):
    return ipv4(source, target, proto, struct.pack('!HHI', sport, dport, 1))


def allowed_rows(bed, a):
    n = a.number
    to = lambda nic: (n, nic)  # noqa: E731
    bed.allowed('client SYN to the port', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN), to(WEB))
    bed.allowed('client to the other member of the tier', to(LB), tcp4(bed, a, LB, WEB2, 40000, 80, SYN), to(WEB2))
    bed.allowed('server SYN+ACK back', to(WEB), tcp4(bed, a, WEB, LB, 80, 40000, SYN | ACK), to(LB))
    bed.allowed('server data back', to(WEB), tcp4(bed, a, WEB, LB, 80, 40000, ACK), to(LB))
    bed.allowed('server RST back', to(WEB), tcp4(bed, a, WEB, LB, 80, 40000, RST), to(LB))
    bed.allowed('ARP request for a peer', to(LB), arp4(bed, a, LB, WEB), to(WEB))
    bed.allowed('ARP reply to a peer', to(WEB), arp4(bed, a, WEB, LB, 2, target_mac=a.mac(LB)), to(LB))
    bed.allowed('server ARP request reaches only the one asked', to(WEB), arp4(bed, a, WEB, MON), to(MON))
    bed.allowed('mysql', to(WDB), tcp4(bed, a, WDB, DB, 40000, 3306, SYN), to(DB))
    bed.allowed('syslog by UDP', to(WLOG), udp4(bed, a, WLOG, LOG, 40000, 514), to(LOG))
    bed.allowed('answer by UDP from the port', to(LOG), udp4(bed, a, LOG, WLOG, 514, 40000), to(WLOG))
    bed.allowed('any: TCP', to(WADM), tcp4(bed, a, WADM, ADM, 40000, 22, SYN), to(ADM))
    bed.allowed('any: TCP back', to(ADM), tcp4(bed, a, ADM, WADM, 22, 40000, SYN | ACK), to(WADM))
    bed.allowed('any: UDP', to(WADM), udp4(bed, a, WADM, ADM, 40000, 123), to(ADM))
    bed.allowed('any: echo request', to(WADM), icmp4(bed, a, WADM, ADM, 8, 0), to(ADM))
    bed.allowed('any: echo reply', to(ADM), icmp4(bed, a, ADM, WADM, 0, 0), to(WADM))
    bed.allowed('gateway: TCP to the world', to(WNET), tcp4(bed, a, WNET, NET, 40000, 443, SYN, target_ip=WORLD), to(NET))
    bed.allowed('gateway: UDP to the world', to(WNET), udp4(bed, a, WNET, NET, 40000, 123, target_ip=WORLD), to(NET))
    bed.allowed('gateway: ping the world', to(WNET), icmp4(bed, a, WNET, NET, 8, 0, target_ip=WORLD), to(NET))
    bed.allowed('gateway: the world answers', to(NET), tcp4(bed, a, NET, WNET, 443, 40000, SYN | ACK, source_ip=WORLD), to(WNET))
    bed.allowed('gateway: the world answers by UDP', to(NET), udp4(bed, a, NET, WNET, 123, 40000, source_ip=WORLD), to(WNET))
    bed.allowed('gateway: the world echoes', to(NET), icmp4(bed, a, NET, WNET, 0, 0, source_ip=WORLD), to(WNET))
    bed.allowed('gateway: DNS question', to(WNET), udp4(bed, a, WNET, NET, 40000, 53), to(NET))
    bed.allowed('gateway: DNS answer', to(NET), udp4(bed, a, NET, WNET, 53, 40000), to(WNET))
    bed.allowed('gateway: DNS by TCP', to(WNET), tcp4(bed, a, WNET, NET, 40000, 53, SYN), to(NET))
    bed.allowed('gateway: frag-needed from a router', to(NET),
                icmp4(bed, a, NET, WNET, 3, 4, source_ip='203.0.113.1',
                      data=quote(ADDRESSES[WNET], WORLD, 6, 40000, 443)), to(WNET))
    bed.allowed('ICMP unreachable quoting the wire, from the server', to(LOG),
                icmp4(bed, a, LOG, WLOG, 3, 3, data=quote(ADDRESSES[WLOG], ADDRESSES[LOG], 17, 40000, 514)), to(WLOG))
    bed.allowed('ICMP unreachable quoting the wire, from the client', to(WLOG),
                icmp4(bed, a, WLOG, LOG, 3, 3, data=quote(ADDRESSES[LOG], ADDRESSES[WLOG], 17, 514, 40000)), to(LOG))
    bed.allowed('outside: own address to the world', to(IN),
                tcp4(bed, a, IN, NETOUT, 40000, 443, SYN, target_ip=WORLD, target_mac=WORLD_MAC), 'wan')
    bed.allowed('outside: the world to the gateway', 'wan',
                tcp4(bed, a, IN, IN, 40000, 80, SYN, source_ip=WORLD, source_mac=WORLD_MAC), to(IN))


def forged_mac_and_address(bed, a):
    b = bed.apps[1 - a.number]
    n = a.number
    to = lambda nic: (n, nic)  # noqa: E731
    bed.forged('source MAC of another client', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, source_mac=a.mac(MON)))
    bed.forged('source MAC of the server', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, source_mac=a.mac(WEB)))
    bed.forged('source MAC of nobody', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, source_mac='02:de:ad:be:ef:00'))
    bed.forged('source MAC multicast', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, source_mac='03:00:00:00:00:01'))
    bed.forged('source MAC zero', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, source_mac='00:00:00:00:00:00'))
    bed.forged('source MAC of the same NIC in the other application', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, source_mac=b.mac(LB)))
    bed.forged('target MAC of the other application', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, target_mac=b.mac(WEB)))
    bed.forged('target MAC broadcast', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, target_mac=BROADCAST))
    bed.forged('target MAC multicast', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, target_mac='01:00:5e:00:00:01'))
    bed.forged('target MAC of the other member', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, target_mac=a.mac(WEB2)))
    bed.forged('source address of another client', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, source_ip=ADDRESSES[MON]))
    bed.forged('second address of its own making', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, source_ip='100.64.7.7'))
    bed.forged('source address of its peer', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, source_ip=ADDRESSES[WEB]))
    bed.forged('source address of another of its own NICs', to(WEB), tcp4(bed, a, WEB, LB, 80, 40000, ACK, source_ip=ADDRESSES[WDB]))
    bed.forged('source address zero', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, source_ip='0.0.0.0'))
    bed.forged('source address of the world, no gateway', to(WEB), tcp4(bed, a, WEB, LB, 80, 40000, ACK, source_ip=WORLD))
    bed.forged('target address without a wire', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, target_ip='100.64.0.99'))
    bed.forged('target address of the world, no gateway', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, target_ip=WORLD))
    bed.forged('target address broadcast', to(LB), udp4(bed, a, LB, WEB, 40000, 80, target_ip='255.255.255.255', target_mac=BROADCAST))
    bed.forged('target address multicast', to(LB), udp4(bed, a, LB, WEB, 40000, 5353, target_ip='224.0.0.251', target_mac='01:00:5e:00:00:fb'))


def forged_arp(bed, a):
    n = a.number
    to = lambda nic: (n, nic)  # noqa: E731
    bed.forged('ARP request, sender address of another', to(LB), arp4(bed, a, LB, WEB, sender_ip=ADDRESSES[MON]))
    bed.forged('ARP request, sender MAC of another', to(LB), arp4(bed, a, LB, WEB, sender_mac=a.mac(MON)))
    bed.forged('ARP request, frame MAC of another', to(LB), arp4(bed, a, LB, WEB, source_mac=a.mac(MON)))
    bed.forged('ARP reply claiming the server', to(LB), arp4(bed, a, LB, MON, 2, sender_ip=ADDRESSES[WEB], target_mac=a.mac(MON)))
    bed.forged('ARP reply claiming the server, broadcast', to(LB), arp4(bed, a, LB, MON, 2, sender_ip=ADDRESSES[WEB]))
    bed.forged('ARP reply, broadcast', to(LB), arp4(bed, a, LB, WEB, 2))
    bed.forged('gratuitous ARP', to(LB), arp4(bed, a, LB, WEB, target_ip=ADDRESSES[LB]))
    bed.forged('gratuitous ARP for the server', to(LB), arp4(bed, a, LB, WEB, sender_ip=ADDRESSES[WEB], target_ip=ADDRESSES[WEB]))
    bed.forged('ARP probe from 0.0.0.0', to(LB), arp4(bed, a, LB, WEB, sender_ip='0.0.0.0'))
    bed.forged('ARP for another client', to(LB), arp4(bed, a, LB, MON))
    bed.forged('ARP for the other member of its own tier', to(WEB), arp4(bed, a, WEB, WEB2))
    bed.forged('ARP for an address of the server itself', to(LB), arp4(bed, a, LB, WEB, target_ip='10.254.0.1'))
    bed.forged('ARP of another hardware', to(LB), arp4(bed, a, LB, WEB, hardware=6))
    bed.forged('RARP', to(LB), ether(a.mac(LB), BROADCAST, 0x8035, pad(arp(3, a.mac(LB), '0.0.0.0', a.mac(LB), '0.0.0.0'), bed)))
    bed.forged('ARP operation 8 (inverse)', to(LB), arp4(bed, a, LB, WEB, 8))


def forged_frames(bed, a):
    n = a.number
    to = lambda nic: (n, nic)  # noqa: E731
    tag = lambda *pairs: b''.join(struct.pack('!HH', kind, vid) for kind, vid in pairs)  # noqa: E731
    for name, tags in [('VLAN 10', tag((0x8100, 10))), ('VLAN 0 (priority)', tag((0x8100, 0))),
                       ('802.1ad', tag((0x88a8, 10))), ('Q-in-Q', tag((0x88a8, 10), (0x8100, 20))),
                       ('Q-in-Q of 802.1Q', tag((0x8100, 10), (0x8100, 20)))]:
        bed.forged(name + ' around an allowed packet', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, tags=tags))
    bed.forged('VLAN around ARP', to(LB), ether(a.mac(LB), BROADCAST, 0x806, pad(
        arp(1, a.mac(LB), ADDRESSES[LB], '00:00:00:00:00:00', ADDRESSES[WEB]), bed), tag((0x8100, 10))))
    ipv6 = lambda nxt, body: struct.pack('!IHBB', 0x60000000, len(body), nxt, 255) + bytes.fromhex(  # noqa: E731
        'fe80000000000000000000000000dead' + 'ff020000000000000000000000000001') + body
    all_nodes = '33:33:00:00:00:01'
    bed.forged('IPv6 UDP', to(LB), ether(a.mac(LB), a.mac(WEB), 0x86dd, ipv6(17, udp(1, 80, bed.mark()))))
    bed.forged('IPv6 router advertisement', to(LB), ether(a.mac(LB), all_nodes, 0x86dd, ipv6(58, pad(icmp(134, 0, data=bytes(8)), bed))))
    bed.forged('IPv6 neighbour advertisement', to(LB), ether(a.mac(LB), all_nodes, 0x86dd, ipv6(58, pad(icmp(136, 0, data=bytes(20)), bed))))
    bed.forged('6in4', to(WADM), ether(a.mac(WADM), a.mac(ADM), 0x800, ipv4(ADDRESSES[WADM], ADDRESSES[ADM], 41, ipv6(17, udp(1, 80, bed.mark())))))
    bed.forged('GRE', to(WADM), ether(a.mac(WADM), a.mac(ADM), 0x800, ipv4(ADDRESSES[WADM], ADDRESSES[ADM], 47, pad(bytes(8), bed))))
    bed.forged('IGMP', to(LB), ether(a.mac(LB), '01:00:5e:00:00:16', 0x800, ipv4(ADDRESSES[LB], '224.0.0.22', 2, pad(bytes(8), bed))))
    bed.forged('first fragment', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, ip_flags=0x2000))
    bed.forged('later fragment', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, ip_flags=0x0010))
    bed.forged('last fragment of a wire "any"', to(WADM), tcp4(bed, a, WADM, ADM, 40000, 80, SYN, ip_flags=0x0010))
    bed.forged('IP options (source route)', to(LB), tcp4(bed, a, LB, WEB, 40000, 80, SYN, options=b'\x83\x07\x04' + ip(ADDRESSES[WEB2]) + b'\x00'))
    bed.forged('STP', to(LB), mac('01:80:c2:00:00:00') + mac(a.mac(LB)) + struct.pack('!H', 38) + b'\x42\x42\x03' + pad(bytes(19), bed))
    bed.forged('LLDP', to(LB), ether(a.mac(LB), '01:80:c2:00:00:0e', 0x88cc, pad(bytes(20), bed)))
    bed.forged('LLC/SNAP with IPv4', to(LB), mac(a.mac(WEB)) + mac(a.mac(LB)) + struct.pack('!H', 60) + b'\xaa\xaa\x03\0\0\0\x08\0' +
               ipv4(ADDRESSES[LB], ADDRESSES[WEB], 6, tcp(40000, 80, SYN, bed.mark())))
    bed.forged('PPPoE', to(LB), ether(a.mac(LB), BROADCAST, 0x8863, pad(bytes(12), bed)))
    bed.forged('EtherType of nobody', to(LB), ether(a.mac(LB), a.mac(WEB), 0x9999, pad(bytes(40), bed)))
    bed.forged('IPv4 header cut short', to(LB), ether(a.mac(LB), a.mac(WEB), 0x800, ipv4(ADDRESSES[LB], ADDRESSES[WEB], 6, bed.mark())[:18] + bed.mark()))
    bed.forged('IPv4 length beyond the frame', to(LB), ether(a.mac(LB), a.mac(WEB), 0x800, b'\x45\0\x7f\xff' + ipv4(ADDRESSES[LB], ADDRESSES[WEB], 6, tcp(40000, 80, SYN, bed.mark()))[4:]))


def forged_directions(bed, a):
    n = a.number
    to = lambda nic: (n, nic)  # noqa: E731
    bed.forged('client to another port', to(LB), tcp4(bed, a, LB, WEB, 40000, 81, SYN))
    bed.forged('client to the port by UDP', to(LB), udp4(bed, a, LB, WEB, 40000, 80))
    bed.forged('client from the port to another port', to(LB), tcp4(bed, a, LB, WEB, 80, 8080, SYN))
    bed.forged('client to client', to(LB), tcp4(bed, a, LB, MON, 40000, 80, SYN))
    bed.forged('client to client as an answer', to(LB), tcp4(bed, a, LB, MON, 80, 40000, ACK))
    bed.forged('client to client of the other application', to(LB), tcp4(bed, bed.apps[1 - n], MON, MON, 40000, 80, SYN, source_mac=a.mac(LB), source_ip=ADDRESSES[LB]))
    bed.forged('server to server of a tier', to(WEB), tcp4(bed, a, WEB, WEB2, 40000, 80, SYN))
    bed.forged('server to server of a tier as an answer', to(WEB), tcp4(bed, a, WEB, WEB2, 80, 40000, ACK))
    bed.forged('server: bare SYN', to(WEB), tcp4(bed, a, WEB, LB, 80, 40000, SYN))
    bed.forged('server: SYN+FIN', to(WEB), tcp4(bed, a, WEB, LB, 80, 40000, SYN | FIN))
    bed.forged('server: SYN+RST', to(WEB), tcp4(bed, a, WEB, LB, 80, 40000, SYN | RST))
    bed.forged('server from another port', to(WEB), tcp4(bed, a, WEB, LB, 81, 40000, ACK))
    bed.forged('server to the client\'s own port 80', to(WEB), tcp4(bed, a, WEB, LB, 40000, 80, SYN))
    bed.forged('server by UDP from the port', to(WEB), udp4(bed, a, WEB, LB, 80, 40000))
    bed.forged('syslog server from another port', to(LOG), udp4(bed, a, LOG, WLOG, 40000, 514))
    bed.forged('ping on a wire of one protocol', to(LB), icmp4(bed, a, LB, WEB, 8, 0))
    bed.forged('any: bare SYN of the server', to(ADM), tcp4(bed, a, ADM, WADM, 22, 40000, SYN))
    bed.forged('any: echo request of the server', to(ADM), icmp4(bed, a, ADM, WADM, 8, 0))
    bed.forged('any: ICMP redirect', to(ADM), icmp4(bed, a, ADM, WADM, 5, 1, data=quote(ADDRESSES[WADM], ADDRESSES[ADM], 6, 40000, 80)))
    bed.forged('any: ICMP router advertisement', to(ADM), icmp4(bed, a, ADM, WADM, 9, 0))
    bed.forged('any: DHCP offer', to(ADM), udp4(bed, a, ADM, WADM, 67, 68))
    bed.forged('any: DHCP request', to(WADM), udp4(bed, a, WADM, ADM, 68, 67))
    bed.forged('DHCP discover', to(LB), udp4(bed, a, LB, WEB, 68, 67, source_ip='0.0.0.0', target_ip='255.255.255.255', target_mac=BROADCAST))
    bed.forged('unreachable quoting another flow', to(LOG), icmp4(bed, a, LOG, WLOG, 3, 3, data=quote(ADDRESSES[WLOG], ADDRESSES[DB], 17, 40000, 514)))
    bed.forged('unreachable quoting another client', to(WEB), icmp4(bed, a, WEB, LB, 3, 1, data=quote(ADDRESSES[MON], ADDRESSES[WEB2], 6, 40000, 80)))
    bed.forged('unreachable quoting another port', to(LOG), icmp4(bed, a, LOG, WLOG, 3, 3, data=quote(ADDRESSES[WLOG], ADDRESSES[LOG], 17, 40000, 515)))
    bed.forged('unreachable quoting another protocol', to(LOG), icmp4(bed, a, LOG, WLOG, 3, 3, data=quote(ADDRESSES[WLOG], ADDRESSES[LOG], 6, 40000, 514)))
    bed.forged('unreachable quoting nothing', to(LOG), icmp4(bed, a, LOG, WLOG, 3, 3))
    bed.forged('unwired NIC', to(FS), tcp4(bed, a, FS, DB, 40000, 3306, SYN))
    bed.forged('unwired NIC, ARP', to(FS), arp4(bed, a, FS, DB))


def forged_gateways(bed, a):
    n = a.number
    to = lambda nic: (n, nic)  # noqa: E731
    bed.forged('gateway: SSH to the gateway itself', to(WNET), tcp4(bed, a, WNET, NET, 40000, 22, SYN))
    bed.forged('gateway: to inner addresses behind it', to(WNET), tcp4(bed, a, WNET, NET, 40000, 80, SYN, target_ip=ADDRESSES[WEB2]))
    bed.forged('gateway: to loopback behind it', to(WNET), tcp4(bed, a, WNET, NET, 40000, 80, SYN, target_ip='127.0.0.1'))
    bed.forged('gateway: to the world by a wrong MAC', to(WNET), tcp4(bed, a, WNET, NET, 40000, 443, SYN, target_ip=WORLD, target_mac=a.mac(WEB)))
    bed.forged('gateway: to the world from a second address', to(WNET), tcp4(bed, a, WNET, NET, 40000, 443, SYN, target_ip=WORLD, source_ip='100.64.9.9'))
    bed.forged('gateway: to the world from a world address', to(WNET), tcp4(bed, a, WNET, NET, 40000, 443, SYN, target_ip=WORLD, source_ip='203.0.113.9'))
    bed.forged('gateway: multicast', to(WNET), udp4(bed, a, WNET, NET, 40000, 5353, target_ip='224.0.0.251'))
    bed.forged('gateway: bare SYN of the world', to(NET), tcp4(bed, a, NET, WNET, 443, 40000, SYN, source_ip=WORLD))
    bed.forged('gateway: bare SYN of the gateway', to(NET), tcp4(bed, a, NET, WNET, 53, 40000, SYN))
    bed.forged('gateway: answers as an inner address', to(NET), tcp4(bed, a, NET, WNET, 80, 40000, ACK, source_ip=ADDRESSES[WEB2]))
    bed.forged('gateway: world source to another address', to(NET), tcp4(bed, a, NET, WNET, 443, 40000, ACK, source_ip=WORLD, target_ip=ADDRESSES[LB]))
    bed.forged('gateway: world ping', to(NET), icmp4(bed, a, NET, WNET, 8, 0, source_ip=WORLD))
    bed.forged('gateway: frag-needed quoting another client', to(NET), icmp4(bed, a, NET, WNET, 3, 4, source_ip=WORLD, data=quote(ADDRESSES[LB], WORLD, 6, 40000, 443)))
    bed.forged('gateway: DHCP offer', to(NET), udp4(bed, a, NET, WNET, 67, 68))
    out = dict(target_ip=WORLD, target_mac=WORLD_MAC)
    bed.forged('outside: second address', to(IN), tcp4(bed, a, IN, NETOUT, 40000, 443, SYN, source_ip='192.0.2.99', **out))
    bed.forged('outside: address of the other gateway', to(IN), tcp4(bed, a, IN, NETOUT, 40000, 443, SYN, source_ip=ADDRESSES[NETOUT], **out))
    bed.forged('outside: inner address leaks', to(NETOUT), tcp4(bed, a, NETOUT, IN, 40000, 443, SYN, source_ip=ADDRESSES[WNET], **out))
    bed.forged('outside: forged MAC', to(IN), tcp4(bed, a, IN, NETOUT, 40000, 443, SYN, source_mac='02:de:ad:00:00:01', **out))
    bed.forged('outside: ARP for another address', to(IN), arp4(bed, a, IN, NETOUT, sender_ip='192.0.2.1'))
    bed.forged('outside: ARP reply as the router', to(IN), arp4(bed, a, IN, NETOUT, 2, sender_ip='192.0.2.1'))
    bed.forged('outside: DHCP offer', to(IN), udp4(bed, a, IN, NETOUT, 67, 68, **out))
    bed.forged('outside: IPv6 RA', to(IN), ether(a.mac(IN), '33:33:00:00:00:01', 0x86dd, pad(bytes(60), bed)))
    bed.forged('outside: VLAN', to(IN), tcp4(bed, a, IN, NETOUT, 40000, 443, SYN, tags=struct.pack('!HH', 0x8100, 10), **out))


def main():
    if os.geteuid() != 0 or not os.path.exists('/dev/net/tun'):
        print('1..0 # SKIP needs root and /dev/net/tun')
        return 0
    with tempfile.TemporaryDirectory() as folder:
        sh('ip', 'link', 'set', 'lo', 'up')
        sh('ip', 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'wan')
        sh('ip', 'link', 'set', 'wan', 'up')
        sh('ip', 'link', 'add', 'bb', 'type', 'veth', 'peer', 'name', 'bbp')
        sh('ip', 'addr', 'add', '10.254.0.1/24', 'dev', 'bb')
        apps = [Application('lamp', 'a1b2c3d4', 0), Application('copy', 'b2c3d4e5', 1)]
        bed = Bed(Tool(sys.argv[1], folder, '--backbone', 'bb', '--outside', 'eth1'), apps)
        bed.report.row(bed.probe(0) and bed.probe(1), 'the capture sees an allowed frame')
        for app in apps:
            allowed_rows(bed, app)
        for rows in (forged_mac_and_address, forged_arp, forged_frames, forged_directions, forged_gateways):
            rows(bed, apps[0])
        print('1..%d' % bed.report.count)
        return 1 if bed.report.failed else 0


if __name__ == '__main__':
    sys.exit(main())
