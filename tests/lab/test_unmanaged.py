"""An image laid out like a stock cloud image (grub, systemd, cloud-init, nothing of ours) in the place of WEB."""
import subprocess

import labfixture

APPLICATION = """
application: cloud
properties: {public_port: 80}
instances:
  in:  {class: IN, set: {port: $public_port}}
  web: {class: CLOUD, start_timeout: 900, stop_timeout: 120}
wires:
  - in.out -> web.in
"""


class Unmanaged(labfixture.LabTest):
    def test_a_stock_cloud_image_serves_in_the_place_of_web(self):
        image = subprocess.run([labfixture.TOP + '/tests/lib/cloud_image'], stdout=subprocess.PIPE, check=True,
                               text=True).stdout.strip()
        self.lab.vdc('catalog', 'create', 'brought')
        self.addCleanup(self.client.delete, 'catalogs/brought?force=1')
        self.lab.vdc('class', 'create', 'CLOUD', '--image', image, '--terminal', 'in:http', '--memory', '320M')
        self.addCleanup(self.client.remove, 'cloud')
        self.client.post('applications', {'name': 'cloud', 'description': APPLICATION})
        self.client.act('cloud', 'start')
        running = self.client.wait_application('cloud', 'running', 900)
        # Its own name, from the seed; and the gateway reaches it over the wire alone.
        text = self.page(running['urls'][0])
        self.assertIn('a page of a cloud image', text)
        self.assertIn('web', text)
        refused = self.lab.run('exec', 'cloud:web', '--', 'true')
        self.assertEqual((4, True), (refused.returncode, b'no vdc-guest' in refused.stderr), refused.stderr)
        self.assertEqual([], self.client.verify())
        self.client.act('cloud', 'stop')
        self.client.wait_application('cloud', 'stopped', 180)
        self.assertEqual('absent', self.client.instance('cloud', 'web')['vm'])
        # It listened to its power button: its own shutdown, not ours.
        with open(self.lab.folder + '/log/s1-vdc-agent.log', encoding='utf-8', errors='replace') as log:
            self.assertNotIn('guest did not stop in time', log.read())
