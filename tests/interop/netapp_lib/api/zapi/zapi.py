"""The few names that Ansible's netapp.ontap collection takes from netapp-lib, on Cinder's classes.

Cinder's api.py and netapp-lib have the same ancestor, so elements, errors and requests are used as they are. What
differs is added: the argument `trace`, and `invoke_elem`, which the collection replaces by its own.
"""

import logging
import urllib.error
import urllib.request

from cinder.volume.drivers.netapp.dataontap.client import api
from lxml import etree

LOG = logging.getLogger(__name__)
NaApiError = api.NaApiError
NaElement = api.NaElement

__all__ = ['LOG', 'NaApiError', 'NaElement', 'NaServer', 'etree', 'urllib']


class NaServer(api.NaServer):
    def __init__(self, host, trace=False, **kwargs):
        super().__init__(host, **kwargs)
        self._trace = trace

    def invoke_elem(self, na_element, enable_tunneling=False):
        return super().send_http_request(na_element, enable_tunneling)

    def send_http_request(self, na_element, enable_tunneling=False):
        return self.invoke_elem(na_element, enable_tunneling)
