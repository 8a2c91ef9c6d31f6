"""Logging in: what guessing costs, what a stolen or planted session is worth, what another site's page can do."""
import concurrent.futures
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
import unittest

import accessgrid
import apigrid
import vdc
from accessgrid import PASSWORD, Person

LOGINS_AT_ONCE = 500
RSS_LIMIT_BYTES = 300 * 1000 * 1000
GUESSES = 12


class Logins(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = accessgrid.AccessGrid(agent=False).start()
        cls.addClassCleanup(cls.grid.end)
        cls.local = cls.grid.local
        cls.origin = f'https://127.0.0.1:{cls.grid.ports["api"]}'

    def setUp(self):
        """A user of his own for each test: tries are counted by user."""
        self.user = 'u-' + self.id().split('.')[-1][5:25].strip('_').replace('_', '-')
        self.grid.make_user(self.user, creates=True)

    def anybody(self):
        person = Person(self.grid, 'anybody')
        self.addCleanup(person.close)
        return person

    def person(self, secret, **more):
        person = Person(self.grid, self.user, secret, **more)
        self.addCleanup(person.close)
        return person

    def try_login(self, user, password, **headers):
        return self.anybody().ask('POST', 'login', {'user': user, 'password': password}, **headers)

    # --- guessing ------------------------------------------------------------------------------------------------------

    def test_wrong_user_and_wrong_password_look_the_same(self):
        self.local.post('users', {'name': 'sleeper', 'role': 'admin'})
        self.grid.make_user('gone-away')
        self.local.post('users/gone-away/actions', {'action': 'disable'})
        answers = [self.try_login(user, password) for user, password in (
            (self.user, 'wrong password'), ('no-such-user', PASSWORD), ('sleeper', PASSWORD), ('gone-away', PASSWORD),
            ('local', PASSWORD), ('../x', PASSWORD))]
        self.assertEqual({401}, {status for status, _, _ in answers})
        self.assertEqual(1, len({content for _, _, content in answers}))
        self.assertEqual(1, len({tuple(sorted(headers)) for _, headers, _ in answers}))

    def test_wrong_user_takes_as_long_as_wrong_password(self):
        """In turns, so that a busy machine slows both; each with a name of its own, so that none is made to wait."""
        took = {'known': [], 'unknown': []}
        for i in range(GUESSES):
            self.grid.make_user(f'timed-{i}')
            for kind, name in (('known', f'timed-{i}'), ('unknown', f'nobody-{i}')):
                person = self.anybody()
                person.ask('GET', '/')  # the handshake is not what is measured
                began = time.monotonic()
                self.assertEqual(401, person.ask('POST', 'login', {'user': name, 'password': 'wrong password'})[0])
                took[kind].append(time.monotonic() - began)
        known, unknown = (statistics.median(took[kind]) for kind in ('known', 'unknown'))
        print(f'# login refused in {known * 1000:.0f} ms (known user), {unknown * 1000:.0f} ms (unknown)', flush=True)
        # Without the hash the unknown one would be a hundred times quicker.
        self.assertLess(abs(known - unknown), 0.5 * max(known, unknown))

    def test_guesses_are_slowed_and_not_locked_out(self):
        statuses = [self.try_login(self.user, 'wrong password')[0] for _ in range(7)]
        self.assertEqual([401] * 5 + [429] * 2, statuses)
        status, headers, _ = self.try_login(self.user, PASSWORD)
        self.assertEqual(429, status)
        self.assertIn(int(headers['Retry-After']), (1, 2))
        unknown = [self.try_login('guessed-' + self.user[:20], PASSWORD)[0] for _ in range(7)]
        self.assertEqual(statuses, unknown)
        # The delay ends by itself.
        self.grid.client.wait('the delay is over', lambda: self.try_login(self.user, PASSWORD)[0] == 200, 20, silence_s=1)

    def test_guesses_at_once_are_not_free(self):
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(lambda _: self.try_login(self.user, 'wrong password')[0], range(40)))
        self.assertLessEqual(statuses.count(401), 5)
        self.assertEqual({401, 429}, set(statuses))

    def test_many_logins_at_once_cost_little_memory(self):
        """Each as another user, so that each is a hash: some are served, the rest is told to come back.

        The release's figure: the sanitizers' memory is not what is promised."""
        grid = accessgrid.AccessGrid(agent=False)
        grid.build = apigrid.TOP + '/build/release'
        if not os.path.exists(grid.build + '/vdc/controller/vdcd'):
            self.skipTest('needs build/release')
        self.addCleanup(grid.end)
        grid.start()

        def rss():
            with open(f'/proc/{grid.vdcd.pid}/status', encoding='ascii') as text:
                return int(re.search(r'VmRSS:\s+(\d+)', text.read())[1]) * 1024
        def peak():
            with open(f'/proc/{grid.vdcd.pid}/status', encoding='ascii') as text:
                return int(re.search(r'VmHWM:\s+(\d+)', text.read())[1]) * 1024
        before = rss()
        with open(f'/proc/{grid.vdcd.pid}/clear_refs', 'w', encoding='ascii') as clear:
            clear.write('5')  # the peak counts from here
        people = [Person(grid, f'crowd-{i}') for i in range(LOGINS_AT_ONCE)]

        def connect(person):
            person.connection = grid.client.connection(120)
            person.connection.connect()

        def log_in(person):
            return person.ask('POST', 'login', {'user': person.name, 'password': PASSWORD})
        with concurrent.futures.ThreadPoolExecutor(LOGINS_AT_ONCE) as pool:
            list(pool.map(connect, people))
            answers = list(pool.map(log_in, people))
        grown = peak() - before
        for person in people:
            person.close()
        statuses = [status for status, _, _ in answers]
        print(f'# {LOGINS_AT_ONCE} logins at once: RSS grew by {grown / 1e6:.0f} MB at most; '
              f'{statuses.count(401)} looked at, {statuses.count(503)} told to come back', flush=True)
        self.assertEqual({401, 503}, set(statuses))
        self.assertTrue(all('Retry-After' in headers for status, headers, _ in answers if status == 503))
        self.assertGreaterEqual(statuses.count(401), 32)
        self.assertLess(grown, RSS_LIMIT_BYTES)

    # --- sessions ------------------------------------------------------------------------------------------------------

    def test_cookie_is_one_that_browsers_keep_to_themselves(self):
        status, headers, content = self.anybody().ask('POST', 'login', {'user': self.user, 'password': PASSWORD, 'cookie': True})
        self.assertEqual(200, status)
        name, _, rest = headers['Set-Cookie'].partition('=')
        value, *flags = [part.strip() for part in rest.split(';')]
        self.assertEqual('__Host-vdc', name)
        self.assertLessEqual({'Secure', 'HttpOnly', 'SameSite=Strict', 'Path=/'}, set(flags))
        self.assertFalse([flag for flag in flags if flag.startswith('Domain')])
        self.assertEqual(256, 4 * len(value.removeprefix('vdcs_')))
        self.assertNotIn(value.encode(), content)

    def test_session_is_new_at_each_login(self):
        planted = 'vdcs_' + '7' * 64
        first = self.grid.login(self.user, cookie=True)
        status, headers, _ = self.try_login(self.user, PASSWORD, Cookie='__Host-vdc=' + first)
        answer = self.anybody().ask('POST', 'login', {'user': self.user, 'password': PASSWORD, 'cookie': True},
                                    Cookie='__Host-vdc=' + planted)
        self.assertEqual((200, 200), (status, answer[0]))
        self.assertNotIn(planted, answer[1]['Set-Cookie'])
        for secret in (planted, first):  # never was one; ended as its browser logged in anew
            self.assertEqual(401, self.person(secret, cookie=True).ask('GET', 'me')[0])

    def test_stolen_cookie_is_worth_nothing_after_logout(self):
        mine = self.person(self.grid.login(self.user, cookie=True), cookie=True)
        stolen = self.person(mine.secret, cookie=True)
        self.assertEqual(200, stolen.ask('GET', 'me')[0])
        status, headers, _ = mine.ask('POST', 'logout', {})
        self.assertEqual((200, True), (status, 'Max-Age=0' in headers['Set-Cookie']))
        self.assertEqual(401, stolen.ask('GET', 'me')[0])
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.assertEqual(401, stolen.ask('GET', 'me')[0])

    def test_session_lives_over_a_restart(self):
        mine = self.person(self.grid.login(self.user))
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.assertEqual(self.user, mine.get('me')['user'])

    def test_cookie_and_bearer_are_not_exchanged(self):
        cookie, bearer = self.grid.login(self.user, cookie=True), self.grid.login(self.user)
        self.assertEqual(401, self.person(cookie).ask('GET', 'me')[0])
        self.assertEqual(401, self.person(bearer, cookie=True).ask('GET', 'me')[0])
        self.assertEqual(401, self.anybody().ask('GET', 'me', Cookie=f'__Host-vdc={cookie}; __Host-vdc={cookie}')[0])
        self.assertEqual(401, self.person('wrong').ask('GET', 'me', Cookie='__Host-vdc=' + cookie)[0])

    def test_sessions_are_listed_and_ended(self):
        one, other = (self.person(self.grid.login(self.user)) for _ in range(2))
        listed = one.items('me/sessions')
        self.assertEqual(2, len(listed))
        me = other.get('me')['credential']['id']
        self.assertEqual(200, one.ask('DELETE', 'me/sessions/' + me, {})[0])
        self.assertEqual(401, other.ask('GET', 'me')[0])
        self.local.post(f'users/{self.user}/actions', {'action': 'logout'})
        self.assertEqual(401, one.ask('GET', 'me')[0])

    def test_new_password_ends_other_sessions(self):
        one, other = (self.person(self.grid.login(self.user)) for _ in range(2))
        for wrong in ({'current': 'not the password', 'password': 'a fine new one'},):
            self.assertEqual(403, one.ask('POST', 'me/password', wrong)[0])
        for bad in ('short one', self.user, 'x' * 1025):
            self.assertIn(one.ask('POST', 'me/password', {'current': PASSWORD, 'password': bad})[0], (422,))
        self.assertEqual(200, one.ask('POST', 'me/password', {'current': PASSWORD, 'password': 'a fine new one'})[0])
        self.assertEqual((200, 401), (one.ask('GET', 'me')[0], other.ask('GET', 'me')[0]))
        self.assertEqual(401, self.try_login(self.user, PASSWORD)[0])
        self.assertEqual(200, self.try_login(self.user, 'a fine new one')[0])
        self.local.post(f'users/{self.user}/actions', {'action': 'password', 'password': PASSWORD})
        self.assertEqual(401, one.ask('GET', 'me')[0])

    # --- another site's page -------------------------------------------------------------------------------------------

    def test_foreign_page_changes_nothing(self):
        mine = self.person(self.grid.login(self.user, cookie=True), cookie=True)
        bare = self.person(mine.secret, cookie=True, ours=False)
        wanted = {'name': 'csrf', 'description': accessgrid.DESCRIPTION % 'csrf'}
        good = {'X_VDC_Request': '1', 'Origin': self.origin}
        cases = {'nothing of ours': {}, 'no header': {**good, 'X_VDC_Request': None}, 'no origin': {**good, 'Origin': None},
                 'null': {**good, 'Origin': 'null'}, 'foreign': {**good, 'Origin': 'https://evil.example'},
                 'prefix': {**good, 'Origin': self.origin + '.evil.example'}, 'http': {**good, 'Origin': self.origin[:4] + self.origin[5:]},
                 'other port': {**good, 'Origin': 'https://127.0.0.1:1'}, 'other value': {**good, 'X_VDC_Request': '0'},
                 'no type': {**good, 'Content_Type': None}}
        for what, headers in cases.items():
            found = dict(headers)
            status = bare.ask('POST', 'applications', wanted, **found)[0]
            self.assertEqual(403, status, what)
        for kind in ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'):
            self.assertIn(bare.ask('POST', 'applications', wanted, **good, Content_Type=kind)[0], (403, 415), kind)
        self.assertEqual(403, bare.ask('DELETE', 'applications/csrf', **{**good, 'Origin': 'https://evil.example'})[0])
        self.assertEqual([], mine.items('applications'))
        self.assertEqual(201, bare.ask('POST', 'applications', wanted, **good)[0])
        self.assertEqual(200, bare.ask('DELETE', 'applications/csrf?dry_run=1', **good)[0])

    def test_foreign_page_logs_nobody_in(self):
        """Login CSRF: the victim would work as the attacker's user."""
        body = {'user': self.user, 'password': PASSWORD, 'cookie': True}
        for headers in ({'Origin': 'https://evil.example'}, {'Content_Type': None}, {'Origin': 'null'}):
            status, answer, _ = self.anybody().ask('POST', 'login', body, **headers)
            self.assertEqual((403, None), (status, answer.get('Set-Cookie')))
        self.assertEqual(200, self.anybody().ask('POST', 'login', body, Origin=self.origin)[0])

    def test_answers_are_not_for_other_origins(self):
        mine = self.person(self.grid.login(self.user, cookie=True), cookie=True)
        for method in ('GET', 'OPTIONS'):
            _, headers, _ = mine.ask(method, 'me', Origin='https://evil.example')
            self.assertFalse([name for name in headers if name.lower().startswith('access-control')])

    # --- the command line ----------------------------------------------------------------------------------------------

    def vdc(self, *words, given='', **environment):
        done = subprocess.run([apigrid.BUILD + '/vdc/cli/vdc', *words], input=given, text=True, capture_output=True, timeout=60,
                              env={**{k: v for k, v in os.environ.items() if not k.startswith('VDC_')}, 'HOME': self.home,
                                   'XDG_CONFIG_HOME': self.home, **environment})
        return done.returncode, done.stdout, done.stderr

    def test_command_line(self):
        with tempfile.TemporaryDirectory() as self.home:
            root = {'VDC_URL': self.origin, 'VDC_TOKEN': self.grid.client.token, 'VDC_CA': self.grid.path('ctl/pki/ca.crt')}
            self.assertEqual(0, self.vdc('user', 'create', 'cli', '--creates', given=PASSWORD + '\n', **root)[0])
            self.assertIn('cli', self.vdc('user', 'list', **root)[1])
            code, out, err = self.vdc('login', 'cli', '--url', self.origin, '--ca', root['VDC_CA'], given=PASSWORD + '\n')
            self.assertEqual((0, ''), (code, err), out)
            kept = os.path.join(self.home, 'vdc/login/token')
            self.assertEqual(0o600, os.stat(kept).st_mode & 0o777)
            self.assertEqual('cli', json.loads(self.vdc('whoami', '--json')[1])['user'])
            self.assertEqual(5, self.vdc('user', 'list')[0])
            self.assertEqual(0, self.vdc('app', 'create', 'cliapp', '--from', 'catalog/shop')[0])
            code, token, _ = self.vdc('token', 'create', 'ci', '--role', 'operator', '--app', 'cliapp', '--expires', '30d')
            self.assertEqual((0, 'vdct_'), (code, token[:5]))
            mine = {'VDC_URL': self.origin, 'VDC_TOKEN': token.strip(), 'VDC_CA': root['VDC_CA']}
            self.assertEqual(0, self.vdc('app', 'show', 'cliapp', **mine)[0])
            self.assertEqual(5, self.vdc('app', 'destroy', 'cliapp', '--yes', **mine)[0])
            self.assertEqual(0, self.vdc('user', 'role', self.user, 'viewer', '--app', 'cliapp')[0])
            self.assertIn(self.user, self.vdc('user', 'list', '--app', 'cliapp')[1])
            self.assertEqual(0, self.vdc('token', 'revoke', 'ci')[0])
            self.assertEqual(5, self.vdc('app', 'show', 'cliapp', **mine)[0])
            self.assertEqual(0, self.vdc('user', 'password', given=PASSWORD + '\nanother good one\n')[0])
            self.assertEqual(0, self.vdc('whoami')[0])
            self.assertEqual(0, self.vdc('logout')[0])
            self.assertFalse(os.path.exists(kept))
            self.assertEqual(2, self.vdc('login', 'cli', '--url', self.origin, '--ca', root['VDC_CA'])[0])
            for words in (('disable', 'cli'), ('enable', 'cli'), ('logout', 'cli', '--tokens'), ('show', 'cli'),
                          ('role', 'cli', 'operator'), ('delete', 'cli', '--yes')):
                self.assertEqual(0, self.vdc('user', *words, **root)[0], words)
            self.assertEqual(3, self.vdc('user', 'show', 'cli', **root)[0])


if __name__ == '__main__':
    unittest.main()
