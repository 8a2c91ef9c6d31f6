"""A WebSocket client for tests, one that can also do what a client must not."""
import base64
import os
import socket
import ssl
import struct

LIMIT_S = 20


class Refused(Exception):
    def __init__(self, status, text):
        self.status = status
        super().__init__(f'{status}: {text}')


class Closed(Exception):
    def __init__(self, code, reason):
        self.code, self.reason = code, reason
        super().__init__(f'{code} {reason}')


class WebSocket:
    """Opened when made; Refused when the answer is no 101."""

    def __init__(self, port, path, ca_file, headers=None):
        tls = ssl.create_default_context(cafile=ca_file)
        plain = socket.create_connection(('127.0.0.1', port), LIMIT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(plain, server_hostname='localhost')
        self.buffer = b''
        wanted = {'Host': f'localhost:{port}', 'Upgrade': 'websocket', 'Connection': 'Upgrade',
                  'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': base64.b64encode(os.urandom(16)).decode(),
                  **(headers or {})}
        lines = [f'GET {path} HTTP/1.1'] + [f'{name}: {value}' for name, value in wanted.items() if value is not None]
        self.socket.sendall('\r\n'.join(lines + ['', '']).encode())
        while b'\r\n\r\n' not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b'\r\n\r\n', 1)
        status = int(head.split(b' ', 2)[1])
        if status != 101:
            self.socket.close()
            raise Refused(status, head.decode())

    def more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise Closed(1006, 'the connection ended')
        self.buffer += piece

    def take(self, length):
        while len(self.buffer) < length:
            self.more()
        taken, self.buffer = self.buffer[:length], self.buffer[length:]
        return taken

    def frame(self, opcode, data, masked=True, final=True):
        length = len(data)
        size = bytes([length]) if length < 126 else b'\x7e' + struct.pack('>H', length) if length < 65536 else \
            b'\x7f' + struct.pack('>Q', length)
        size = bytes([size[0] | (0x80 if masked else 0)]) + size[1:]
        mask = os.urandom(4) if masked else b''
        body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)) if masked else data
        self.socket.sendall(bytes([opcode | (0x80 if final else 0)]) + size + mask + body)

    def send(self, data):
        self.frame(2, data)

    def receive(self):
        """The next message; pings are answered; Closed when the other side closes."""
        while True:
            first, second = self.take(2)
            length = second & 0x7f
            if length == 126:
                length = struct.unpack('>H', self.take(2))[0]
            elif length == 127:
                length = struct.unpack('>Q', self.take(8))[0]
            data = self.take(length)
            if first & 0xf == 8:
                code = struct.unpack('>H', data[:2])[0] if len(data) >= 2 else 1005
                self.frame(8, data[:2])
                raise Closed(code, data[2:].decode(errors='replace'))
            if first & 0xf == 9:
                self.frame(10, data)
            elif first & 0xf in (1, 2):
                return data

    def until(self, wanted):
        """Bytes up to and with @wanted, joined over messages."""
        seen = b''
        while wanted not in seen:
            seen += self.receive()
        return seen

    def exactly(self, length, seen=b''):
        """@length bytes of messages; (bytes, what came beyond)."""
        while len(seen) < length:
            seen += self.receive()
        return seen[:length], seen[length:]

    def close(self):
        self.frame(8, struct.pack('>H', 1000))
        try:
            while True:
                self.receive()
        except (Closed, OSError) as end:
            self.socket.close()
            return getattr(end, 'code', 1006)


class Screen:
    """The client's side of RFB 3.8 without authentication, raw encoding, over a WebSocket."""

    def __init__(self, socket_):
        self.socket, self.rest = socket_, b''
        self.version = self.take(12)
        socket_.send(b'RFB 003.008\n')
        self.ways = self.take(self.take(1)[0])
        socket_.send(b'\x01')
        assert self.take(4) == b'\0\0\0\0', 'the screen refused'
        socket_.send(b'\x01')
        self.width, self.height = struct.unpack('>HH', self.take(4))
        self.take(16)
        self.name = self.take(struct.unpack('>I', self.take(4))[0]).decode()
        # 32 bits, true colour, little endian; raw
        socket_.send(b'\0\0\0\0' + struct.pack('>BBBBHHHBBBxxx', 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        socket_.send(b'\x02\0' + struct.pack('>Hi', 1, 0))

    def take(self, length):
        taken, self.rest = self.socket.exactly(length, self.rest)
        return taken

    def frame(self):
        """The bytes of one whole picture."""
        self.socket.send(b'\x03\0' + struct.pack('>HHHH', 0, 0, self.width, self.height))
        while True:
            kind = self.take(1)[0]
            if kind == 0:
                break
            assert kind == 2, f'message {kind}'  # a bell
        _, count = struct.unpack('>xH', self.take(3))[0], 0
        pixels = 0
        data = b''
        while pixels < self.width * self.height:
            _, _, width, height, encoding = struct.unpack('>HHHHi', self.take(12))
            assert encoding == 0, encoding
            data += self.take(width * height * 4)
            pixels += width * height
            count += 1
        return data

    def press(self, keysym):
        for down in (1, 0):
            self.socket.send(struct.pack('>BBxxI', 4, down, keysym))
