"""OpenStack Manila's NetApp client class on the simulator, unmodified.

manila_client.py zapi|rest ADDRESS PORT CA-FILE STATE-DIR
"""

import sys
import warnings

from operations import Operations, contains, equal

warnings.simplefilter('ignore')

from manila.share.drivers.netapp.dataontap.client import client_cmode  # noqa: E402

transport, address, port, ca, state = sys.argv[1:]
GIB = 1 << 30


def connect(user='admin', password='secret', vserver='svm1'):
    return client_cmode.NetAppCmodeClient(
        hostname=address, port=port, transport_type='https', username=user, password=password, vserver=vserver,
        ssl_cert_path=ca)


op = Operations('manila ' + transport)
c = None


def over_rest():
    """What this Manila has of REST, apart from the migration of SVMs."""
    with op('version'):
        version = c.send_request('system-get-version', use_zapi=False)['version']
        equal((version['generation'], version['major']), (9, 14))
    with op('version as the administrator of an SVM'):
        version = connect('vsadmin').send_request('system-get-version', use_zapi=False)['version']
        contains(version['full'], '9.14')
    with op('a job that does not exist is refused', refused='4'):
        c.get_job('11111111-2222-3333-4444-555555555555')
    with op('a wrong password is refused', refused='6691623'):
        connection = connect().connection
        connection.set_password('wrong')
        connection.get_client(use_zapi=False).invoke_successfully(client_cmode.netapp_api.NaElement('system-get-version'))
    op.finish()


with op('login, version'):
    c = connect()
    equal(c.get_system_version()['version-tuple'][:2], (9, 14))
if transport == 'rest':
    over_rest()

with op('login as the administrator of an SVM'):
    equal(connect('vsadmin').check_for_cluster_credentials(), False)
with op('a wrong password is refused', refused=('XMLSyntaxError', 'NaApiError')):
    connect(password='wrong')
with op('cluster credentials'):
    equal(connect(vserver=None).check_for_cluster_credentials(), True)
with op('cluster name'):
    equal(c.get_cluster_name(), 'cl1')
with op('nodes'):
    equal(connect(vserver=None).list_cluster_nodes(), ['cl1-01'])
with op('SVMs'):
    equal(sorted(connect(vserver=None).list_vservers()), ['svm1', 'svm2'])
with op('SVM that exists'):
    equal(c.vserver_exists('svm1'), True)
with op('SVM that does not'):
    equal(connect(vserver=None).vserver_exists('svm_none'), False)
with op('SVM: state'):
    info = c.get_vserver_info('svm1')
    equal((info['state'], info['operational_state'], info['subtype']), ('running', 'running', 'default'))
with op('SVM: peers'):
    equal(c.get_vserver_peers('svm1', 'svm2')[0]['peer-state'], 'peered')
with op('LIFs'):
    equal(c.list_network_interfaces(), ['lif1'])
with op('LIFs by protocol'):
    lif = c.get_network_interfaces(protocols=['NFS'])[0]
    equal((lif['address'], lif['vserver'], lif['role']), (address, 'svm1', 'data'))
with op('aggregates'):
    contains(connect(vserver=None).list_non_root_aggregates(), 'aggr1')
with op('aggregates: capacity'):
    space = connect(vserver=None).get_cluster_aggregate_capacities(['aggr1'])['aggr1']
    equal(space['total'] >= space['available'] > 0, True)

with op('volume: create'):
    c.create_volume('aggr1', 'share1', 1, thin_provisioned=True, snapshot_reserve=5)
with op('volume: the same name again is refused', refused=('17', '13130', '160')):
    c.create_volume('aggr1', 'share1', 1, thin_provisioned=True)
with op('volume: exists'):
    equal((c.volume_exists('share1'), c.volume_exists('share_none')), (True, False))
with op('volume: read'):
    volume = c.get_volume('share1')
    equal((volume['name'], volume['aggregate'], volume['junction-path'], volume['type'], volume['style'],
           int(volume['size'])), ('share1', 'aggr1', '/share1', 'rw', 'flex', GIB))
with op('volume: one that does not exist', refused='StorageResourceNotFound'):
    c.get_volume('share_none')
with op('volume: by junction path'):
    equal(c.get_volume_at_junction_path('/share1'), {'name': 'share1'})
with op('volume: path of the junction'):
    equal(c.get_volume_junction_path('share1'), '/share1')
with op('volume: aggregate'):
    equal(c.get_aggregate_for_volume('share1'), 'aggr1')
with op('volume: has LUNs'):
    equal((c.volume_has_luns('vol2'), c.volume_has_luns('share1')), (True, False))
with op('volume: nothing mounted below'):
    equal(c.volume_has_junctioned_volumes('/share1'), False)
with op('volume: all that taking it over needs'):
    equal(c.get_volume_to_manage('aggr1', 'share1')['owning-vserver-name'], 'svm1')
with op('volume: resize'):
    c.set_volume_size('share1', 2)
    equal(int(c.get_volume('share1')['size']), 2 * GIB)
with op('volume: rename'):
    c.set_volume_name('share1', 'share2')
    equal((c.volume_exists('share1'), c.volume_exists('share2')), (False, True))

with op('snapshot: create'):
    c.create_snapshot('share2', 's1')
with op('snapshot: the same name again is refused', refused=('13020', '17')):
    c.create_snapshot('share2', 's1')
with op('snapshot: read'):
    snapshot = c.get_snapshot('share2', 's1')
    equal((snapshot['name'], snapshot['volume'], snapshot['busy'], snapshot['owners']), ('s1', 'share2', False, set()))
with op('snapshot: one that does not exist', refused='SnapshotResourceNotFound'):
    c.get_snapshot('share2', 'none')
with op('snapshot: of a volume that does not exist is refused', refused=('13001', '13040', '15661')):
    c.create_snapshot('share_none', 's1')
with op('snapshot: rename'):
    c.rename_snapshot('share2', 's1', 's2')
    equal((c.snapshot_exists('s1', 'share2'), c.snapshot_exists('s2', 'share2')), (False, True))
with op('snapshot: restore the volume'):
    c.restore_snapshot('share2', 's2')
with op('consistency group snapshot of two volumes'):
    c.create_cg_snapshot(['share2', 'vol1'], 'cg1')
    equal((c.snapshot_exists('cg1', 'share2'), c.snapshot_exists('cg1', 'vol1')), (True, True))

with op('volume clone: create from a snapshot'):
    c.create_volume_clone('clone1', 'share2', 's2')
    equal(c.get_volume_clone_parent_snaphot('clone1'), 's2')
with op('volume clone: children of a snapshot'):
    equal(c.get_clone_children_for_snapshot('share2', 's2'), [{'name': 'clone1'}])
with op('snapshot: a busy one is not deleted, but marked'):
    c.soft_delete_snapshot('share2', 's2')
    equal(c.snapshot_exists('deleted_manila_s2', 'share2'), True)
with op('volume clone: split'):
    c.split_volume_clone('clone1')
    op.until('split', lambda: c.check_volume_clone_split_completed('clone1'))
with op('snapshot: prune what is marked'):
    c.prune_deleted_snapshots()
    equal(c.snapshot_exists('deleted_manila_s2', 'share2'), False)
with op('snapshot: delete'):
    c.delete_snapshot('share2', 'cg1')
    c.delete_snapshot('vol1', 'cg1', ignore_owners=True)
with op('snapshot: delete of one that does not exist is refused', refused=('13021', '15661', '13001')):
    c.delete_snapshot('share2', 'none')

with op('volume: delete while it is online is refused', refused='NaApiError'):
    c.delete_volume('clone1')
with op('volume: unmount, also twice'):
    c.unmount_volume('clone1', force=True)
    c.unmount_volume('clone1')
with op('volume: offline, also twice'):
    c.offline_volume('clone1')
    c.offline_volume('clone1')
    equal(c.get_volume_state('clone1'), 'offline')
with op('volume: delete'):
    c.delete_volume('clone1')
    equal(c.volume_exists('clone1'), False)
with op('volume: mount elsewhere'):
    c.unmount_volume('share2')
    c.mount_volume('share2', '/elsewhere')
    equal(c.get_volume_junction_path('share2'), '/elsewhere')

PAIR = ('svm1', 'vol1', 'svm2', 'mirror_zapi')
NAMED = dict(zip(('source_vserver', 'source_volume', 'dest_vserver', 'dest_volume'), PAIR))
d = None


def mirror():
    found = d.get_snapmirrors(**NAMED)
    return found[0] if found else {}


with op('SnapMirror: create, also twice'):
    d = connect(vserver='svm2')
    d.create_snapmirror_vol(*PAIR, 'extended_data_protection', policy='MirrorAllSnapshots')
    d.create_snapmirror_vol(*PAIR, 'extended_data_protection', policy='MirrorAllSnapshots')
with op('SnapMirror: initialize'):
    d.initialize_snapmirror_vol(*PAIR)
    op.until('snapmirrored', lambda: (mirror()['mirror-state'], mirror()['relationship-status']) == ('snapmirrored', 'idle'))
with op('SnapMirror: read'):
    relation = mirror()
    equal((relation['source-volume'], relation['destination-vserver'], relation['is-healthy'], relation['policy']),
          ('vol1', 'svm2', 'true', 'MirrorAllSnapshots'))
with op('SnapMirror: destinations, seen from the source'):
    equal(len(c.get_snapmirror_destinations(**NAMED)), 1)
with op('SnapMirror: does a volume have one'):
    equal(c.volume_has_snapmirror_relationships({'owning-vserver-name': 'svm1', 'name': 'vol2'}), False)
    equal(d.volume_has_snapmirror_relationships({'owning-vserver-name': 'svm2', 'name': 'mirror_zapi'}), True)
with op('SnapMirror: update'):
    before = mirror()['last-transfer-end-timestamp']
    c.create_snapshot('vol1', 'before_update')
    d.update_snapmirror_vol(*PAIR)
    op.until('a newer transfer', lambda: mirror()['relationship-status'] == 'idle' and (
        mirror()['last-transfer-end-timestamp'] != before or d.snapshot_exists('before_update', 'mirror_zapi')))
with op('SnapMirror: the snapshot of the source that it holds'):
    equal(len(c.list_snapmirror_snapshots('vol1')) > 0, True)
with op('SnapMirror: quiesce'):
    d.quiesce_snapmirror_vol(*PAIR)
    op.until('quiesced', lambda: mirror()['relationship-status'] == 'quiesced')
with op('SnapMirror: update while quiesced is refused', refused=('13102', '17127')):
    d.update_snapmirror_vol(*PAIR)
with op('SnapMirror: resume, also twice'):
    d.resume_snapmirror_vol(*PAIR)
    d.resume_snapmirror_vol(*PAIR)
with op('SnapMirror: abort of nothing is tolerated'):
    d.abort_snapmirror_vol(*PAIR)
with op('SnapMirror: break and resync'):
    d.quiesce_snapmirror_vol(*PAIR)
    d.break_snapmirror_vol(*PAIR)
    op.until('broken off', lambda: mirror()['mirror-state'] == 'broken-off')
    d.resync_snapmirror_vol(*PAIR)
    op.until('snapmirrored', lambda: mirror()['mirror-state'] == 'snapmirrored')
with op('SnapMirror: delete at the destination, release at the source'):
    d.delete_snapmirror_vol(*PAIR)
    c.release_snapmirror_vol(*PAIR)
    equal(d.get_snapmirrors(**NAMED), [])
with op('SnapMirror: policies'):
    contains(connect(vserver=None).get_snapmirror_policies('cl1'), 'MirrorAllSnapshots')

with op('EMS: application log'):
    # The class swallows its errors, so the request itself is sent.
    c.send_request('ems-autosupport-log', {
        'computer-name': 'host1', 'event-source': 'Manila driver', 'app-version': '15.1', 'category': 'provisioning',
        'log-level': '5', 'auto-support': 'false', 'event-id': '0', 'event-description': 'interoperability'})
op.finish()
