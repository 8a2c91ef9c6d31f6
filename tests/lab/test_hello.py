"""The smallest application from beginning to end: description, VMs, page, a killed VM, stop, nothing left."""
import labfixture
import vdc


class Hello(labfixture.LabTest):
    def test_page_over_published_port(self):
        application = self.create('hello', 'catalog/hello')
        self.assertEqual(application['ready'], application['instances'])
        text = self.page(application['urls'][0])
        self.assertIn('web', text)

    def test_killed_vm_rejoins(self):
        application = self.create('hello', 'catalog/hello')
        self.page(application['urls'][0])
        before = self.client.instance('hello', 'web')['restarts']
        self.client.post('applications/hello/instances/web/actions', {'action': 'kill'})
        self.client.wait_instance('hello', 'web', lambda i: i['restarts'] > before and i['state'] == 'running', 'rejoined')
        self.page(application['urls'][0])

    def test_stop_closes_the_port_and_verify_is_clean(self):
        application = self.create('hello', 'catalog/hello')
        url = application['urls'][0]
        self.page(url)
        self.client.act('hello', 'stop')
        self.client.wait_application('hello', 'stopped')
        self.client.wait(f'{url} is closed', lambda: vdc.http_get(url)[0] == 0, 10, silence_s=0.2)
        self.assertEqual(self.lab.processes('qemu-system-x86_64'), [])
        self.assertEqual(self.client.verify(), [])
