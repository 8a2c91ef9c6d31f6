"""A headless Chromium for the tests in tests/ui, driven over its debugging pipe: nothing but Python is needed.

    with browser.Browser() as chromium:
        page = chromium.open('https://127.0.0.1:8443/')
        page.wait('shown', 'document.title')
        page.text('h1')

Its profile is a new folder, removed at the end. The certificate of the grid's own CA is taken without a question.
"""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

CHROMIUM = next((path for path in map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome')) if path), None)
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-extensions',
         '--no-proxy-server', '--ignore-certificate-errors', '--hide-scrollbars', '--window-size=1100,700',
         '--remote-debugging-pipe']
ANSWER_LIMIT_S = 60


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix='vdc-browser-')
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()
        self.rest, self.number, self.seen = b'', 0, []
        # It reads commands from descriptor 3 and writes answers to 4; a shell puts ours there, whatever their numbers.
        self.process = subprocess.Popen(
            ['/bin/sh', '-c', f'exec "$@" 3<&{to_browser} 4>&{from_browser}', 'sh', CHROMIUM, *FLAGS,
             f'--user-data-dir={self.profile}', 'about:blank'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, pass_fds=(to_browser, from_browser), env=dict(os.environ, HOME=self.profile),
            start_new_session=True)
        os.close(to_browser)
        os.close(from_browser)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.end()

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        # Its helpers write into the profile to their end, and a folder that is written to cannot be removed.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.out)
        os.close(self.into)
        for _ in range(50):
            shutil.rmtree(self.profile, ignore_errors=True)
            if not os.path.exists(self.profile):
                break
            time.sleep(0.1)

    def message(self, deadline):
        """The next message of the browser: they end with a zero byte."""
        while b'\0' not in self.rest:
            ready, _, _ = select.select([self.into], [], [], max(deadline - time.monotonic(), 0))
            piece = os.read(self.into, 1 << 20) if ready else b''
            if not piece:
                raise AssertionError('the browser ' + ('ended' if ready else f'did not answer in {ANSWER_LIMIT_S} s'))
            self.rest += piece
        text, _, self.rest = self.rest.partition(b'\0')
        return json.loads(text)

    def call(self, method, session=None, **params):
        """The result of one command; what else came in the meantime is in self.seen."""
        self.number += 1
        command = {'id': self.number, 'method': method, 'params': params, **({'sessionId': session} if session else {})}
        os.write(self.out, json.dumps(command).encode() + b'\0')
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while True:
            message = self.message(deadline)
            if message.get('id') != self.number:
                self.seen.append(message)
            elif 'error' in message:
                raise AssertionError(f'{method}: {message["error"]}')
            else:
                return message['result']

    def open(self, url):
        # A context of its own has storage of its own, as another person's browser.
        context = self.call('Target.createBrowserContext')['browserContextId']
        target = self.call('Target.createTarget', url='about:blank', browserContextId=context)['targetId']
        page = Page(self, self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId'])
        page.call('Page.enable')
        page.call('Runtime.enable')
        page.go(url)
        return page


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def go(self, url):
        problem = self.call('Page.navigate', url=url).get('errorText')
        if problem:
            raise AssertionError(f'{url}: {problem}')

    def value(self, expression):
        """What a JavaScript expression gives."""
        answer = self.call('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in answer:
            raise AssertionError(f'{expression}: {answer["exceptionDetails"]}')
        return answer['result'].get('value')

    def text(self, selector='body'):
        """What a person reads there; empty when it is not there, or hidden."""
        element = f'document.querySelector({json.dumps(selector)})'
        # innerText of what is not drawn is all its text.
        return self.value(f'{element}?.checkVisibility () ? {element}.innerText : ""')

    def wait(self, what, expression, timeout_s=30):
        """Until the expression is true, looked at with each frame that the page draws; its value."""
        waiting = ('new Promise((resolve, reject) => { const end = Date.now () + %d; (function look () { let seen = null;'
                   ' try { seen = %s } catch (error) {} if (seen) resolve (seen);'
                   ' else if (Date.now () > end) resolve (null); else setTimeout (look, 20); }) (); })')
        deadline = time.monotonic() + timeout_s
        while True:
            left_ms = int(max(deadline - time.monotonic(), 0.1) * 1000)
            try:
                seen = self.value(waiting % (left_ms, expression))
            except AssertionError:  # the page was left while we looked
                if time.monotonic() >= deadline:
                    raise
                continue
            if seen:
                return seen
            raise AssertionError(f'{what}: not within {timeout_s} s; the page says:\n{self.text()}')

    def wait_text(self, selector, text, timeout_s=30):
        element = f'document.querySelector({json.dumps(selector)})'
        return self.wait(f'{selector} says {text!r}',
                         f'{element}.checkVisibility () && {element}.innerText.includes ({json.dumps(text)})', timeout_s)

    def type_in(self, selector, text):
        """Into a field, then Enter."""
        self.value(f'document.querySelector({json.dumps(selector)}).focus()')
        self.call('Input.insertText', text=text)
        for kind in ('keyDown', 'keyUp'):
            self.call('Input.dispatchKeyEvent', type=kind, key='Enter', code='Enter', text='\r', windowsVirtualKeyCode=13)

    def dark(self, on=True):
        self.call('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': 'dark' if on else 'light'}])

    def picture(self, path):
        """A screenshot, PNG."""
        data = self.call('Page.captureScreenshot', format='png')['data']
        with open(path, 'wb') as out:
            out.write(base64.b64decode(data))

    def problems(self):
        """Exceptions of the page's scripts and what they wrote as errors."""
        self.value('0')
        found = []
        for message in self.browser.seen:
            params = message.get('params', {})
            if message.get('sessionId') != self.session:
                continue
            if message.get('method') == 'Runtime.exceptionThrown':
                found.append(params['exceptionDetails'].get('exception', {}).get('description', 'exception'))
            elif message.get('method') == 'Runtime.consoleAPICalled' and params['type'] == 'error':
                found.append(str(params['args']))
        return found
