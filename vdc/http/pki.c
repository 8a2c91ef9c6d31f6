#include "vdc/http/pki.h"

#include "vdc/base/error.h"
#include "vdc/base/file.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#define DAY_S (24 * 3600)
#define DEFAULT_DAYS 3650
#define RENEW_DAYS 30
/* Clocks of new machines are often behind. */
#define BACKDATE_S DAY_S

typedef struct gnutls_x509_crt_int Certificate;
typedef struct gnutls_x509_privkey_int Key;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Certificate, gnutls_x509_crt_deinit)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Key, gnutls_x509_privkey_deinit)

static gboolean
check (int rc, const char *what, GError **error)
{
    if (rc >= 0)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "%s: %s", what, gnutls_strerror (rc));
    return FALSE;
}

static Key *
key_new (GError **error)
{
    gnutls_x509_privkey_t key = NULL;
    int rc = gnutls_x509_privkey_init (&key);
    if (rc >= 0)
        rc = gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA,
                                           GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (check (rc, "cannot make a key", error))
        return key;
    gnutls_x509_privkey_deinit (key);
    return NULL;
}

static char *
take_datum (gnutls_datum_t *datum)
{
    char *text = g_strndup ((const char *)datum->data, datum->size);
    gnutls_memset (datum->data, 0, datum->size);
    gnutls_free (datum->data);
    return text;
}

static char *
key_pem (Key *key, GError **error)
{
    gnutls_datum_t datum = {0};
    if (!check (gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &datum),
                "cannot write a key", error))
        return NULL;
    return take_datum (&datum);
}

static char *
certificate_pem (Certificate *certificate, GError **error)
{
    gnutls_datum_t datum = {0};
    if (!check (gnutls_x509_crt_export2 (certificate, GNUTLS_X509_FMT_PEM, &datum),
                "cannot write a certificate", error))
        return NULL;
    return take_datum (&datum);
}

static Certificate *
certificate_parse (const char *pem, const char *what, GError **error)
{
    gnutls_datum_t datum = {(unsigned char *)pem, (unsigned)strlen (pem)};
    gnutls_x509_crt_t certificate = NULL;
    int rc = gnutls_x509_crt_init (&certificate);
    if (rc >= 0)
        rc = gnutls_x509_crt_import (certificate, &datum, GNUTLS_X509_FMT_PEM);
    if (check (rc, what, error))
        return certificate;
    gnutls_x509_crt_deinit (certificate);
    return NULL;
}

static Key *
key_parse (const char *pem, const char *what, GError **error)
{
    gnutls_datum_t datum = {(unsigned char *)pem, (unsigned)strlen (pem)};
    gnutls_x509_privkey_t key = NULL;
    int rc = gnutls_x509_privkey_init (&key);
    if (rc >= 0)
        rc = gnutls_x509_privkey_import2 (key, &datum, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN);
    if (check (rc, what, error))
        return key;
    gnutls_x509_privkey_deinit (key);
    return NULL;
}

/* --- building ------------------------------------------------------------------------------------------ */

static int
set_basics (Certificate *certificate, Key *key, const char *common_name, guint days)
{
    guint8 serial[16];
    guint8 id[20];
    size_t id_size = sizeof id;
    gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;
    int rc = gnutls_rnd (GNUTLS_RND_NONCE, serial, sizeof serial);
    serial[0] &= 0x7f; /* positive */

    if (rc >= 0)
        rc = gnutls_x509_crt_set_version (certificate, 3);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_serial (certificate, serial, sizeof serial);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_activation_time (certificate, now_s - BACKDATE_S);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_expiration_time (certificate,
                                                  now_s + (gint64)(days ? days : DEFAULT_DAYS) * DAY_S);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key (certificate, key);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_dn_by_oid (certificate, GNUTLS_OID_X520_COMMON_NAME, 0, common_name,
                                            (unsigned)strlen (common_name));
    if (rc >= 0)
        rc = gnutls_x509_crt_get_key_id (certificate, GNUTLS_KEYID_USE_SHA1, id, &id_size);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_subject_key_id (certificate, id, id_size);
    return rc;
}

static int
add_name (Certificate *certificate, const char *name)
{
    guint8 address[16];
    if (inet_pton (AF_INET, name, address) == 1)
        return gnutls_x509_crt_set_subject_alt_name (certificate, GNUTLS_SAN_IPADDRESS, address, 4,
                                                     GNUTLS_FSAN_APPEND);
    if (inet_pton (AF_INET6, name, address) == 1)
        return gnutls_x509_crt_set_subject_alt_name (certificate, GNUTLS_SAN_IPADDRESS, address, 16,
                                                     GNUTLS_FSAN_APPEND);
    return gnutls_x509_crt_set_subject_alt_name (certificate, GNUTLS_SAN_DNSNAME, name,
                                                 (unsigned)strlen (name), GNUTLS_FSAN_APPEND);
}

static int
set_use (Certificate *certificate, const PkiSubject *subject)
{
    int rc = gnutls_x509_crt_set_basic_constraints (certificate, 0, -1);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_usage (certificate, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (rc >= 0 && (subject->use & PKI_SERVER))
        rc = gnutls_x509_crt_set_key_purpose_oid (certificate, GNUTLS_KP_TLS_WWW_SERVER, 0);
    if (rc >= 0 && (subject->use & PKI_CLIENT))
        rc = gnutls_x509_crt_set_key_purpose_oid (certificate, GNUTLS_KP_TLS_WWW_CLIENT, 0);
    for (guint i = 0; rc >= 0 && subject->names != NULL && subject->names[i] != NULL; i++)
        rc = add_name (certificate, subject->names[i]);
    return rc;
}

static Certificate *
certificate_new (GError **error)
{
    gnutls_x509_crt_t certificate = NULL;
    if (!check (gnutls_x509_crt_init (&certificate), "cannot make a certificate", error))
        return NULL;
    return certificate;
}

static gboolean
make_ca (const char *name, char **ca_pem, char **ca_key_pem, GError **error)
{
    g_autoptr (Key) key = key_new (error);
    g_autoptr (Certificate) certificate = key ? certificate_new (error) : NULL;
    if (certificate == NULL)
        return FALSE;
    int rc = set_basics (certificate, key, name, 2 * DEFAULT_DAYS);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_basic_constraints (certificate, 1, 0);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_usage (certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    if (rc >= 0)
        rc = gnutls_x509_crt_sign2 (certificate, certificate, key, GNUTLS_DIG_SHA256, 0);
    if (!check (rc, "cannot make the certificate authority", error))
        return FALSE;
    g_autofree char *pem = certificate_pem (certificate, error);
    if (pem == NULL || (*ca_key_pem = key_pem (key, error)) == NULL)
        return FALSE;
    *ca_pem = g_steal_pointer (&pem);
    return TRUE;
}

/* --- files --------------------------------------------------------------------------------------------- */

static char *
path_of (const char *folder, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat (name, suffix, NULL);
    return g_build_filename (folder, file, NULL);
}

static char *
read_text (const char *path, GError **error)
{
    char *text = NULL;
    g_autoptr (GError) local = NULL;
    if (!g_file_get_contents (path, &text, NULL, &local))
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "cannot read %s: %s", path, local->message);
    return text;
}

/* The key first: a certificate without its key would look complete and be useless. */
static gboolean
write_pair (const char *folder, const char *name, const char *certificate, const char *key, GError **error)
{
    g_autofree char *certificate_path = path_of (folder, name, ".crt");
    g_autofree char *key_path = path_of (folder, name, ".key");
    return file_replace (key_path, key, strlen (key), 0600, error) &&
           file_replace (certificate_path, certificate, strlen (certificate), 0644, error);
}

gboolean
pki_ensure_ca (const char *folder, const char *name, GError **error)
{
    g_autofree char *certificate_path = path_of (folder, "ca", ".crt");
    g_autofree char *key_path = path_of (folder, "ca", ".key");
    gboolean has_certificate = g_file_test (certificate_path, G_FILE_TEST_EXISTS);
    gboolean has_key = g_file_test (key_path, G_FILE_TEST_EXISTS);

    if (has_certificate && has_key)
        return TRUE;
    if (has_certificate) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED,
                     "%s exists but %s does not; restore it or remove both", certificate_path, key_path);
        return FALSE;
    }
    /* A key without certificate is what a crash in between leaves: nothing was issued by it, it is made anew.
     */
    g_autofree char *certificate = NULL;
    g_autofree char *key = NULL;
    return file_make_folder (folder, 0700, error) && make_ca (name, &certificate, &key, error) &&
           write_pair (folder, "ca", certificate, key, error);
}

static gboolean
load_ca (const char *folder, Certificate **certificate, Key **key, GError **error)
{
    g_autofree char *certificate_path = path_of (folder, "ca", ".crt");
    g_autofree char *key_path = path_of (folder, "ca", ".key");
    g_autofree char *pem = read_text (certificate_path, error);
    g_autofree char *secret = pem ? read_text (key_path, error) : NULL;
    if (secret == NULL)
        return FALSE;
    g_autoptr (Certificate) ca = certificate_parse (pem, certificate_path, error);
    if (ca == NULL)
        return FALSE;
    *key = key_parse (secret, key_path, error);
    if (*key == NULL)
        return FALSE;
    *certificate = g_steal_pointer (&ca);
    return TRUE;
}

static int
sign_by (Certificate *certificate, Certificate *ca, Key *ca_key)
{
    guint8 id[64];
    size_t size = sizeof id;
    int rc = gnutls_x509_crt_get_subject_key_id (ca, id, &size, NULL);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_authority_key_id (certificate, id, size);
    if (rc >= 0)
        rc = gnutls_x509_crt_sign2 (certificate, ca, ca_key, GNUTLS_DIG_SHA256, 0);
    return rc;
}

gboolean
pki_issue (const char *folder, const PkiSubject *subject, char **certificate_out, char **key_out,
           GError **error)
{
    g_autoptr (Certificate) ca = NULL;
    g_autoptr (Key) ca_key = NULL;
    if (!load_ca (folder, &ca, &ca_key, error))
        return FALSE;
    g_autoptr (Key) key = key_new (error);
    g_autoptr (Certificate) certificate = key ? certificate_new (error) : NULL;
    if (certificate == NULL)
        return FALSE;
    int rc = set_basics (certificate, key, subject->common_name, subject->days);
    if (rc >= 0)
        rc = set_use (certificate, subject);
    if (rc >= 0)
        rc = sign_by (certificate, ca, ca_key);
    if (!check (rc, "cannot issue a certificate", error)) {
        g_prefix_error (error, "%s: ", subject->common_name);
        return FALSE;
    }
    g_autofree char *pem = certificate_pem (certificate, error);
    if (pem == NULL)
        return FALSE;
    char *secret = key_pem (key, error);
    if (secret == NULL)
        return FALSE;
    *certificate_out = g_steal_pointer (&pem);
    *key_out = secret;
    return TRUE;
}

/* --- checking ------------------------------------------------------------------------------------------ */

static char *
common_name_of (Certificate *certificate)
{
    char name[256];
    size_t size = sizeof name;
    int rc = gnutls_x509_crt_get_dn_by_oid (certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size);
    return rc >= 0 ? g_strndup (name, size) : NULL;
}

static gboolean
has_purpose (Certificate *certificate, const char *purpose)
{
    for (unsigned i = 0;; i++) {
        char oid[128];
        size_t size = sizeof oid;
        int rc = gnutls_x509_crt_get_key_purpose_oid (certificate, i, oid, &size, NULL);
        if (rc < 0)
            return FALSE;
        if (strcmp (oid, purpose) == 0)
            return TRUE;
    }
}

static gboolean
fits_use (Certificate *certificate, PkiUse use)
{
    return (!(use & PKI_SERVER) || has_purpose (certificate, GNUTLS_KP_TLS_WWW_SERVER)) &&
           (!(use & PKI_CLIENT) || has_purpose (certificate, GNUTLS_KP_TLS_WWW_CLIENT));
}

static gboolean
refuse (GError **error, const char *why)
{
    g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_LOGGED_IN, "%s", why);
    return FALSE;
}

gboolean
pki_check (const char *pem, const char *ca_pem, PkiUse use, char **common_name, GError **error)
{
    g_autoptr (Certificate) certificate = certificate_parse (pem, "the certificate cannot be read", error);
    g_autoptr (Certificate) ca =
        certificate ? certificate_parse (ca_pem, "the CA cannot be read", error) : NULL;
    if (ca == NULL)
        return FALSE;
    gnutls_x509_crt_t issuer = ca;
    unsigned status = 0;
    int rc = gnutls_x509_crt_verify (certificate, &issuer, 1, 0, &status);
    if (rc < 0 || status != 0)
        return refuse (error, (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED))
                                  ? "the certificate is out of its dates"
                                  : "the certificate is not signed by this grid's CA");
    if (!fits_use (certificate, use))
        return refuse (error, "the certificate is not meant for this use");
    if (common_name != NULL)
        *common_name = common_name_of (certificate);
    return TRUE;
}

char *
pki_session_peer (void *session, GError **error)
{
    unsigned status = 0, count = 0;
    const gnutls_datum_t *list = session ? gnutls_certificate_get_peers (session, &count) : NULL;
    if (list == NULL || count == 0) {
        refuse (error, "a client certificate of this grid is needed");
        return NULL;
    }
    if (gnutls_certificate_verify_peers2 (session, &status) < 0 || status != 0) {
        refuse (error, "the client certificate is not valid in this grid");
        return NULL;
    }
    g_autoptr (Certificate) certificate = certificate_new (error);
    if (certificate == NULL)
        return NULL;
    char *name = NULL;
    if (gnutls_x509_crt_import (certificate, &list[0], GNUTLS_X509_FMT_DER) < 0 ||
        !has_purpose (certificate, GNUTLS_KP_TLS_WWW_CLIENT) || (name = common_name_of (certificate)) == NULL)
        refuse (error, "the client certificate is not meant for log-in");
    return name;
}

/* --- renewal ------------------------------------------------------------------------------------------- */

static gboolean
name_is_covered (Certificate *certificate, const char *name)
{
    guint8 wanted[16];
    gsize wanted_size = inet_pton (AF_INET, name, wanted) == 1    ? 4
                        : inet_pton (AF_INET6, name, wanted) == 1 ? 16
                                                                  : 0;
    for (unsigned i = 0;; i++) {
        char value[256];
        size_t size = sizeof value;
        int type = gnutls_x509_crt_get_subject_alt_name (certificate, i, value, &size, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            return FALSE;
        if (type == GNUTLS_SAN_IPADDRESS && size == wanted_size && memcmp (value, wanted, size) == 0)
            return TRUE;
        if (type == GNUTLS_SAN_DNSNAME && wanted_size == 0 && strlen (name) == size &&
            memcmp (value, name, size) == 0)
            return TRUE;
    }
}

/* A crash between the two files of a renewal leaves a new key beside the old certificate. */
static gboolean
key_fits (const char *key_path, Certificate *certificate)
{
    g_autofree char *secret = read_text (key_path, NULL);
    g_autoptr (Key) key = secret ? key_parse (secret, key_path, NULL) : NULL;
    guint8 mine[32], other[32];
    size_t mine_size = sizeof mine, other_size = sizeof other;
    return key != NULL &&
           gnutls_x509_privkey_get_key_id (key, GNUTLS_KEYID_USE_SHA256, mine, &mine_size) >= 0 &&
           gnutls_x509_crt_get_key_id (certificate, GNUTLS_KEYID_USE_SHA256, other, &other_size) >= 0 &&
           mine_size == other_size && memcmp (mine, other, mine_size) == 0;
}

static gboolean
still_good (const char *folder, const char *name, const PkiSubject *subject)
{
    g_autofree char *path = path_of (folder, name, ".crt");
    g_autofree char *key_path = path_of (folder, name, ".key");
    g_autofree char *ca_path = path_of (folder, "ca", ".crt");
    g_autofree char *pem = read_text (path, NULL);
    g_autofree char *ca_pem = read_text (ca_path, NULL);
    g_autofree char *common_name = NULL;

    if (pem == NULL || ca_pem == NULL || !pki_check (pem, ca_pem, subject->use, &common_name, NULL) ||
        g_strcmp0 (common_name, subject->common_name) != 0)
        return FALSE;
    g_autoptr (Certificate) certificate = certificate_parse (pem, path, NULL);
    if (!key_fits (key_path, certificate) || gnutls_x509_crt_get_expiration_time (certificate) <
                                                 g_get_real_time () / G_USEC_PER_SEC + RENEW_DAYS * DAY_S)
        return FALSE;
    for (guint i = 0; subject->names != NULL && subject->names[i] != NULL; i++)
        if (!name_is_covered (certificate, subject->names[i]))
            return FALSE;
    return TRUE;
}

gboolean
pki_ensure (const char *folder, const char *name, const PkiSubject *subject, GError **error)
{
    if (still_good (folder, name, subject))
        return TRUE;
    g_autofree char *certificate = NULL;
    g_autofree char *key = NULL;
    return pki_issue (folder, subject, &certificate, &key, error) &&
           write_pair (folder, name, certificate, key, error);
}
