"""Ethernet frames by hand, and taps as guests: what a guest's root could send, byte by byte."""
import errno
import fcntl
import json
import os
import select
import socket
import struct
import subprocess

TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
BROADCAST = 'ff:ff:ff:ff:ff:ff'
SYN, ACK, RST, FIN = 0x02, 0x10, 0x04, 0x01


def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def ip(text):
    return socket.inet_aton(text)


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ether(source, target, kind, payload, tags=b''):
    return mac(target) + mac(source) + tags + struct.pack('!H', kind) + payload


def ipv4(source, target, proto, payload, flags=0x4000, options=b'', ident=1):
    size = 20 + len(options)
    head = struct.pack('!BBHHHBBH4s4s', 0x40 | size // 4, 0, size + len(payload), ident, flags, 64, proto, 0,
                       ip(source), ip(target)) + options
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + payload


def tcp(source_port, target_port, flags, data=b''):
    return struct.pack('!HHIIBBHHH', source_port, target_port, 1, 1, 0x50, flags, 1000, 0, 0) + data


def udp(source_port, target_port, data=b''):
    return struct.pack('!HHHH', source_port, target_port, 8 + len(data), 0) + data


def icmp(kind, code, rest=b'\0\0\0\0', data=b''):
    body = struct.pack('!BBH', kind, code, 0) + rest + data
    return body[:2] + struct.pack('!H', checksum(body)) + body[4:]


def arp(operation, sender_mac, sender_ip, target_mac, target_ip, hardware=1):
    return struct.pack('!HHBBH', hardware, 0x0800, 6, 4, operation) + mac(sender_mac) + ip(sender_ip) + \
        mac(target_mac) + ip(target_ip)


class Guest:
    """The far end of a tap: what it writes is what a guest sends, what it reads is what reaches the guest."""

    def __init__(self, tap):
        self.tap = tap
        self.fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack('16sH22x', tap.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        self.wait_for_port()

    def wait_for_port(self):
        """The bridge takes frames only once the kernel's link watcher has seen the carrier, a moment after the open."""
        for _ in range(200):
            link = json.loads(subprocess.run(['ip', '-j', '-d', 'link', 'show', self.tap], capture_output=True,
                                             text=True, check=True).stdout)[0]
            if 'master' not in link or link['linkinfo']['info_slave_data']['state'] == 'forwarding':
                return

    def send(self, frame):
        """FALSE when the tap is down: the frame went nowhere."""
        try:
            os.write(self.fd, bytes(10) + frame)
            return True
        except OSError as err:
            if err.errno == errno.EIO:
                return False
            raise

    def receive(self):
        """All frames that have arrived."""
        frames = []
        while True:
            try:
                frames.append(os.read(self.fd, 70000)[10:])
            except BlockingIOError:
                return frames
            except OSError as err:
                if err.errno in (errno.EIO, errno.EBADFD):
                    return frames
                raise

    def wait(self, seconds):
        return bool(select.select([self.fd], [], [], seconds)[0])

    def close(self):
        os.close(self.fd)


class Wire:
    """An ordinary interface, listened to and spoken through by a packet socket."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((name, 0))
        self.socket.setblocking(False)

    def send(self, frame):
        self.socket.send(frame)
        return True

    def receive(self):
        frames = []
        while True:
            try:
                data, address = self.socket.recvfrom(70000)
            except BlockingIOError:
                return frames
            if address[2] != socket.PACKET_OUTGOING:
                frames.append(data)

    def wait(self, seconds):
        return bool(select.select([self.socket], [], [], seconds)[0])

    def close(self):
        self.socket.close()
