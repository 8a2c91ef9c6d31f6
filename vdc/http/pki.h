/*
 * The grid's own certificate authority and the certificates it issues: ECDSA P-256, SHA-256. The one place
 * that knows GnuTLS. Blocking, some milliseconds each; any thread.
 *
 * Key files are mode 0600 from their first byte, replaced whole (file_replace).
 */
#pragma once

#include <glib.h>

typedef enum {
    PKI_SERVER = 1, /* may serve TLS */
    PKI_CLIENT = 2, /* may log in by TLS */
} PkiUse;

typedef struct {
    const char *common_name; /* becomes http_request_peer of its owner */
    const char *const
        *names; /* DNS names and IP addresses (told apart by form); NULL-terminated, may be NULL */
    PkiUse use; /* PKI_SERVER | PKI_CLIENT */
    guint days; /* 0: 3650 */
} PkiSubject;

/*
 * Make sure FOLDER/ca.crt and FOLDER/ca.key exist (the folder 0700): made with @name as common name when both
 * are missing, left alone when both are there, VDC_ERROR_FAILED when only one is.
 */
gboolean pki_ensure_ca (const char *folder, const char *name, GError **error);

/* Issue for @subject by the CA in @folder. PEM texts, caller frees. */
gboolean pki_issue (const char *folder, const PkiSubject *subject, char **certificate_pem, char **key_pem,
                    GError **error);

/*
 * Make sure FOLDER/NAME.crt and FOLDER/NAME.key exist for @subject, issued by the CA in the same folder.
 * Issued anew when missing, within 30 days of their end, when @subject's names are not all in it, or when the
 * CA has changed.
 */
gboolean pki_ensure (const char *folder, const char *name, const PkiSubject *subject, GError **error);

/*
 * Check a PEM certificate against a PEM CA, for tools and tests: signature, dates, use. *@common_name may be
 * NULL.
 */
gboolean pki_check (const char *certificate_pem, const char *ca_pem, PkiUse use, char **common_name,
                    GError **error);

/*
 * The client on the other side of a TLS session (a gnutls_session_t), checked against the credentials' CA and
 * for client use: its common name (caller frees). NULL: VDC_ERROR_NOT_LOGGED_IN. For server.c.
 */
char *pki_session_peer (void *session, GError **error);
