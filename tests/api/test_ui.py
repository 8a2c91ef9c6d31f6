"""What a browser loads from vdcd: the console page and the files of --ui DIR, and the headers of every answer."""
import gzip
import os
import unittest

import apigrid

SCRIPT = b'console.log("packed three times");\n' * 40
CANARY = b'never to be served'


class Ui(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid(agent=False)
        cls.addClassCleanup(cls.grid.end)
        files = {'index.html': b'<!doctype html><title>UI</title>', 'assets/index-B3xY0a9k.js': SCRIPT,
                 'assets/index-B3xY0a9k.js.gz': gzip.compress(SCRIPT), 'assets/index-B3xY0a9k.js.br': b'stands for brotli',
                 'plain.css': b'a{}', 'notes.php': CANARY, '.hidden.js': CANARY}
        for name, content in files.items():
            os.makedirs(os.path.dirname(cls.grid.path('dist', name)), exist_ok=True)
            with open(cls.grid.path('dist', name), 'wb') as out:
                out.write(content)
        with open(cls.grid.path('outside.js'), 'wb') as out:
            out.write(CANARY)
        os.symlink('../outside.js', cls.grid.path('dist', 'link.js'))
        os.symlink('..', cls.grid.path('dist', 'up'))
        os.mkfifo(cls.grid.path('dist', 'pipe.js'))
        cls.grid.options = ['--ui', cls.grid.path('dist')]
        cls.grid.start()

    def get(self, path, **headers):
        named = {name.replace('_', '-'): value for name, value in headers.items()}
        return self.grid.client.raw('GET', path, headers=named)

    def test_files_are_packed_as_the_browser_takes_them(self):
        path = '/ui/assets/index-B3xY0a9k.js'
        for accept, coding in (('gzip, br', 'br'), ('gzip', 'gzip'), ('br;q=0, gzip;q=0.5', 'gzip'), ('', None),
                               ('identity', None), ('gzip;q=0', None)):
            status, headers, body = self.get(path, Accept_Encoding=accept)
            self.assertEqual((200, coding), (status, headers.get('Content-Encoding')), accept)
            self.assertEqual('text/javascript; charset=utf-8', headers['Content-Type'])
            self.assertEqual('Accept-Encoding', headers['Vary'])
            self.assertEqual('public, max-age=31536000, immutable', headers['Cache-Control'])
            self.assertEqual(SCRIPT, gzip.decompress(body) if coding == 'gzip' else SCRIPT if coding else body)

    def test_known_files_are_not_sent_again(self):
        _, headers, _ = self.get('/ui/plain.css')
        self.assertEqual('no-cache', headers['Cache-Control'])
        status, again, body = self.get('/ui/plain.css', If_None_Match=headers['ETag'])
        self.assertEqual((304, b'', headers['ETag']), (status, body, again['ETag']))
        with open(self.grid.path('dist', 'plain.css'), 'wb') as out:
            out.write(b'a{b:c}')
        self.assertEqual(200, self.get('/ui/plain.css', If_None_Match=headers['ETag'])[0])

    def test_addresses_within_the_ui_give_its_page(self):
        for path in ('/', '/ui', '/ui/applications/shop'):
            status, headers, body = self.get(path)
            self.assertEqual((200, 'text/html; charset=utf-8'), (status, headers['Content-Type']), path)
            self.assertIn(b'<title>UI', body)
            self.assertIn("script-src 'self'", headers['Content-Security-Policy'])

    def test_nothing_else_is_served(self):
        for path in ('/ui/../ctl/token', '/ui/..%2fctl%2ftoken', '/ui/%2e%2e/outside.js', '/ui/link.js', '/ui/up/outside.js',
                     '/ui/pipe.js', '/ui/notes.php', '/ui/.hidden.js', '/ui//etc/passwd', '/ui/assets', '/ui/%5c..%5coutside.js',
                     '/ui/assets/index-B3xY0a9k.js.gz', '/ui/missing.js', '/ui/assets/%00.js', '/ui/' + 'a' * 300 + '.js',
                     '/ui/outside.js/../../outside.js'):
            status, _, body = self.get(path)
            self.assertNotIn(CANARY, body, path)
            if path != '/ui/assets':  # an address within the UI
                self.assertEqual(404, status, path)

    def test_every_answer_forbids_what_it_does_not_need(self):
        for path, expected in (('/ui/plain.css', 200), ('/', 200), ('/api/v1/servers', 200), ('/nothing', 404),
                               ('/api/v1/applications/none', 404), ('/api/v1/console', 400)):
            status, headers, _ = self.get(path, Host='grid.example')
            self.assertEqual(expected, status, path)
            for name, value in (('X-Content-Type-Options', 'nosniff'), ('Cross-Origin-Opener-Policy', 'same-origin'),
                                ('Cross-Origin-Resource-Policy', 'same-origin'), ('Referrer-Policy', 'no-referrer'),
                                ('Strict-Transport-Security', 'max-age=31536000'), ('X-Frame-Options', 'DENY')):
                self.assertEqual(value, headers.get(name), f'{path}: {name}')
            policy = headers['Content-Security-Policy']
            self.assertIn("default-src 'none'", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("script-src 'unsafe", policy)
            if path.startswith('/api'):
                self.assertEqual('no-store', headers['Cache-Control'], path)
        self.assertNotIn('Strict-Transport-Security', self.get('/', Host='localhost:8443')[1])
