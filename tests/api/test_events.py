"""The change log: replayed from any number, filtered, with a notice when history is gone."""
import json
import unittest

import apigrid
import vdc

KEPT = 100


class Events(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid(agent=False)
        cls.grid.options = ['--events-keep', str(KEPT)]
        cls.grid.start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client
        for number in range(3):
            cls.client.post('applications', {'name': f'app{number}', 'from': 'catalog/shop'})

    def fill(self, count):
        for number in range(count):
            self.client.post('volumes', {'name': f'other.v{number}', 'size': '8M'})
            self.client.delete(f'volumes/other.v{number}')

    def pages(self, query, limit=1000):
        found, after = [], 0
        while after is not None:
            page = self.client.get(f'events?after={after}&limit={limit}&{query}')
            self.assertLessEqual(len(page['items']), limit)
            found += page['items']
            after = page['next']
        return found

    def test_filters_and_pages(self):
        every = self.pages('')
        self.assertEqual(sorted(e['seq'] for e in every), [e['seq'] for e in every])
        for limit in (1, 2, 1000):
            self.assertEqual(every, self.pages('', limit))
            self.assertEqual([e for e in every if e['application'] == 'app1'], self.pages('application=app1', limit))
            self.assertEqual([e for e in every if e['object'] == 'volume'], self.pages('object=volume', limit))
        self.assertEqual([e for e in every if e['kind'].startswith('application.')], self.pages('kind=application.*'))
        self.assertEqual([e for e in every if e['kind'] in ('volume.state', 'application.created')],
                         self.pages('kind=volume.state,application.created'))
        self.assertEqual([], self.pages('application=nothing'))

    def stream(self, after, count, query=''):
        """The first @count messages: (name, id, data)."""
        connection = self.client.connection(20)
        self.addCleanup(connection.close)
        connection.request('GET', f'/api/v1/events?after={after}{query}',
                           headers=self.client.headers({'Accept': 'text/event-stream'}))
        answer, found, message = connection.getresponse(), [], {}
        while len(found) < count:
            line = answer.readline().decode().rstrip('\n')
            if not line and 'data' in message:
                found.append((message.get('event'), message.get('id'), json.loads(message['data'])))
            if not line:
                message = {}
            elif ': ' in line and not line.startswith(':'):
                name, value = line.split(': ', 1)
                message[name] = value
        return found

    def test_history_that_is_gone_is_told(self):
        first = self.client.get('events')['items'][0]['seq']
        self.fill(KEPT)
        page = self.client.get(f'events?after={first}')
        self.assertTrue(page['resync'])
        self.assertGreater(page['items'][0]['seq'], first + 1)
        self.assertLessEqual(page['last'] - page['items'][0]['seq'] + 1, KEPT)
        self.assertFalse(self.client.get(f'events?after={page["items"][0]["seq"]}')['resync'])
        self.assertTrue(self.client.get('events?after=0&application=app1')['resync'])
        told = self.stream(first, 2)
        self.assertEqual(('gap', 'gap', page['items'][0]['seq']), (told[0][0], told[0][2]['kind'], told[0][2]['first']))
        self.assertEqual(page['items'][0], told[1][2])

    def test_stream_goes_on_where_it_was(self):
        last = self.client.get('events')['last']
        self.fill(2)
        expected = self.pages('')
        found = self.stream(last, 2)
        self.assertEqual([e['seq'] for e in expected if e['seq'] > last][:2], [int(item[1]) for item in found])
        with self.assertRaises(vdc.ApiError):
            self.client.get('events?after=-1')
