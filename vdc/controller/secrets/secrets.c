#include "vdc/controller/secrets/secrets.h"

#include "vdc/base/bug.h"
#include "vdc/controller/secrets/seal.h"
#include "vdc/model/problems.h"

#include <string.h>

typedef struct {
    Controller *controller;
    const char *id;
    const json_t *document;
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

/* Of an assembly of the application's own, by what the description says of it: it need not be sound. */
static gboolean
own_property_is_secret (const json_t *document, const char *class, const char *key)
{
    const char *name = class + strlen (CATALOG_LOCAL "/");
    g_autofree char *plain = g_strndup (name, strcspn (name, "@"));
    const json_t *assembly = json_object_get (json_object_get (document, "assemblies"), plain);
    const json_t *property = json_object_get (json_object_get (assembly, "properties"), key);
    return strcmp (json_str (property, "type", ""), "secret") == 0;
}

static gboolean
is_secret (const Sealing *sealing, const json_t *instance, const char *key)
{
    CatalogEntry entry;
    const char *class = json_str (instance, "class", "");
    if (catalog_ref_is_local (class))
        return own_property_is_secret (sealing->document, class, key);
    if (!catalog_get (catalog_folder_classes (sealing->controller->catalog), class, &entry))
        return FALSE;
    const Property *property = boundary_property (catalog_entry_boundary (&entry), key);
    return property != NULL && property->type == PROPERTY_SECRET;
}

/* The application, or one of its own assemblies. */
typedef struct {
    json_t *root;
    const json_t *before; /* the same in the description before */
    const char *prefix;   /* of paths: "", "assemblies.WEBX." */
    gboolean assembly;    /* its properties are objects with a default */
} SealedBody;

/* What `$name` stands for. */
static gboolean
seal_property (Sealing *sealing, const SealedBody *body, const char *name, GError **error)
{
    json_t *properties = json_object_get (body->root, "properties");
    const json_t *before = json_object_get (body->before, "properties");
    g_autofree char *path =
        g_strdup_printf ("%sproperties.%s%s", body->prefix, name, body->assembly ? ".default" : "");
    if (body->assembly)
        return seal_member (sealing, json_object_get (properties, name), "default",
                            json_object_get (before, name), path, error);
    return seal_member (sealing, properties, name, before, path, error);
}

/* The properties that @set's secrets point at are secrets too. */
static gboolean
seal_set (Sealing *sealing, const SealedBody *body, const char *name, json_t *instance, GError **error)
{
    json_t *set = json_object_get (instance, "set"), *value;
    const json_t *before =
        json_object_get (json_object_get (json_object_get (body->before, "instances"), name), "set");
    const char *key;
    void *next;

    json_object_foreach_safe (set, next, key, value) {
        const char *text = json_string_value (value);
        if (text == NULL || !is_secret (sealing, instance, key))
            continue;
        if (text[0] == '$' && text[1] != '$') {
            if (!seal_property (sealing, body, text + 1, error))
                return FALSE;
            continue;
        }
        g_autofree char *path = g_strdup_printf ("%sinstances.%s.set.%s", body->prefix, name, key);
        if (!seal_member (sealing, set, key, before, path, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
seal_body (Sealing *sealing, const SealedBody *body, GError **error)
{
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get (body->root, "instances"), name, value)
        if (!seal_set (sealing, body, name, value, error))
            return FALSE;
    if (!body->assembly)
        return TRUE;
    json_object_foreach (json_object_get (body->root, "properties"), name, value)
        if (strcmp (json_str (value, "type", ""), "secret") == 0 &&
            !seal_property (sealing, body, name, error))
            return FALSE;
    return TRUE;
}

gboolean
secrets_seal_document (Controller *controller, const char *id, json_t *document, const json_t *before,
                       GHashTable **sealed, GError **error)
{
    g_autoptr (GHashTable) paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    const char *name;
    json_t *assembly;

    if (vdc_bug ("secrets_in_clear"))
        document = NULL;
    Sealing sealing = {controller, id, document, paths};
    const SealedBody application = {document, before, "", FALSE};
    if (!seal_body (&sealing, &application, error))
        return FALSE;
    json_object_foreach (json_object_get (document, "assemblies"), name, assembly) {
        g_autofree char *prefix = g_strdup_printf ("assemblies.%s.", name);
        const SealedBody body = {assembly, json_object_get (json_object_get (before, "assemblies"), name),
                                 prefix, TRUE};
        if (!seal_body (&sealing, &body, error))
            return FALSE;
    }
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
