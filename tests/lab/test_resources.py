"""What `resources` promises a VM and what it holds it to: CPU share and ceiling, memory, network rate; all measured."""
import os
import re
import subprocess
import time

import labfixture
import websocket

DESCRIPTION = """application: amounts
instances:
  low:    {class: WEB, resources: {cpu: 0.25, memory: 128M, network: 10M}, start_timeout: 400}
  high:   {class: WEB, resources: {cpu: 1.0}, start_timeout: 400}
  capped: {class: WEB, resources: {cpu: 0.25, cpu_cap: true}, start_timeout: 400}
  sink:   {class: LINUX, resources: {cpu: 1.0, network: 1G}, start_timeout: 400}
wires:
  - low.db -> sink.in
  - high.db -> sink.in
"""
MIB = 1 << 20
TICK = os.sysconf('SC_CLK_TCK')
PORT = 3306

# Takes one connection; the rate of what comes after the first ARGV[0] bytes, which the bursts of the limits let through.
SINK = r'''
use IO::Socket::INET; use Time::HiRes "time"; $| = 1;
my $listen = IO::Socket::INET->new (LocalPort => %d, Listen => 1, ReuseAddr => 1) or die "$!";
print "listening\n";
my $from = $listen->accept or die "$!";
my ($total, $start, $skipped) = (0, 0, 0);
while (my $n = sysread ($from, my $data, 65536)) {
    $total += $n;
    ($start, $skipped) = (time, $total) if !$start && $total >= $ARGV[0];
    $end = time;
}
printf "%%d %%.6f\n", $total - $skipped, $end - $start;
''' % PORT


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat', encoding='utf-8') as text:
        fields = text.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def pin(pid, cpus):
    for thread in os.listdir(f'/proc/{pid}/task'):
        os.sched_setaffinity(int(thread), cpus)


def cgroup_number(pid, names):
    """The limit of the process's own control group: the first of @names (v1, v2) that is there."""
    with open(f'/proc/{pid}/cgroup', encoding='utf-8') as text:
        groups = dict(line.strip().split(':', 2)[1:] for line in text)
    for controller in ('memory', ''):
        for name in names:
            path = f'/sys/fs/cgroup/{controller}{groups.get(controller, "/missing")}/{name}'
            if os.path.exists(path):
                with open(path, encoding='utf-8') as text:
                    return int(text.read())
    raise AssertionError(f'no limit in the control groups of {pid}: {groups}')


class Burner:
    """A guest whose CPU never rests, until closed."""

    def __init__(self, test, member):
        self.process = subprocess.Popen([labfixture.VDC, 'exec', f'amounts:{member}', '--', 'sh', '-c',
                                         'echo burning; while :; do :; done'], env=test.lab.env, stdout=subprocess.PIPE)
        test.addCleanup(self.close)
        assert self.process.stdout.readline() == b'burning\n'
        self.pid = test.qemu(member)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Amounts(labfixture.LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(cls.client.remove, 'amounts')
        cls.client.post('applications', {'name': 'amounts', 'description': DESCRIPTION, 'format': 'yaml'})
        cls.client.act('amounts', 'start')
        cls.client.wait_application('amounts', 'running', 450)
        cls.number = cls.client.application('amounts')['id']

    def qemu(self, member):
        for pid in self.lab.processes('qemu-system-x86_64'):
            with open(f'/proc/{pid}/cmdline', encoding='utf-8') as text:
                if f'guest=vdc-{self.number}-{member},' in text.read():
                    return pid
        raise AssertionError(f'no QEMU of {member}')

    def measured(self, pids, cpu_s, limit_s=90):
        """What each used until all together used @cpu_s: their seconds of CPU, and those of the wall."""
        before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
        while True:
            time.sleep(0.2)
            used, wall = [cpu_seconds(pid) - start for pid, start in zip(pids, before)], time.monotonic() - began
            if sum(used) >= cpu_s:
                return used, wall
            self.assertLess(wall, limit_s, f'the guests do not burn: {used}')

    def test_share_follows_the_weights(self):
        """On one CPU for both, 0.25 against 1: a fifth against four fifths, however busy the machine is."""
        burners = [Burner(self, member) for member in ('low', 'high')]
        every = os.sched_getaffinity(burners[0].pid)
        for burner in burners:
            pin(burner.pid, {min(every)})
            self.addCleanup(pin, burner.pid, every)
        (low, high), wall = self.measured([burner.pid for burner in burners], 5)
        self.assertAlmostEqual(high / low, 4, delta=1, msg=f'{low:.2f} s and {high:.2f} s of {wall:.1f} s')

    def test_cap_is_a_ceiling(self):
        """cpu_cap: a quarter of a core and no more, also where CPU is left; the same share without it takes what is left."""
        def share(member):
            """Of one core, while it burns alone."""
            burner = Burner(self, member)
            (used,), wall = self.measured([burner.pid], 1)
            burner.close()
            return used / wall
        deadline = time.monotonic() + 90
        while True:
            held, taken = share('capped'), share('low')
            self.assertLess(held, 0.25 * 1.15)
            if taken > 0.25 * 1.3:
                break
            if time.monotonic() > deadline:
                self.skipTest('needs a machine with CPU left: nothing reached more than the cap here')
        self.assertGreater(held, 0.05, 'the capped one burns too')

    def test_memory_is_what_the_guest_has(self):
        """The guest has what was given, less its kernel, and QEMU a limit above that."""
        for member in ('low', 'high'):
            given = self.client.instance('amounts', member)['resources']['memory_bytes']
            text = self.lab.vdc('exec', f'amounts:{member}', '--', 'cat', '/proc/meminfo')
            seen = int(re.search(r'^MemTotal:\s+(\d+) kB', text, re.M)[1]) * 1024
            self.assertLessEqual(seen, given)
            self.assertGreater(seen, given * 0.6)
            limit = cgroup_number(self.qemu(member), ('memory.limit_in_bytes', 'memory.max'))
            self.assertGreater(limit, given)
            self.assertLessEqual(limit, given + 512 * MIB)
        self.assertEqual(self.client.instance('amounts', 'low')['resources']['memory_bytes'], 128 * MIB)

    def test_no_memory_left_is_refused(self):
        """More than the server has: nothing starts, the error says what, where and what to do; then all is as before."""
        total = self.client.get('servers/s1')['memory_bytes']
        count = total // (32 << 30) + 1
        self.addCleanup(self.client.remove, 'greedy')
        self.client.post('applications', {'name': 'greedy', 'format': 'yaml', 'description': (
            f'application: greedy\ninstances:\n  big: {{class: LINUX, count: {count}, resources: {{memory: 32G}}}}\n')})
        before = len(self.lab.processes('qemu-system-x86_64'))
        done = self.lab.run('app', 'start', 'greedy')
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr.decode() + done.stdout.decode(), r"big\.\d+.*no server has 32768 MB free \(most: \d+ MB on s1\)")
        self.assertEqual(len(self.lab.processes('qemu-system-x86_64')), before)

    def megabits(self, member, rate_mbit):
        """Mbit/s from @member to sink, over five seconds at @rate_mbit; one second's worth is the bucket of the limit.

        Five, because what a busy sink has in its socket when its clock starts, up to 6 MB, counts as received in no time."""
        bucket = rate_mbit * 150000
        size_bytes = bucket + rate_mbit * 625000
        sink = subprocess.Popen([labfixture.VDC, 'exec', 'amounts:sink', '--', 'perl', '-e', SINK, str(bucket)], env=self.lab.env,
                                stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(sink.stdout.readline(), 'listening\n')
            self.lab.vdc('exec', f'amounts:{member}', '--', 'bash', '-c',
                         f'head -c {size_bytes} /dev/zero > /dev/tcp/db/{PORT}')
            size, seconds = sink.stdout.readline().split()
        finally:
            sink.kill()
            sink.wait()
            sink.stdout.close()
        return int(size) * 8 / float(seconds) / 1e6

    def test_network_rate(self):
        """10M is 10 Mbit/s; the other one, to the same peer, has its class's 100M."""
        limited = self.megabits('low', 10)
        self.assertAlmostEqual(limited, 10, delta=2.5)
        free = self.megabits('high', 100)
        self.assertGreater(free, 3 * limited)
        self.assertLess(free, 125)

    def console(self, **asked):
        ticket = self.client.post('applications/amounts/instances/sink/console/tickets', asked)
        return websocket.WebSocket(self.client.port, ticket['url'], self.lab.folder + '/client/ca.crt')

    def test_serial_console_and_screen_of_a_real_vm(self):
        """Typed into one, seen on the other: the class of sink says `screen: true`."""
        serial = self.console(tail=0)
        serial.send(b'\recho vdc-$((40 + 2))\r')
        serial.until(b'vdc-42')
        screen = websocket.Screen(self.console(kind='screen'))
        self.assertTrue(screen.version.startswith(b'RFB 003.'), screen.version)
        before = screen.frame()
        self.assertEqual(screen.width * screen.height * 4, len(before))
        serial.send(b"printf 'painted %.0s' $(seq 99) > /dev/tty1; echo do''ne\r")
        serial.until(b'done')
        deadline = time.monotonic() + 60
        while screen.frame() == before:
            self.assertLess(time.monotonic(), deadline, 'nothing was painted')
        self.assertEqual(1000, serial.close())
        screen.socket.close()
