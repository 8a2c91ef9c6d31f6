#!/usr/bin/env python3
"""What a visitor of `lamp` sees: guestbook.py [--only-read] URL, or its functions from a test.

Shows that requests are spread over both web servers, that an entry is written and read back by each of them, and that a
file from the NAS arrives. With --only-read: that the entry of an earlier run is still there.
"""
import http.client
import json
import sys
import urllib.parse

ENTRY = 'kept over stop and start'


def request(url, path, method='GET', document=None, timeout_s=20):
    """(status, served by, text)."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    try:
        headers = {'Content-Type': 'application/json'} if document is not None else {}
        connection.request(method, path, None if document is None else json.dumps(document), headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader('X-Served-By', ''), answer.read().decode(errors='replace')
    finally:
        connection.close()


def members(url, requests=20):
    """Who answered; an error when an answer is not the guest book."""
    seen = set()
    for _ in range(requests):
        status, member, text = request(url, '/')
        if status != 200 or f'Served by {member}' not in text or not member:
            raise AssertionError(f'{url}: {status}, served by {member!r}: {text[-300:]}')
        seen.add(member)
    return seen


def write(url, message, name='check'):
    """The entry's number."""
    status, _, text = request(url, '/api/entries', 'POST', {'name': name, 'message': message})
    if status != 201:
        raise AssertionError(f'entry not written: {status} {text}')
    return json.loads(text)['id']


def entries(url):
    """(member that answered, entries)."""
    status, member, text = request(url, '/api/entries?limit=1000')
    if status != 200:
        raise AssertionError(f'entries not read: {status} {text}')
    return member, json.loads(text)['entries']


def read_by_all(url, message, expected_members, requests=40):
    """The entry is seen through every member."""
    seen = set()
    for _ in range(requests):
        member, seen_entries = entries(url)
        if message not in [entry['message'] for entry in seen_entries]:
            raise AssertionError(f'{member} does not see the entry {message!r}')
        seen.add(member)
        if seen >= expected_members:
            return
    raise AssertionError(f'only {sorted(seen)} answered, not {sorted(expected_members)}')


def nas_file(url):
    status, _, text = request(url, '/style.css')
    if status != 200 or '{' not in text:
        raise AssertionError(f'/style.css from the NAS: {status}')


def main():
    only_read = sys.argv[1:2] == ['--only-read']
    url = sys.argv[-1]
    seen = members(url)
    if seen != {'web.1', 'web.2'}:
        raise AssertionError(f'not both members answered, only {sorted(seen)}')
    if not only_read:
        write(url, ENTRY)
    read_by_all(url, ENTRY, seen)
    nas_file(url)
    print(f'{url}: both members answer, the entry is there, the NAS serves')


if __name__ == '__main__':
    try:
        main()
    except (AssertionError, OSError, http.client.HTTPException) as error:
        sys.exit(f'guestbook: {error}')
