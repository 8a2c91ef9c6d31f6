#include "vdc/base/error.h"

#include <errno.h>
#include <string.h>

static const VdcErrorInfo codes[VDC_N_ERRORS] = {
    [VDC_ERROR_FAILED] = {"failed", 500, 1, "It was tried and did not work.",
                          "Read the message; the log of the controller has more."},
    [VDC_ERROR_USAGE] = {"usage", 400, 2, "The request itself is malformed.", "Correct the request."},
    [VDC_ERROR_INVALID] = {"invalid", 422, 2, "A value or a description breaks a rule.",
                           "Correct what stands at `path`, or each of `problems`."},
    [VDC_ERROR_NOT_FOUND] = {"not_found", 404, 3, "There is no such thing, or you may not see it.",
                             "Look at the list; the message names the nearest name, when there is one."},
    [VDC_ERROR_CONFLICT] =
        {"conflict", 409, 4, "Another operation, or the state it is in, is in the way.",
         "Wait for the job, or bring it into the state that the message names, then ask again."},
    [VDC_ERROR_REFUSED] = {"refused", 409, 4, "It would lose data or break a promise.",
                           "Do what the message says first, or confirm it."},
    [VDC_ERROR_NO_CAPACITY] = {"no_capacity", 409, 4, "No server has what is needed.",
                               "Ask for less, stop something, or add a server."},
    [VDC_ERROR_NOT_PERMITTED] = {"not_permitted", 403, 5, "Your role does not allow it.",
                                 "Ask an administrator for the role that the message names."},
    [VDC_ERROR_NOT_LOGGED_IN] = {"not_logged_in", 401, 5, "Nobody is logged in, or not any more.",
                                 "Log in, or send a valid token."},
    [VDC_ERROR_UNREACHABLE] = {"unreachable", 503, 6, "The other side does not answer; nothing was done.",
                               "Ask again after Retry-After seconds."},
    [VDC_ERROR_UNKNOWN_RESULT] = {"unknown_result", 504, 7, "It may or may not have been done.",
                                  "Ask again with the same Idempotency-Key."},
    [VDC_ERROR_TOO_LARGE] = {"too_large", 413, 2, "It is over a limit, which the message names.",
                             "Send less."},
    [VDC_ERROR_FULL] = {"full", 507, 1, "No space is left.",
                        "Free space on the controller's disk, then ask again."},
    [VDC_ERROR_TOO_MANY] = {"too_many", 429, 4, "You ask too often.", "Ask again after Retry-After seconds."},
    [VDC_ERROR_BUSY] = {"busy", 503, 6, "Too much is under way; nothing was done.",
                        "Ask again after Retry-After seconds."},
    [VDC_ERROR_PRECONDITION] = {"precondition_failed", 412, 4, "It was changed since you looked at it.",
                                "Look at it again (`params.etag` is what it is now), then decide anew."},
    [VDC_ERROR_KEY_REUSED] = {"key_reused", 409, 4, "This Idempotency-Key was sent with another request.",
                              "Take a new key for each thing you want done."},
    [VDC_ERROR_IN_PROGRESS] = {"in_progress", 409, 4, "The same request is still under way.",
                               "Ask again with the same key after Retry-After seconds."},
    [VDC_ERROR_SHOWN_ONCE] =
        {"shown_once", 409, 4, "It was done before; its answer held a secret, which is not kept.",
         "If the answer was lost, revoke what was made and ask for another with a new key."},
    [VDC_ERROR_METHOD] = {"method_not_allowed", 405, 2, "The path is there, but not for this method.",
                          "Use one of the methods in Allow."},
    [VDC_ERROR_MEDIA_TYPE] = {"unsupported_type", 415, 2, "The body is of a type that is not taken here.",
                              "Send JSON as application/json."},
};

const VdcErrorInfo *
vdc_error_info (VdcErrorCode code)
{
    g_assert ((int)code >= 0 && code < VDC_N_ERRORS);
    return &codes[code];
}

/* clang-format off */
G_DEFINE_QUARK (vdc-error-quark, vdc_error)
/* clang-format on */

static int
code_of (const GError *error)
{
    if (error == NULL || error->domain != VDC_ERROR || error->code < 0 || error->code >= VDC_N_ERRORS)
        return VDC_ERROR_FAILED;
    return error->code;
}

const char *
vdc_error_name (const GError *error)
{
    return codes[code_of (error)].name;
}

int
vdc_error_http_status (const GError *error)
{
    return codes[code_of (error)].http_status;
}

int
vdc_error_exit_code (const GError *error)
{
    return codes[code_of (error)].exit_code;
}

VdcErrorCode
vdc_error_from_name (const char *name)
{
    for (int i = 0; i < VDC_N_ERRORS; i++)
        if (g_strcmp0 (codes[i].name, name) == 0)
            return (VdcErrorCode)i;
    return VDC_ERROR_FAILED;
}

gboolean
vdc_error_is_not_found (const GError *error)
{
    return g_error_matches (error, VDC_ERROR, VDC_ERROR_NOT_FOUND);
}

gboolean
vdc_error_is_conflict (const GError *error)
{
    return g_error_matches (error, VDC_ERROR, VDC_ERROR_CONFLICT) ||
           g_error_matches (error, VDC_ERROR, VDC_ERROR_REFUSED);
}

gboolean
vdc_error_is_unreachable (const GError *error)
{
    return g_error_matches (error, VDC_ERROR, VDC_ERROR_UNREACHABLE);
}

gboolean
vdc_error_set_errno (GError **error, int err, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *what = g_strdup_vprintf (format, args);
    va_end (args);

    VdcErrorCode code = VDC_ERROR_FAILED;
    if (err == ENOSPC || err == EDQUOT)
        code = VDC_ERROR_FULL;
    else if (err == ENOENT)
        code = VDC_ERROR_NOT_FOUND;
    g_set_error (error, VDC_ERROR, code, "%s: %s", what, g_strerror (err));
    return FALSE;
}
