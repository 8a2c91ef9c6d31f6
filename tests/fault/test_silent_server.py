"""A server that says nothing any more: what is published, and what waits until it is back."""
import unittest

import crashcase
import vdc


class SilentServer(crashcase.CrashCase):
    def test_silent_server_makes_instances_unknown_until_it_is_back(self):
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        self.grid.done(self.client.act('shop', 'start'))
        self.grid.kill_agent()
        self.grid.wait_server('down', 60)
        self.client.wait('unknown', lambda: self.client.application('shop')['state'] == 'unknown', 10)
        self.assertEqual({'unknown'}, set(self.grid.states('shop').values()))
        report = self.client.post('verify')
        self.assertEqual((False, False, ['s1']),
                         (report['clean'], report['complete'], [blind['server'] for blind in report['could_not_look']]))
        self.grid.start_agent()
        self.client.wait('running', lambda: self.client.application('shop')['state'] == 'running', 30)
        self.assertEqual([], self.grid.settled_findings())

    def test_jobs_say_which_silence_they_wait_for(self):
        self.client.post('applications', {'name': 'shop', 'from': 'shop'})
        self.grid.done(self.client.act('shop', 'start'))
        self.grid.kill_agent()
        self.grid.wait_server('down', 60)
        answer = self.client.act('shop', 'stop')
        job = self.client.wait('the job says so', lambda: next((step for step in self.client.get(
            f'jobs/{answer["job"]}')['steps'] if (step['text'] or '').startswith('waiting: its server is down')), None), 20)
        self.assertEqual('running', job['state'])
        self.assertEqual('stopping', self.client.application('shop')['state'])
        self.client.post('applications', {'name': 'other', 'from': 'shop'})
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.act('other', 'start')
        self.assertIn('server s1 is down', str(caught.exception))
        self.assertIn('bring the server', caught.exception.body['params']['remedy'])
        self.grid.start_agent()
        job = self.grid.done(answer)
        self.assertFalse([step for step in job['steps'] if (step['text'] or '').startswith('waiting')])
        self.assertEqual([], self.grid.settled_findings())


if __name__ == '__main__':
    unittest.main()
