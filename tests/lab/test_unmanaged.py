"""An image laid out like a stock cloud image (grub, systemd, cloud-init, nothing of ours) in the place of WEB."""
import hashlib
import json
import subprocess

import labfixture

PIECE = 4 << 20
CLASS = """
class: CLOUD
version: 1.0.0
unmanaged: true
summary: a stock cloud image with a page on port 80
terminals:
  in: {side: input, protocol: http}
resources:
  cpu: {min: 0.1, max: 4, default: 1}
  memory: {min: 128M, max: 4G, default: 320M}
"""
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
    def upload(self, path):
        with open(path, 'rb') as image:
            data = image.read()
        digest = hashlib.sha256(data).hexdigest()
        state = self.client.post('uploads', {'sha256': digest, 'size_bytes': len(data)})
        while not state['complete']:
            _, _, answer = self.client.raw('PUT', f'/api/v1/uploads/{digest}?offset={state["offset"]}',
                                           data[state['offset']:state['offset'] + PIECE])
            state = json.loads(answer)
        return digest

    def test_a_stock_cloud_image_serves_in_the_place_of_web(self):
        image = subprocess.run([labfixture.TOP + '/tests/lib/cloud_image'], stdout=subprocess.PIPE, check=True,
                               text=True).stdout.strip()
        self.client.post('catalogs', {'name': 'brought'})
        self.addCleanup(self.client.delete, 'catalogs/brought?force=1')
        job = self.client.post('classes', {'catalog': 'brought', 'upload': self.upload(image), 'description': CLASS})['job']
        self.client.wait('the class is made', lambda: self.client.get(f'jobs/{job}')['state'] != 'running', 300)
        self.assertEqual('done', self.client.get(f'jobs/{job}')['state'], self.client.get(f'jobs/{job}'))
        self.addCleanup(self.client.remove, 'cloud')
        self.client.post('applications', {'name': 'cloud', 'description': APPLICATION})
        self.client.act('cloud', 'start')
        running = self.client.wait_application('cloud', 'running', 900)
        # Its own name, from the seed; and the gateway reaches it over the wire alone.
        text = self.page(running['urls'][0])
        self.assertIn('a page of a cloud image', text)
        self.assertIn('web', text)
        self.assertEqual([], self.client.verify())
        self.client.act('cloud', 'stop')
        self.client.wait_application('cloud', 'stopped', 180)
        self.assertEqual([], self.lab.processes('qemu-system-x86_64'))
