/*
 * TLS of a listener, over non-blocking sockets: GnuTLS, versions 1.2 and 1.3. With pki.c the one place that
 * knows GnuTLS. A TlsListener may be used by any thread, a TlsSession by one.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct TlsListener TlsListener;
typedef struct TlsSession TlsSession;

typedef enum {
    TLS_DONE,
    TLS_WAIT_READ,  /* again when the socket can be read */
    TLS_WAIT_WRITE, /* again when it can be written */
    TLS_FAILED,
} TlsResult;

/* PEM texts; @client_ca_pem set: clients are asked for a certificate. NULL: VDC_ERROR_FAILED. */
TlsListener *tls_listener_new (const char *certificate_pem, const char *key_pem, const char *client_ca_pem,
                               GError **error);
void tls_listener_free (TlsListener *listener);

/* NULL: no memory. @fd stays the caller's. */
TlsSession *tls_session_new (TlsListener *listener, int fd);
void tls_session_free (TlsSession *session);
TlsResult tls_session_handshake (TlsSession *session);
/* *@n bytes came; 0 with TLS_DONE: the other side has ended. */
TlsResult tls_session_read (TlsSession *session, void *buffer, gsize size, gsize *n);
/* After a TLS_WAIT_… call it with the same bytes again. */
TlsResult tls_session_write (TlsSession *session, const void *data, gsize size, gsize *n);
/* Bytes that were received and decrypted: the socket does not tell of them. */
gboolean tls_session_pending (TlsSession *session);
/* Say that no more will be sent; once, best effort. */
void tls_session_end (TlsSession *session);
/* Common name of the checked client certificate, as pki_session_peer. After the handshake. */
char *tls_session_peer (TlsSession *session, GError **error);
