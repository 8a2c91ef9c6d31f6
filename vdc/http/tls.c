#include "vdc/http/tls.h"

#include "vdc/base/error.h"
#include "vdc/http/pki.h"

#include <gnutls/gnutls.h>
#include <string.h>

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct TlsListener {
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priorities;
    gboolean asks;
};

struct TlsSession {
    gnutls_session_t session;
};

static gnutls_datum_t
datum (const char *text)
{
    return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen (text)};
}

static int
fill (TlsListener *listener, const char *certificate_pem, const char *key_pem, const char *client_ca_pem)
{
    gnutls_datum_t certificate = datum (certificate_pem), key = datum (key_pem);
    int rc = gnutls_certificate_allocate_credentials (&listener->credentials);
    if (rc >= 0)
        rc = gnutls_priority_init (&listener->priorities, PRIORITIES, NULL);
    if (rc >= 0)
        rc = gnutls_certificate_set_x509_key_mem (listener->credentials, &certificate, &key,
                                                  GNUTLS_X509_FMT_PEM);
    if (rc >= 0 && client_ca_pem != NULL) {
        gnutls_datum_t ca = datum (client_ca_pem);
        rc = gnutls_certificate_set_x509_trust_mem (listener->credentials, &ca, GNUTLS_X509_FMT_PEM);
        listener->asks = TRUE;
    }
    return rc;
}

TlsListener *
tls_listener_new (const char *certificate_pem, const char *key_pem, const char *client_ca_pem, GError **error)
{
    TlsListener *listener = g_new0 (TlsListener, 1);
    int rc = fill (listener, certificate_pem, key_pem, client_ca_pem);
    if (rc >= 0)
        return listener;
    g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "the certificate or its key cannot be used: %s",
                 gnutls_strerror (rc));
    tls_listener_free (listener);
    return NULL;
}

void
tls_listener_free (TlsListener *listener)
{
    if (listener == NULL)
        return;
    if (listener->credentials != NULL)
        gnutls_certificate_free_credentials (listener->credentials);
    if (listener->priorities != NULL)
        gnutls_priority_deinit (listener->priorities);
    g_free (listener);
}

TlsSession *
tls_session_new (TlsListener *listener, int fd)
{
    TlsSession *session = g_new0 (TlsSession, 1);
    if (gnutls_init (&session->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) {
        g_free (session);
        return NULL;
    }
    if (gnutls_priority_set (session->session, listener->priorities) < 0 ||
        gnutls_credentials_set (session->session, GNUTLS_CRD_CERTIFICATE, listener->credentials) < 0) {
        tls_session_free (session);
        return NULL;
    }
    if (listener->asks)
        gnutls_certificate_server_set_request (session->session, GNUTLS_CERT_REQUEST);
    gnutls_transport_set_int (session->session, fd);
    return session;
}

void
tls_session_free (TlsSession *session)
{
    if (session == NULL)
        return;
    gnutls_deinit (session->session);
    g_free (session);
}

static TlsResult
result_of (TlsSession *session, ssize_t rc)
{
    if (rc >= 0)
        return TLS_DONE;
    if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED)
        return gnutls_record_get_direction (session->session) ? TLS_WAIT_WRITE : TLS_WAIT_READ;
    return TLS_FAILED;
}

TlsResult
tls_session_handshake (TlsSession *session)
{
    int rc;
    do
        rc = gnutls_handshake (session->session);
    while (rc < 0 && rc != GNUTLS_E_AGAIN && rc != GNUTLS_E_INTERRUPTED && !gnutls_error_is_fatal (rc));
    return result_of (session, rc);
}

TlsResult
tls_session_read (TlsSession *session, void *buffer, gsize size, gsize *n)
{
    ssize_t rc = gnutls_record_recv (session->session, buffer, size);
    *n = rc > 0 ? (gsize)rc : 0;
    /* Cut off without a word is an end too: what was whole before it was whole. */
    return rc == GNUTLS_E_PREMATURE_TERMINATION ? TLS_DONE : result_of (session, rc);
}

TlsResult
tls_session_write (TlsSession *session, const void *data, gsize size, gsize *n)
{
    ssize_t rc = gnutls_record_send (session->session, data, size);
    *n = rc > 0 ? (gsize)rc : 0;
    return result_of (session, rc);
}

gboolean
tls_session_pending (TlsSession *session)
{
    return gnutls_record_check_pending (session->session) > 0;
}

void
tls_session_end (TlsSession *session)
{
    gnutls_bye (session->session, GNUTLS_SHUT_WR);
}

char *
tls_session_peer (TlsSession *session, GError **error)
{
    return pki_session_peer (session->session, error);
}
