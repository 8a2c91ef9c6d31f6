"""A grid whose processes a test kills, and what must hold after each kill."""
import http.client
import os
import random
import threading
import unittest

import apigrid
import vdc

LOST = (OSError, http.client.HTTPException)


class CrashCase(unittest.TestCase):
    def setUp(self):
        self.grid = apigrid.Grid().start()
        self.addCleanup(self.grid.end)
        self.client = self.grid.client
        self.random = random.Random(os.environ.get('VDC_SEED', '1'))

    def kill_soon(self, delay_s):
        """vdcd dies after @delay_s, whatever it is doing then: the moment is the point, no event stands for it."""
        timer = threading.Timer(delay_s, self.grid.vdcd.kill)
        timer.start()
        return timer

    def restart_vdcd(self):
        self.grid.kill_vdcd()
        self.grid.start_vdcd()
        self.grid.wait_api()

    def try_act(self, *args, **more):
        try:
            self.client.act(*args, **more)
        except LOST:
            pass
        except vdc.ApiError as error:
            self.assertEqual(409, error.status)

    def settle(self, name):
        """No job is running any more and the state is a resting one."""
        def look():
            application = self.client.application(name)
            return application if application['job'] is None and application['state'] in (
                'running', 'stopped', 'failed') else None
        return self.client.wait(f'{name} rests', look, 90)
