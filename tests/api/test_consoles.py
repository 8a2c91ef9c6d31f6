"""Consoles in a browser: tickets, WebSockets, serial and screen, over a real vdcd and agent; the VMs are pretended."""
import unittest

import apigrid
import vdc
import websocket

PASSWORD = 'correct horse battery'


class Consoles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client
        cls.client.post('applications', {'name': 'shop', 'from': 'shop'})
        cls.grid.done(cls.client.post('applications/shop/actions', {'action': 'start'}))

    def ticket(self, member='db', client=None, **more):
        return (client or self.client).post(f'applications/shop/instances/{member}/console/tickets', more)

    def open(self, ticket, **headers):
        named = {name.replace('_', '-'): value for name, value in headers.items()}
        return websocket.WebSocket(self.grid.ports['api'], ticket['url'], self.grid.path('ctl/pki/ca.crt'), named)

    def refused(self, ticket, **headers):
        with self.assertRaises(websocket.Refused) as caught:
            self.open(ticket, **headers)
        return caught.exception.status

    def viewers(self, member='db'):
        return self.client.items(f'applications/shop/instances/{member}/console/viewers')

    def no_viewers(self):
        return self.client.wait('nobody looks', lambda: not self.viewers(), 10, silence_s=0.1)

    def test_serial_shows_what_was_and_takes_what_is_typed(self):
        console = self.open(self.ticket())
        self.assertIn(b'fake guest boots', console.until(b'ready'))
        console.send(b'root\r')
        console.until(b'root\r')
        # More than one POST to the agent holds, in order.
        text = b''.join(b'%06d ' % i for i in range(20000))
        for at in range(0, len(text), 30000):
            console.send(text[at:at + 30000])
        seen = console.until(b'019999 ')
        self.assertEqual(text, seen[seen.index(b'000000'):])
        self.assertEqual(1000, console.close())
        # Who comes back sees it.
        again = self.open(self.ticket(tail=100))
        self.assertEqual(100, len(again.until(b'019999 ')))
        again.close()

    def test_read_only_console_types_nothing(self):
        watching, typing = self.open(self.ticket(read_only=True, tail=0)), self.open(self.ticket(tail=0))
        watching.send(b'never')
        typing.send(b'typed')
        self.assertEqual(b'typed', watching.until(b'typed'))
        watching.close()
        typing.close()

    def test_screen_shows_frames_and_takes_keys(self):
        screen = websocket.Screen(self.open(self.ticket(kind='screen')))
        self.assertEqual((b'RFB 003.008\n', 64, 48), (screen.version, screen.width, screen.height))
        self.assertEqual(b'\x99\x66\x33\0' * (64 * 48), screen.frame())
        screen.press(0x41)
        self.assertEqual(b'\x41\0\0\0' * (64 * 48), screen.frame())
        screen.socket.close()

    def test_class_without_a_screen_says_so(self):
        with self.assertRaises(vdc.ApiError) as caught:
            self.ticket('in', kind='screen')
        self.assertEqual(('conflict', 409), (caught.exception.code, caught.exception.status))
        self.assertIn('screen', str(caught.exception))

    def test_ticket_opens_once(self):
        ticket = self.ticket()
        self.open(ticket).close()
        self.assertEqual(401, self.refused(ticket))
        self.assertEqual(401, self.refused({'url': '/api/v1/console?ticket=' + '0' * 64}))
        self.assertEqual(401, self.refused({'url': '/api/v1/console'}))

    def test_page_of_another_origin_is_refused_and_the_ticket_stays_good(self):
        ticket = self.ticket()
        for origin in ('https://evil.example', 'null', f'http://localhost:{self.grid.ports["api"]}', 'https://localhost'):
            self.assertEqual(403, self.refused(ticket, Origin=origin))
        self.open(ticket, Origin=f'https://localhost:{self.grid.ports["api"]}').close()

    def test_what_is_no_websocket_is_refused(self):
        ticket = self.ticket()
        for headers in ({'Upgrade': 'h2c'}, {'Connection': 'close'}, {'Sec_WebSocket_Version': '8'},
                        {'Sec_WebSocket_Key': 'short'}, {'Sec_WebSocket_Key': None}):
            self.assertEqual(400, self.refused(ticket, **headers))
        self.open(ticket).close()

    def test_wrong_frames_end_it_with_their_code(self):
        def code_after(act):
            console = self.open(self.ticket(tail=0))
            act(console)
            with self.assertRaises(websocket.Closed) as caught:
                while True:
                    console.receive()
            return caught.exception.code
        self.assertEqual(1002, code_after(lambda console: console.frame(2, b'x', masked=False)))
        self.assertEqual(1002, code_after(lambda console: console.frame(0x40 | 2, b'x')))
        self.assertEqual(1007, code_after(lambda console: console.frame(1, b'\xff')))
        self.assertEqual(1009, code_after(lambda console: console.frame(2, b'x' * 65537)))
        self.no_viewers()

    def test_viewers_are_listed_while_they_look(self):
        self.no_viewers()
        console = self.open(self.ticket(kind='screen'))
        viewer, = self.viewers()
        self.assertEqual(('screen', False, '127.0.0.1'), (viewer['kind'], viewer['read_only'], viewer['address']))
        console.socket.close()  # without a word
        self.no_viewers()

    def test_console_ends_with_the_right_to_it(self):
        self.client.post('users', {'name': 'olga', 'role': 'operator', 'password': PASSWORD})
        login = self.client.post('login', {'user': 'olga', 'password': PASSWORD})
        olga = vdc.Client(f'https://127.0.0.1:{self.grid.ports["api"]}', login['token'], self.grid.path('ctl/pki/ca.crt'))
        console, unused = self.open(self.ticket(client=olga, tail=0)), self.ticket(client=olga)
        self.client.post('users/olga/actions', {'action': 'disable'})
        with self.assertRaises(websocket.Closed) as caught:
            console.receive()
        self.assertEqual(1008, caught.exception.code)
        self.assertEqual(403, self.refused(unused))

    def test_console_ends_with_the_server_of_its_agent(self):
        console = self.open(self.ticket(tail=0))
        self.grid.kill_agent()
        with self.assertRaises(websocket.Closed) as caught:
            console.receive()
        self.assertEqual(1011, caught.exception.code)
        self.grid.start_agent()
        self.grid.wait_agent()
