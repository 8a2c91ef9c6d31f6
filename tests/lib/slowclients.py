#!/usr/bin/env python3
"""1,000 slow clients of a TLS port: slowclients.py PORT COUNT TOKEN CA.

"on\n" on standard input makes COUNT connections and keeps them up: of ten, seven say their TLS hello byte by byte (they
cost this machine least), one a header, one a body, one reads nothing of an answer of megabytes. "off\n" ends them all. Each
is answered by a line with their number. A connection that the server cut is made anew. A process of its own and of the
lowest priority: the attackers of a real server have other machines' processors.
"""
import os
import resource
import select
import socket
import ssl
import sys

TICK_S = 1.0
HEADER = b'GET /api/v1/servers HTTP/1.1\r\nHost: x\r\nX-Slow: '
BODY = b'POST /api/v1/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100000\r\n\r\n'
HELLO = b'\x16\x03\x01\x02\x00'
READ = b'GET /ui/big.txt HTTP/1.1\r\nHost: x\r\n\r\n'


class Client:
    def __init__(self, port, tls, kind, token):
        self.kind = kind
        plain = socket.socket()
        if kind == 2:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.settimeout(20)
        plain.connect(('127.0.0.1', port))
        self.socket = plain if kind == 3 else tls.wrap_socket(plain, server_hostname='localhost')
        self.socket.sendall((HEADER, BODY % token, READ, HELLO)[kind])
        self.socket.setblocking(False)

    def tick(self):
        """A byte; False when the server has cut it."""
        try:
            if self.kind == 3:
                self.socket.send(b'\0')
                return self.socket.recv(1) != b''
            if self.kind != 2:
                self.socket.send(b'x')
                return self.kind == 1 or self.socket.recv(1) != b''
            return True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return True
        except OSError:
            return False


def main():
    port, count, token, ca = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode(), sys.argv[4]
    os.nice(19)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tls = ssl.create_default_context(cafile=ca)
    clients, on, line = [], False, b''
    while True:
        if select.select([0], [], [], TICK_S if on else None)[0]:
            piece = os.read(0, 100)
            if not piece:
                return
            line += piece
            if b'\n' not in line:
                continue
            on, line = line == b'on\n', b''
            for client in clients:
                client.socket.close()
            clients = [Client(port, tls, min(i % 10, 3), token) for i in range(count)] if on else []
            print(len(clients), flush=True)
        for i, client in enumerate(clients):
            if client.tick():
                continue
            client.socket.close()
            try:
                clients[i] = Client(port, tls, client.kind, token)
            except OSError:
                pass  # tried again at the next tick


if __name__ == '__main__':
    main()
