"""A relay of TCP that loses replies: what was asked arrives and is done, the answer does not come."""
import random
import select
import socket
import threading

HANDSHAKE_BYTES = 3000  # of the server's side of TLS; what comes after is answers
PIECE = 65536


class LossyRelay:
    """127.0.0.1:port → @target. Of the pieces of answers each is lost, with its connection, by @share."""

    def __init__(self, target, share, seed=1):
        self.target, self.share, self.random = target, share, random.Random(seed)
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.lost = self.passed = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def end(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        try:
            server = socket.create_connection(('127.0.0.1', self.target))
        except OSError:
            client.close()
            return
        answered = 0
        with client, server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    try:
                        piece = ready.recv(PIECE)
                        if not piece:
                            return
                        if ready is client:
                            server.sendall(piece)
                            continue
                        answered += len(piece)
                        if answered > HANDSHAKE_BYTES and self.random.random() < self.share:
                            self.lost += 1
                            return
                        self.passed += answered > HANDSHAKE_BYTES
                        client.sendall(piece)
                    except OSError:
                        return
