"""What is measured: of fake VMs, whose counters all grow alike (hypervisor_fake.c), so that the rates are known."""
import os
import re
import subprocess
import time
import unittest

import apigrid

CPU, NIC, WIRE, DISK = 0.25, 1000, 500, 4096  # a second, of each


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.grid = apigrid.Grid().start()
        cls.addClassCleanup(cls.grid.end)
        cls.client = cls.grid.client
        cls.client.post('applications', {'name': 'shop', 'from': 'catalog/shop'})
        cls.grid.done(cls.client.act('shop', 'start'))
        cls.now = cls.client.wait('two looks', cls.measured, 60, silence_s=1)  # a look makes no event

    @classmethod
    def measured(cls):
        now = cls.client.get('applications/shop/metrics')
        known = [item['cpu'] for item in now['instances'].values()] + [item['traffic'] for item in now['wires'].values()]
        return now if len(known) == 6 and None not in known else None

    def assert_near(self, expected, value):
        self.assertAlmostEqual(expected, value, delta=expected * 0.02)

    def test_now(self):
        self.assertEqual({'in', 'web.1', 'web.2', 'db'}, set(self.now['instances']))
        for item in self.now['instances'].values():
            self.assert_near(CPU, item['cpu'])
            self.assertEqual(32 << 20, item['memory'])
        self.assert_near(2 * NIC, self.now['instances']['web.1']['received'])
        self.assert_near(WIRE, self.now['wires']['in.out->web.in']['traffic'])
        self.assert_near(2 * WIRE, self.now['wires']['web.db->db.in']['traffic'])  # two members

    def history(self, path):
        answer = self.client.get(path)
        return {series['name']: [point for point in series['points'] if point is not None] for series in answer['series']}, answer

    def test_over_time(self):
        """Also what still waits for its file."""
        cases = {'applications/shop/instances/web.1/metrics': ('cpu', CPU),
                 'applications/shop/wires/web.db-%3Edb.in/metrics': ('traffic', 2 * WIRE),
                 f'volumes/{self.client.items("volumes")[0]["id"]}/metrics': ('written', DISK),
                 'servers/s1/metrics': ('instances', 4)}
        for path, (name, expected) in cases.items():
            known = self.client.wait(path, lambda p=path, n=name: self.history(p)[0][n], 40, silence_s=1)
            self.assert_near(expected, known[-1])
        _, answer = self.history('servers/s1/metrics?max_points=7')
        self.assertLessEqual(answer['points'], 7)
        self.assertEqual([answer['points']] * len(answer['series']), [len(item['points']) for item in answer['series']])

    def test_bad_ranges(self):
        for query in ('from=5&to=5', 'max_points=0', 'max_points=5001', 'from=-1', 'from=x', 'points=4'):
            status, _, _ = self.client.raw('GET', '/api/v1/servers/s1/metrics?' + query)
            self.assertEqual(400, status, query)
        for path in ('servers/none/metrics', 'volumes/none/metrics', 'applications/shop/instances/none/metrics',
                     'applications/shop/wires/none/metrics'):
            status, _, _ = self.client.raw('GET', '/api/v1/' + path)
            self.assertEqual(404, status, path)

    def test_prometheus(self):
        status, headers, body = self.client.raw('GET', '/api/v1/metrics')
        self.assertEqual((200, 'text/plain; version=0.0.4; charset=utf-8'), (status, headers['Content-Type']))
        seen, family = {}, None
        for line in body.decode().splitlines():
            if line.startswith('# TYPE '):
                family = line.split()[2]
                self.assertNotIn(family, seen, 'a family stands together')
                seen[family] = 0
            elif not line.startswith('#'):
                found = re.fullmatch(r'(\w+)\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\} (-?[\d.e+-]+)', line)
                self.assertIsNotNone(found, line)
                self.assertEqual(family, found[1])
                seen[family] += 1
        self.assertEqual(4, seen['vdc_instance_up'])
        self.assertEqual(4, seen['vdc_instance_cpu_seconds_total'])
        self.assertEqual(1, seen['vdc_server_up'])
        self.assertGreater(seen['vdc_wire_bytes_total'], 3)

    def test_top(self):
        self.client.wait('all four', lambda: len([item for item in self.client.items('top') if item['cpu']]) == 4, 60, silence_s=1)
        self.assertEqual(2, len(self.client.items('top?limit=2&sort=memory')))
        self.assertEqual([], self.client.items('top?application=none'))
        env = dict(os.environ, VDC_URL=f'https://127.0.0.1:{self.grid.ports["api"]}', VDC_TOKEN=self.client.token,
                   VDC_CA=self.grid.path('ctl/pki/ca.crt'))
        text = subprocess.run([apigrid.BUILD + '/vdc/cli/vdc', 'top', 'shop', '--sort', 'network'], env=env, check=True,
                              capture_output=True, text=True).stdout
        self.assertEqual(5, len(text.splitlines()), text)
        self.assertRegex(text, r'shop +web\.1 +running +s1 +25\.\d%')

    def test_history_survives_vdcd(self):
        path = 'applications/shop/instances/db/metrics'
        self.client.wait('a first point', lambda: self.history(path)[0]['cpu'], 60, silence_s=1)
        before = int(time.time())
        self.grid.vdcd.terminate()  # writes what waits
        self.grid.vdcd.wait(20)
        files = [name for _, _, names in os.walk(self.grid.path('ctl/metrics')) for name in names]
        self.assertGreater(len(files), 6)
        self.assertEqual([], [name for name in files if not name.endswith('.rrd')])
        self.grid.start_vdcd()
        self.grid.wait_api()
        self.grid.wait_server()
        self.assertTrue(self.history(f'{path}?to={before}')[0]['cpu'])


if __name__ == '__main__':
    unittest.main()
