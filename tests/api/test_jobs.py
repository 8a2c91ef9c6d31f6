"""Jobs: numbered steps, log, cancel that goes back, retry, and who waits for whom."""
import json
import os
import subprocess
import unittest

import apigrid
import vdc
from test_faults import description


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client

    def create(self, **changes):
        self.addCleanup(self.remove)
        return self.client.post('applications', {'name': 'shop', 'description': description(**changes), 'format': 'json'})

    def remove(self):
        try:
            self.grid.job(self.client.delete('applications/shop?force=1'))
        except vdc.ApiError as error:
            self.assertEqual(404, error.status)

    def started(self, **changes):
        self.create(**changes)
        self.grid.done(self.client.act('shop', 'start'))

    def act(self, answer, action):
        return self.client.post(f'jobs/{answer["job"]}/actions', {'action': action})

    def cancelled(self, answer):
        """Cancels and waits; the job."""
        self.assertEqual(answer['job'], self.act(answer, 'cancel')['job'])
        job = self.grid.job(answer)
        self.assertEqual(('cancelled', True), (job['state'], job['cancelling']), job)
        return job

    def refused(self, answer, action, code, text):
        with self.assertRaises(vdc.ApiError) as caught:
            self.act(answer, action)
        self.assertEqual(code, caught.exception.code)
        self.assertRegex(str(caught.exception), text)

    def log(self, answer):
        return [line['text'] for line in self.client.items(f'jobs/{answer["job"]}/log')]

    def wait_member(self, name, state):
        return self.client.wait_instance('shop', name, lambda item: item['state'] == state, state, 30)

    def as_before(self, before):
        """The description, the members and their states are what they were, and verify agrees."""
        self.assertEqual(before, self.look())
        self.assertEqual([], self.grid.settled_findings())

    def look(self):
        text = self.client.raw('GET', '/api/v1/applications/shop/description?format=json')[2]
        return json.loads(text), self.grid.states('shop'), self.client.application('shop')['state']

    # --- what a job shows ----------------------------------------------------------------------------------------------

    def test_steps_are_numbered_and_have_times_and_say_what_a_cancel_does(self):
        self.create()
        job = self.grid.done(self.client.act('shop', 'start'))
        self.assertEqual([1, 2, 3, 4, 5], [step['number'] for step in job['steps']])
        self.assertEqual(('local', None, 100, None), (job['user'], job['retry_of'], job['progress'], job['eta_s']))
        for step in job['steps']:
            self.assertLessEqual(job['created'], step['began'])
            self.assertLessEqual(step['began'], step['ended'])
        self.assertEqual({'volume': 'the volume stays: what is in it is not thrown away', 'start': 'stopped again'},
                         {step['kind']: step['undo'] for step in job['steps']})

    def test_log_has_every_move_with_its_time(self):
        self.create()
        answer = self.client.act('shop', 'start')
        self.grid.done(answer)
        lines = self.client.items(f'jobs/{answer["job"]}/log')
        texts = [line['text'] for line in lines]
        self.assertEqual('start of shop asked for by local', texts[0])
        self.assertEqual('done', texts[-1])
        self.assertTrue(any(text.startswith('start web.1: done') for text in texts), texts)
        self.assertEqual(sorted(line['time'] for line in lines), [line['time'] for line in lines])

    def test_bytes_of_a_volumes_first_content(self):
        self.client.post('applications', {'name': 'shop', 'from': 'catalog/shop'})
        self.addCleanup(self.remove)
        volume = self.grid.done(self.client.act('shop', 'start'))['steps'][0]
        self.assertGreater(volume['bytes_total'], 0)
        self.assertEqual(volume['bytes_total'], volume['bytes'])

    def test_time_left_is_guessed_by_the_last_one(self):
        self.create(web={'count': 1}, db={'set': {'fake_fault': 'slow'}})
        self.grid.done(self.client.act('shop', 'start'))
        self.grid.done(self.client.act('shop', 'stop'))
        answer = self.client.act('shop', 'start')
        self.assertIsNotNone(self.client.get(f'jobs/{answer["job"]}')['eta_s'])
        self.grid.done(answer)

    def test_who_runs_what_since_when(self):
        self.create(db={'set': {'fake_fault': 'slow'}})
        answer = self.client.act('shop', 'start')
        with self.assertRaises(vdc.ApiError) as caught:
            self.client.act('shop', 'scale', instances={'web': 3})
        self.assertEqual('conflict', caught.exception.code)
        self.assertRegex(str(caught.exception), r"application 'shop' is busy: start by local runs since 20\d\d-\S+Z; wait for "
                         rf"it \(vdc job wait {answer['job']}\) or cancel it")
        self.grid.done(answer)

    # --- cancel ------------------------------------------------------------------------------------------------------------

    def test_cancelled_start_leaves_it_stopped(self):
        self.create(db={'set': {'fake_fault': 'slow'}})
        before = self.look()
        answer = self.client.act('shop', 'start')
        self.wait_member('db', 'starting')
        job = self.cancelled(answer)
        self.assertIn('cancelled', [step['state'] for step in job['steps']])
        self.assertTrue(all(step['state'] == 'done' for step in job['steps'] if step.get('undoes')), job['steps'])
        self.as_before(before)
        self.assertRegex('\n'.join(self.log(answer)), 'cancelled by local, going back')

    def test_cancelled_stop_runs_again(self):
        self.started(db={'set': {'fake_fault': 'stubborn'}, 'stop_timeout': 3})
        before = self.look()
        answer = self.client.act('shop', 'stop')
        self.wait_member('in', 'stopped')
        self.cancelled(answer)
        self.as_before(before)

    def test_cancelled_scale_up_takes_the_new_ones_away(self):
        self.started(web={'set': {'fake_fault': 'slow'}})
        before = self.look()
        answer = self.client.act('shop', 'scale', instances={'web': 4})
        self.wait_member('web.4', 'starting')
        self.cancelled(answer)
        self.as_before(before)

    def test_cancelled_scale_down_keeps_them(self):
        self.started(web={'count': 3, 'set': {'fake_fault': 'stubborn'}, 'stop_timeout': 3})
        before = self.look()
        answer = self.client.act('shop', 'scale', instances={'web': 1})
        self.wait_member('web.3', 'stopping')
        self.cancelled(answer)
        self.as_before(before)

    def test_cancelled_apply_goes_back_to_the_description_before(self):
        self.started()
        before = self.look()
        document = json.loads(description(web={'count': 1, 'set': {'title': 'new', 'fake_fault': 'slow'}}))
        document['instances']['extra'] = {'class': 'FRONT', 'set': {'fake_fault': 'slow'}}
        answer = self.client.post('applications/shop/apply', {'description': json.dumps(document), 'format': 'json'})
        self.client.wait('something goes on', lambda: 'running' in [
            step['state'] for step in self.client.get(f'jobs/{answer["job"]}')['steps']], 20)
        self.cancelled(answer)
        self.as_before(before)

    def test_cancel_of_one_started_instance_stops_it_again(self):
        self.started(web={'set': {'fake_fault': 'slow'}})
        self.grid.done(self.client.post('applications/shop/instances/web.2/actions', {'action': 'stop'}))
        before = self.look()
        answer = self.client.post('applications/shop/instances/web.2/actions', {'action': 'start'})
        self.wait_member('web.2', 'starting')
        self.cancelled(answer)
        self.as_before(before)

    def test_what_cannot_be_cancelled_says_why(self):
        self.started(db={'set': {'fake_fault': 'stubborn'}, 'stop_timeout': 2})
        answer = self.client.delete('applications/shop?force=1')
        self.refused(answer, 'cancel', 'refused', r"cannot cancel the destroy of 'shop' \(job \w+\): let it end, then bring it back from the trash")
        self.grid.done(answer)
        self.refused(answer, 'cancel', 'conflict', 'has ended: it is done')

    def test_cancel_survives_a_killed_vdcd(self):
        self.create(db={'set': {'fake_fault': 'slow'}})
        before = self.look()
        answer = self.client.act('shop', 'start')
        self.wait_member('db', 'starting')
        self.act(answer, 'cancel')
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.assertEqual('cancelled', self.grid.job(answer)['state'])
        self.as_before(before)

    def test_killed_vdcd_goes_on_with_the_job(self):
        self.create(db={'set': {'fake_fault': 'slow'}})
        answer = self.client.act('shop', 'start')
        self.wait_member('db', 'starting')
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.grid.done(answer)
        self.assertIn('vdcd was started again, going on', self.log(answer))

    # --- the command line ------------------------------------------------------------------------------------------------

    def vdc(self, *argv):
        env = dict(os.environ, VDC_URL=f'https://127.0.0.1:{self.grid.ports["api"]}', VDC_TOKEN=self.client.token,
                   VDC_CA=self.grid.path('ctl/pki/ca.crt'))
        done = subprocess.run([apigrid.BUILD + '/vdc/cli/vdc', *argv], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_command_line(self):
        self.create(db={'set': {'fake_fault': 'slow'}})
        code, out, err = self.vdc('app', 'start', 'shop', '--no-wait')
        self.assertEqual((0, ''), (code, err))
        job = out.strip()
        self.assertRegex(self.vdc('job', 'list')[1], rf'{job} +start +shop +running')
        self.wait_member('db', 'starting')
        self.assertEqual(0, self.vdc('job', 'cancel', job)[0])
        code, out, _ = self.vdc('job', 'show', job)
        self.assertEqual(0, code)
        self.assertRegex(out, r'State: +cancelled')
        self.assertRegex(out, r'2 +start db +cancelled .*stopped again')
        self.assertRegex(self.vdc('job', 'logs', job)[1], 'cancelled by local, going back')
        code, _, err = self.vdc('job', 'wait', job)
        self.assertEqual(1, code)
        self.assertIn('vdc: start cancelled: it was taken back', err)
        code, _, err = self.vdc('job', 'cancel', job)
        self.assertEqual(4, code)
        self.assertIn('has ended: it is cancelled', err)
        code, out, _ = self.vdc('job', 'retry', job, '--json')
        self.assertEqual((0, 'done', job), (code, json.loads(out)['state'], json.loads(out)['retry_of']))

    # --- retry -------------------------------------------------------------------------------------------------------------

    def test_failed_start_is_retried(self):
        self.create(db={'set': {'fake_fault': 'fail'}})
        answer = self.client.act('shop', 'start')
        self.assertEqual('failed', self.grid.job(answer)['state'])
        self.client.act('shop', 'config', set={'db.fake_fault': 'none'})
        again = self.act(answer, 'retry')
        self.assertNotEqual(answer['job'], again['job'])
        job = self.grid.done(again)
        self.assertEqual((answer['job'], 'start'), (job['retry_of'], job['kind']))
        self.assertEqual('running', self.client.application('shop')['state'])
        self.refused(again, 'retry', 'conflict', 'is done; only one that failed or was cancelled is repeated')

    def test_cancelled_scale_is_retried(self):
        self.started(web={'set': {'fake_fault': 'slow'}})
        answer = self.client.act('shop', 'scale', instances={'web': 3})
        self.wait_member('web.3', 'starting')
        self.cancelled(answer)
        job = self.grid.done(self.act(answer, 'retry'))
        self.assertEqual(('scale', answer['job']), (job['kind'], job['retry_of']))
        self.assertEqual('running', self.grid.states('shop')['web.3'])

    def test_retry_of_an_apply_starts_what_failed_in_it(self):
        self.started()
        document = json.loads(description())
        document['instances']['extra'] = {'class': 'FRONT', 'set': {'fake_fault': 'fail'}}
        answer = self.client.post('applications/shop/apply', {'description': json.dumps(document), 'format': 'json'})
        self.assertEqual('failed', self.grid.job(answer)['state'])
        job = self.grid.job(self.act(answer, 'retry'))
        self.assertEqual(['start extra'], [step['name'] for step in job['steps']])

    def test_gone_applications_job_is_not_retried(self):
        self.create(db={'set': {'fake_fault': 'fail'}})
        answer = self.client.act('shop', 'start')
        self.grid.job(answer)
        self.remove()
        self.refused(answer, 'retry', 'refused', "its application 'shop' is gone")


if __name__ == '__main__':
    unittest.main()
