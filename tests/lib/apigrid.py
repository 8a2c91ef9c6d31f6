"""A grid without VMs: a real vdcd and a real vdc-agent with the fake hypervisor, in a folder of their own.

The catalog is a small one made here (CATALOG), whose classes have the property `fake_fault`, which the fake guest
obeys: boot, hang, fail, crash, start, stubborn, slow, deaf.
"""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import vdc

TOP = os.environ.get('VDC_TOP') or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('VDC_TEST_BUILD') or os.environ.get('VDC_BUILD', TOP + '/build/asan')

FAULT = 'fake_fault: {type: string, default: none}'
CATALOG = {
    'classes/GATE/class.yaml': f"""
class: GATE
version: 1.0.0
summary: A gateway
terminals:
  out: {{side: output, protocol: http, required: true}}
properties:
  port: {{type: integer, min: 1, max: 65535, default: 80}}
  {FAULT}
outside: true
publish: [port]
resources:
  cpu: {{min: 0.05, max: 1, default: 0.1}}
  memory: {{min: 16M, max: 1G, default: 32M}}
  network: {{min: 1M, max: 1G, default: 100M}}
""",
    'classes/FRONT/class.yaml': f"""
class: FRONT
version: 1.0.0
summary: Serves pages
terminals:
  in: {{side: input, protocol: http}}
  db: {{side: output, protocol: mysql}}
properties:
  title: {{type: string, default: hello}}
  {FAULT}
resources:
  cpu: {{min: 0.05, max: 1, default: 0.1}}
  memory: {{min: 16M, max: 900G, default: 32M}}
  network: {{min: 1M, max: 1G, default: 100M}}
""",
    'classes/BASE/class.yaml': f"""
class: BASE
version: 1.0.0
summary: Keeps data
screen: true
terminals:
  in: {{side: input, protocol: mysql}}
properties:
  password: {{type: secret}}
  {FAULT}
volumes:
  data: {{mount: /mnt/data, mode: exclusive}}
resources:
  cpu: {{min: 0.05, max: 1, default: 0.1}}
  memory: {{min: 16M, max: 900G, default: 32M}}
  network: {{min: 1M, max: 1G, default: 100M}}
""",
    'templates/shop/application.yaml': """
application: shop
summary: Gateway, two fronts, a base
properties: {title: welcome}
instances:
  in:  {class: GATE}
  web: {class: FRONT, count: 2, stop_timeout: 5, set: {title: $title}}
  db:  {class: BASE, volumes: {data: data}}
wires:
  - in.out -> web.in
  - web.db -> db.in
volumes:
  data: {size: 8M, seed: content/}
""",
    'templates/shop/content/hello.txt': 'first content\n',
}


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Grid:
    """start () … end (). Everything dies with this process."""

    def __init__(self, agent=True, options=()):
        self.folder = tempfile.mkdtemp(prefix='vdc-api-')
        self.vdcd = self.agent = None
        self.build = BUILD  # of vdcd
        self.with_agent = agent
        self.options = list(options)  # of vdcd
        self.ports = {name: free_port() for name in ('api', 'reports', 'agent')}
        self.client = None

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), 'w', encoding='utf-8') as out:
            out.write(text)

    def read(self, name):
        with open(self.path(name), encoding='utf-8', errors='replace') as text:
            return text.read()

    def make_catalog(self):
        images = []
        for name, text in CATALOG.items():
            self.write(name, text)
            found = re.search(r'^class: (\w+)\nversion: (\S+)', text, re.M)
            if found:
                images.append(f'"{found[1]}": {{"version": "{found[2]}", "digest": "sha256:{"0" * 64}", "root": '
                              '"root.qcow2", "format": "qcow2", "size_bytes": 1048576, "kernel": "vmlinuz", '
                              '"initrd": "initrd", "cmdline": "quiet"}')
        self.write('images.json', '{' + ',\n'.join(images) + '}')
        os.makedirs(self.path('images'), exist_ok=True)

    def spawn(self, name, argv, env=None):
        with open(self.path(name + '.log'), 'ab') as log:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
                                    env=dict(os.environ, **(env or {})))

    def start_vdcd(self, env=None):
        self.vdcd = self.spawn('vdcd', [
            self.build + '/vdc/controller/vdcd', '--state', self.path('ctl'), '--listen', f'127.0.0.1:{self.ports["api"]}',
            '--agent-listen', f'127.0.0.1:{self.ports["reports"]}', '--catalog', self.path('classes'), '--catalog',
            self.path('templates'), '--images', self.path('images.json'), '--outside',
            '192.0.2.0/24,gateway=192.0.2.1,addresses=192.0.2.20-192.0.2.29,publish=127.0.0.1:20080-20099'] + self.options, env)

    def has_failpoints(self):
        with open(BUILD + '/vdc/controller/vdcd', 'rb') as program:
            return b'VDC_FAILPOINT' in program.read()

    def kill_vdcd(self):
        self.vdcd.kill()
        self.vdcd.wait()

    def start_agent(self, env=None):
        self.agent = self.spawn('agent', [
            BUILD + '/vdc/agent/vdc-agent', '--state', self.path('s1'), '--server', 's1', '--listen',
            f'127.0.0.1:{self.ports["agent"]}', '--controller', f'https://127.0.0.1:{self.ports["reports"]}', '--images',
            self.path('images'), '--hypervisor', 'fake'], env)

    def kill_agent(self):
        self.agent.kill()
        self.agent.wait()

    def wait_api(self, timeout_s=30):
        """vdcd answers: there is no event for that, so it is tried."""
        deadline = time.monotonic() + timeout_s
        while True:
            assert self.vdcd.poll() is None, 'vdcd ended:\n' + self.read('vdcd.log')[-4000:]
            try:
                if self.client is None:
                    with open(self.path('ctl/token'), encoding='utf-8') as token:
                        self.client = vdc.Client(f'https://127.0.0.1:{self.ports["api"]}', token.read().strip(),
                                                 self.path('ctl/pki/ca.crt'))
                self.client.get('servers')
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def register(self):
        answer = self.client.post('servers', {'name': 's1', 'address': '127.0.0.1', 'port': self.ports['agent']})
        for part, name in (('ca', 'ca.crt'), ('certificate', 'agent.crt'), ('key', 'agent.key')):
            self.write(f's1/pki/{name}', answer[part])

    def wait_agent(self, timeout_s=30):
        """An agent that was started anew listens: there is no event for that, and its server was up all the time."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                socket.create_connection(('127.0.0.1', self.ports['agent']), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def wait_server(self, state='up', timeout_s=40):
        return self.client.wait(f's1 is {state}', lambda: self.client.get('servers/s1')['state'] == state, timeout_s)

    def start(self):
        self.make_catalog()
        self.start_vdcd()
        self.wait_api()
        if self.with_agent:
            self.register()
            self.start_agent()
            self.wait_server()
        return self

    def end(self):
        for process in (self.agent, self.vdcd):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        problem = re.search(r'(ERROR: AddressSanitizer|runtime error|LeakSanitizer)[^\n]*', self.read('vdcd.log'))
        if os.environ.get('VDC_KEEP'):
            print('# kept', self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        assert problem is None, problem[0]

    # --- what tests say ------------------------------------------------------------------------------------------------

    def job(self, answer, timeout_s=60):
        """The job's object once it has ended."""
        if 'job' not in answer:
            return {'state': 'done', 'steps': []}

        def look():
            job = self.client.get(f'jobs/{answer["job"]}')
            return job if job['state'] != 'running' else None
        return self.client.wait(f'job {answer["job"]} ended', look, timeout_s)

    def done(self, answer, timeout_s=60):
        job = self.job(answer, timeout_s)
        assert job['state'] == 'done', job
        return job

    def events(self, after=0):
        """All events with a higher number."""
        found = []
        while True:
            page = self.client.get(f'events?after={after}')
            found += page['items']
            if page['next'] is None:
                return found
            after = page['next']

    def last_event(self):
        events = self.events()
        return events[-1]['seq'] if events else 0

    def states(self, application):
        return {item['name']: item['state'] for item in self.client.items(f'applications/{application}/instances')}

    def settled_findings(self, timeout_s=30):
        """What verify finds once nothing is under way any more: findings that stay."""
        def look():
            report = self.client.post('verify')
            return report if report['clean'] else None
        try:
            self.client.wait('verify is clean', look, timeout_s)
            return []
        except vdc.TooLate:
            report = self.client.post('verify')
            return report['findings'] + report['could_not_look']
