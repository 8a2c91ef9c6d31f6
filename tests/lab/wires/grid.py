"""
One server's wires for the tests, as SPEC documents:

    lb.out ─┐                         (http, tcp 80)
    mon.out ┴→ web.in: web.1, web.2   web.1.db → db.in (mysql)   web.1.log → log.in (syslog, udp 514)
    web.1.net → net.in (gateway, any)  in.outside, net.outside     web.1.adm → adm.in (any)

and the same again as another application with the same addresses.
"""
import json
import os
import subprocess

TCP80 = [{'proto': 'tcp', 'from': 80, 'to': 80}]
TCP3306 = [{'proto': 'tcp', 'from': 3306, 'to': 3306}]
UDP514 = [{'proto': 'udp', 'from': 514, 'to': 514}]
RATE = 10000000000

# (member, terminal): address. MACs are derived: one per application and NIC.
ADDRESSES = {
    ('lb', 'out'): '100.64.0.4', ('mon', 'out'): '100.64.0.3',
    ('web.1', 'in'): '100.64.0.5', ('web.2', 'in'): '100.64.0.6',
    ('web.1', 'db'): '100.64.0.7', ('db', 'in'): '100.64.0.8',
    ('web.1', 'log'): '100.64.0.9', ('log', 'in'): '100.64.0.10',
    ('web.1', 'net'): '100.64.0.11', ('net', 'in'): '100.64.0.12',
    ('web.1', 'adm'): '100.64.0.13', ('adm', 'in'): '100.64.0.14',
    ('web.1', 'fs'): '100.64.0.15',
    ('in', 'outside'): '192.0.2.20', ('net', 'outside'): '192.0.2.21',
}
# (client, server, ports, any, gateway)
WIRES = [
    (('lb', 'out'), ('web.1', 'in'), TCP80, False, False), (('lb', 'out'), ('web.2', 'in'), TCP80, False, False),
    (('mon', 'out'), ('web.1', 'in'), TCP80, False, False), (('mon', 'out'), ('web.2', 'in'), TCP80, False, False),
    (('web.1', 'db'), ('db', 'in'), TCP3306, False, False), (('web.1', 'log'), ('log', 'in'), UDP514, False, False),
    (('web.1', 'net'), ('net', 'in'), [], True, True), (('web.1', 'adm'), ('adm', 'in'), [], True, False),
]
KEYS = list(ADDRESSES)


def group(member):
    return member.split('.')[0]


class Application:
    def __init__(self, name, ident, number):
        self.name, self.ident, self.number = name, ident, number
        self.wires = list(WIRES)

    def mac(self, nic):
        return '02:00:00:00:%02x:%02x' % (self.number, KEYS.index(nic))

    def rule(self, wire, here, there, role):
        client, server, ports, is_any, gateway = wire
        return {'wire': '%s.%s->%s.%s' % (group(client[0]), client[1], group(server[0]), server[1]), 'role': role,
                'local_address': ADDRESSES[here], 'peer_address': ADDRESSES[there], 'peer_mac': self.mac(there),
                'ports': ports, 'any': is_any, 'gateway': gateway}

    def nic(self, nic):
        member, terminal = nic
        if terminal == 'outside':
            return {'terminal': terminal, 'side': 'outside', 'mac': self.mac(nic), 'address': ADDRESSES[nic],
                    'prefix': 24, 'gateway': '192.0.2.1', 'network': 'outside'}
        ends = [self.rule(w, nic, w[1], 'client') for w in self.wires if w[0] == nic]
        side, segment = 'output', None
        for wire in self.wires:
            if wire[0] == nic:
                segment = '%s.%s' % (group(wire[1][0]), wire[1][1])
        if terminal == 'in':
            side, ends = 'input', [self.rule(w, nic, w[0], 'server') for w in self.wires if w[1] == nic]
            segment = '%s.in' % group(member) if ends else None
        return {'terminal': terminal, 'side': side, 'mac': self.mac(nic), 'address': ADDRESSES[nic], 'aliases': [],
                'segment': segment, 'rules': ends}

    def spec(self, member, rate=RATE):
        return {'application': self.name, 'application_id': self.ident, 'member': member,
                'resources': {'network_bps': rate}, 'nics': [self.nic(n) for n in KEYS if n[0] == member]}

    def members(self):
        return sorted({n[0] for n in KEYS})

    def without(self, client, server):
        self.wires = [w for w in self.wires if not (w[0] == client and w[1] == server)]


class Tool:
    """wire-tool in this namespace."""

    def __init__(self, program, folder, *options):
        self.program, self.folder, self.options = program, folder, list(options)

    def run(self, *args, env=None, ok=True):
        done = subprocess.run([self.program, *self.options, *args], capture_output=True, text=True,
                              env={**os.environ, **(env or {})})
        if ok and done.returncode != 0:
            raise RuntimeError('%s: %s' % (' '.join(args[:2]), done.stderr))
        return done

    def file(self, spec):
        path = os.path.join(self.folder, '%s-%s.json' % (spec['application'], spec['member']))
        with open(path, 'w') as out:
            json.dump(spec, out, indent=2)
        return path

    def ensure(self, *specs, env=None, ok=True):
        """{(member, terminal): tap}"""
        done = self.run('ensure', *[self.file(s) for s in specs], env=env, ok=ok)
        rows = [line.split() for line in done.stdout.splitlines()]
        return {(row[0], row[1]): row[2] for row in rows}

    def inventory(self):
        return json.loads(self.run('inventory').stdout)

    def counters(self, spec):
        return json.loads(self.run('counters', self.file(spec)).stdout)

    def check(self, spec):
        return self.run('check', self.file(spec)).stdout.splitlines()


def sh(*argv):
    subprocess.run(argv, check=True, capture_output=True, text=True)
