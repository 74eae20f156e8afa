/* libvirt's errors as ours. */
#include "virt_priv.h"

#include <libvirt/virterror.h>

static enum moon_code code_of_vir(int code)
{
    switch (code) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_STORAGE_POOL:
    case VIR_ERR_NO_STORAGE_VOL:
        return MOON_NOT_FOUND;
    case VIR_ERR_DOM_EXIST:
        return MOON_EXISTS;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED:
        return MOON_DENIED;
    case VIR_ERR_OPERATION_TIMEOUT:
        return MOON_TIMEOUT;
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_AGENT_UNRESPONSIVE:
        return MOON_UNSUPPORTED;
    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
        return MOON_INVALID;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_RPC:
    case VIR_ERR_SYSTEM_ERROR:
    case VIR_ERR_LIBSSH:
        return MOON_UNREACHABLE;
    case VIR_ERR_OPERATION_INVALID:
        return MOON_CONFLICT;
    case VIR_ERR_OPERATION_ABORTED:
        return MOON_CANCELLED;
    case VIR_ERR_RESOURCE_BUSY:
        return MOON_BUSY;
    case VIR_ERR_NO_MEMORY:
        return MOON_INTERNAL;
    default:
        return MOON_IO;
    }
}

/* libvirt's last error is per thread: it is copied here, on the thread that made the call. */
int virt_fail(struct moon_err *err, const char *op, const char *object, const char *name)
{
    virErrorPtr e = virGetLastError();
    int native = e ? (int)e->code : 0;
    return moon_err_set(err, code_of_vir(native), MOON_SRC_LIBVIRT, native, op, "%s '%s': %s: %s",
                        object, name, op, e && e->message ? e->message : "unknown libvirt error");
}

int virt_no_memory(struct moon_err *err, const char *op)
{
    return moon_err_set(err, MOON_INTERNAL, MOON_SRC_ENGINE, 0, op, "out of memory");
}
