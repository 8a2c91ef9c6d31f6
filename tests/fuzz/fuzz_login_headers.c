/* Headers that decide about access, from any client. */
#include <stdlib.h>
#include <string.h>

#include "vdc/controller/access/credentials.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* The input's two lines are one header's value each; NUL never gets through the HTTP parser. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autofree char *text = g_strndup ((const char *)data, size);
    char *second = strchr (text, '\n');
    if (second != NULL)
        *second++ = '\0';
    g_autofree char *secret = credential_cookie (text);
    if (secret != NULL &&
        strspn (secret, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") != strlen (secret))
        abort ();
    if (secret != NULL && strstr (text, secret) == NULL)
        abort ();
    if (http_origin_is_ours (text, second) &&
        (second == NULL || strlen (text) != strlen ("https://") + strlen (second)))
        abort ();
    if (http_type_is (text, "application/json") && strlen (text) < strlen ("application/json"))
        abort ();
    return 0;
}
