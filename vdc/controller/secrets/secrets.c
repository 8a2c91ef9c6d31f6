#include "vdc/controller/secrets/secrets.h"

#include "vdc/base/bug.h"
#include "vdc/controller/secrets/seal.h"
#include "vdc/model/problems.h"

#include <string.h>

typedef struct {
    Controller *controller;
    const char *id;
    const json_t *before;
    GHashTable *sealed; /* path → seal */
} Sealing;

/* NULL: @before is not the same value. Else its text, to be kept. */
static const char *
kept (const Sealing *sealing, const json_t *before, const char *value)
{
    const char *seal = json_string_value (before);
    if (!seal_is (seal))
        return NULL;
    char *plain = seal_open (sealing->controller->seal, sealing->id, seal, NULL);
    gboolean same = g_strcmp0 (plain, value) == 0;
    seal_wipe (plain);
    return same ? seal : NULL;
}

char *
secrets_seal_value (Controller *controller, const char *id, const char *value, GError **error)
{
    if (!seal_is (value))
        return seal_close (controller->seal, id, value);
    char *plain = seal_open (controller->seal, id, value, error);
    if (plain == NULL)
        return NULL;
    seal_wipe (plain);
    return g_strdup (value);
}

/* @object[@key] is a secret. */
static gboolean
seal_member (Sealing *sealing, json_t *object, const char *key, const json_t *before, const char *path,
             GError **error)
{
    const char *value = json_string_value (json_object_get (object, key));
    if (value == NULL || *value == '\0')
        return TRUE;
    const char *same = kept (sealing, json_object_get (before, key), value);
    g_autofree char *seal =
        same != NULL ? g_strdup (same) : secrets_seal_value (sealing->controller, sealing->id, value, error);
    if (seal == NULL) {
        g_prefix_error (error, "%s: ", path);
        return FALSE;
    }
    if (strcmp (seal, value) == 0)
        return TRUE;
    json_put (object, key, json_string (seal));
    g_hash_table_insert (sealing->sealed, g_strdup (path), g_steal_pointer (&seal));
    return TRUE;
}

static const Boundary *
boundary_of (const Sealing *sealing, const json_t *instance)
{
    CatalogEntry entry;
    const char *class = json_str (instance, "class", "");
    if (!catalog_get (catalog_folder_classes (sealing->controller->catalog), class, &entry))
        return NULL;
    return catalog_entry_boundary (&entry);
}

/* The properties of the application that @set's secrets point at are secrets too. */
static gboolean
seal_set (Sealing *sealing, json_t *document, const char *name, json_t *instance, GError **error)
{
    const Boundary *boundary = boundary_of (sealing, instance);
    json_t *set = json_object_get (instance, "set"), *properties = json_object_get (document, "properties"),
           *value;
    const json_t *before =
        json_object_get (json_object_get (json_object_get (sealing->before, "instances"), name), "set");
    const char *key;
    void *next;

    json_object_foreach_safe (set, next, key, value) {
        const Property *property = boundary != NULL ? boundary_property (boundary, key) : NULL;
        const char *text = json_string_value (value);
        if (property == NULL || property->type != PROPERTY_SECRET || text == NULL)
            continue;
        if (text[0] == '$' && text[1] != '$') {
            g_autofree char *path = g_strdup_printf ("properties.%s", text + 1);
            if (!seal_member (sealing, properties, text + 1, json_object_get (sealing->before, "properties"),
                              path, error))
                return FALSE;
            continue;
        }
        g_autofree char *path = g_strdup_printf ("instances.%s.set.%s", name, key);
        if (!seal_member (sealing, set, key, before, path, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
secrets_seal_document (Controller *controller, const char *id, json_t *document, const json_t *before,
                       GHashTable **sealed, GError **error)
{
    g_autoptr (GHashTable) paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    Sealing sealing = {controller, id, before, paths};
    const char *name;
    json_t *instance;

    if (vdc_bug ("secrets_in_clear"))
        document = NULL;
    json_object_foreach (json_object_get (document, "instances"), name, instance)
        if (!seal_set (&sealing, document, name, instance, error))
            return FALSE;
    if (sealed != NULL)
        *sealed = g_steal_pointer (&paths);
    return TRUE;
}

char *
secrets_seal_text (const char *text, DocumentFormat format, const json_t *document, GHashTable *sealed)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) parsed = NULL;

    if (g_hash_table_size (sealed) == 0)
        return g_strdup (text);
    if (format == DOCUMENT_JSON)
        return json_pretty (document);
    g_autofree char *replaced = document_replace_values (text, sealed);
    parsed = replaced != NULL ? document_parse (replaced, strlen (replaced), format, problems) : NULL;
    if (parsed != NULL && problems_count (problems) == 0 && json_equal (document_root (parsed), document))
        return g_steal_pointer (&replaced);
    return document_yaml (document);
}

json_t *
secrets_of_spec (Controller *controller, const char *id, const json_t *spec, GError **error)
{
    g_autoptr (json_t) secrets = json_object ();
    const char *key;
    json_t *value;

    json_object_foreach (json_object_get (json_object_get (spec, "guest"), "properties"), key, value) {
        const char *seal = json_string_value (value);
        if (!seal_is (seal))
            continue;
        char *plain = seal_open (controller->seal, id, seal, error);
        if (plain == NULL) {
            g_prefix_error (error, "property %s: ", key);
            return NULL;
        }
        json_object_set_new (secrets, seal, json_string (plain));
        seal_wipe (plain);
    }
    return g_steal_pointer (&secrets);
}
