/* libvirt domain XML: what storage a guest has, and edits for restoring it as another guest.
 * Nothing blocks; all of it is thread safe. <domain> may be the root or stand inside
 * <domainsnapshot>, <domaincheckpoint> or <domstatus>. */
#ifndef MOON_DOMXML_H
#define MOON_DOMXML_H

#include "err.h"

#include <jansson.h>

/* *out is a new record; a field marked ? is absent when the document does not say it:
 *
 *   name, uuid (lower case, with dashes), title?, type ("kvm", "test" ...): strings
 *   memory_kib?   integer, KiB (1024 bytes), rounded up
 *   os            {type, arch?, machine?, firmware? ("efi"), loader?, boot = ["hd", "cdrom" ...],
 *                 nvram? = {path?, template?}}; boot is [] when there is none
 *   tpm           boolean: there is an emulated or passed-through TPM
 *   disks         array in document order
 *
 * A disk:
 *   index         integer, 0-based position
 *   device        "disk", "cdrom", "floppy", "lun"
 *   type          "file", "block", "network", "volume", "nvme", "dir", "vhostuser", "vhostvdpa"
 *   source?       the attributes of <source> by name, strings (file, dev, dir, pool, volume, mode,
 *                 protocol, name, query, type, namespace, path, startupPolicy), and hosts =
 *                 [{name?, port?, transport?, socket?}] when there are any; absent for an empty
 *                 drive
 *   path?         the file of a "file", the device of a "block" disk
 *   target        "vda"
 *   bus           "virtio"; what libvirt takes for such a target when the document says none
 *   format        "raw", "qcow2" ...; "raw" when the document says none, as libvirt reads it
 *   driver        {name?, type?, cache?, io?}
 *   serial?, wwn?, alias?   strings
 *   boot_order?   integer from 1
 *   readonly, shareable, transient   booleans; a cdrom is always readonly
 *   backing       the chain below it, flattened, nearest first: [{type, format?, path?, source?}]
 *   is_boot       boolean
 *
 * Exactly one disk has is_boot = true when there is any of device "disk" or "lun": among these the
 * one of lowest boot_order; when none has one, the first in libvirt's own order, which is what the
 * firmware is told to start from (bootindex): buses in the order in which they first appear in the
 * document (cdroms and floppies included), and within a bus by target name (vda, vdb ... vdz,
 * vdaa). What the firmware would do with disks it was not told about cannot be known from here.
 *
 * Errors: MOON_PROTOCOL for what is no XML or lacks a name, uuid, target ...; MOON_INVALID for
 * what the XML reader refuses. */
int moon_domxml_parse(const char *xml, json_t **out, struct moon_err *err);

/* A changed copy: *out is the <domain> element alone as text, owned by the caller (free). edits is
 * an object with any of:
 *
 *   name          string
 *   uuid          a uuid, or "new" for a random one. The SMBIOS system uuid follows (libvirt wants
 *                 them equal) and a generation id is made anew. Emulated TPM state is kept by uuid:
 *                 it does not follow.
 *   macs          "new": every interface with a MAC gets a random one, 52:54:00:xx:xx:xx
 *   disks         {target = {file = path} or {dev = path}, and format = string if wanted}: the
 *                 disk's source; the recorded backing chain is dropped, encryption is kept
 *   detach_media  true: cdroms and floppies are emptied
 *   drop_nvram    true: the NVRAM file is no longer named, libvirt makes a fresh one
 *   nvram         string: the NVRAM file. Without one of these two a renamed guest shares the file
 *                 with the first one.
 *
 * Errors: as above; MOON_INVALID for an unknown or unfit edit; MOON_NOT_FOUND for a target that
 * the guest lacks. */
int moon_domxml_edit(const char *xml, const json_t *edits, char **out, struct moon_err *err);

#endif
