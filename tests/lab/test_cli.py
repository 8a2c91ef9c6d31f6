"""The command line against a real grid: one small application that all tests share."""
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import labfixture

APPLICATION = 'line'
SIZE_BYTES = 10 * 1024 * 1024
LISTS = ('app list', 'class list', 'catalog list', 'volume list', 'server list', 'network list', 'job list',
         'events', 'verify', 'lab status --name check', f'app show {APPLICATION}', f'app logs {APPLICATION}',
         f'app config {APPLICATION}', f'app plan {APPLICATION}', f'app start {APPLICATION} --dry-run',
         f'app show {APPLICATION} --description', f'instance list {APPLICATION}', f'instance show {APPLICATION}:web',
         'class show WEB', 'server show s1', 'network show outside')


def words_of_overview():
    """Every command that `vdc --help` lists."""
    text = subprocess.run([labfixture.VDC, '--help'], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line[2:20].strip() for line in text.splitlines() if re.match(r'  [a-z]', line)]


class Words(unittest.TestCase):
    """What needs no grid."""

    def setUp(self):
        if not os.access(labfixture.VDC, os.X_OK):
            self.skipTest(f'{labfixture.VDC} is not built')

    def test_every_command_explains_itself(self):
        commands = words_of_overview()
        self.assertLess(30, len(commands))
        for command in commands:
            done = subprocess.run([labfixture.VDC, *command.split(), '--help'], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual((0, ''), (done.returncode, done.stderr), command)
            self.assertIn(f'vdc {command}', done.stdout)
            self.assertIn('Examples:', done.stdout, command)

    def test_manual_page_is_clean_and_names_every_command(self):
        if shutil.which('groff') is None:
            self.skipTest('needs groff')
        page = subprocess.run(['groff', '-t', '-man', '-Tutf8', '-ww', '-b', '-P-cbou', labfixture.TOP + '/vdc/cli/vdc.1'],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual((0, ''), (page.returncode, page.stderr))
        text = ' '.join(page.stdout.replace('‐\n', '').split())
        for command in words_of_overview():
            group, space, verb = command.rpartition(' ')  # it may stand as start|stop|restart
            self.assertRegex(text, rf'vdc {group}{space}([a-z|]*\|)?{verb}')


class Line(labfixture.LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp(prefix='vdc-cli-')
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.addClassCleanup(cls.client.remove, APPLICATION)
        cls.lab.vdc('app', 'create', APPLICATION, '--from', 'catalog/hello')
        cls.lab.vdc('app', 'start', APPLICATION)

    def instance(self):
        return self.client.instance(APPLICATION, 'web')

    def path(self, name):
        return os.path.join(self.folder, name)

    def begin(self, *argv, **more):
        process = subprocess.Popen([labfixture.VDC, *argv], env=self.lab.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    # --- exec, cp ------------------------------------------------------------------------------------------------------

    def test_exec_passes_streams_and_exit_code(self):
        data = bytes(range(256)) * 100
        done = self.lab.run('exec', f'{APPLICATION}:web', '--', 'sh', '-c', 'cat; echo problem >&2; exit 7', stdin=data)
        self.assertEqual((7, data, b'problem\n'), (done.returncode, done.stdout, done.stderr))

    def test_exec_takes_arguments_as_they_are(self):
        words = ['two words', '', '*', '$HOME', '"; true', '--json', 'ü']
        done = self.lab.run('exec', f'{APPLICATION}:web', '--', 'printf', '%s\\n', *words, stdin=b'')
        self.assertEqual(words, done.stdout.decode().split('\n')[:-1])

    def test_exec_says_when_there_is_no_such_program(self):
        done = self.lab.run('exec', f'{APPLICATION}:web', '--', '/no/such/program', stdin=b'')
        self.assertNotEqual(0, done.returncode)
        self.assertIn(b'/no/such/program', done.stderr)

    def test_exec_without_an_open_input(self):
        done = subprocess.run(['sh', '-c', '"$@" <&-', 'sh', labfixture.VDC, 'exec', f'{APPLICATION}:web', '--', 'wc', '-c'],
                              env=self.lab.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual((0, b'0', b''), (done.returncode, done.stdout.strip(), done.stderr))

    def test_interrupted_exec_kills_its_program(self):
        process = self.begin('exec', f'{APPLICATION}:web', '--', 'sh', '-c', 'echo begun; exec sleep 654')
        self.assertEqual(b'begun\n', process.stdout.readline())
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(30))
        self.client.wait('its end', lambda: self.lab.run('exec', f'{APPLICATION}:web', '--', 'pgrep', '-f', '^sleep 654',
                                                         stdin=b'').returncode == 1, 30, silence_s=0.5)

    def test_cp_of_ten_megabytes_both_ways(self):
        data = os.urandom(SIZE_BYTES)
        with open(self.path('there'), 'wb') as out:
            out.write(data)
        self.lab.vdc('cp', self.path('there'), f'{APPLICATION}:web:/var/tmp/big')
        far = self.lab.vdc('exec', f'{APPLICATION}:web', '--', 'sha256sum', '/var/tmp/big', stdin=b'').split()[0]
        self.assertEqual(hashlib.sha256(data).hexdigest(), far)
        self.lab.vdc('cp', f'{APPLICATION}:web:/var/tmp/big', self.path('back'))
        with open(self.path('back'), 'rb') as back:
            self.assertEqual(far, hashlib.sha256(back.read()).hexdigest())
        self.lab.vdc('exec', f'{APPLICATION}:web', '--', 'rm', '/var/tmp/big', stdin=b'')

    def test_cp_that_fails_leaves_no_file(self):
        done = self.lab.run('cp', f'{APPLICATION}:web:/no/such/file', self.path('nothing'))
        self.assertNotEqual(0, done.returncode)
        self.assertIn(b'/no/such/file', done.stderr)
        self.assertEqual([], [name for name in os.listdir(self.folder) if name.startswith('nothing')])

    # --- console, logs, events -----------------------------------------------------------------------------------------

    def test_console_has_scrollback_and_follows(self):
        self.assertNotEqual('', self.lab.vdc('console', f'{APPLICATION}:web').strip())
        process = self.begin('console', f'{APPLICATION}:web', '--follow', '--tail', '0')
        seen = b''
        deadline = time.monotonic() + 30
        while b'spoken here' not in seen and time.monotonic() < deadline:
            # Said again and again: there is no sign of when the stream is open.
            self.lab.vdc('exec', f'{APPLICATION}:web', '--', 'sh', '-c', 'echo spoken here > /dev/console', stdin=b'')
            if select.select([process.stdout], [], [], 0.5)[0]:
                seen += os.read(process.stdout.fileno(), 65536)
        self.assertIn(b'spoken here', seen)
        process.send_signal(signal.SIGINT)
        self.assertEqual(0, process.wait(30))

    def test_logs_name_their_instance(self):
        logs = self.lab.json('app', 'logs', APPLICATION)
        self.assertEqual(['items', 'next'], sorted(logs))
        only = self.lab.run('app', 'logs', APPLICATION, '-i', 'web', '--tail', '5')
        self.assertEqual(0, only.returncode)
        self.assertLessEqual(len(only.stdout.splitlines()), 5)

    def test_events_go_on_over_a_killed_controller_each_once(self):
        after = self.lab.json('events')['items'][-1]['seq']
        process = self.begin('events', '--follow', '--after', str(after), '--json')
        self.lab.vdc('app', 'config', APPLICATION, 'public_port=81')
        first = json.loads(process.stdout.readline())
        old = self.lab.processes('vdcd')
        os.kill(old[0], signal.SIGKILL)
        self.client.wait('vdcd is back', lambda: set(self.lab.processes('vdcd')) - set(old), 30, silence_s=0.2)
        self.client.wait('the server is up', lambda: self.client.get('servers/s1')['state'] == 'up', 30)
        self.lab.vdc('app', 'config', APPLICATION, 'public_port=80')
        last = self.lab.json('events', '--after', str(after))['items'][-1]['seq']
        numbers = [first['seq']]
        while numbers[-1] < last:
            numbers.append(json.loads(process.stdout.readline())['seq'])
        self.assertEqual(list(range(after + 1, numbers[-1] + 1)), numbers)
        process.send_signal(signal.SIGINT)
        self.assertEqual(0, process.wait(30))

    # --- life of an instance -------------------------------------------------------------------------------------------

    def test_instance_stop_start_restart(self):
        self.lab.vdc('instance', 'stop', f'{APPLICATION}:web')
        self.assertEqual('stopped', self.instance()['state'])
        refused = self.lab.run('exec', f'{APPLICATION}:web', '--', 'true', stdin=b'')
        self.assertEqual(4, refused.returncode, refused.stderr)
        self.lab.vdc('instance', 'start', f'{APPLICATION}:web')
        self.client.wait_application(APPLICATION, 'running')
        boot = self.lab.vdc('exec', f'{APPLICATION}:web', '--', 'cat', '/proc/sys/kernel/random/boot_id', stdin=b'')
        before = self.instance()['restarts']
        self.lab.vdc('instance', 'restart', f'{APPLICATION}:web', '--kill')
        self.client.wait_instance(APPLICATION, 'web', lambda i: i['restarts'] > before and i['state'] == 'running', 'is back')
        again = self.lab.vdc('exec', f'{APPLICATION}:web', '--', 'cat', '/proc/sys/kernel/random/boot_id', stdin=b'')
        self.assertNotEqual(boot, again)

    def test_interrupted_wait_says_that_the_job_goes_on(self):
        process = self.begin('instance', 'restart', f'{APPLICATION}:in')
        self.assertIn(b'[', process.stderr.readline())  # the first step: it waits
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
        self.assertEqual(130, process.wait(30))
        job = re.search(r'job (\w+) goes on', said)
        self.assertIsNotNone(job, said)
        ended = self.client.wait('the job ends', lambda: self.client.get(f'jobs/{job[1]}')['state'] != 'running', 240)
        self.assertTrue(ended)
        self.assertEqual('done', self.lab.json('job', 'show', job[1])['state'])
        self.client.wait_application(APPLICATION, 'running')

    # --- words ---------------------------------------------------------------------------------------------------------

    def test_json_of_every_command(self):
        for words in LISTS:
            done = self.lab.run(*words.split(), '--json')
            self.assertEqual(0, done.returncode, (words, done.stderr))
            self.assertIsInstance(json.loads(done.stdout), dict, words)
        volume = f'{APPLICATION}.aside'
        self.lab.vdc('volume', 'create', volume, '--size', '16M')
        try:
            self.assertEqual(volume, self.lab.json('volume', 'show', volume)['name'])
        finally:
            self.lab.vdc('volume', 'destroy', volume, '--yes')

    def test_exit_codes_and_errors_as_json(self):
        nowhere = dict(self.lab.env, VDC_LAB_DIR='/var/tmp/no-such-lab')
        with open(self.path('wrong.yaml'), 'w', encoding='utf-8') as out:
            out.write('application: wrong\ninstances:\n  web: {class: WBE}\n')
        for code, words in ((2, 'app start'), (2, 'app strat line'), (2, 'app list --no-such-option'),
                            (2, f'app create wrong {self.path("wrong.yaml")}'), (3, 'app show nothing'),
                            (3, f'instance show {APPLICATION}:nothing'), (3, 'class show NOTHING'),
                            (4, f'app create {APPLICATION} --from catalog/hello'), (4, f'app clean {APPLICATION}')):
            done = self.lab.run(*words.split())
            self.assertEqual((code, b''), (done.returncode, done.stdout), (words, done.stderr))
            self.assertNotEqual(b'', done.stderr, words)
        done = subprocess.run([labfixture.VDC, 'app', 'list'], env=nowhere, stderr=subprocess.PIPE, check=False)
        self.assertEqual(6, done.returncode)
        error = json.loads(self.lab.run('app', 'show', 'nothing', '--json').stderr)
        self.assertEqual('not_found', error['code'])

    def complete(self, typed):
        """What an interactive bash makes of @typed and a Tab."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder)
            env = dict(self.lab.env, TERM='dumb', PS1='$ ', PATH=os.path.dirname(labfixture.VDC) + ':' + os.environ['PATH'])
            os.execvpe('bash', ['bash', '--norc', '--noprofile', '-i'], env)
        try:
            # The completed word is given to a function of the name, which shows it as the shell has read it.
            os.write(terminal, b'bind "set enable-bracketed-paste off"; source <(vdc completion bash); '
                               b'vdc() { if [ "$1" = __complete ]; then command vdc "$@"; else printf "<%s>" "$@"; fi; }; '
                               b'echo rea""dy\n')
            self.read_until(terminal, b'ready')
            os.write(terminal, typed.encode() + b'\t')
            time.sleep(0.1)  # the Tab's answer ends with nothing to wait for; what follows is typed behind it
            os.write(terminal, b'\n')
            return self.read_until(terminal, b'>').decode().rpartition('<')[2].rstrip('>')
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(terminal)

    def read_until(self, terminal, sign):
        seen = b''
        while sign not in seen.replace(b'rea""dy', b''):
            ready, _, _ = select.select([terminal], [], [], 20)
            self.assertTrue(ready, seen)
            seen += os.read(terminal, 4096)
        return seen[:seen.rindex(sign) + len(sign)]

    def test_completion_in_bash_knows_what_is_there(self):
        for typed, word in (('vdc serv', 'server'), (f'vdc app show {APPLICATION[:2]}', APPLICATION),
                            (f'vdc exec {APPLICATION}:w', f'{APPLICATION}:web'), ('vdc app start --dry', '--dry-run'),
                            ('vdc class show MYS', 'MYSQL')):
            self.assertEqual(word, self.complete(typed), typed)

    def test_link_opens_the_console(self):
        link = self.lab.vdc('lab', 'link', '--name', self.lab.name).strip()
        self.assertEqual(f'{self.lab.status()["url"]}/#token={self.client.token}', link)
        status, headers, page = self.client.raw('GET', '/')
        self.assertEqual((200, 'text/html; charset=utf-8'), (status, headers['Content-Type']))
        self.assertIn(b'VDC', page)


if __name__ == '__main__':
    unittest.main()
