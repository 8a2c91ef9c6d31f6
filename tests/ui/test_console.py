"""The console page in a browser: a real vdcd, servers without VMs, so that every state is at hand in a moment.

VDC_PICTURES=FOLDER keeps screenshots.
"""
import os
import unittest

import apigrid
import browser
import vdc


class Console(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if browser.CHROMIUM is None:
            raise unittest.SkipTest('needs chromium')
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.end)
        cls.address = f'https://127.0.0.1:{cls.grid.ports["api"]}/'

    def signed_in(self):
        return self.browser.open(f'{self.address}#token={self.client.token}')

    def create(self, name, started=False, **settings):
        self.addCleanup(self.remove, name)
        self.client.post('applications', {'name': name, 'from': 'shop', 'set': settings})
        if started:
            self.grid.done(self.client.act(name, 'start'))

    def remove(self, name):
        try:
            self.client.delete(f'applications/{name}?force=1')
        except vdc.ApiError as error:
            if error.status != 404:
                raise
        self.client.wait(f'{name} is gone', lambda: not self.client.exists(name), 60)

    def picture(self, page, name):
        folder = os.environ.get('VDC_PICTURES')
        if folder:
            os.makedirs(folder, exist_ok=True)
            page.picture(f'{folder}/{name}.png')

    def test_lists_applications_and_their_states(self):
        self.create('shop', started=True)
        self.create('idle')
        page = self.signed_in()
        page.wait_text('#application-shop .state', 'running')
        page.wait_text('#application-idle .state', 'stopped')
        self.assertIn('4 of 4 ready', page.text('#application-shop'))
        self.assertIn('web.2', page.text('#application-shop table'))
        self.assertEqual('2 applications, 1 running', page.text('#status'))
        url = self.client.application('shop')['urls'][0]
        self.assertEqual(url, page.value('document.querySelector("#application-shop a").href'))
        self.picture(page, 'light')
        page.dark()
        self.picture(page, 'dark')
        self.assertEqual([], page.problems())

    def test_token_leaves_the_address(self):
        page = self.signed_in()
        page.wait_text('#status', 'application')
        self.assertEqual(self.address, page.value('location.href'))

    def test_changes_appear_by_themselves(self):
        page = self.signed_in()
        page.wait_text('#applications', 'No applications yet')
        self.create('shop')
        page.wait_text('#application-shop .state', 'stopped')
        self.client.act('shop', 'start')
        page.wait_text('#application-shop .state', 'running')
        self.grid.done(self.client.act('shop', 'scale', instances={'web': 3}))
        page.wait_text('#application-shop table', 'web.3')
        self.remove('shop')
        page.wait_text('#applications', 'No applications yet')
        self.assertEqual([], page.problems())

    def test_failure_says_why(self):
        self.create('shop')
        self.client.act('shop', 'config', set={'web.fake_fault': 'fail'})
        self.client.act('shop', 'start')
        page = self.signed_in()
        page.wait_text('#application-shop .state', 'failed', 60)
        error = self.client.wait('an error', lambda: self.client.application('shop')['error'], 10)
        page.wait_text('#application-shop .problem', error['message'].splitlines()[0])
        self.picture(page, 'failed')

    def test_asks_for_the_token_and_says_when_it_is_wrong(self):
        page = self.browser.open(self.address)
        page.wait_text('#login', 'token')
        self.assertEqual(('', 'not signed in'), (page.text('#problem'), page.text('#status')))
        self.picture(page, 'sign-in')
        page.type_in('#token', 'wrong')
        page.wait_text('#problem', 'not accepted')
        self.picture(page, 'wrong')
        page.type_in('#token', self.client.token)
        page.wait_text('#status', 'application')
        self.assertEqual('', page.text('#login'))

    def test_user_logs_in_and_out(self):
        self.client.post('users', {'name': 'ann', 'password': 'a long enough pass', 'creates': True})
        self.addCleanup(self.client.delete, 'users/ann')
        self.create('hidden')
        page = self.browser.open(self.address)
        page.wait_text('#login', 'Password')
        page.value('document.getElementById("user").value = "ann"')
        page.type_in('#password', 'wrong password')
        page.wait_text('#problem', 'the user or the password is wrong')
        page.type_in('#password', 'a long enough pass')
        page.wait_text('#status', '0 applications')
        self.assertEqual('', page.text('#login'))
        self.assertEqual('', page.value('document.cookie'), 'no script reads the session')
        self.assertIsNone(page.value('sessionStorage.getItem("vdc-token")'))
        self.client.post('users/ann/actions', {'action': 'role', 'role': 'viewer'})
        page.go(self.address)
        page.wait_text('#application-hidden .state', 'stopped')
        self.picture(page, 'logged-in')
        page.value('document.getElementById("logout").click()')
        page.wait_text('#status', 'not signed in')
        self.assertEqual([], self.client.items('users/ann/sessions'))
        # One that is ended elsewhere ends here too.
        page.type_in('#user', 'ann')
        page.type_in('#password', 'a long enough pass')
        page.wait_text('#status', '1 application')
        self.client.post('users/ann/actions', {'action': 'logout'})
        page.wait_text('#problem', 'The session has ended')

    def test_wrong_token_in_the_address_says_so(self):
        page = self.browser.open(self.address + '#token=wrong')
        page.wait_text('#problem', 'not accepted')
        self.assertEqual('', page.text('#applications'))
        # The right link pasted into the same window.
        page.go(f'{self.address}#token={self.client.token}')
        page.wait_text('#status', 'application')

    def test_controller_that_restarts_is_found_again(self):
        page = self.signed_in()
        page.wait_text('#status', 'application')
        self.grid.kill_vdcd()
        page.wait_text('#status', 'does not answer')
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.grid.wait_server()
        page.wait_text('#status', '0 applications')
        self.create('shop')
        page.wait_text('#application-shop .state', 'stopped')


if __name__ == '__main__':
    unittest.main()
