"""A grid with two tenants and everybody else who may ask: for the access matrix and its neighbours."""
import http.client
import json
import os
import re
import subprocess

import apigrid
import vdc

PASSWORD = 'a long enough pass'
ROLES = ['none', 'viewer', 'operator', 'editor', 'admin']
DESCRIPTION = """application: %s
instances:
  db: {class: BASE, volumes: {data: data}}
  web: {class: FRONT}
wires:
  - web.db -> db.in
volumes:
  data: {size: 8M}
"""
OWN, MISSING, DELETED, FOREIGN, FOREIGN_DELETED = 'own', 'nope', 'was', 'canary-kiwi', 'canary-plum'


def routes():
    """The router's own table."""
    text = subprocess.run([apigrid.BUILD + '/vdc/controller/vdcd', '--list-routes'], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in text.splitlines()]


class Person:
    """Somebody who asks, with the rights we think he has; one kept connection."""

    def __init__(self, grid, name, secret=None, cookie=False, ours=True, **rights):
        self.grid, self.name, self.secret, self.cookie, self.ours = grid, name, secret, cookie, ours
        self.valid = rights.get('valid', secret is not None)
        self.grid_role = rights.get('role', 'none')
        self.roles = rights.get('roles', {})      # application → role
        self.ceiling = rights.get('ceiling', 'admin')
        self.only = rights.get('only')            # applications of a token
        self.creates = rights.get('creates', False)
        self.connection = None

    def role(self, application=None):
        """As a number; @application None: on the grid."""
        if self.only is not None and application not in self.only:
            return 0
        here = max(ROLES.index(self.grid_role), ROLES.index(self.roles.get(application, 'none')))
        return min(here, ROLES.index(self.ceiling))

    def highest(self):
        return max([self.role()] + [self.role(name) for name in self.roles])

    def may_create(self):
        return self.role() >= 3 or (self.creates and self.only is None and ROLES.index(self.ceiling) >= 3)

    def headers(self, method):
        if self.secret is None:
            return {}
        if not self.cookie:
            return {'Authorization': 'Bearer ' + self.secret}
        found = {'Cookie': '__Host-vdc=' + self.secret}
        if self.ours and method not in ('GET', 'HEAD'):
            found.update({'X-VDC-Request': '1', 'Origin': f'https://127.0.0.1:{self.grid.ports["api"]}'})
        return found

    def ask(self, method, path, document=None, raw=None, **headers):
        """(status, headers, bytes)."""
        if not path.startswith('/'):
            path = '/api/v1/' + path
        body = raw if raw is not None else None if document is None else json.dumps(document)
        found = {'Accept': 'application/json', **self.headers(method)}
        if body is not None:
            found['Content-Type'] = 'application/json' if raw is None else 'application/octet-stream'
        found.update({name.replace('_', '-'): value for name, value in headers.items()})
        for again in (True, False):
            if self.connection is None:
                self.connection = self.grid.client.connection(30)
            try:
                self.connection.request(method, path, body=body, headers={k: v for k, v in found.items() if v is not None})
                answer = self.connection.getresponse()
                content = answer.read()
                if answer.will_close:
                    self.close()
                return answer.status, dict(answer.getheaders()), content
            except (http.client.HTTPException, OSError):
                self.close()
                if not again:
                    raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def call(self, method, path, document=None):
        status, _, content = self.ask(method, path, document)
        parsed = json.loads(content) if content else {}
        if not 200 <= status < 300:
            raise vdc.ApiError(status, parsed)
        return parsed

    def get(self, path):
        return self.call('GET', path)

    def post(self, path, document=None):
        return self.call('POST', path, {} if document is None else document)

    def items(self, path):
        return self.get(path)['items']


class AccessGrid(apigrid.Grid):
    """people: by name; canaries: what nobody but its owner and the grid's people may ever read."""

    def start(self):
        super().start()
        self.people, self.canaries = {}, []
        self.local = self.person('local', self.client.token, role='admin')
        return self

    def person(self, name, secret=None, **more):
        self.people[name] = Person(self, name, secret, **more)
        return self.people[name]

    def make_user(self, name, **more):
        """One with a password; logging in costs a hash, so most people here get a token instead."""
        self.local.post('users', {'name': name, 'password': PASSWORD, **more})

    def login(self, name, password=PASSWORD, cookie=False):
        """The secret of a new session."""
        anybody = Person(self, 'anybody')
        status, headers, content = anybody.ask('POST', 'login', {'user': name, 'password': password, 'cookie': cookie})
        anybody.close()
        if status != 200:
            raise vdc.ApiError(status, json.loads(content))
        return re.match(r'__Host-vdc=(\w+)', headers['Set-Cookie'])[1] if cookie else json.loads(content)['token']

    def user(self, name, cookie=False, **rights):
        """A user with that role on the grid, logged in."""
        self.make_user(name, role=rights.get('role', 'none'), creates=rights.get('creates', False))
        return self.person(name, self.login(name, cookie=cookie), cookie=cookie, **rights)

    def token(self, owner, name, **scope):
        """A token of that person as another person; scope as of POST /tokens."""
        made = self.people[owner].post('tokens', {'name': name, **scope})
        mine = self.people[owner]
        return self.person(f'{owner}:{name}', made['token'], role=mine.grid_role, roles=mine.roles, creates=mine.creates,
                           ceiling=scope.get('role', 'viewer'), only=scope.get('applications'))

    def make(self, owner, name, start=False):
        owner.post('applications', {'name': name, 'description': DESCRIPTION % name})
        return self.finished(owner, owner.post(f'applications/{name}/actions', {'action': 'start'})) if start else None

    def finished(self, owner, answer):
        def look():
            job = owner.get(f'jobs/{answer["job"]}')
            return job if job['state'] != 'running' else None
        job = self.client.wait('job ended', look, 60)
        assert job['state'] == 'done', job
        return job['id']

    def destroy(self, owner, name):
        return self.finished(owner, owner.call('DELETE', f'applications/{name}'))
