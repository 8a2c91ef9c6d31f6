"""Requests that two parsers could read differently, sent to a real vdcd as bytes over TLS: smuggling/NN-NAME.

Behind each rides a second request, whole and with the right token, that creates an application. It must not be run;
one answer comes, of the status that the case expects, and the connection ends. A case is text: lines that begin with
'#' are comments (the first says the status), the ends of lines are not part of it, escapes are Python's.

The second parser, `judge`, is strict too and shares nothing with vdcd's: over bytes made by chance both must say the
same of what is a request.
"""
import http.client
import io
import os
import random
import re
import socket
import ssl
import unittest

import apigrid

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'smuggling')
ANSWER_LIMIT_S = 8
MUTATIONS = 500


class Answers(io.BytesIO):
    """What http.client wants of a socket."""

    def makefile(self, mode):
        return self


def read_answers(data):
    """(statuses, rest) by http.client."""
    stream, statuses = Answers(data), []
    while stream.tell() < len(data):
        answer = http.client.HTTPResponse(stream)
        answer.begin()
        length = int(answer.headers.get('Content-Length', 0))
        body = stream.read(length)
        assert len(body) == length, 'an answer is cut off'
        statuses.append(answer.status)
        answer.fp = None
    return statuses


TOKEN_BYTES = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
SINGLE = {b'host', b'content-length', b'transfer-encoding', b'authorization', b'content-type', b'origin', b'cookie',
          b'idempotency-key', b'if-match', b'if-none-match', b'last-event-id', b'expect', b'upgrade',
          b'sec-websocket-key', b'sec-websocket-version', b'sec-fetch-site', b'x-requested-with'}


def judge(data):
    """None: refused. Else (method, target) of the first request. By regular expressions over the whole head."""
    head, mark, _ = data.partition(b'\r\n\r\n')
    first, _, rest = head.partition(b'\r\n')
    line = re.fullmatch(rb'([A-Z]{1,16}) (/[!"$-~]*) HTTP/1\.1', first)
    if not mark or not line or len(first) > 8192 or len(head) + 4 > 32768:
        return None
    names = []
    values = {}
    for header in rest.split(b'\r\n') if rest else []:
        found = re.fullmatch(rb'(' + TOKEN_BYTES + rb'):[ \t]*((?:[\t -~\x80-\xff])*?)[ \t]*', header)
        if not found or len(header) > 8192:
            return None
        names.append(found[1].lower())
        values[found[1].lower()] = found[2]
    if len(names) > 100 or any(names.count(name) > 1 for name in SINGLE):
        return None
    if not re.fullmatch(rb'[A-Za-z0-9._:%\[\]-]+', values.get(b'host', b'')) or b'transfer-encoding' in values:
        return None
    if not re.fullmatch(rb'[0-9]{1,18}', values.get(b'content-length', b'0')):
        return None
    if values.get(b'expect', b'100-continue').lower() != b'100-continue':
        return None
    if not re.fullmatch(rb'[ -~]{1,128}', values.get(b'idempotency-key', b'x')):
        return None
    return line[1], line[2]


def load(name, words):
    with open(os.path.join(FOLDER, name), encoding='ascii') as text:
        lines = text.read().splitlines()
    expected = int(re.match(r'# expect (\d+)', lines[0])[1])
    body = ''.join(line for line in lines if not line.startswith('#'))
    data = body.encode().decode('unicode_escape').encode('latin-1')
    for word, value in words.items():
        data = data.replace(b'{%s}' % word.encode(), value)
    return expected, data


class Smuggling(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid(agent=False).start()
        cls.addClassCleanup(cls.grid.end)
        cls.tls = ssl.create_default_context(cafile=cls.grid.path('ctl/pki/ca.crt'))
        cls.token = cls.grid.read('ctl/token').strip().encode()

    def second(self, name):
        body = b'{"name": "%s", "from": "shop"}' % name
        return (b'POST /api/v1/applications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n'
                b'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' % (self.token, len(body), body))

    def connect(self):
        plain = socket.create_connection(('127.0.0.1', self.grid.ports['api']), ANSWER_LIMIT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(plain, server_hostname='localhost')

    def exchange(self, data, until_end=True):
        """Every byte of the answer until the other side ends."""
        with self.connect() as connection:
            connection.sendall(data)
            received = b''
            while True:
                piece = connection.recv(65536)
                received += piece
                if not piece or (not until_end and b'\r\n\r\n' in received):
                    return received

    def applications(self):
        return [item['name'] for item in self.grid.client.items('applications')]

    def test_second_request_is_never_run(self):
        wrong = []
        for name in sorted(os.listdir(FOLDER)):
            ride = self.second(b'smuggled-' + name[:2].encode())
            expected, data = load(name, {'SMUGGLED': ride, 'LENGTH': b'%d' % len(ride), 'TOKEN': self.token})
            try:
                statuses = read_answers(self.exchange(data))
            except TimeoutError:
                statuses = 'no end'
            if statuses != [expected]:
                wrong.append(f'{name}: {statuses}')
            if expected in (400, 411, 505):
                self.assertIsNone(judge(data), name)
        self.assertEqual(wrong, [])
        self.assertEqual(self.applications(), [])
        # What rode along is a good request: sent alone it is run.
        self.assertEqual(read_answers(self.exchange(self.second(b'honest').replace(
            b'Host: x\r\n', b'Host: x\r\nConnection: close\r\n'))), [201])
        self.assertEqual(self.applications(), ['honest'])
        self.grid.client.delete('applications/honest')

    def test_plain_bytes_on_the_tls_port_get_no_answer(self):
        with socket.create_connection(('127.0.0.1', self.grid.ports['api']), ANSWER_LIMIT_S) as plain:
            plain.sendall(self.second(b'plain'))
            received = b''
            try:
                while piece := plain.recv(4096):
                    received += piece
            except ConnectionResetError:
                pass
        self.assertNotIn(b'HTTP', received)
        self.assertEqual(self.applications(), [])

    def mutated(self, chance):
        lines = [b'GET /api/v1/nothing HTTP/1.1', b'Host: x', b'Accept: */*', b'X-One: 1', b'Content-Length: 0']
        pieces = [b'\r\n', b'\n', b'\r', b'\0', b' ', b'\t', b':', b'\x0b', b'\x80', b'Host: y\r\n',
                  b'Content-Length: 0\r\n', b'Transfer-Encoding: chunked\r\n', b', ', b'HTTP/1.1', b'\x7f', b'#',
                  b'Expect: 100-continue\r\n', b'Connection: close\r\n']
        data = b'\r\n'.join(lines) + b'\r\n\r\n'
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(data) - 4)
            cut = chance.choice((0, 0, 1, 2))
            data = data[:at] + chance.choice(pieces) + data[at + cut:]
        return data

    def test_second_parser_agrees_on_bytes_by_chance(self):
        seed = int(os.environ.get('VDC_TEST_SEED', '0')) or random.SystemRandom().randrange(1 << 31)
        chance = random.Random(seed)
        seen = {True: 0, False: 0}
        for _ in range(MUTATIONS):
            data = self.mutated(chance)
            if b'\r\n\r\n' not in data[:-4] and not data.endswith(b'\r\n\r\n'):
                continue
            answer = self.exchange(data, until_end=False)
            status = int(answer.split(b' ', 2)[1])
            if status == 100:
                continue
            good = judge(data) is not None
            seen[good] += 1
            refused = status in (400, 411, 414, 417, 431, 505)
            # A query that no row takes is refused later, with 400 too.
            self.assertEqual(refused, not good, f'seed {seed}: {data!r}: {answer[:200]!r}')
        self.assertTrue(seen[True] > 50 and seen[False] > 50, seen)
        print(f'# seed {seed}: taken {seen[True]}, refused {seen[False]}, none read differently')
