"""listing_cinder.py URL CA-FILE zapi|rest STATE-DIR: one listing of all LUNs of svm1 by OpenStack Cinder's NetApp client
class. Prints milliseconds, KiB of peak memory before and after, and the number of LUNs."""

import logging
import sys
import time
import urllib.parse
import warnings

warnings.simplefilter('ignore')
logging.disable(logging.CRITICAL)

from cinder.common import config  # noqa: E402
from cinder.volume.drivers.netapp.dataontap.client import client_cmode, client_cmode_rest  # noqa: E402

url, ca, api, state = sys.argv[1:]
where = urllib.parse.urlparse(url)
config.CONF([], project='cinder', default_config_files=[])
config.CONF.set_override('state_path', state)


def peak():
    with open('/proc/self/status') as status:
        return next(line.split()[1] for line in status if line.startswith('VmHWM:'))


make = client_cmode_rest.RestClient if api == 'rest' else client_cmode.Client
client = make(hostname=where.hostname, port=where.port, transport_type='https', username='admin', password='secret',
              vserver='svm1', ssl_cert_path=ca, api_trace_pattern=None)
before, start = peak(), time.monotonic()
count = len(client.get_lun_list())
print('%.0f %s %s %d' % ((time.monotonic() - start) * 1000, before, peak(), count))
