/*
 * Rename: the member keeps its place, everything that names it follows.
 *
 *     instances    wires, layout; in an assembly also what its boundary shows of it
 *     volumes      the slots they fill. Of an assembly: the slots of its instances
 *     properties   $name in settings and counts. Of an assembly: the settings of its instances
 *     terminals    the wires of its instances
 *     assemblies   the instances made of it
 *
 * "Its instances" are those of class local/NAME, in the application and in its other assemblies.
 */
#include "vdc/base/id.h"
#include "vdc/base/json.h"
#include "vdc/model/fields.h"
#include "vdc/model/ops_internal.h"

#include <string.h>

typedef struct {
    const char *kind; /* the section */
    const char *from, *to;
    const char *assembly; /* whose boundary is renamed; NULL: none */
    json_t *users;        /* set of instances of it in the body at hand */
} Rename;

/* "web.in" with web → www. */
static void
rename_instance_end (char **end, const Rename *rename)
{
    gsize length = strlen (rename->from);

    if (strncmp (*end, rename->from, length) != 0 || (*end)[length] != '.')
        return;
    char *renamed = g_strconcat (rename->to, *end + length, NULL);
    g_free (*end);
    *end = renamed;
}

static gboolean
rename_instance_wire (char **from, char **to, gpointer data)
{
    rename_instance_end (from, data);
    rename_instance_end (to, data);
    return TRUE;
}

/* Calls @function with each `inside` of the boundary's @section. */
static void
each_inside (json_t *body, const char *section, void (*function) (char **end, const Rename *),
             const Rename *rename)
{
    json_t *members = json_object_get (body, section), *value;
    const char *name;
    void *next;

    if (!json_is_object (members))
        return;
    members = own_member (body, section);
    json_object_foreach_safe (members, next, name, value) {
        const char *inside = json_str (value, "inside", NULL);
        g_autofree char *end = g_strdup (inside);
        if (inside == NULL)
            continue;
        function (&end, rename);
        if (strcmp (end, inside) != 0)
            json_object_set_new (own_member (members, name), "inside", json_string (end));
    }
}

static void
follow_instance (Edit *edit, const Rename *rename)
{
    each_wire (edit->body, rename_instance_wire, (gpointer)rename);
    if (edit->in != NULL) {
        each_inside (edit->body, "terminals", rename_instance_end, rename);
        each_inside (edit->body, "volumes", rename_instance_end, rename);
    }
    if (json_object_get (json_object_get (edit->body, "layout"), rename->from) != NULL)
        object_rename (own_member (edit->body, "layout"), rename->from, rename->to);
}

/* -- values inside of instances -- */

/* Each value of the instance's @map that is the text @from becomes @to. */
static void
replace_values (json_t *instance, const char *map, const char *from, const char *to)
{
    json_t *values = json_object_get (instance, map), *value;
    const char *key;
    void *next;
    gboolean found = FALSE;

    json_object_foreach (values, key, value)
        found |= g_strcmp0 (json_string_value (value), from) == 0;
    if (!found)
        return;
    values = own_member (instance, map);
    json_object_foreach_safe (values, next, key, value)
        if (g_strcmp0 (json_string_value (value), from) == 0)
            json_object_set_new (values, key, json_string (to));
}

static void
follow_in_instances (json_t *body, const Rename *rename, void (*function) (json_t *instance, const Rename *))
{
    json_t *instances = json_object_get (body, "instances"), *value;
    const char *name;
    void *next;

    if (!json_is_object (instances))
        return;
    instances = own_member (body, "instances");
    json_object_foreach_safe (instances, next, name, value)
        if (json_is_object (value))
            function (own_member (instances, name), rename);
}

static void
follow_volume (json_t *instance, const Rename *rename)
{
    replace_values (instance, "volumes", rename->from, rename->to);
}

static void
follow_property (json_t *instance, const Rename *rename)
{
    g_autofree char *from = g_strconcat ("$", rename->from, NULL);
    g_autofree char *to = g_strconcat ("$", rename->to, NULL);

    replace_values (instance, "set", from, to);
    if (strcmp (json_str (instance, "count", ""), from) == 0)
        json_object_set_new (instance, "count", json_string (to));
}

static void
follow_assembly (json_t *instance, const Rename *rename)
{
    const char *ref = json_str (instance, "class", "");

    if (!ref_is_own (ref, rename->from))
        return;
    const char *at = strchr (ref, '@');
    g_autofree char *renamed = g_strconcat (CATALOG_LOCAL "/", rename->to, at, NULL);
    json_object_set_new (instance, "class", json_string (renamed));
}

/* -- the boundary of an assembly -- */

/* A slot or property of the assembly, in an instance of it. */
static void
follow_key (json_t *instance, const Rename *rename)
{
    const char *map = strcmp (rename->kind, "volumes") == 0 ? "volumes" : "set";

    if (ref_is_own (json_str (instance, "class", ""), rename->assembly) &&
        json_object_get (json_object_get (instance, map), rename->from) != NULL)
        object_rename (own_member (instance, map), rename->from, rename->to);
}

static void
rename_terminal_end (char **end, const Rename *rename)
{
    g_autofree char *instance = NULL;
    g_autofree char *terminal = NULL;

    if (!terminal_split (*end, &instance, &terminal) || strcmp (terminal, rename->from) != 0 ||
        json_object_get (rename->users, instance) == NULL)
        return;
    g_free (*end);
    *end = g_strconcat (instance, ".", rename->to, NULL);
}

static gboolean
rename_terminal_wire (char **from, char **to, gpointer data)
{
    rename_terminal_end (from, data);
    rename_terminal_end (to, data);
    return TRUE;
}

static json_t *
users_of (const json_t *body, const char *assembly)
{
    json_t *users = json_object (), *value;
    const char *name;

    json_object_foreach (json_object_get (body, "instances"), name, value)
        if (ref_is_own (json_str (value, "class", ""), assembly))
            json_object_set_new (users, name, json_true ());
    return users;
}

static void
follow_boundary (json_t *body, const char *in, gpointer data)
{
    Rename rename = *(const Rename *)data;
    g_autoptr (json_t) users = users_of (body, rename.assembly);

    rename.users = users;
    if (json_object_size (users) == 0)
        return;
    if (strcmp (rename.kind, "terminals") == 0) {
        each_wire (body, rename_terminal_wire, &rename);
    } else {
        follow_in_instances (body, &rename, follow_key);
    }
    if (in != NULL && strcmp (rename.kind, "properties") != 0)
        each_inside (body, rename.kind, rename_terminal_end, &rename);
}

static void
follow_reference (json_t *body, const char *in, gpointer data)
{
    follow_in_instances (body, data, follow_assembly);
}

/* -- the operation -- */

static void
follow (Edit *edit, Rename *rename)
{
    if (strcmp (rename->kind, "instances") == 0)
        follow_instance (edit, rename);
    else if (strcmp (rename->kind, "volumes") == 0 && edit->in == NULL)
        follow_in_instances (edit->body, rename, follow_volume);
    else if (strcmp (rename->kind, "properties") == 0)
        follow_in_instances (edit->body, rename, follow_property);
    else if (strcmp (rename->kind, "assemblies") == 0)
        each_body (edit, follow_reference, rename);
    if (edit->in != NULL && strcmp (rename->kind, "instances") != 0) {
        rename->assembly = edit->in;
        each_body (edit, follow_boundary, rename);
    }
}

static gboolean
name_is_valid (Edit *edit, const char *kind, const char *to)
{
    gboolean (*is_name) (const char *) = id_is_terminal;
    const char *rule = id_terminal_rule ();
    g_autofree char *place = path_key (edit->place, "to");

    if (strcmp (kind, "instances") == 0 || (strcmp (kind, "volumes") == 0 && edit->in == NULL)) {
        is_name = id_is_name;
        rule = id_name_rule ();
    } else if (strcmp (kind, "assemblies") == 0) {
        is_name = id_is_class;
        rule = id_class_rule ();
    }
    return field_check_name (to, is_name, rule, "that kind", place, edit->problems);
}

gboolean
op_rename (Edit *edit)
{
    const char *path = edit_text (edit, "path", FALSE), *to = edit_text (edit, "to", FALSE);
    g_auto (GStrv) words = path != NULL ? path_split (path) : NULL;

    if (path == NULL || to == NULL)
        return FALSE;
    static const char *const kinds[] = {"instances",  "volumes",   "properties",
                                        "assemblies", "terminals", NULL};
    if (words == NULL || g_strv_length (words) != 2 || !g_strv_contains (kinds, words[0]) ||
        (strcmp (words[0], edit->in != NULL ? "assemblies" : "terminals") == 0)) {
        g_autofree char *quoted = problem_quote (path);
        return edit_refuse_key (edit, "bad_path", "path", "%s is nothing that can be renamed", quoted);
    }
    json_t *members = json_object_get (edit->body, words[0]);
    if (json_object_get (members, words[1]) == NULL) {
        g_autofree char *quoted = problem_quote (words[1]);
        return edit_refuse (edit, strcmp (words[0], "instances") == 0 ? "unknown_instance" : "unknown_name",
                            path, NULL, "there is no %s in %s", quoted, words[0]);
    }
    if (!name_is_valid (edit, words[0], to))
        return FALSE;
    if (json_object_get (members, to) != NULL) {
        g_autofree char *place = path_key (words[0], to);
        return edit_refuse (edit, "duplicate_key", place, NULL, "'%s' is there already", to);
    }
    Rename rename = {words[0], words[1], to, NULL, NULL};
    object_rename (own_member (edit->body, words[0]), words[1], to);
    follow (edit, &rename);
    if (edit->in == NULL && strcmp (words[0], "volumes") == 0)
        json_array_append_new (edit->renamed, json_pack ("[s, s]", words[1], to));
    edit->is_rename = TRUE;
    return TRUE;
}
