"""The controller at size: 250 to 2,000 applications of ten instances, running on fake servers. See tests/bench/run.

Everything is real but the VMs: vdcd with its store on disk, HTTPS, agents with their reports. Requests are made one after
the other over connections that stay open, from a process of their own, while everything runs.
"""
import http.client
import json
import multiprocessing
import os
import ssl
import threading
import time

os.environ.setdefault('VDC_TEST_BUILD', os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + '/build/release')
import apigrid  # noqa: E402
import vdc  # noqa: E402

SIZES = (250, 500, 1000, 2000)
SERVERS = 4
INSTANCES = 10
LISTENERS = 100
SAMPLES = 200
CHANGES_S = 5
CLIENTS = 8
START_LIMIT_S = 1500

# Published by others, on other hardware; see reference "demands" section 3 for the places.
OPENNEBULA = 'OpenNebula 6.10, 20,000 VMs, 10 requests/s, published'
CLOUDSTACK = 'CloudStack, 25,000 VMs, published'
PUBLISHED = {'list_page_p50_2000': (OPENNEBULA + ' vmpool.info', 780.0), 'application_p50_2000': (OPENNEBULA + ' vm.info', 10.0),
             'list_all_p50_2000': (CLOUDSTACK + ' listVirtualMachines', 11800.0)}

DESCRIPTION = """application: {name}
properties: {{title: welcome}}
instances:
  in:  {{class: GATE}}
  web: {{class: FRONT, count: 8, set: {{title: $title}}}}
  db:  {{class: BASE, volumes: {{data: data}}}}
wires: [in.out -> web.in, web.db -> db.in]
volumes: {{data: {{size: 1M}}}}
"""



def rows(sizes=SIZES):
    """name → (group, unit, baseline, goal)."""
    table = {'plan_1000_p50': 'ms', 'plan_1000_p99': 'ms'}
    for size in sizes:
        for name in ('list_page', 'list_all', 'application', 'change', 'fanout'):
            for part in ('p50', 'p99'):
                table[f'{name}_{part}_{size}'] = 'ms'
        table.update({f'changes_per_second_{size}': '1/s', f'rss_per_1000_instances_{size}': 'MB', f'cold_start_{size}': 's',
                      f'start_all_{size}': 's'})
    for name in ('list_page', 'application', 'change'):
        table[f'{name}_growth'] = 'x'
    return {name: (name.rsplit('_', 1)[-1], unit, PUBLISHED.get(name, (None,))[0], None) for name, unit in table.items()}


class Grid(apigrid.Grid):
    """Several fake servers, and no metrics over time: 20,000 files of them are not what is measured."""

    def __init__(self):
        super().__init__(agent=False)
        self.agents = []
        self.server_ports = [apigrid.free_port() for _ in range(SERVERS)]

    def start_vdcd(self, env=None):
        self.vdcd = self.spawn('vdcd', [
            apigrid.BUILD + '/vdc/controller/vdcd', '--state', self.path('ctl'), '--listen', f'127.0.0.1:{self.ports["api"]}',
            '--agent-listen', f'127.0.0.1:{self.ports["reports"]}', '--catalog', self.path('classes'), '--images',
            self.path('images.json'), '--no-metrics-history', '--outside',
            '10.0.0.0/8,gateway=10.0.0.1,addresses=10.0.1.0-10.0.255.0'], env)

    def start_servers(self):
        for number, port in enumerate(self.server_ports):
            name = f's{number + 1}'
            answer = self.client.post('servers', {'name': name, 'address': '127.0.0.1', 'port': port})
            for part, file in (('ca', 'ca.crt'), ('certificate', 'agent.crt'), ('key', 'agent.key')):
                self.write(f'{name}/pki/{file}', answer[part])
            self.agents.append(self.spawn(name, [
                apigrid.BUILD + '/vdc/agent/vdc-agent', '--state', self.path(name), '--server', name, '--listen',
                f'127.0.0.1:{port}', '--controller', f'https://127.0.0.1:{self.ports["reports"]}', '--images',
                self.path('images'), '--hypervisor', 'fake'], {'VDC_FAKE_MEMORY_BYTES': str(1 << 42)}))
        self.client.wait('servers', lambda: all(item['state'] == 'up' for item in self.client.items('servers')), 60)

    def end(self):
        for agent in self.agents:
            agent.terminate()
        for agent in self.agents:
            agent.wait()
        super().end()

    def rss_mb(self):
        with open(f'/proc/{self.vdcd.pid}/status', encoding='utf-8') as status:
            return next(int(line.split()[1]) for line in status if line.startswith('VmRSS:')) / 1024


class Caller:
    """One connection that stays open."""

    def __init__(self, grid):
        tls = ssl.create_default_context(cafile=grid.path('ctl/pki/ca.crt'))
        self.connection = http.client.HTTPSConnection('127.0.0.1', grid.ports['api'], timeout=60, context=tls)
        self.headers = {'Authorization': f'Bearer {grid.client.token}', 'Content-Type': 'application/json'}

    def call(self, method, path, body=None):
        began = time.perf_counter()
        self.connection.request(method, '/api/v1/' + path, json.dumps(body) if body is not None else None, self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (path, answer.status, text[:300])
        return (time.perf_counter() - began) * 1000


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def both(results, name, size, values):
    results[f'{name}_p50_{size}'] = [percentile(values, 0.5)]
    results[f'{name}_p99_{size}'] = [percentile(values, 0.99)]


def name_of(index):
    return f'shop-{index}'


def grow(grid, have, size):
    """Create and start what is missing; the seconds until all run."""
    caller = Caller(grid)
    began = time.monotonic()
    for index in range(have, size):
        caller.call('POST', 'applications', {'name': name_of(index), 'format': 'yaml',
                                             'description': DESCRIPTION.format(name=name_of(index))})
        caller.call('POST', f'applications/{name_of(index)}/actions', {'action': 'start'})
    while True:
        states = [item['state'] for item in grid.client.items('applications?fields=name,state&limit=10000')]
        if states.count('running') >= size:
            return time.monotonic() - began
        if time.monotonic() - began > START_LIMIT_S:
            raise RuntimeError(f'{states.count("running")} of {size} applications run after {START_LIMIT_S} s')
        time.sleep(1)


def changes(grid, size, seconds, results):
    """Durable changes a second, CLIENTS at a time, each of another application."""
    def work(number):
        caller, taken = Caller(grid), []
        end = time.monotonic() + seconds
        turn = 0
        while time.monotonic() < end:
            turn += 1
            name = name_of((number + turn * CLIENTS) % size)
            taken.append(caller.call('POST', f'applications/{name}/actions',
                                     {'action': 'config', 'set': {'title': f't{number}-{turn}'}}))
        results.put(taken)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def settle(grid):
    """Until no job runs: the changes before must not be measured with the next."""
    grid.client.wait('jobs have ended', lambda: not grid.client.items('jobs?state=running&fields=id'), 600, silence_s=1)


class Listener(threading.Thread):
    def __init__(self, grid, seen, wanted):
        super().__init__(daemon=True)
        self.grid, self.seen, self.wanted, self.ready = grid, seen, wanted, threading.Event()

    def run(self):
        client = self.grid.client
        connection = client.connection(120)
        connection.request('GET', '/api/v1/events?follow=1&kind=volume.*', headers=client.headers({'Accept': 'text/event-stream'}))
        answer = connection.getresponse()
        self.ready.set()
        for line in answer:
            if line.startswith(b'data:') and b'"volume.created"' in line:
                self.seen.append((json.loads(line[5:])['id'], time.perf_counter()))
                if len(self.seen) >= self.wanted:
                    return


def fanout(grid, results, turns=30):
    """From the request to the last of the listeners."""
    lists = [[] for _ in range(LISTENERS)]
    listeners = [Listener(grid, seen, turns) for seen in lists]
    for listener in listeners:
        listener.start()
    for listener in listeners:
        listener.ready.wait()
    caller, sent = Caller(grid), {}
    for turn in range(turns):
        name = f'bench.v{time.time_ns()}-{turn}'
        sent[name] = time.perf_counter()
        caller.call('POST', 'volumes', {'name': name, 'size': '1M'})
    for listener in listeners:
        listener.join(60)
    last = {}
    for seen in lists:
        for name, at in seen:
            last[name] = max(last.get(name, 0), at)
    results.put([(last[name] - at) * 1000 for name, at in sent.items() if name in last])
    for name in sent:
        grid.client.delete(f'volumes/{name}')


def apart(function, *arguments):
    """In a process of its own, so that our own threads do not wait for each other; everything it put."""
    results = multiprocessing.Queue()
    process = multiprocessing.Process(target=function, args=(*arguments, results))
    process.start()
    found = results.get(timeout=600)
    while True:
        process.join(0.2)
        while not results.empty():
            found += results.get()
        if process.exitcode is not None:
            return found


def plan(grid, results):
    """A dry run of two new applications of 496 and 504 members."""
    caller = Caller(grid)
    parts = [(count, f'application: plan\ninstances:\n' + ''.join(f'  web{i}: {{class: FRONT, count: {count}}}\n' for i in range(8)))
             for count in (62, 62)]
    extra = '  more: {class: FRONT, count: 8}\n'
    taken = [sum(caller.call('POST', 'applications?dry_run=1', {'name': 'plan', 'format': 'yaml', 'description': text + (extra if i else '')})
                 for i, (_, text) in enumerate(parts)) for _ in range(20)]
    results['plan_1000_p50'] = [percentile(taken, 0.5)]
    results['plan_1000_p99'] = [percentile(taken, 0.99)]


def cold_start(grid):
    grid.kill_vdcd()
    began = time.monotonic()
    grid.start_vdcd()
    grid.wait_api(120)
    taken = time.monotonic() - began
    grid.client.wait('servers', lambda: all(item['state'] == 'up' for item in grid.client.items('servers')), 120)
    return taken


def measure_size(grid, have, size, empty_mb, results):
    results[f'start_all_{size}'] = [grow(grid, have, size)]
    settle(grid)
    results[f'rss_per_1000_instances_{size}'] = [(grid.rss_mb() - empty_mb) / (size * INSTANCES / 1000)]
    caller = Caller(grid)
    both(results, 'list_page', size, [caller.call('GET', f'applications?limit=50&after={name_of(turn % size)}') for turn in range(SAMPLES)])
    both(results, 'list_all', size, [caller.call('GET', 'applications?limit=10000&fields=name,state') for _ in range(30)])
    both(results, 'application', size, [caller.call('GET', f'applications/{name_of(turn * 7 % size)}') for turn in range(SAMPLES)])
    both(results, 'fanout', size, apart(fanout, grid))
    began = time.monotonic()
    taken = apart(changes, grid, size, CHANGES_S)
    both(results, 'change', size, taken)
    results[f'changes_per_second_{size}'] = [len(taken) / (time.monotonic() - began)]
    settle(grid)
    results[f'cold_start_{size}'] = [cold_start(grid)]


def measure(say, sizes=SIZES):
    """name → runs; what could not be measured is missing, with 'why'."""
    results, why = {}, ''
    grid = Grid()
    try:
        grid.make_catalog()
        grid.start_vdcd()
        grid.wait_api()
        grid.start_servers()
        empty_mb = grid.rss_mb()
        plan(grid, results)
        have = 0
        for size in sizes:
            say(f'{size} applications')
            measure_size(grid, have, size, empty_mb, results)
            have = size
        for name in ('list_page', 'application', 'change'):
            results[f'{name}_growth'] = [results[f'{name}_p50_{sizes[-1]}'][0] / results[f'{name}_p50_{sizes[0]}'][0]]
    except (RuntimeError, AssertionError, OSError, vdc.TooLate, vdc.ApiError) as error:
        why = str(error)[:200]
    finally:
        grid.end()
    return results, why
