"""The lamp application that several lab tests share, and what they ask of its pages."""
import http.client
import threading
import urllib.parse

import guestbook
import labfixture
import shared

START_LIMIT_S = 300


def start(lab, name, template='catalog/lamp'):
    lab.client.post('applications', {'name': name, 'from': template})
    lab.client.act(name, 'start')
    return lab.client.wait_application(name, 'running', START_LIMIT_S)


def shared_lamp():
    """Its name is lamp; a test leaves it running, with two members of web and its wires."""
    lab = labfixture.shared_lab()
    shared.hold('lamp', lambda: start(lab, 'lamp'), lambda _: lab.client.remove('lamp'))
    return lab


class LampTest(labfixture.LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shared_lamp()
        cls.lamp = cls.client.application('lamp')
        cls.url = cls.lamp['urls'][0]

    def setUp(self):
        # What the test before this one did to it must have healed.
        self.client.wait_application('lamp', 'running', START_LIMIT_S)

    def nic(self, member, terminal, application='lamp'):
        nics = self.client.instance(application, member)['nics']
        return next(nic for nic in nics if nic['terminal'] == terminal)

    def put_tool(self, target):
        self.lab.vdc('cp', labfixture.BUILD + '/tests/lab/guest-tool', f'{target}:/tmp/guest-tool')

    def execute(self, target, *argv, stdin=None):
        done = self.lab.run('exec', target, '--', *argv, stdin=stdin)
        return done.returncode, done.stdout.decode(errors='replace')


def rows(url):
    """Its entries by their number."""
    return {entry['id']: entry for entry in guestbook.entries(url)[1]}


class Load:
    """Connections that GET one after another until stopped: how many answers, and every one that was no 200."""

    def __init__(self, url, connections=10):
        self.parts = urllib.parse.urlsplit(url)
        self.answers, self.bad, self.members = 0, [], set()
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.client, daemon=True) for _ in range(connections)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join(60)

    def client(self):
        connection = None
        while not self.ending.is_set():
            connection = connection or http.client.HTTPConnection(self.parts.hostname, self.parts.port, timeout=60)
            try:
                connection.request('GET', '/')
                answer = connection.getresponse()
                answer.read()
                problem = None if answer.status == 200 else f'status {answer.status}'
                member = answer.getheader('X-Served-By')
                if answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                problem, member, connection = repr(error), None, None
            with self.lock:
                self.answers += 1
                if problem:
                    self.bad.append(problem)
                if member:
                    self.members.add(member)

    def count_of(self, more):
        """The number of answers that is @more from now, for waiting until so many have come."""
        with self.lock:
            return self.answers + more
