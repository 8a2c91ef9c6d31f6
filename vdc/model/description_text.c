#include "vdc/model/description_text.h"

#include "vdc/base/json.h"
#include "vdc/model/description_changes.h"
#include "vdc/model/document.h"

#include <string.h>

/* As it stands behind a key. Caller frees. */
static char *
scalar_text (json_t *value)
{
    g_autoptr (json_t) wrapped = json_pack ("{s:O}", "k", value);
    g_autofree char *yaml = document_yaml (wrapped);

    return g_strchomp (g_strdup (yaml + strlen ("k: ")));
}

static gboolean
is_scalar (const json_t *value)
{
    return value != NULL && !json_is_object (value) && !json_is_array (value);
}

/* The places of @changes whose value is another one; NULL when there is a change of another kind. */
static GHashTable *
new_values (const GPtrArray *changes)
{
    g_autoptr (GHashTable) values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

    for (guint i = 0; i < changes->len; i++) {
        const DescriptionChange *change = changes->pdata[i];
        if (!is_scalar (change->from) || !is_scalar (change->to) || g_str_has_prefix (change->path, "wires"))
            return NULL;
        g_hash_table_insert (values, description_change_path (change), scalar_text (change->to));
    }
    return g_steal_pointer (&values);
}

static gboolean
says (const char *text, const json_t *document)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) parsed = document_parse (text, strlen (text), DOCUMENT_YAML, problems);

    return parsed != NULL && problems_count (problems) == 0 && json_equal (document_root (parsed), document);
}

/* @text, with the layout of @document at its end when it has none of its own. Caller frees. */
static char *
with_layout (const char *text, const json_t *before, const json_t *document)
{
    json_t *layout = json_object_get (document, "layout");

    if (layout == NULL || json_object_get (before, "layout") != NULL)
        return g_strdup (text);
    g_autoptr (json_t) part = json_pack ("{s:O}", "layout", layout);
    g_autofree char *yaml = document_yaml (part);
    return g_strconcat (text, g_str_has_suffix (text, "\n") ? "" : "\n", yaml, NULL);
}

char *
description_text_follow (const char *text, const json_t *document)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) parsed = document_parse (text, strlen (text), DOCUMENT_YAML, problems);

    if (parsed == NULL || problems_count (problems) > 0 || !json_is_object (document_root (parsed)))
        return NULL;
    g_autofree char *whole = with_layout (text, document_root (parsed), document);
    g_autoptr (Document) again = document_parse (whole, strlen (whole), DOCUMENT_YAML, problems);
    if (again == NULL || problems_count (problems) > 0)
        return NULL;
    g_autoptr (GPtrArray) changes = description_changes (document_root (again), document);
    g_autoptr (GHashTable) values = new_values (changes);
    char *result = values != NULL ? document_replace_values (whole, values) : NULL;
    if (result != NULL && !says (result, document))
        g_clear_pointer (&result, g_free);
    return result;
}
