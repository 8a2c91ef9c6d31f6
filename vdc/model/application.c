#include "vdc/model/application.h"

#include "vdc/base/error.h"
#include "vdc/base/id.h"
#include "vdc/base/json.h"
#include "vdc/model/fields.h"

#include <string.h>

#define APPLICATION_VOLUMES_MAX 100
#define APPLICATION_PROPERTIES_MAX 200
#define SEED_MAX 200
#define MIRRORS 2

static void
volume_free (gpointer data)
{
    ApplicationVolume *volume = data;

    g_free (volume->name);
    g_free (volume->seed);
    g_free (volume);
}

void
application_free (Application *application)
{
    if (application == NULL)
        return;
    g_free (application->name);
    g_free (application->summary);
    json_decref (application->properties);
    body_clear (&application->body);
    g_ptr_array_unref (application->volumes);
    g_ptr_array_unref (application->assemblies);
    json_decref (application->document);
    g_free (application);
}

const ApplicationVolume *
application_volume (const Application *application, const char *name)
{
    for (guint i = 0; i < application->volumes->len; i++) {
        const ApplicationVolume *volume = g_ptr_array_index (application->volumes, i);
        if (strcmp (volume->name, name) == 0)
            return volume;
    }
    return NULL;
}

/* -- volumes -- */

/* A folder below the template's own: nothing absolute, nothing hidden, no way up. */
static gboolean
seed_is_valid (const char *text)
{
    gsize length = strlen (text);

    if (length == 0 || length > SEED_MAX || text[0] == '/' || text[0] == '.')
        return FALSE;
    for (const char *at = text; *at != '\0'; at++)
        if (!g_ascii_isalnum (*at) && strchr ("/_.-", *at) == NULL)
            return FALSE;
    return strstr (text, "//") == NULL && strstr (text, "/.") == NULL;
}

static char *
read_seed (json_t *object, const char *path, Problems *problems)
{
    g_autofree char *text = field_text (object, path, "seed", TEXT_LINE, SEED_MAX, problems);
    g_autofree char *place = path_key (path, "seed");

    if (text == NULL || seed_is_valid (text))
        return g_steal_pointer (&text);
    g_autofree char *quoted = problem_quote (text);
    problems_add (problems, "bad_seed", place, NULL,
                  "%s is no folder beside the description such as content/", quoted);
    return NULL;
}

static guint64
read_size (json_t *object, const char *path, Problems *problems)
{
    json_t *value = json_object_get (object, "size");
    g_autofree char *place = path_key (path, "size");
    double size = VOLUME_SIZE_MIN;

    if (!field_require (object, path, "size", problems) ||
        !amount_parse (value, AMOUNT_SIZE, place, problems, &size))
        return VOLUME_SIZE_MIN;
    if (size < VOLUME_SIZE_MIN || size > VOLUME_SIZE_MAX)
        problems_add (problems, "out_of_range", place, NULL, "must be from 1M to 64T");
    return (guint64)CLAMP (size, VOLUME_SIZE_MIN, VOLUME_SIZE_MAX);
}

static void
read_volume (Application *application, const char *name, json_t *value, const char *path, Problems *problems)
{
    if (!field_check_name (name, id_is_name, id_name_rule (), "a volume", path, problems))
        return;
    if (!json_is_object (value)) {
        field_wrong_type (value, "a mapping such as {size: 2G}", path, problems);
        return;
    }
    field_check_keys (value, path, problems, "size", "mirrors", "seed", NULL);
    ApplicationVolume *volume = g_new0 (ApplicationVolume, 1);
    volume->name = g_strdup (name);
    volume->size_bytes = read_size (value, path, problems);
    volume->mirrors = field_int (value, path, "mirrors", 1, VOLUME_MIRRORS_MAX, MIRRORS, problems);
    volume->seed = read_seed (value, path, problems);
    g_ptr_array_add (application->volumes, volume);
}

static void
read_volumes (Application *application, json_t *root, Problems *problems)
{
    json_t *object = field_object (root, "", "volumes", problems), *value;
    const char *name;

    if (json_object_size (object) > APPLICATION_VOLUMES_MAX) {
        problems_add (problems, "too_many", "volumes", NULL, "has %zu entries; at most %d are allowed",
                      json_object_size (object), APPLICATION_VOLUMES_MAX);
        return;
    }
    json_object_foreach (object, name, value) {
        g_autofree char *path = path_key ("volumes", name);
        read_volume (application, name, value, path, problems);
    }
}

/* -- assemblies of its own -- */

/* Problems of @inner as those of the assembly at @path. */
static void
adopt (const Problems *inner, const char *path, Problems *problems)
{
    for (guint i = 0; i < problems_kept (inner); i++) {
        const Problem *problem = problems_get (inner, i);
        g_autofree char *place = problem->path[0] == '\0'  ? g_strdup (path)
                                 : problem->path[0] == '[' ? g_strconcat (path, problem->path, NULL)
                                                           : g_strconcat (path, ".", problem->path, NULL);
        problems_add (problems, problem->code, place, problem->nearest, "%s", problem->message);
    }
}

/* The key is its name, and what is not published needs no version. */
static json_t *
assembly_document (const char *name, json_t *value)
{
    json_t *document = json_object ();

    json_put (document, "assembly", json_string (name));
    json_put (document, "version", json_string (APPLICATION_ASSEMBLY_VERSION));
    json_object_update (document, value);
    return document;
}

static void
read_assembly (Application *application, const char *name, json_t *value, const char *path,
               Problems *problems)
{
    g_autoptr (Problems) inner = problems_new ();

    if (!field_check_name (name, id_is_class, id_class_rule (), "an assembly", path, problems))
        return;
    if (!json_is_object (value)) {
        field_wrong_type (value, "a mapping with terminals, instances and wires", path, problems);
        return;
    }
    if (json_object_get (value, "assembly") != NULL)
        problems_add (inner, "not_allowed", "assembly", NULL, "its key is its name: '%s'", name);
    g_autoptr (json_t) root = assembly_document (name, value);
    g_autoptr (Document) document = document_new (root);
    Assembly *assembly = assembly_from_document (document, inner);
    if (assembly != NULL)
        g_ptr_array_add (application->assemblies, assembly);
    adopt (inner, path, problems);
}

static void
read_assemblies (Application *application, json_t *root, Problems *problems)
{
    json_t *object = field_object (root, "", "assemblies", problems), *value;
    const char *name;

    if (json_object_size (object) > APPLICATION_ASSEMBLIES_MAX) {
        problems_add (problems, "too_many", "assemblies", NULL, "has %zu entries; at most %d are allowed",
                      json_object_size (object), APPLICATION_ASSEMBLIES_MAX);
        return;
    }
    json_object_foreach (object, name, value) {
        g_autofree char *path = path_key ("assemblies", name);
        read_assembly (application, name, value, path, problems);
    }
}

/* -- the rest -- */

static void
read_property (Application *application, const char *name, json_t *value, const char *path,
               Problems *problems)
{
    if (!field_check_name (name, id_is_terminal, id_terminal_rule (), "a property", path, problems))
        return;
    if (json_is_object (value) || json_is_array (value) || json_is_null (value))
        field_wrong_type (value, "a single value", path, problems);
    else if (!json_is_string (value) || property_check_line (json_string_value (value), path, problems))
        json_object_set (application->properties, name, value);
}

static void
read_properties (Application *application, json_t *root, Problems *problems)
{
    json_t *object = field_object (root, "", "properties", problems), *value;
    const char *name;

    application->properties = json_object ();
    if (json_object_size (object) > APPLICATION_PROPERTIES_MAX) {
        problems_add (problems, "too_many", "properties", NULL, "has %zu entries; at most %d are allowed",
                      json_object_size (object), APPLICATION_PROPERTIES_MAX);
        return;
    }
    json_object_foreach (object, name, value) {
        g_autofree char *path = path_key ("properties", name);
        read_property (application, name, value, path, problems);
    }
}

static void
read_name (Application *application, json_t *root, Problems *problems)
{
    if (!field_require (root, "", "application", problems))
        return;
    application->name = field_text (root, "", "application", TEXT_LINE, TEXT_SUMMARY_MAX, problems);
    if (application->name != NULL)
        field_check_name (application->name, id_is_name, id_name_rule (), "an application", "application",
                          problems);
}

Application *
application_from_document (const Document *document, Problems *problems)
{
    json_t *root = document_root (document);

    if (!json_is_object (root)) {
        field_wrong_type (root, "a mapping", "", problems);
        return NULL;
    }
    Application *application = g_new0 (Application, 1);
    application->document = json_incref (root);
    application->volumes = g_ptr_array_new_with_free_func (volume_free);
    application->assemblies = g_ptr_array_new_with_free_func ((GDestroyNotify)assembly_unref);
    field_check_keys (root, "", problems, "application", "summary", "help", "properties", "instances",
                      "wires", "volumes", "assemblies", "layout", NULL);
    read_name (application, root, problems);
    application->summary = field_text (root, "", "summary", TEXT_LINE, TEXT_SUMMARY_MAX, problems);
    g_free (field_text (root, "", "help", TEXT_LINES, TEXT_HELP_MAX, problems));
    read_properties (application, root, problems);
    read_volumes (application, root, problems);
    read_assemblies (application, root, problems);
    body_from_json (&application->body, root, problems);
    return application;
}

Application *
application_parse (const char *text, gsize length, DocumentFormat format, Problems *problems)
{
    g_autoptr (Document) document = document_parse (text, length, format, problems);
    if (document == NULL)
        return NULL;
    Application *application = application_from_document (document, problems);
    document_locate (document, problems);
    return application;
}

/* -- edits -- */

static const char *
nearest_member (json_t *object, const char *name)
{
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    const char *key;
    json_t *value;

    json_object_foreach (object, key, value)
        g_ptr_array_add (names, (char *)key);
    g_ptr_array_add (names, NULL);
    return nearest_word (name, (const char *const *)names->pdata);
}

/* The object's member @name, or NULL and VDC_ERROR_NOT_FOUND with the nearest name. */
static json_t *
need_member (json_t *object, const char *what, const char *name, GError **error)
{
    json_t *member = json_object_get (object, name);

    if (member == NULL) {
        const char *nearest = nearest_member (object, name);
        g_autofree char *quoted = problem_quote (name);
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "there is no %s %s%s%s%s", what, quoted,
                     nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
    }
    return member;
}

gboolean
application_edit_count (json_t *document, const char *instance, gint64 count, GError **error)
{
    json_t *found = need_member (json_object_get (document, "instances"), "instance", instance, error);
    json_t *old = json_object_get (found, "count");

    if (found == NULL)
        return FALSE;
    if (old == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID,
                     "instance '%s' is no tier: it has no 'count' in the description", instance);
        return FALSE;
    }
    const char *text = json_string_value (old);
    if (text != NULL && text[0] == '$') {
        json_t *properties = json_object_get (document, "properties");
        if (need_member (properties, "property", text + 1, error) == NULL)
            return FALSE;
        json_put (properties, text + 1, json_integer (count));
        return TRUE;
    }
    json_put (found, "count", json_integer (count));
    return TRUE;
}

gboolean
application_edit_set (json_t *document, const char *key, json_t *value, GError **error)
{
    const char *dot = strchr (key, '.');

    if (dot == NULL) {
        json_t *properties = json_object_get (document, "properties");
        if (need_member (properties, "property", key, error) == NULL)
            return FALSE;
        json_object_set (properties, key, value);
        return TRUE;
    }
    g_autofree char *name = g_strndup (key, dot - key);
    json_t *instance = need_member (json_object_get (document, "instances"), "instance", name, error);
    if (instance == NULL)
        return FALSE;
    json_t *set = json_object_get (instance, "set");
    if (!json_is_object (set)) {
        set = json_object ();
        json_put (instance, "set", set);
    }
    json_object_set (set, dot + 1, value);
    return TRUE;
}

gboolean
application_edit_name (json_t *document, const char *name, GError **error)
{
    if (!id_is_name (name)) {
        g_autofree char *quoted = problem_quote (name);
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "%s is no name of an application: it must be %s",
                     quoted, id_name_rule ());
        return FALSE;
    }
    json_put (document, "application", json_string (name));
    return TRUE;
}
