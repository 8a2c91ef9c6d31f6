#!/usr/bin/env python3
"""
The life of wires: removed and added while guests run, killed half-way through, damaged by hand, limited, removed.
Runs in a network namespace of its own (root). The kill rows need a test build.

    run_life.py WIRE_TOOL
"""
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from frames import *  # noqa: E402,F403
from grid import ADDRESSES, Application, Tool, sh  # noqa: E402

LB, WEB, WDB, DB = ('lb', 'out'), ('web.1', 'in'), ('web.1', 'db'), ('db', 'in')
POINTS = ['start.19.tap_made', 'start.20.taps_made', 'start.21.rules_laid', 'start.18.bridge_made', 'start.22.tap_up']
REMOVE_POINTS = ['stop.11.taps_gone', 'stop.12.rules_gone']
# The last but one rule of a tap's chain makes way for one that lets everything pass.
SWAP = ("handle=$(nft -a list chain bridge vdc %(tap)s | sed -n 's/.* # handle \\([0-9]*\\)$/\\1/p' | tail -2 | head -1); "
        "nft replace rule bridge vdc %(tap)s handle $handle accept")
rows = [0, 0]


def row(good, name, note=''):
    rows[0] += 1
    rows[1] += not good
    print('%s %d - %s%s' % ('ok' if good else 'not ok', rows[0], name, '' if good else ' # %s' % (note,)), flush=True)


def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True).stdout


def traces():
    """Names of ours anywhere in the kernel."""
    links = [l['ifname'] for l in json.loads(output('ip', '-j', 'link')) if l['ifname'].startswith(('vt', 'vb'))]
    rules = [line for line in output('nft', 'list', 'ruleset').splitlines() if ('vt' in line and '"vt*"' not in line) or 'elements' in line]
    return links + rules


def passes(app, guests, source, target, port, data=b'hello'):
    frame = ether(app.mac(source), app.mac(target), 0x800,
                  ipv4(ADDRESSES[source], ADDRESSES[target], 6, tcp(40000, port, SYN, data)))
    guests[target].receive()
    return guests[source].send(frame) and guests[target].wait(0.2) and frame in guests[target].receive()


def everything(tool, app, members=None):
    return tool.ensure(*[app.spec(m) for m in members or app.members()])


def remove_all(tool, *apps):
    for app in apps:
        for member in app.members():
            tool.run('remove', app.ident, member)


def live_change(tool):
    app = Application('lamp', 'a1b2c3d4', 0)
    guests = {nic: Guest(tap) for nic, tap in everything(tool, app).items()}
    row(passes(app, guests, WDB, DB, 3306), 'wire carries')
    tool.run('counters', tool.file(app.spec('lb')))
    passes(app, guests, LB, WEB, 80)
    before = tool.counters(app.spec('lb'))['wires']['lb.out->web.in']
    app.without(WDB, DB)
    # One end is enough: each end's rules are its own.
    tool.ensure(app.spec('web.1'))
    row(not passes(app, guests, WDB, DB, 3306), 'wire removed at the client: nothing passes')
    row(passes(app, guests, LB, WEB, 80), 'the other wires of the member carry on')
    tool.ensure(app.spec('db'))
    bridges = [b.get('segment') for b in tool.inventory()['bridges']]
    row('db.in' not in bridges, 'a segment without ends has no bridge', bridges)
    app.wires = Application('lamp', 'a1b2c3d4', 0).wires
    tool.ensure(app.spec('db'), app.spec('web.1'))
    row(passes(app, guests, WDB, DB, 3306), 'wire added again: it carries, the guest kept its NIC')
    passes(app, guests, LB, WEB, 80)
    tool.ensure(app.spec('lb'))
    after = tool.counters(app.spec('lb'))['wires']['lb.out->web.in']
    row(after['packets'] == before['packets'] + 2 or after['packets'] > before['packets'] > 0,
        'counters go on over changes', (before, after))
    row(not any(tool.check(app.spec(m)) for m in app.members()), 'check finds nothing to complain about')
    return app, guests


def window(tool, app, guests):
    """A sender that never stops, while the member's rules are replaced 20 times: nothing forged gets through."""
    forged = ether(app.mac(LB), app.mac(WEB), 0x800,
                   ipv4('100.64.7.7', ADDRESSES[WEB], 6, tcp(40000, 80, SYN, b'forged')))
    good = ether(app.mac(LB), app.mac(WEB), 0x800, ipv4(ADDRESSES[LB], ADDRESSES[WEB], 6, tcp(40000, 80, SYN, b'good')))
    guests[WEB].receive()
    path, arrived, lost, sent = tool.file(app.spec('lb')), 0, 0, 0
    process = subprocess.Popen([tool.program, *tool.options, 'ensure'] + [path] * 20, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    while process.poll() is None:
        guests[LB].send(forged)
        guests[LB].send(good)
        sent += 1
        frames = guests[WEB].receive()
        arrived += forged in frames
        lost += good not in frames
    row(arrived == 0 and sent > 20, 'rules replaced under a sender: of %d forged frames %d arrive' % (sent, arrived))
    row(lost == 0, 'and of as many allowed ones %d are lost' % lost)


def damage(tool, app):
    taps = everything(tool, app)
    spec, tap = app.spec('web.1'), taps[WEB]
    harm = [
        ('tap deleted', ['ip', 'link', 'del', tap]),
        ('chain flushed', ['nft', 'flush', 'chain', 'bridge', 'vdc', tap]),
        ('rule added', ['nft', 'insert', 'rule', 'bridge', 'vdc', tap, 'accept']),
        ('rule replaced by another, digest and number kept', ['sh', '-c', SWAP % {'tap': tap}]),
        ('rule changed in the ARP chain', ['nft', 'flush', 'chain', 'bridge', 'vdc', tap + '_arp']),
        ('ARP map entry deleted', ['nft', 'delete', 'element', 'bridge', 'vdc', 'arp_taps', '{ %s }' % tap]),
        ('cut from the server no more', ['nft', 'delete', 'element', 'bridge', 'vdc', 'cut_ports', '{ "%s" }' % tap]),
        ('map entry deleted', ['nft', 'delete', 'element', 'bridge', 'vdc', 'taps', '{ %s }' % tap]),
        ('whole table deleted', ['nft', 'delete', 'table', 'bridge', 'vdc']),
        ('tap off its bridge', ['ip', 'link', 'set', tap, 'nomaster']),
        ('tap down', ['ip', 'link', 'set', tap, 'down']),
        ('alias forged', ['ip', 'link', 'set', tap, 'alias', 'vdc:x']),
    ]
    for name, argv in harm:
        sh(*argv)
        found = tool.check(spec)
        everything(tool, app, ['web.1'])
        row(bool(found) and not tool.check(spec), 'check says and ensure mends: %s' % name, (found, tool.check(spec)))
    everything(tool, app)


def kills(tool, app):
    if b'start.19.tap_made' not in open(tool.program, 'rb').read():
        print('# no failpoints in this build: kill rows left out')
        return
    for point in POINTS:
        remove_all(tool, app)
        died = tool.run('ensure', tool.file(app.spec('web.1')), env={'VDC_FAILPOINT': point}, ok=False)
        left = tool.inventory()
        up = [l['ifname'] for l in json.loads(output('ip', '-j', 'link')) if l['ifname'].startswith('vt') and
              'UP' in l['flags'] and l['ifname'] not in [c['name'] for c in left['chains']]]
        everything(tool, app, ['web.1'])
        whole = not tool.check(app.spec('web.1'))
        row(died.returncode == -9 and left['taps'] and not up and whole,
            'killed at %s: found again, no tap up without rules, ensure completes' % point, (died, left, up))
        tool.run('remove', app.ident, 'web.1')
        tool.run('ensure', tool.file(app.spec('web.1')), env={'VDC_FAILPOINT': point}, ok=False)
        tool.run('remove', app.ident, 'web.1')
        row(not traces(), 'killed at %s: remove leaves nothing' % point, traces())
        tool.run('ensure', tool.file(app.spec('web.1')), env={'VDC_FAILPOINT': point}, ok=False)
        left = tool.inventory()
        for kind in ('taps', 'chains', 'bridges'):
            for entry in left[kind]:
                tool.run('remove-name', entry['name'])
        row(not traces(), 'killed at %s: every name of the inventory can be removed' % point, traces())
    for point in REMOVE_POINTS:
        everything(tool, app, ['web.1', 'db'])
        died = tool.run('remove', app.ident, 'web.1', env={'VDC_FAILPOINT': point}, ok=False)
        tool.run('remove', app.ident, 'web.1')
        tool.run('remove', app.ident, 'db')
        row(died.returncode == -9 and not traces(), 'killed at %s: remove again leaves nothing' % point, traces())


def pump(source, target, frame, seconds):
    """Bits per second that arrive when @source sends without a pause."""
    end, got = time.monotonic() + seconds, 0
    target.receive()
    while time.monotonic() < end:
        for _ in range(8):
            source.send(frame)
        got += sum(len(f) for f in target.receive())
    return got * 8 / seconds


def rates(tool):
    app = Application('slow', 'c3d4e5f6', 2)
    limit, free = 20000000, 0
    body = bytes(1300)
    up = ether(app.mac(LB), app.mac(WEB), 0x800, ipv4(ADDRESSES[LB], ADDRESSES[WEB], 6, tcp(40000, 80, ACK, body)))
    down = ether(app.mac(WEB), app.mac(LB), 0x800, ipv4(ADDRESSES[WEB], ADDRESSES[LB], 6, tcp(80, 40000, ACK, body)))
    taps = tool.ensure(app.spec('lb', free), app.spec('web.1', free))
    lb, web = Guest(taps[LB]), Guest(taps[WEB])
    unlimited = pump(lb, web, up, 1)
    tool.ensure(app.spec('lb', limit))
    pump(lb, web, up, 0.5)  # the burst
    sent = pump(lb, web, up, 2)
    pump(web, lb, down, 0.5)
    received = pump(web, lb, down, 2)
    row(unlimited > 2 * limit, 'without a limit: %.0f Mbit/s' % (unlimited / 1e6))
    row(0.75 < sent / limit < 1.25, 'limit of 20 Mbit/s, sending: %.1f Mbit/s' % (sent / 1e6))
    row(0.75 < received / limit < 1.25, 'limit of 20 Mbit/s, receiving: %.1f Mbit/s' % (received / 1e6))
    tool.ensure(app.spec('lb', free))
    lifted = pump(lb, web, up, 1)
    row(lifted > 2 * limit, 'limit lifted: %.0f Mbit/s' % (lifted / 1e6))
    lb.close(), web.close()
    remove_all(tool, app)


def host_is_cut(tool, app, guests):
    """The server's own addresses answer no guest, whichever terminal it asks from."""
    answers = []
    for nic, guest in guests.items():
        guest.receive()
        for target in ('10.254.0.1', '192.0.2.77'):
            guest.send(ether(app.mac(nic), BROADCAST, 0x806, arp(1, app.mac(nic), ADDRESSES[nic], '00:00:00:00:00:00', target)))
        answers += [nic for f in guest.receive() if f[12:14] == b'\x08\x06' and f[21] == 2]
    row(not answers, 'the server answers no ARP of any guest', answers)


def main():
    if os.geteuid() != 0 or not os.path.exists('/dev/net/tun'):
        print('1..0 # SKIP needs root and /dev/net/tun')
        return 0
    with tempfile.TemporaryDirectory() as folder:
        sh('ip', 'link', 'set', 'lo', 'up')
        sh('ip', 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'wan')
        # It stands for the world here; being in this namespace, it would answer as the server.
        sh('ip', 'link', 'set', 'wan', 'up', 'arp', 'off')
        sh('ip', 'link', 'add', 'bb', 'type', 'veth', 'peer', 'name', 'bbp')
        sh('ip', 'addr', 'add', '10.254.0.1/24', 'dev', 'bb')
        sh('ip', 'addr', 'add', '192.0.2.77/24', 'dev', 'lo')
        sh('ip', 'link', 'set', 'bb', 'up')
        tool = Tool(sys.argv[1], folder, '--backbone', 'bb', '--outside', 'eth1')
        row(tool.run('mtu').stdout.strip() == '1450', 'inner MTU is the backbone\'s less 50')
        app, guests = live_change(tool)
        host_is_cut(tool, app, guests)
        window(tool, app, guests)
        for guest in guests.values():
            guest.close()
        owners = {(e.get('application'), e.get('member'), e.get('terminal')) for e in tool.inventory()['taps']}
        row(owners == {('lamp', m, t) for m, t in ADDRESSES}, 'inventory names every owner', owners)
        damage(tool, app)
        remove_all(tool, app)
        row(not traces(), 'everything removed: nothing is left', traces())
        master = json.loads(output('ip', '-j', 'link', 'show', 'eth1'))[0].get('master')
        row(master is None, 'the outside interface is free again', master)
        kills(tool, app)
        remove_all(tool, app)
        rates(tool)
        sh('ip', 'addr', 'add', '192.0.2.5/24', 'dev', 'eth1')
        refused = tool.run('ensure', tool.file(app.spec('in')), ok=False)
        row(refused.returncode == 1 and 'carries an address' in refused.stderr, 'an outside interface with an address is refused', refused.stderr)
        remove_all(tool, app)
        row(not traces(), 'nothing is left at the end', traces())
    print('1..%d' % rows[0])
    return 1 if rows[1] else 0


if __name__ == '__main__':
    sys.exit(main())
