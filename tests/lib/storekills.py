"""vdcd killed under load: every change that was answered is there afterwards, with its audit entry."""
import http.client
import json
import random
import threading
import time

LOADERS = 4
LONGEST_LIFE_S = 0.25


class Loader(threading.Thread):
    """Makes and destroys volumes, one call after the other, until vdcd is gone."""

    def __init__(self, client, number, kept, first):
        super().__init__(daemon=True)
        self.client, self.number, self.kept, self.next = client, number, kept, first
        self.made, self.gone, self.unknown, self.acknowledged = set(), set(), set(), 0

    def call(self, connection, method, path, name, body=None):
        """True: done. False: nobody knows."""
        try:
            connection.request(method, path, json.dumps(body) if body else None,
                               self.client.headers({'Content-Type': 'application/json'} if body else None))
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.unknown.add(name)
            return False
        if not 200 <= answer.status < 300:
            raise AssertionError(f'{method} {path}: {answer.status} {text!r}')
        self.acknowledged += 1
        return True

    def run(self):
        connection = self.client.connection(30)
        while True:
            if len(self.kept) > 5:
                name = self.kept.pop(0)
                if not self.call(connection, 'DELETE', f'/api/v1/volumes/{name}', name):
                    break
                self.gone.add(name)
            name = f'load{self.number}.v{self.next}'
            self.next += 1
            if not self.call(connection, 'POST', '/api/v1/volumes', name, {'name': name, 'size': '8M'}):
                break
            self.kept.append(name)
            self.made.add(name)
        connection.close()


class Kills:
    """Rounds on one grid without servers."""

    def __init__(self, grid, seed):
        self.grid, self.random = grid, random.Random(seed)
        self.kept = [[] for _ in range(LOADERS)]
        self.first = [0] * LOADERS
        self.kills = self.acknowledged = 0
        self.audited = 0

    def new_entries(self):
        found, after = [], self.audited
        while after is not None:
            page = self.grid.client.get(f'audit?after={after}&limit=2000')
            found += page['items']
            after = page['next']
        if found:
            self.audited = found[-1]['seq']
        return found

    def kill_once(self):
        loaders = [Loader(self.grid.client, number, self.kept[number], self.first[number]) for number in range(LOADERS)]
        for loader in loaders:
            loader.start()
        time.sleep(self.random.uniform(0, LONGEST_LIFE_S))  # the moment of the kill is what is tried
        self.grid.kill_vdcd()
        for loader in loaders:
            loader.join(60)
            assert not loader.is_alive()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.kills += 1
        self.check(loaders)

    def check(self, loaders):
        there, after = set(), None
        while True:
            page = self.grid.client.get('volumes?limit=10000' + (f'&after={after}' if after else ''))
            there |= {item['name'] for item in page['items'] if item['state'] != 'deleting'}
            after = page['next']
            if after is None:
                break
        entries = self.new_entries()
        made = {entry['id'] for entry in entries if entry['action'] == 'createVolume' and entry['result'] == 'ok'}
        for number, loader in enumerate(loaders):
            expected = set(loader.kept) - loader.unknown
            assert expected <= there, f'acknowledged but missing: {sorted(expected - there)}'
            assert not (loader.gone - loader.unknown) & there, 'destroyed but there'
            assert loader.made <= made, f'without an audit entry: {sorted(loader.made - made)}'
            of_this = {name for name in there if name.startswith(f'load{number}.')}
            assert of_this <= expected | loader.unknown, f'nobody asked for {sorted(of_this - expected)}'
            self.kept[number] = sorted(of_this, key=lambda name: int(name.split('.v')[1]))
            self.first[number] = loader.next
            self.acknowledged += loader.acknowledged

    def run(self, count):
        for _ in range(count):
            self.kill_once()
        report = self.grid.client.post('audit/verify')
        assert report['clean'], report
        return self.kills, self.acknowledged
