#include "vdc/base/error.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    int http_status;
    int exit_code;
} codes[VDC_N_ERRORS] = {
    [VDC_ERROR_FAILED] = {"failed", 500, 1},
    [VDC_ERROR_USAGE] = {"usage", 400, 2},
    [VDC_ERROR_INVALID] = {"invalid", 422, 2},
    [VDC_ERROR_NOT_FOUND] = {"not_found", 404, 3},
    [VDC_ERROR_CONFLICT] = {"conflict", 409, 4},
    [VDC_ERROR_REFUSED] = {"refused", 409, 4},
    [VDC_ERROR_NO_CAPACITY] = {"no_capacity", 409, 4},
    [VDC_ERROR_NOT_PERMITTED] = {"not_permitted", 403, 5},
    [VDC_ERROR_NOT_LOGGED_IN] = {"not_logged_in", 401, 5},
    [VDC_ERROR_UNREACHABLE] = {"unreachable", 503, 6},
    [VDC_ERROR_UNKNOWN_RESULT] = {"unknown_result", 504, 7},
    [VDC_ERROR_TOO_LARGE] = {"too_large", 413, 2},
    [VDC_ERROR_FULL] = {"full", 507, 1},
    [VDC_ERROR_TOO_MANY] = {"too_many", 429, 4},
    [VDC_ERROR_BUSY] = {"busy", 503, 6},
};

G_DEFINE_QUARK (vdc-error-quark, vdc_error)

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
            return (VdcErrorCode) i;
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
