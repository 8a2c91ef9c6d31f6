#include "vdc/controller/description.h"

#include <string.h>

#include "vdc/controller/secrets/secrets.h"

void
prepared_free (Prepared *prepared)
{
    if (prepared == NULL)
        return;
    json_decref (prepared->document);
    json_decref (prepared->images);
    topology_free (prepared->topology);
    g_free (prepared);
}

gboolean
description_format (const char *name, DocumentFormat *format, GError **error)
{
    if (name == NULL || strcmp (name, "yaml") == 0)
        *format = DOCUMENT_YAML;
    else if (strcmp (name, "json") == 0)
        *format = DOCUMENT_JSON;
    else {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "format must be yaml or json");
        return FALSE;
    }
    return TRUE;
}

/* Images of all classes in use: those of @known first (an applied description keeps its images), then the
 * index's. */
static json_t *
find_images (Controller *controller, const Topology *topology, const json_t *known)
{
    json_t *images = json_object ();
    for (guint i = 0; i < topology->members->len; i++) {
        const Member *member = topology->members->pdata[i];
        g_autofree char *text = member_class_text (member);
        json_t *image = json_object_get (known, text);
        if (image == NULL && controller != NULL)
            image = (json_t *)controller_class_image (
                controller, member->catalog, member->class->boundary.name, member->class->boundary.version);
        if (image != NULL)
            json_object_set (images, text, image);
    }
    return images;
}

static Prepared *
prepare (Controller *controller, const Document *document, const Catalog *catalog, const json_t *known,
         const char *name, Problems *problems)
{
    Topology *topology = topology_from_document (document, catalog, problems);
    if (topology != NULL && name != NULL && strcmp (topology->name, name) != 0) {
        g_autofree char *quoted = problem_quote (topology->name);
        problems_add (problems, "name_mismatch", "application", NULL,
                      "the description is of application %s, not of '%s'", quoted, name);
        document_locate (document, problems);
        g_clear_pointer (&topology, topology_free);
    }
    if (topology == NULL)
        return NULL;
    Prepared *prepared = g_new0 (Prepared, 1);
    prepared->topology = topology;
    prepared->document = json_deep_copy (document_root (document));
    prepared->images = find_images (controller, topology, known);
    return prepared;
}

Prepared *
description_prepare (Controller *controller, const char *text, DocumentFormat format, json_t *document,
                     const char *name, Problems *problems)
{
    g_autoptr (Document) parsed =
        text != NULL ? document_parse (text, strlen (text), format, problems) : document_new (document);
    if (parsed == NULL)
        return NULL;
    return prepare (controller, parsed, catalog_folder_classes (controller->catalog), NULL, name, problems);
}

Prepared *
description_prepare_edit (Controller *controller, const ApplicationRecord *application, json_t *document,
                          Problems *problems, GError **error)
{
    g_autoptr (Catalog) catalog = catalog_from_snapshot (application->used, error);
    g_autoptr (Document) parsed = document_new (document);
    if (catalog == NULL)
        return NULL;
    return prepare (controller, parsed, catalog, application->images, NULL, problems);
}

Prepared *
description_prepare_kept (json_t *document, const json_t *used, json_t *images, GError **error)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Catalog) catalog = catalog_from_snapshot (used, error);
    g_autoptr (Document) parsed = document_new (document);
    if (catalog == NULL)
        return NULL;
    Prepared *prepared = prepare (NULL, parsed, catalog, images, NULL, problems);
    if (prepared == NULL)
        problems_to_error (problems, error);
    return prepared;
}

/* --- secrets ----------------------------------------------------------------------------------------------- */

gboolean
description_seal (Controller *controller, const char *id, Prepared *prepared, char **text,
                  DocumentFormat format, const json_t *before, GError **error)
{
    g_autoptr (GHashTable) sealed = NULL;
    if (!secrets_seal_document (controller, id, prepared->document, before, &sealed, error))
        return FALSE;
    if (g_hash_table_size (sealed) == 0)
        return TRUE;
    g_autoptr (Prepared) anew = description_prepare_kept (
        prepared->document, topology_used (prepared->topology), prepared->images, error);
    if (anew == NULL)
        return FALSE;
    topology_free (prepared->topology);
    prepared->topology = g_steal_pointer (&anew->topology);
    if (*text != NULL) {
        char *kept = secrets_seal_text (*text, format, prepared->document, sealed);
        g_free (*text);
        *text = kept;
    }
    return TRUE;
}

/* --- settings ---------------------------------------------------------------------------------------------- */

/* The boundary of the class or assembly of an instance of the description itself. */
static const Boundary *
instance_boundary (Controller *controller, const Topology *topology, const char *name, CatalogEntry *entry)
{
    const Instance *instance = body_instance (&topology->application->body, name);
    if (instance == NULL ||
        !catalog_get (catalog_folder_classes (controller->catalog), instance->class_ref, entry))
        return NULL;
    return catalog_entry_boundary (entry);
}

static json_t *
typed_value (Controller *controller, const Topology *topology, const char *key, json_t *value)
{
    if (!json_is_string (value))
        return json_incref (value);
    const char *text = json_string_value (value), *dot = strchr (key, '.');
    if (dot == NULL) {
        const json_t *before = json_object_get (topology->application->properties, key);
        return json_is_string (before) ? json_incref (value) : document_scalar (text);
    }
    g_autofree char *name = g_strndup (key, (gsize)(dot - key));
    CatalogEntry entry;
    const Boundary *boundary = instance_boundary (controller, topology, name, &entry);
    const Property *property = boundary != NULL ? boundary_property (boundary, dot + 1) : NULL;
    if (property == NULL || text[0] == '$')
        return json_incref (value);
    return property_value_from_text (property, text);
}

gboolean
description_set (Controller *controller, json_t *document, const Topology *topology, const char *key,
                 json_t *value, GError **error)
{
    g_autoptr (json_t) typed = typed_value (controller, topology, key, value);
    return application_edit_set (document, key, typed, error);
}

gboolean
description_of_request (const json_t *request, char **text, DocumentFormat *format, GError **error)
{
    json_t *description = json_object_get (request, "description");
    if (!description_format (json_str (request, "format", NULL), format, error))
        return FALSE;
    if (json_is_object (description)) {
        *text = json_pretty (description);
        *format = DOCUMENT_JSON;
        return TRUE;
    }
    if (description != NULL && !json_is_null (description) && !json_is_string (description)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "description must be text or an object");
        return FALSE;
    }
    *text = g_strdup (json_string_value (description));
    return TRUE;
}
