/*
 * The one error domain of VDC. One table gives each code its name (used in JSON), HTTP status and exit code.
 */
#pragma once

#include <glib.h>

#define VDC_ERROR (vdc_error_quark ())

typedef enum {
    VDC_ERROR_FAILED,         /* 500, exit 1: tried and did not work */
    VDC_ERROR_USAGE,          /* 400, exit 2: the request itself is malformed */
    VDC_ERROR_INVALID,        /* 422, exit 2: a description or value breaks a rule */
    VDC_ERROR_NOT_FOUND,      /* 404, exit 3 */
    VDC_ERROR_CONFLICT,       /* 409, exit 4: another operation or another state is in the way */
    VDC_ERROR_REFUSED,        /* 409, exit 4: would lose data or break a promise */
    VDC_ERROR_NO_CAPACITY,    /* 409, exit 4: no server has what is needed */
    VDC_ERROR_NOT_PERMITTED,  /* 403, exit 5 */
    VDC_ERROR_NOT_LOGGED_IN,  /* 401, exit 5 */
    VDC_ERROR_UNREACHABLE,    /* 503, exit 6: the other side does not answer; nothing was done */
    VDC_ERROR_UNKNOWN_RESULT, /* 504, exit 7: it may or may not have been done */
    VDC_ERROR_TOO_LARGE,      /* 413, exit 2: over a named limit */
    VDC_ERROR_FULL,           /* 507, exit 1: no space left */
    VDC_ERROR_TOO_MANY,       /* 429, exit 4: the caller asks too often; Retry-After says when */
    VDC_ERROR_BUSY,         /* 503, exit 6: too much is under way; nothing was done; Retry-After says when */
    VDC_ERROR_PRECONDITION, /* 412, exit 4: it was changed since the caller looked (If-Match) */
    VDC_ERROR_KEY_REUSED,   /* 409, exit 4: the idempotency key was sent with another request */
    VDC_ERROR_IN_PROGRESS,  /* 409, exit 4: the same request is still under way */
    VDC_ERROR_SHOWN_ONCE,   /* 409, exit 4: done before; its answer held a secret and is gone */
    VDC_ERROR_METHOD,       /* 405, exit 2: not possible on this path */
    VDC_ERROR_MEDIA_TYPE,   /* 415, exit 2: the body is of another type than JSON */
    VDC_N_ERRORS
} VdcErrorCode;

GQuark vdc_error_quark (void);

/* One row of the table, all static. What the API lists at /api/v1/errors. */
typedef struct {
    const char *name;
    int http_status, exit_code;
    const char *meaning; /* "it is not there" */
    const char *remedy;  /* what to do */
} VdcErrorInfo;
const VdcErrorInfo *vdc_error_info (VdcErrorCode code);

/* "not_found", … Foreign domains give "failed". Never NULL; static. */
const char *vdc_error_name (const GError *error);
int vdc_error_http_status (const GError *error);
int vdc_error_exit_code (const GError *error);

/* The code whose name is @name, VDC_ERROR_FAILED when there is none (a newer peer's code). */
VdcErrorCode vdc_error_from_name (const char *name);

gboolean vdc_error_is_not_found (const GError *error);
gboolean vdc_error_is_conflict (const GError *error);
/* The peer was not reached: nothing was done, trying again is safe. */
gboolean vdc_error_is_unreachable (const GError *error);

/* Sets @error from errno @err: ENOSPC and EDQUOT become VDC_ERROR_FULL, ENOENT NOT_FOUND, else FAILED. Always
 * FALSE. */
gboolean vdc_error_set_errno (GError **error, int err, const char *format, ...) G_GNUC_PRINTF (3, 4);
