"""The lamp as its visitors and its operator see it: pages, rows, stop and start, more and fewer members."""
import guestbook
import labfixture
import lamp
import vdc


class Lamp(lamp.LampTest):
    def test_pages_of_both_members_row_and_file(self):
        """main-H1: both members answer, a row is written and read back, a file comes from the NAS."""
        self.assertEqual(guestbook.members(self.url), {'web.1', 'web.2'})
        number = guestbook.write(self.url, 'first & <b>second</b> 漢字', name='Zoë "><script>')
        row = lamp.rows(self.url)[number]
        self.assertEqual((row['name'], row['message']), ('Zoë "><script>', 'first & <b>second</b> 漢字'))
        status, headers, text = vdc.http_get(self.url + 'logo.svg')
        self.assertEqual(status, 200, text[:300])
        with open(labfixture.TOP + '/catalog/lamp/content/logo.svg', encoding='utf-8') as seed:
            self.assertEqual(text, seed.read())

    def test_rows_survive_stop_and_start(self):
        """main-H1"""
        number = guestbook.write(self.url, 'the stop', name='before')
        self.client.act('lamp', 'stop')
        self.client.wait_application('lamp', 'stopped', 180)
        self.client.act('lamp', 'start')
        self.client.wait_application('lamp', 'running', lamp.START_LIMIT_S)
        self.page(self.url)
        self.assertEqual(lamp.rows(self.url)[number]['name'], 'before')
        self.assertEqual(guestbook.members(self.url), {'web.1', 'web.2'})

    def test_scale_under_load(self):
        """main-H5: four members, then two, and every answer of ten connections is a 200."""
        last_seq = self.last_event()
        with lamp.Load(self.url) as load:
            self.lab.vdc('app', 'scale', 'lamp', 'web=4')
            self.client.wait_application('lamp', 'running')
            self.client.wait('each new member answers', lambda: {'web.3', 'web.4'} <= load.members, 60)
            self.lab.vdc('app', 'scale', 'lamp', 'web=2')
            self.client.wait_application('lamp', 'running')
            enough = load.count_of(50)
            self.client.wait('more answers', lambda: load.answers >= enough or load.bad, 60)
        self.assertEqual(load.bad, [], f'of {load.answers} answers')
        self.assertEqual(guestbook.members(self.url), {'web.1', 'web.2'})
        names = {i['name'] for i in self.client.items('applications/lamp/instances')}
        self.assertFalse({'web.3', 'web.4'} & names)
        self.assert_drained_first(last_seq)

    def last_event(self):
        after = 0
        while items := self.client.get(f'events?after={after}')['items']:
            after = items[-1]['seq']
        return after

    def assert_drained_first(self, after):
        events = self.client.get(f'events?after={after}')['items']
        for member in ('web.3', 'web.4'):
            steps = [(event['state'], event['data'].get('text')) for event in events
                     if event['kind'] == 'instance.state' and event['id'] in (member, f'lamp:{member}')]
            self.assertIn(('running', 'draining'), steps)
            self.assertLess(steps.index(('running', 'draining')), steps.index(('stopping', None)))
            self.assertEqual(steps[-1][0], 'stopped')


class LampWebx(labfixture.LabTest):
    def test_serves_and_scales_by_property(self):
        """main-H10: an assembly in the place of its class; its members follow its property."""
        self.addCleanup(self.client.remove, 'lamp-webx')
        application = lamp.start(self.lab, 'lamp-webx', 'catalog/lamp-webx')
        url = application['urls'][0]
        self.page(url)
        seen = guestbook.members(url)
        self.assertEqual(len(seen), 2, seen)
        number = guestbook.write(url, 'assembly', name='webx')
        self.assertEqual(lamp.rows(url)[number]['name'], 'webx')
        self.assertEqual(vdc.http_get(url + 'logo.svg')[0], 200)
        self.lab.vdc('app', 'config', 'lamp-webx', 'web.members=3')
        self.client.wait_application('lamp-webx', 'running', lamp.START_LIMIT_S)
        self.client.wait('three members answer', lambda: len(guestbook.members(url)) == 3, 60)
        self.lab.vdc('app', 'config', 'lamp-webx', 'web.members=1')
        self.client.wait_application('lamp-webx', 'running', 120)
        self.assertEqual(len(guestbook.members(url)), 1)
