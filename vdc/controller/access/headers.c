/* Parsing of headers that decide about access. Pure; fuzzed. */
#include <string.h>

#include "vdc/controller/access/credentials.h"

/* What we give out is lower-case hex behind a prefix; other bytes never get near a look-up. */
static gboolean
is_secret (const char *text)
{
    gsize length = strlen (text);
    if (length < 32 || length > 128)
        return FALSE;
    for (const char *c = text; *c != '\0'; c++)
        if (!g_ascii_isalnum (*c) && *c != '_')
            return FALSE;
    return TRUE;
}

/* Two of our name: one was planted (a sibling host, an older path), and which is ours nobody knows. */
char *
credential_cookie (const char *header)
{
    g_autofree char *found = NULL;
    if (header == NULL)
        return NULL;
    g_auto (GStrv) pairs = g_strsplit (header, ";", -1);
    for (guint i = 0; pairs[i] != NULL; i++) {
        const char *pair = g_strstrip (pairs[i]);
        if (!g_str_has_prefix (pair, SESSION_COOKIE "="))
            continue;
        if (found != NULL)
            return NULL;
        found = g_strdup (pair + strlen (SESSION_COOKIE "="));
    }
    return found != NULL && is_secret (found) ? g_steal_pointer (&found) : NULL;
}

gboolean
http_origin_is_ours (const char *origin, const char *host)
{
    return origin != NULL && host != NULL && *host != '\0' && g_str_has_prefix (origin, "https://") &&
           g_ascii_strcasecmp (origin + strlen ("https://"), host) == 0;
}

gboolean
http_type_is (const char *content_type, const char *type)
{
    gsize length = strlen (type);
    if (content_type == NULL || g_ascii_strncasecmp (content_type, type, length) != 0)
        return FALSE;
    const char *rest = content_type + length;
    while (*rest == ' ' || *rest == '\t')
        rest++;
    return *rest == '\0' || *rest == ';';
}
