"""A proxy that does to HTTP calls what networks do: replies are lost, requests come twice, late, in another order.

It ends TLS on both sides, with certificates of the grid, so that it can tell one request from the next. `plan` says for
each request by its number since the last begin () what is done to it: 'lose' (passed on; the reply is thrown away and the
connection cut), 'double' (passed on twice at once; one reply), 'late' (the connection is cut at once, the request arrives
when the next one has been answered: the order is turned round), 'pass'.
"""
import http.client
import socket
import ssl
import threading

CHANGING = ('POST', 'PUT', 'DELETE')


def read_request(stream):
    """(method, head, body) of one request; None at the end. Only what our clients send: a length, or no body."""
    head = b''
    while not head.endswith(b'\r\n\r\n'):
        line = stream.readline()
        if not line:
            return None
        head += line
    length = next((int(line.split(b':')[1]) for line in head.split(b'\r\n') if line.lower().startswith(b'content-length:')), 0)
    return head.split(b' ')[0].decode(), head, stream.read(length)


class BadNet:
    """listen → to, both 127.0.0.1. Contexts: server (towards the client), client (towards the server)."""

    def __init__(self, to, server, client):
        self.to, self.server, self.client = to, server, client
        self.lock = threading.Lock()
        self.how, self.seen, self.done, self.held = 'pass', 0, {}, []
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def begin(self, how):
        """From now on the first changing request fares so; the rest pass."""
        with self.lock:
            self.how, self.seen = how, 0

    def end(self):
        """How many requests were passed on since begin (), those that were late included."""
        for thread in self.held:
            thread.join()
        with self.lock:
            self.how, self.held = 'pass', []
            return self.seen

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with self.server.wrap_socket(connection, server_side=True) as client:
                stream = client.makefile('rb')
                while (request := read_request(stream)) is not None and self.treat(client, *request):
                    pass
        except OSError:
            pass

    def upstream(self):
        return self.client.wrap_socket(socket.create_connection(('127.0.0.1', self.to), 30), server_hostname='127.0.0.1')

    def send(self, head, body, give=None):
        """Pass it on, read the whole reply; @give gets it as it comes, when there is somebody who still listens."""
        with self.upstream() as server:
            server.sendall(head.replace(b'\r\n\r\n', b'\r\nConnection: close\r\n\r\n') + body)
            while data := server.recv(65536):
                if give is not None:
                    give(data)

    def treat(self, client, method, head, body):
        """FALSE: the connection is over."""
        with self.lock:
            how = self.how if method in CHANGING else 'pass'
            if method in CHANGING:
                self.how, self.seen = 'pass', self.seen + 1
            self.done[how] = self.done.get(how, 0) + (method in CHANGING)
        if how == 'lose':
            self.send(head, body)
            return False
        if how == 'late':
            self.late = threading.Event()
            thread = threading.Thread(target=self.send_late, args=(self.late, head, body), daemon=True)
            thread.start()
            self.held.append(thread)
            return False
        if how == 'double':
            twin = threading.Thread(target=self.send_quietly, args=(head, body), daemon=True)
            twin.start()
            self.send(head, body, client.sendall)
            twin.join()
            return False
        self.send(head, body, client.sendall)
        if method in CHANGING and getattr(self, 'late', None):
            self.late.set()
        return False

    def send_quietly(self, head, body):
        try:
            self.send(head, body)
        except OSError:
            pass

    def send_late(self, answered, head, body):
        answered.wait(30)
        self.send_quietly(head, body)

    def close(self):
        self.socket.close()


def of_api(grid):
    """Between clients and vdcd."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(grid.path('ctl/pki/server.crt'), grid.path('ctl/pki/server.key'))
    return BadNet(grid.ports['api'], server, ssl.create_default_context(cafile=grid.path('ctl/pki/ca.crt')))


def of_agent(grid):
    """Between vdcd and the agent of s1: both show certificates."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(grid.path('s1/pki/agent.crt'), grid.path('s1/pki/agent.key'))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(grid.path('ctl/pki/ca.crt'))
    client = ssl.create_default_context(cafile=grid.path('ctl/pki/ca.crt'))
    client.load_cert_chain(*controller_pair(grid))
    return BadNet(grid.ports['agent'], server, client)


def controller_pair(grid):
    return grid.path('ctl/pki/controller.crt'), grid.path('ctl/pki/controller.key')


def ask_until(port, tls, method, path, body, headers, tries=4):
    """As our clients do: a reply that did not come is asked for again, with the same key. (status, bytes, tries)."""
    for number in range(1, tries + 1):
        connection = http.client.HTTPSConnection('127.0.0.1', port, timeout=10, context=tls)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), number
        except (http.client.HTTPException, OSError):
            continue
        finally:
            connection.close()
    raise AssertionError(f'{method} {path}: no answer in {tries} tries')
