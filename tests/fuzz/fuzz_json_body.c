/*
 * JSON bodies as the API takes them: the first byte picks the schema of a request, the rest is the body. What
 * is parsed must be checked without harm, by every schema; what fits must also fit after it was printed and
 * read again.
 */
#include <string.h>

#include "vdc/base/json.h"
#include "vdc/controller/api/schemas.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static gboolean
fits (const char *name, const json_t *value)
{
    g_auto (SchemaProblem) problem = {0};
    gboolean good = schema_fits (schemas_get (name), value, schemas_lookup, NULL, &problem);
    /* Who is refused is told where and why, in text that can be sent. */
    g_assert (good == (problem.message == NULL));
    g_assert (good ||
              (g_utf8_validate (problem.path, -1, NULL) && g_utf8_validate (problem.message, -1, NULL)));
    return good;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    static GPtrArray *names;
    if (names == NULL)
        names = schemas_names ();
    if (size == 0)
        return 0;
    g_autoptr (json_t) value = json_parse ((const char *)data + 1, size - 1, NULL);
    if (value == NULL)
        return 0;
    const char *name = names->pdata[data[0] % names->len];
    if (fits (name, value)) {
        g_autofree char *text = json_text (value);
        g_autoptr (json_t) again = json_parse (text, strlen (text), NULL);
        g_assert (again != NULL && fits (name, again));
    }
    return 0;
}
