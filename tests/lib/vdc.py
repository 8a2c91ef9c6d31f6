"""A thin client of the VDC API for tests: JSON in and out, events to wait for."""
import http.client
import json
import ssl
import time
import urllib.parse


CONNECT_LIMIT_S = 10


class ApiError(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status, body):
        self.status = status
        self.body = body if isinstance(body, dict) else {'message': str(body)}
        self.code = self.body.get('code')
        super().__init__(f'{status} {self.code}: {self.body.get("message")}')


class TooLate(Exception):
    pass


class Client:
    def __init__(self, url, token, ca_file):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.token = parts.hostname, parts.port, token
        self.tls = ssl.create_default_context(cafile=ca_file)

    @classmethod
    def of_lab(cls, folder):
        """By the files that `vdc lab up` leaves for the command line."""
        def read(name):
            with open(f'{folder}/client/{name}', encoding='utf-8') as text:
                return text.read().strip()
        return cls(read('url'), read('token'), f'{folder}/client/ca.crt')

    def connection(self, timeout_s):
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=self.tls)

    def headers(self, more=None):
        return {'Authorization': f'Bearer {self.token}', 'Accept': 'application/json', **(more or {})}

    def raw(self, method, path, body=None, headers=None, timeout_s=30):
        """(status, headers, bytes)."""
        connection = self.connection(timeout_s)
        try:
            connection.request(method, path, body=body, headers=self.headers(headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def call(self, method, path, document=None):
        if not path.startswith('/'):
            path = '/api/v1/' + path
        body = None if document is None else json.dumps(document)
        status, _, answer = self.raw(method, path, body, {'Content-Type': 'application/json'} if body else None)
        try:
            parsed = json.loads(answer) if answer else {}
        except ValueError:
            parsed = answer.decode(errors='replace')
        if not 200 <= status < 300:
            raise ApiError(status, parsed)
        return parsed

    def get(self, path):
        return self.call('GET', path)

    def post(self, path, document=None):
        return self.call('POST', path, {} if document is None else document)

    def delete(self, path):
        return self.call('DELETE', path)

    def items(self, path):
        return self.get(path)['items']

    # --- events ------------------------------------------------------------------------------------------------------------

    def wakeups(self, deadline, silence_s):
        """Yields once at the start, whenever an event came, and after each silence, until @deadline (monotonic).

        Also while vdcd does not answer: what is waited for may be a process, or vdcd's own return, for which there is no event."""
        while time.monotonic() < deadline:
            connection = self.connection(min(max(deadline - time.monotonic(), 0.1), CONNECT_LIMIT_S))
            try:
                connection.request('GET', '/api/v1/events?follow=1', headers=self.headers({'Accept': 'text/event-stream'}))
                stream = connection.sock
                answer = connection.getresponse()
                stream.settimeout(silence_s)
                yield  # after the stream is open: nothing can fall between
                while time.monotonic() < deadline:
                    line = answer.readline()
                    if not line:
                        break
                    if line.startswith(b'data:'):
                        yield
            except TimeoutError:
                yield  # a silence
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)  # vdcd is being restarted by a test
                yield
            finally:
                connection.close()

    def wait(self, what, look, timeout_s, silence_s=5):
        """look () until it gives something true, looked at after each event; what it gave.

        What the grid has no events for (a process, a page) is looked at after each @silence_s too."""
        deadline = time.monotonic() + timeout_s
        seen = None
        for _ in self.wakeups(deadline, silence_s):
            try:
                seen = look()
            except (OSError, http.client.HTTPException):
                seen = None  # vdcd is being restarted
            if seen:
                return seen
        raise TooLate(f'{what}: not within {timeout_s} s')

    # --- applications --------------------------------------------------------------------------------------------------------

    def application(self, name):
        return self.get(f'applications/{name}')

    def instance(self, application, member):
        return self.get(f'applications/{application}/instances/{member}')

    def act(self, application, action, **more):
        return self.post(f'applications/{application}/actions', {'action': action, **more})

    def wait_application(self, name, state, timeout_s=240):
        """Its object, once it is in @state; an assertion when it fails instead."""
        def look():
            application = self.application(name)
            if application['state'] == 'failed' and state != 'failed':
                raise AssertionError(f'{name} failed: {application.get("error")}')
            return application if application['state'] == state and not application.get('job') else None
        return self.wait(f'{name} is {state}', look, timeout_s)

    def wait_instance(self, application, member, right, what, timeout_s=120):
        """The member's object, once right (object) is true."""
        def look():
            instance = self.instance(application, member)
            return instance if right(instance) else None
        return self.wait(f'{application}:{member} {what}', look, timeout_s)

    def remove(self, name):
        """Stop and destroy, whatever state it is in; it is gone afterwards."""
        try:
            if self.application(name)['state'] != 'stopped':
                self.act(name, 'stop')
                self.wait(f'{name} is stopped', lambda: self.application(name)['state'] == 'stopped', 120)
            self.delete(f'applications/{name}')
            self.wait(f'{name} is gone', lambda: not self.exists(name), 60)
        except ApiError as error:
            if error.status != 404:
                raise

    def exists(self, name):
        try:
            return bool(self.application(name))
        except ApiError as error:
            if error.status == 404:
                return False
            raise

    def verify(self):
        """The findings of `vdc verify`."""
        report = self.post('verify')
        return report.get('findings', report.get('items', []))


def http_get(url, timeout_s=10, headers=None):
    """(status, headers, text) of a plain page; 0 when nothing answered."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    try:
        connection.request('GET', (parts.path or '/') + ('?' + parts.query if parts.query else ''), headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode(errors='replace')
    except (OSError, http.client.HTTPException):
        return 0, {}, ''
    finally:
        connection.close()
