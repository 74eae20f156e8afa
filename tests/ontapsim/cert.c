/* A self-signed certificate that a client can be given as its authority. */
#include "cert.h"
#include "model.h"
#include "store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { PEM_LIMIT = 1 << 20, VALID_DAYS = 3650 };

static int failed(const char *what, int rc)
{
    sim_log("certificate: %s: %s", what, gnutls_strerror(rc));
    return -1;
}

static int add_address(gnutls_x509_crt_t crt, const char *address)
{
    unsigned char raw[16];
    if (!address)
        return 0;
    bool v4 = inet_pton(AF_INET, address, raw) == 1;
    if (!v4 && inet_pton(AF_INET6, address, raw) != 1)
        return 0;
    return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, raw, v4 ? 4 : 16,
                                                GNUTLS_FSAN_APPEND);
}

static int add_names(gnutls_x509_crt_t crt)
{
    int rc = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "localhost", 9,
                                                  GNUTLS_FSAN_SET);
    if (!rc)
        rc = add_address(crt, "127.0.0.1");
    if (!rc)
        rc = add_address(crt, "::1");
    if (!rc)
        rc = add_address(crt, sim.listen_host);
    for (size_t i = 0; i < sim.svm_count; i++) {
        for (size_t k = 0; k < sim.svms[i]->lif_count && !rc; k++) {
            rc = add_address(crt, sim.svms[i]->lifs[k].address);
            if (!rc)
                rc = add_address(crt, sim.svms[i]->lifs[k].listen_host);
        }
    }
    return rc;
}

static int fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
    unsigned char serial[12];
    time_t now = (time_t)sim_epoch();
    if (getrandom(serial, sizeof(serial), 0) != (ssize_t)sizeof(serial))
        return GNUTLS_E_RANDOM_FAILED;
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 1);
    const int steps[] = {
        gnutls_x509_crt_set_version(crt, 3),
        gnutls_x509_crt_set_serial(crt, serial, sizeof(serial)),
        gnutls_x509_crt_set_activation_time(crt, now - 86400),
        gnutls_x509_crt_set_expiration_time(crt, now + VALID_DAYS * (time_t)86400),
        gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, sim.cluster,
                                      (unsigned)strnlen(sim.cluster, 60)),
        gnutls_x509_crt_set_key(crt, key),
        gnutls_x509_crt_set_basic_constraints(crt, 1, -1),
        gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_CERT_SIGN),
        gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0),
        add_names(crt),
        gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0),
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i] < 0)
            return steps[i];
    }
    return 0;
}

static int write_pem(const gnutls_datum_t *pem, const char *name, mode_t mode)
{
    int rc = sim_store_write(sim.state_dir, name, (const char *)pem->data, pem->size, mode);
    if (rc)
        sim_log("certificate: %s/.ontapsim/%s: %s", sim.root, name, strerror(rc));
    return rc ? -1 : 0;
}

static int generate(void)
{
    gnutls_x509_crt_t crt = NULL;
    gnutls_x509_privkey_t key = NULL;
    gnutls_datum_t crt_pem = {0}, key_pem = {0};
    int rc = gnutls_x509_crt_init(&crt);
    if (!rc)
        rc = gnutls_x509_privkey_init(&key);
    if (!rc)
        rc = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (!rc)
        rc = fill(crt, key);
    if (!rc)
        rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem);
    if (!rc)
        rc = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem);
    if (rc)
        failed("making a self-signed one", rc);
    else if (write_pem(&key_pem, "key.pem", 0600) || write_pem(&crt_pem, "cert.pem", 0644))
        rc = -1;
    gnutls_free(crt_pem.data);
    gnutls_free(key_pem.data);
    if (crt)
        gnutls_x509_crt_deinit(crt);
    if (key)
        gnutls_x509_privkey_deinit(key);
    return rc ? -1 : 0;
}

static bool stands_for(gnutls_x509_crt_t crt, const char *address)
{
    return !address || gnutls_x509_crt_check_hostname(crt, address);
}

/* Does the kept certificate still stand for every address, for some time to come? */
static bool still_good(const char *pem)
{
    gnutls_x509_crt_t crt = NULL;
    const gnutls_datum_t data = {(unsigned char *)sim_dup(pem), (unsigned)strlen(pem)};
    bool good = !gnutls_x509_crt_init(&crt) &&
                !gnutls_x509_crt_import(crt, &data, GNUTLS_X509_FMT_PEM) &&
                gnutls_x509_crt_get_expiration_time(crt) > (time_t)sim_epoch() + 86400 &&
                gnutls_x509_crt_check_hostname(crt, sim.listen_host);
    for (size_t i = 0; i < sim.svm_count; i++) {
        for (size_t k = 0; good && k < sim.svms[i]->lif_count; k++)
            good = stands_for(crt, sim.svms[i]->lifs[k].address) &&
                   stands_for(crt, sim.svms[i]->lifs[k].listen_host);
    }
    if (crt)
        gnutls_x509_crt_deinit(crt);
    free(data.data);
    return good;
}

static char *read_pem(int dir, const char *name, bool quiet)
{
    size_t len = 0;
    char *text = sim_store_read(dir, name, PEM_LIMIT, &len);
    if (!text && !quiet)
        sim_log("certificate: %s: %s", name, strerror(errno));
    return text;
}

int sim_cert_load(char **cert, char **key)
{
    if (sim.cert_file) {
        *cert = read_pem(AT_FDCWD, sim.cert_file, false);
        *key = *cert ? read_pem(AT_FDCWD, sim.key_file, false) : NULL;
        return *key ? 0 : -1;
    }
    AUTO_FREE char *kept = read_pem(sim.state_dir, "cert.pem", true);
    AUTO_FREE char *kept_key = read_pem(sim.state_dir, "key.pem", true);
    if ((!kept || !kept_key || !still_good(kept)) && generate())
        return -1;
    *cert = read_pem(sim.state_dir, "cert.pem", false);
    *key = *cert ? read_pem(sim.state_dir, "key.pem", false) : NULL;
    return *key ? 0 : -1;
}

int sim_cert_client_ca(char **ca)
{
    *ca = sim.client_ca ? read_pem(AT_FDCWD, sim.client_ca, false) : NULL;
    return sim.client_ca && !*ca ? -1 : 0;
}
