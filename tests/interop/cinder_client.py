"""OpenStack Cinder's NetApp client classes on the simulator, unmodified.

cinder_client.py zapi|rest ADDRESS PORT CA-FILE STATE-DIR
"""

import sys
import time
import warnings

from operations import Operations, contains, equal

warnings.simplefilter('ignore')

from cinder.common import config  # noqa: E402
from cinder.volume.drivers.netapp.dataontap.client import client_cmode, client_cmode_rest  # noqa: E402
from cinder.volume.drivers.netapp.dataontap.client.api import NaApiError  # noqa: E402

transport, address, port, ca, state = sys.argv[1:]
rest = transport == 'rest'
GIB = 1 << 30
MIB = 1 << 20
IQN = 'iqn.1994-05.com.example:host1'

config.CONF([], project='cinder', default_config_files=[])
config.CONF.set_override('state_path', state)


def connect(user='admin', password='secret', vserver='svm1'):
    make = client_cmode_rest.RestClient if rest else client_cmode.Client
    return make(hostname=address, port=port, transport_type='https', username=user, password=password, vserver=vserver,
                ssl_cert_path=ca, api_trace_pattern=None, async_rest_timeout=30)


op = Operations('cinder ' + transport)
with op('login, version'):
    c = connect()
    equal(tuple(map(int, c.get_ontap_version()))[:2], (9, 14))
with op('login and version as the administrator of an SVM'):
    equal(tuple(map(int, connect('vsadmin').get_ontap_version()))[:2], (9, 14))
with op('a wrong password is refused', refused=('401', '6691623', 'NaApiError')):
    connect(password='wrong')
with op('cluster name'):
    equal(c.get_cluster_name(), 'cl1')
with op('SVMs'):
    contains(c._list_vservers() if rest else c.list_vservers(), 'svm1')
with op('SVM peers'):
    equal(c.get_vserver_peers('svm1', 'svm2')[0]['peer-state'], 'peered')
with op('LIF by address'):
    contains(c.get_if_info_by_ip(address), {'vserver': 'svm1'})
with op('LIF addresses'):
    contains(c.get_operational_lif_addresses(), address)
with op('iSCSI target portals'):
    contains([t['address'] for t in c.get_iscsi_target_details()], address)
with op('iSCSI target name'):
    equal(c.get_iscsi_service_details()[:4], 'iqn.')

with op('volumes'):
    names = c.list_flexvols()
    contains(names, 'vol1')
    contains(names, 'vol2')
with op('volume by junction path'):
    equal(c.get_vol_by_junc_vserver('svm1', '/vol1'), 'vol1')
with op('volume by name, with all that the scheduler wants'):
    volume = c.get_flexvol(flexvol_name='vol1')
    equal((volume['name'], volume['vserver'], volume['junction-path'], volume['aggregate']),
          ('vol1', 'svm1', '/vol1', 'aggr1'))
    equal(int(volume['size']), GIB)
with op('volume by path'):
    equal(c.get_flexvol(flexvol_path='/vol1')['name'], 'vol1')
with op('capacity of a volume'):
    capacity = c.get_flexvol_capacity(flexvol_name='vol1')
    equal(capacity['size-total'] >= capacity['size-available'] > 0, True)
with op('state of a volume'):
    equal(c.get_volume_state(name='vol1'), 'online')
with op('a volume that exists'):
    equal(c.flexvol_exists('vol1'), True)
with op('a volume that does not'):
    equal(c.flexvol_exists('vol_none'), False)
with op('capacity of a volume that does not exist is refused', refused='NetAppDriverException'):
    c.get_flexvol_capacity(flexvol_name='vol_none')
with op('files of a volume with their sizes'):
    contains(c.get_file_sizes_by_dir('vol1'), {'name': 'disk.img', 'file-size': float(MIB)})
with op('clone a file'):
    c.clone_file('vol1', 'disk.img', 'clone.img', 'svm1')
    contains([f['name'] for f in c.get_file_sizes_by_dir('vol1')], 'clone.img')
with op('rename a file'):
    c.rename_file('/vol/vol1/clone.img', '/vol/vol1/renamed.img')
    contains([f['name'] for f in c.get_file_sizes_by_dir('vol1')], 'renamed.img')
with op('delete a file'):
    c.delete_file('/vol/vol1/renamed.img')
    equal('renamed.img' in [f['name'] for f in c.get_file_sizes_by_dir('vol1')], False)

META = {'OsType': 'linux', 'SpaceReserved': 'false'}
with op('LUN: create'):
    c.create_lun('vol2', 'c1', 64 * MIB, META)
with op('LUN: the same name again is refused', refused=('9012', '5374242')):
    c.create_lun('vol2', 'c1', 64 * MIB, META)
with op('LUN: list'):
    luns = {lun['Path']: lun for lun in c.get_lun_list()}
    equal(int(luns['/vol/vol2/c1']['Size']), 64 * MIB)
    equal((luns['/vol/vol2/c1']['Volume'], luns['/vol/vol2/c1']['OsType']), ('vol2', 'linux'))
with op('LUN: by path'):
    equal([lun['Path'] for lun in c.get_lun_by_args(path='/vol/vol2/c1')], ['/vol/vol2/c1'])
with op('LUN: sizes in a volume'):
    contains(c.get_lun_sizes_by_volume('vol2'), {'path': '/vol/vol2/c1', 'size': 64.0 * MIB})
with op('LUN: resize'):
    c.do_direct_resize('/vol/vol2/c1', str(128 * MIB))
    equal(int(c.get_lun_by_args(path='/vol/vol2/c1')[0]['Size']), 128 * MIB)
with op('LUN: resize of one that does not exist is refused', refused=('9017', '15661', '9256')):
    c.do_direct_resize('/vol/vol2/none', str(128 * MIB))
with op('LUN: clone'):
    c.clone_lun('vol2', 'c1', 'c1_clone', space_reserved='false')
    equal(int(c.get_lun_by_args(path='/vol/vol2/c1_clone')[0]['Size']), 128 * MIB)
with op('LUN: clone of one that does not exist is refused', refused='NaApiError'):
    c.clone_lun('vol2', 'none', 'none_clone', space_reserved='false')
with op('LUN: rename'):
    c.move_lun('/vol/vol2/c1_clone', '/vol/vol2/c1_moved')
    equal([lun['Path'] for lun in c.get_lun_by_args(path='/vol/vol2/c1_*')], ['/vol/vol2/c1_moved'])
with op('igroup: create, add an initiator'):
    c.create_igroup('cg_' + transport, 'iscsi', 'linux')
    c.add_igroup_initiator('cg_' + transport, IQN)
with op('igroup: by initiator'):
    equal([g['initiator-group-name'] for g in c.get_igroup_by_initiators([IQN])], ['cg_' + transport])
with op('LUN: map'):
    equal(int(c.map_lun('/vol/vol2/c1', 'cg_' + transport)), 0)
with op('LUN: map of one that does not exist is refused', refused='NaApiError'):
    c.map_lun('/vol/vol2/none', 'cg_' + transport)
with op('LUN: maps'):
    maps = c.get_lun_map('/vol/vol2/c1')
    equal([(m['initiator-group'], int(m['lun-id']), m['vserver']) for m in maps], [('cg_' + transport, 0, 'svm1')])
with op('LUN: an initiator with mapped LUNs'):
    equal(c.has_luns_mapped_to_initiators([IQN]), True)
with op('LUN: unmap'):
    c.unmap_lun('/vol/vol2/c1', 'cg_' + transport)
    equal(c.get_lun_map('/vol/vol2/c1'), [])
with op('LUN: a second unmap is tolerated'):
    c.unmap_lun('/vol/vol2/c1', 'cg_' + transport)
with op('LUN: delete'):
    c.destroy_lun('/vol/vol2/c1_moved')
    equal(c.get_lun_by_args(path='/vol/vol2/c1_moved'), [])
with op('LUN: delete a mapped one by force'):
    c.map_lun('/vol/vol2/c1', 'cg_' + transport)
    c.destroy_lun('/vol/vol2/c1')
    equal(c.get_lun_by_args(path='/vol/vol2/c1'), [])

# The REST class sends what it has no REST for over ZAPI: consistency groups and reading snapshots.
with op('consistency group snapshot of two volumes'):
    c.create_cg_snapshot(['vol1', 'vol2'], 'cg1')
with op('snapshot: read'):
    equal((c.get_snapshot('vol1', 'cg1')['busy'], c.get_snapshot('vol2', 'cg1')['name']), (False, 'cg1'))
with op('snapshot: one that does not exist', refused='SnapshotNotFound'):
    c.get_snapshot('vol1', 'none')
with op('snapshot: not busy'):
    c.wait_for_busy_snapshot('vol1', 'cg1')
with op('snapshot: clone a LUN from it'):
    c.create_lun('vol2', 'c2', 64 * MIB, META)
    c.create_cg_snapshot(['vol2'], 'cg2')
    c.clone_lun('vol2', 'c2', 'c2_old', space_reserved='false', source_snapshot='cg2')
    equal(int(c.get_lun_by_args(path='/vol/vol2/c2_old')[0]['Size']), 64 * MIB)
    c.destroy_lun('/vol/vol2/c2')
    c.destroy_lun('/vol/vol2/c2_old')
with op('snapshot: mark for deletion and find it'):
    c.mark_snapshot_for_deletion('vol1', 'cg1')
    equal([s['name'] for s in c.get_snapshots_marked_for_deletion()], ['deleted_cinder_cg1'])
with op('snapshot: delete'):
    c.delete_snapshot('vol1', 'deleted_cinder_cg1')
    c.delete_snapshot('vol2', 'cg1')
    equal(c.get_snapshots_marked_for_deletion(), [])
if not rest:  # over REST it asks to delete all of that name
    with op('snapshot: delete of one that does not exist is refused', refused='NaApiError'):
        c.delete_snapshot('vol1', 'none')
with op('a consistency group with a volume that does not exist is refused', refused='NaApiError'):
    c.create_cg_snapshot(['vol1', 'vol_none'], 'cg3')

# A relationship is made and read at its destination.
PAIR = ('svm1', 'vol1', 'svm2', 'mirror_' + transport)
d = None
with op('SnapMirror: create'):
    d = connect(vserver='svm2')
    d.create_snapmirror(*PAIR)
with op('SnapMirror: create again is tolerated'):
    d.create_snapmirror(*PAIR)


def mirror():
    found = d.get_snapmirrors(*PAIR)
    return found[0] if found else {}


with op('SnapMirror: initialize'):
    d.initialize_snapmirror(*PAIR)
    op.until('snapmirrored', lambda: mirror()['mirror-state'] == 'snapmirrored' and
             mirror()['relationship-status'] in ('idle', 'snapmirrored'))
with op('SnapMirror: list'):
    equal((mirror()['source-volume'], mirror()['destination-vserver'], str(mirror()['is-healthy']).lower()),
          ('vol1', 'svm2', 'true'))
with op('SnapMirror: list of a pair that does not exist'):
    equal(d.get_snapmirrors('svm1', 'vol_none', 'svm2', 'none'), [])
with op('SnapMirror: update'):
    before = mirror()['last-transfer-end-timestamp']
    time.sleep(1.1)  # the end of a transfer is told by the second
    d.update_snapmirror(*PAIR)
    op.until('a newer transfer', lambda: mirror()['last-transfer-end-timestamp'] != before)
def change(method):
    """Over REST this version of Cinder looks for a job in the job that it has waited for, when all is done."""
    try:
        method(*PAIR)
    except KeyError as e:
        if not rest or e.args != ('job',):
            raise


with op('SnapMirror: quiesce'):
    change(d.quiesce_snapmirror)
    op.until('quiesced', lambda: mirror()['relationship-status'] in ('quiesced', 'paused'))
with op('SnapMirror: resume'):
    d.resume_snapmirror(*PAIR)
    op.until('resumed', lambda: mirror()['relationship-status'] in ('idle', 'snapmirrored'))
with op('SnapMirror: update of a pair that does not exist is refused', refused=('NaApiError', 'NetAppDriverException')):
    d.update_snapmirror('svm1', 'vol_none', 'svm2', 'none')
with op('SnapMirror: break'):
    change(d.quiesce_snapmirror)
    change(d.break_snapmirror)
    op.until('broken off', lambda: mirror()['mirror-state'] in ('broken-off', 'broken_off'))
with op('SnapMirror: resync'):
    d.resync_snapmirror(*PAIR)
    op.until('snapmirrored', lambda: mirror()['mirror-state'] == 'snapmirrored')
with op('SnapMirror: delete'):
    d.delete_snapmirror(*PAIR)
    equal(mirror(), {})

with op('EMS: application log'):
    # The classes swallow its errors, so the request itself is looked for.
    sent = []
    real = NaApiError.__init__
    NaApiError.__init__ = lambda self, *a, **k: (sent.append(a), real(self, *a, **k))[1]
    try:
        c.send_ems_log_message({
            'computer-name': 'host1', 'event-source': 'Cinder driver', 'app-version': '21.3', 'category': 'provisioning',
            'log-level': '5', 'auto-support': 'false', 'event-id': '0', 'event-description': 'interoperability'})
    finally:
        NaApiError.__init__ = real
    equal(sent, [])
op.finish()
