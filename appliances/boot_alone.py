"""Boots one appliance image alone under QEMU (TCG) and plays the agent over the guest channel. For appliances/*/test.

The process enters a network namespace of its own; every terminal is a tap in it. Terminal number N (in the order of
`terminals`, from 1): the guest is 100.64.N.1, its peers are 100.64.N.11, .12, …, addresses of this process. A class with
an outside NIC gets 192.0.2.20/24 there; this process is 192.0.2.1 (the gateway), .2 and .3.
"""
import base64
import contextlib
import ctypes
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get('VDC_CACHE', '/var/cache/vdc')
UNWIRED = '0.255.255.255'
WINDOW = 256 * 1024
PART = 32 * 1024


class GuestError(Exception):
    pass


def skip(reason):
    """What lacks is said; exit code 77 is how a test says that it did not run."""
    print(f'SKIP: {reason}')
    sys.exit(77)


def need_machine():
    if os.geteuid():
        skip('needs root (network namespace, taps)')
    for command in ('qemu-system-x86_64', 'qemu-img', 'ip', 'mkfs.ext4'):
        if not shutil.which(command, path=os.environ['PATH'] + ':/usr/sbin:/sbin'):
            skip(f'needs {command}')
    if not os.path.exists('/dev/net/tun'):
        skip('needs /dev/net/tun')


def find_image(name):
    """Folder and description of the class's image: by the index, or VDC_IMAGES."""
    index_path = os.environ.get('VDC_IMAGES', os.path.join(HERE, '..', 'build', 'images.json'))
    try:
        with open(index_path, encoding='utf-8') as content:
            image = json.load(content)[name]
    except (FileNotFoundError, KeyError):
        skip(f'no image of {name} in {index_path}: run appliances/build {name}')
    return os.path.join(CACHE, 'images', image['digest'].split(':')[1]), image


def class_text(name):
    with open(os.path.join(HERE, name, 'class.yaml'), encoding='utf-8') as content:
        return content.read()


def section(text, name):
    """The lines `  key: {…}` of one section of a class.yaml."""
    match = re.search(rf'^{name}:\n((?:[ #].*\n|\n)*)', text, re.M)
    return re.findall(r'^  (\w+):\s*\{(.*)\}', match[1], re.M) if match else []


def scalar(text):
    text = text.strip()
    if text[:1] in '"\'':
        return text[1:-1]
    if text in ('true', 'false'):
        return text == 'true'
    return int(text) if re.fullmatch(r'-?\d+', text) else text


def default_properties(text):
    result = {}
    for name, body in section(text, 'properties'):
        match = re.search(r'\bdefault:\s*("[^"]*"|\'[^\']*\'|[^,}]*)', body)
        if match:
            result[name] = scalar(match[1])
    return result


class Guest:
    """One image, running. A context manager: at the end QEMU is killed and every file removed."""

    cache = 'unsafe'  # of its disks, as QEMU names it: what a test writes need not outlive it

    def __init__(self, name, memory=128, terminals=None, inputs=None, wired=None, properties=None, volumes=None,
                 gateway=None, go=True, quiet=False):
        need_machine()
        self.name, self.memory, self.quiet = name, memory, quiet
        self.terminals, self.inputs, self.wired = dict(terminals or {}), dict(inputs or {}), dict(wired or {})
        self.text = class_text(name)
        self.folder, self.image = find_image(name)
        self.outside = bool(re.search(r'^outside:\s*true', self.text, re.M))
        self.gateway, self.go, self.draining = gateway, go, False
        self.properties = {**default_properties(self.text), **(properties or {})}
        self.volumes = dict(volumes or {})
        self.peer_states = {}
        self.revision, self.sessions = 0, 0
        self.state, self.state_text, self.configured, self.configure_error = 'absent', '', 0, None
        self.check, self.counters, self.alerts, self.log, self.drained = None, {}, [], [], False
        self.frozen, self.streams, self.states = None, {}, []
        self.changed = threading.Condition()
        self.machine = self.channel = None

    # --- machine ---------------------------------------------------------------------------------------------------

    def __enter__(self):
        self.work = tempfile.mkdtemp(prefix='vdc-alone-')
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
                skip('needs the right to make a network namespace')
            self.make_network()
            self.boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind and kind is not SystemExit:
            print(f'--- console of {self.name} (end)\n{self.console()[-4000:]}\n---', file=sys.stderr)
        if self.machine and self.machine.poll() is None:
            self.machine.kill()
            self.machine.wait()
        if self.channel:
            self.channel.close()
        shutil.rmtree(self.work, ignore_errors=True)

    def run(self, *argv):
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env={**os.environ, 'PATH': os.environ['PATH'] + ':/usr/sbin:/sbin'})

    def number(self, terminal):
        return list(self.terminals).index(terminal) + 1

    def address(self, terminal):
        return '192.0.2.20' if terminal == 'outside' else f'100.64.{self.number(terminal)}.1'

    def peers(self, terminal):
        if self.terminals.get(terminal) == 'input':
            count = max(1, self.wired.get(terminal, 1))
        else:
            count = self.wired.get(terminal, 0)
        return [f'100.64.{self.number(terminal)}.{10 + i}' for i in range(1, count + 1)]

    def device(self, terminal):
        return f'vdc{0 if terminal == "outside" else self.number(terminal)}'

    @staticmethod
    def mac(device):
        return f'02:00:00:00:00:{int(device[3:]):02x}'

    def make_network(self):
        self.run('ip', 'link', 'set', 'lo', 'up')
        for terminal in list(self.terminals) + (['outside'] if self.outside else []):
            device = self.device(terminal)
            self.run('ip', 'tuntap', 'add', 'dev', device, 'mode', 'tap', 'vnet_hdr')
            self.run('ip', 'link', 'set', device, 'mtu', '1450', 'up')
            if terminal == 'outside':
                for host in ('1', '2', '3'):
                    self.run('ip', 'address', 'add', f'192.0.2.{host}/24', 'dev', device)
                continue
            # More than are wired now, so that a tier can grow.
            number = self.number(terminal)
            for i in range(11, 19):
                self.run('ip', 'address', 'add', f'100.64.{number}.{i}/32', 'dev', device)
            self.run('ip', 'route', 'add', f'100.64.{number}.1', 'dev', device, 'src', f'100.64.{number}.11')

    def boot(self):
        root = f'{self.work}/root.qcow2'
        self.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', f'{self.folder}/{self.image["root"]}', '-F', 'qcow2', root)
        argv = ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-M', 'q35,usb=off',
                '-accel', 'tcg,tb-size=64', '-cpu', 'max', '-m', str(self.memory),
                '-kernel', f'{self.folder}/{self.image["kernel"]}', '-initrd', f'{self.folder}/{self.image["initrd"]}',
                '-append', self.image['cmdline'], '-serial', f'file:{self.work}/console',
                '-drive', f'file={root},format=qcow2,if=none,id=root,cache={self.cache}', '-device', 'virtio-blk-pci,drive=root,serial=root',
                '-device', 'virtio-serial-pci', '-chardev', f'socket,id=guest,path={self.work}/guest,server=on,wait=off',
                '-device', 'virtserialport,chardev=guest,name=org.vdc.guest.0', '-device', 'virtio-rng-pci',
                '-qmp', f'unix:{self.work}/monitor,server=on,wait=off']
        for slot, what in self.volumes.items():
            argv += self.volume_arguments(slot, what)
        for terminal in list(self.terminals) + (['outside'] if self.outside else []):
            device = self.device(terminal)
            argv += ['-netdev', f'tap,id={device},ifname={device},script=no,downscript=no,vhost=off',
                     '-device', f'virtio-net-pci,netdev={device},mac={self.mac(device)},host_mtu=1450']
        self.began = time.monotonic()
        self.machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        self.connect_channel()

    def volume_arguments(self, slot, what):
        size, seed = (*what, None)[:2] if isinstance(what, tuple) else (what, None)
        path = f'{self.work}/{slot}.raw'
        self.run('truncate', '-s', size, path)
        if seed:
            self.run('mkfs.ext4', '-q', '-F', '-d', seed, path)
        return ['-drive', f'file={path},format=raw,if=none,id=v{slot},cache={self.cache}', '-device', f'virtio-blk-pci,id=disk{slot},drive=v{slot},serial=vol-{slot}']

    def monitor(self, *commands):
        """QMP commands, each a (name, arguments) pair; returns the answers."""
        answers = []
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(f'{self.work}/monitor')
            lines = monitor.makefile('rw')
            lines.readline()
            for name, arguments in [('qmp_capabilities', {}), *commands]:
                lines.write(json.dumps({'execute': name, 'arguments': arguments}) + '\n')
                lines.flush()
                answer = json.loads(lines.readline())
                while 'event' in answer:
                    answer = json.loads(lines.readline())
                if 'error' in answer:
                    raise GuestError(f'{name}: {answer["error"]}')
                answers.append(answer['return'])
        return answers[1:]

    def console(self):
        try:
            with open(f'{self.work}/console', encoding='utf-8', errors='replace') as content:
                return content.read()
        except FileNotFoundError:
            return ''

    # --- settings --------------------------------------------------------------------------------------------------

    def settings(self):
        outputs = [name for name, side in self.terminals.items() if side == 'output']
        names, peers = {}, {}
        for terminal in self.terminals:
            if terminal not in outputs:
                names[terminal] = [self.address(terminal)]
                continue
            addresses = self.peers(terminal)
            states = self.peer_states.get(terminal, ['ready'] * len(addresses))
            ready = [address for address, state in zip(addresses, states) if state == 'ready'] or addresses
            names[terminal] = ready or [UNWIRED]
            for i, address in enumerate(addresses, 1):
                if len(addresses) > 1:
                    names[f'{terminal}.{i}'] = [address]
            peers[terminal] = [{'name': f'peer.{i}', 'address': address, 'state': state}
                               for i, (address, state) in enumerate(zip(addresses, states), 1)]
        return {'revision': self.revision, 'application': 'alone', 'application_id': '00000000', 'member': 'it', 'instance': 'it',
                'class': self.name, 'class_version': self.image['version'], 'hostname': 'it', 'nics': self.nic_settings(),
                'names': names, 'peers': peers, 'inputs': {name: self.input_settings(value) for name, value in self.inputs.items()},
                'gateway': {'terminal': self.gateway, 'address': self.peers(self.gateway)[0]} if self.gateway else None,
                'properties': self.properties, 'volumes': self.volume_settings(), 'go': self.go, 'draining': self.draining}

    def nic_settings(self):
        nics = []
        for terminal in self.terminals:
            address = self.address(terminal)
            nics.append({'terminal': terminal, 'mac': self.mac(self.device(terminal)), 'address': address, 'aliases': [], 'mtu': 1450,
                         'routes': [{'to': peer, 'source': address} for peer in self.peers(terminal)]})
        if self.outside:
            nics.append({'terminal': 'outside', 'mac': self.mac('vdc0'), 'address': '192.0.2.20', 'prefix': 24, 'gateway': '192.0.2.1'})
        return nics

    @staticmethod
    def input_settings(value):
        if not value or value[0] == 'any':
            return {'protocol': 'any', 'ports': []}
        return {'protocol': 'x', 'ports': [{'proto': value[i], 'from': value[i + 1], 'to': value[i + 1]} for i in range(0, len(value), 2)]}

    def volume_settings(self):
        known = dict(section(self.text, 'volumes'))
        result = []
        for slot, what in self.volumes.items():
            # A slot the class does not have is given with its mount point: (size, seed, mount).
            mount = what[2] if len(what) == 3 and isinstance(what, tuple) else re.search(r'\bmount:\s*([^,}\s]+)', known[slot])[1]
            read_only = 'read_only' in known.get(slot, '')
            result.append({'slot': slot, 'serial': f'vol-{slot}', 'mount': mount, 'read_only': read_only, 'filesystem': 'ext4'})
        return result

    # --- channel ---------------------------------------------------------------------------------------------------

    def connect_channel(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                self.channel = socket.socket(socket.AF_UNIX)
                self.channel.connect(f'{self.work}/guest')
                break
            except OSError:
                if time.monotonic() > deadline or self.machine.poll() is not None:
                    raise GuestError('QEMU does not start') from None
                time.sleep(0.02)
        self.nonce, self.greeted = os.urandom(8).hex(), False
        threading.Thread(target=self.read_channel, args=(self.channel,), daemon=True).start()
        threading.Thread(target=self.welcome, args=(self.channel, self.nonce), daemon=True).start()

    def welcome(self, channel, nonce):
        """Again until the guest answers, as the agent does: a line may be lost while the port changes hands."""
        pause_s = 1
        with self.changed:
            while channel is self.channel and not self.greeted:
                try:
                    self.send({'t': 'welcome', 'nonce': nonce, 'time_ns': time.time_ns()}, first=True)
                except OSError:
                    return
                self.changed.wait_for(lambda: channel is not self.channel or self.greeted, pause_s)
                pause_s = min(2 * pause_s, 8)

    def reconnect(self):
        """As a restarted agent would."""
        self.channel.shutdown(socket.SHUT_RDWR)
        self.channel.close()
        self.connect_channel()

    def send(self, message, first=False):
        self.channel.sendall((b'\n' if first else b'') + json.dumps(message).encode() + b'\n')

    def read_channel(self, channel):
        with contextlib.suppress(OSError, ValueError):
            for line in channel.makefile('rb'):
                if line.strip():
                    self.take(json.loads(line))

    def take(self, message):
        kind = message.pop('t')
        with self.changed:
            if kind == 'hello':
                self.greeted = message['nonce'] == self.nonce
                if self.greeted:
                    self.state, self.configured = message['state'], message['configured']
                    self.send({'t': 'clock', 'time_ns': time.time_ns()})
                    self.send_settings()
            elif self.greeted:
                self.take_greeted(kind, message)
            self.changed.notify_all()

    def take_greeted(self, kind, message):
        if kind == 'state':
            self.state, self.state_text = message['state'], message['text']
            self.states.append((round(time.monotonic() - self.began, 2), self.state, self.state_text))
        elif kind == 'configured':
            self.configured, self.configure_error = message['revision'], message['error']
        elif kind == 'check':
            self.check = message
        elif kind == 'counter':
            self.counters[message['name']] = message['value']
        elif kind in ('alert', 'log'):
            (self.alerts if kind == 'alert' else self.log).append(message['text'])
        elif kind == 'drained':
            self.drained = True
        elif kind == 'frozen':
            self.frozen = message
        elif kind in ('stdout', 'stderr', 'ack', 'exit', 'error'):
            self.streams.setdefault(message['id'], []).append((kind, message))
            if kind in ('stdout', 'stderr'):
                self.send({'t': 'ack', 'id': message['id'], 'bytes': len(base64.b64decode(message['data']))})

    def send_settings(self):
        self.revision = max(self.revision, self.configured) + 1
        self.send({'t': 'settings', 'settings': self.settings()})

    # --- what tests call -------------------------------------------------------------------------------------------

    def wait(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        with self.changed:
            while not condition():
                if self.machine.poll() is not None:
                    raise GuestError(f'{self.name}: the machine ended while waiting for: {what}')
                if not self.changed.wait(min(0.5, max(0, deadline - time.monotonic()))) and time.monotonic() > deadline:
                    raise GuestError(f'{self.name}: no {what} within {seconds} s: state {self.state} ({self.state_text}), '
                                     f'configure error {self.configure_error}, check {self.check}')

    def wait_state(self, state, seconds=60):
        self.wait(lambda: self.state == state or self.state == 'failed', seconds, state)
        if self.state != state:
            raise GuestError(f'{self.name}: {self.state} instead of {state}: {self.state_text}')

    def wait_ready(self, seconds=60):
        self.wait_state('ready', seconds)
        took = time.monotonic() - self.began
        if not self.quiet:
            print(f'{self.name} ready after {took:.1f} s with {self.memory} MB')
        return took

    def change(self, properties=None, wired=None, peer_states=None, go=None, draining=None, expect_error=False, seconds=60):
        """New settings, live; waits until the guest has them. Returns the error text if one is expected."""
        with self.changed:
            self.properties.update(properties or {})
            self.wired.update(wired or {})
            self.peer_states.update(peer_states or {})
            self.go = self.go if go is None else go
            self.draining = self.draining if draining is None else draining
            self.send_settings()
            revision = self.revision
        self.wait(lambda: self.configured == revision, seconds, f'configured {revision}')
        if bool(self.configure_error) != expect_error:
            raise GuestError(f'{self.name}: configure said {self.configure_error!r}')
        return self.configure_error

    def begin(self, kind, **more):
        with self.changed:
            self.sessions += 1
            session = f's{self.sessions}'
            self.streams[session] = []
        self.send({'t': kind, 'id': session, **more})
        return session

    def end_of(self, session, seconds):
        """stdout, stderr and the exit code, or the error."""
        self.wait(lambda: any(kind in ('exit', 'error') for kind, _ in self.streams[session]), seconds, f'end of session {session}')
        out = {'stdout': b'', 'stderr': b''}
        for kind, message in self.streams[session]:
            if kind in out:
                out[kind] += base64.b64decode(message['data'])
            elif kind == 'error':
                raise GuestError(f'{message["code"]}: {message["message"]}')
            elif kind == 'exit':
                return message['code'], out['stdout'], out['stderr']
        raise GuestError('unreachable')

    def feed(self, session, data):
        sent = 0
        for at in range(0, len(data), PART):
            self.wait(lambda: sent - sum(message['bytes'] for kind, message in self.streams[session] if kind == 'ack') < WINDOW
                      or any(kind == 'error' for kind, _ in self.streams[session]), 60, 'ack')
            part = data[at:at + PART]
            self.send({'t': 'stdin', 'id': session, 'data': base64.b64encode(part).decode(), 'eof': False})
            sent += len(part)
        self.send({'t': 'stdin', 'id': session, 'data': '', 'eof': True})

    def execute(self, argv, stdin=b'', seconds=60, check=False):
        """Exit code, stdout, stderr (text)."""
        session = self.begin('exec', argv=argv)
        self.feed(session, stdin)
        code, out, err = self.end_of(session, seconds)
        if check and code:
            raise GuestError(f'{argv} ended with {code}: {err.decode()}')
        return code, out.decode(errors='replace'), err.decode(errors='replace')

    def put(self, path, data, mode=0o644):
        session = self.begin('put', path=path, mode=mode)
        self.feed(session, data)
        self.end_of(session, 120)

    def get(self, path):
        return self.end_of(self.begin('get', path=path), 120)[1]

    def connect(self, terminal, port, source=None, seconds=10):
        """A TCP connection to the guest from the terminal's (first) peer."""
        source = source or ('192.0.2.2' if terminal == 'outside' else self.peers(terminal)[0])
        return socket.create_connection((self.address(terminal), port), seconds, (source, 0))

    def refused(self, terminal, port, source=None, seconds=2):
        """True when no connection comes about."""
        try:
            self.connect(terminal, port, source, seconds).close()
            return False
        except OSError:
            return True

    def listen(self, terminal, port, peer=1):
        """A listening socket at the terminal's peer."""
        address = f'192.0.2.{peer + 1}' if terminal == 'outside' else f'100.64.{self.number(terminal)}.{10 + peer}'
        return socket.create_server((address, port))

    def http_request(self, terminal, path, port=80, headers=None, source=None, seconds=30):
        """Status, headers, body."""
        source = source or ('192.0.2.2' if terminal == 'outside' else self.peers(terminal)[0])
        connection = http.client.HTTPConnection(self.address(terminal), port, timeout=seconds, source_address=(source, 0))
        connection.request('GET', path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read().decode(errors='replace')
        connection.close()
        return answer.status, answer.headers, body

    def http_get(self, terminal, path, port=80, source=None):
        status, _, body = self.http_request(terminal, path, port, source=source)
        if status != 200:
            raise GuestError(f'GET {path}: {status}')
        return body

    def stop(self, seconds=40):
        """Orderly: stop hook, unmount, power off. Returns how long it took."""
        began = time.monotonic()
        self.send({'t': 'stop'})
        try:
            self.machine.wait(seconds)
        except subprocess.TimeoutExpired:
            raise GuestError(f'{self.name} did not power off within {seconds} s') from None
        return time.monotonic() - began

    def kill(self):
        """As a crash of the host's QEMU."""
        self.machine.kill()
        self.machine.wait()
        self.channel.close()

    def boot_again(self):
        """The same disks, after stop or kill."""
        self.state, self.check, self.revision, self.configured = 'absent', None, 0, 0
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f'{self.work}/guest')
        root = f'{self.work}/root.qcow2'
        argv = self.machine.args
        assert any(root in word for word in argv)
        self.began = time.monotonic()
        self.machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        self.connect_channel()

    def serve(self, terminal, port, answer, peer=1):
        """A peer that answers every connection with the bytes `answer` (after reading something). Returns the socket."""
        server = self.listen(terminal, port, peer)

        def loop():
            with contextlib.suppress(OSError):
                while True:
                    connection, source = server.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.settimeout(5)
                        connection.recv(65536)
                        connection.sendall(answer(source) if callable(answer) else answer)
        threading.Thread(target=loop, daemon=True).start()
        return server


def http_answer(text):
    return f'HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}'.encode()
