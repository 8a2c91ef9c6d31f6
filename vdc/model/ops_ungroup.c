/*
 * Ungroup: an instance of one of the application's own assemblies is replaced by what is in it. Names that
 * are taken get the instance's in front. The assembly goes when nothing else is made of it.
 */
#include "vdc/base/id.h"
#include "vdc/base/json.h"
#include "vdc/model/ops_internal.h"
#include "vdc/model/ops_layout.h"

#include <string.h>

typedef struct {
    Edit *edit;
    const char *name;       /* the instance */
    const json_t *instance; /* its value */
    char *of;               /* the assembly; owned */
    gboolean used;          /* something else is made of it */
    json_t *assembly;       /* owned */
    json_t *names;          /* inner name → name outside */
} Ungroup;

/* "lb.in" inside → "lb.in" outside, by the new names. NULL when it is none. Caller frees. */
static char *
outer_end (const Ungroup *ungroup, const char *inner)
{
    g_autofree char *instance = NULL;
    g_autofree char *terminal = NULL;

    if (inner == NULL || !terminal_split (inner, &instance, &terminal))
        return NULL;
    const char *name = json_string_value (json_object_get (ungroup->names, instance));
    return name != NULL ? g_strconcat (name, ".", terminal, NULL) : NULL;
}

/* "front.in" → "lb.in" by the boundary's @section; others stay as they are. */
static void
open_end (const Ungroup *ungroup, const char *section, char **end)
{
    g_auto (GStrv) words = g_strsplit (*end, ".", 2);

    if (words[0] == NULL || words[1] == NULL || strcmp (words[0], ungroup->name) != 0)
        return;
    const json_t *shown = json_object_get (json_object_get (ungroup->assembly, section), words[1]);
    char *inner = outer_end (ungroup, json_str (shown, "inside", NULL));
    if (inner == NULL)
        return;
    g_free (*end);
    *end = inner;
}

static gboolean
open_wire (char **from, char **to, gpointer data)
{
    open_end (data, "terminals", from);
    open_end (data, "terminals", to);
    return TRUE;
}

/* -- values -- */

/* What `$name` inside comes to outside; NULL: nothing is said, the class's default holds. New reference. */
static json_t *
outer_value (const Ungroup *ungroup, const char *name)
{
    json_t *set = json_object_get (json_object_get (ungroup->instance, "set"), name);
    json_t *initial = json_object_get (
        json_object_get (json_object_get (ungroup->assembly, "properties"), name), "default");

    if (set != NULL)
        return json_incref (set);
    if (json_is_string (initial) && json_string_value (initial)[0] == '$')
        return json_sprintf ("$%s", json_string_value (initial));
    return json_incref (initial);
}

static void
open_settings (const Ungroup *ungroup, json_t *value)
{
    json_t *set = own_member (value, "set"), *setting;
    const char *key, *count = json_str (value, "count", "");
    void *next;

    if (count[0] == '$') {
        json_t *outer = outer_value (ungroup, count + 1);
        json_object_set_new (value, "count", outer != NULL ? outer : json_integer (1));
    }
    json_object_foreach_safe (set, next, key, setting) {
        const char *text = json_is_string (setting) ? json_string_value (setting) : "";
        if (text[0] != '$' || text[1] == '$')
            continue;
        json_t *outer = outer_value (ungroup, text + 1);
        if (outer != NULL)
            json_object_set_new (set, key, outer);
        else
            json_object_del (set, key);
    }
    if (set != NULL && json_object_size (set) == 0)
        json_object_del (value, "set");
}

/* What was said of the assembly holds for everything in it. */
static void
open_flags (const Ungroup *ungroup, json_t *value)
{
    static const char *const flags[] = {"spread", "standby", "ignore_failure"};
    gint64 order = json_int (ungroup->instance, "order", 0);

    for (gsize i = 0; i < G_N_ELEMENTS (flags); i++)
        if (json_bool (ungroup->instance, flags[i], FALSE))
            json_object_set_new (value, flags[i], json_true ());
    if (order != 0)
        json_object_set_new (value, "order", json_integer (order + json_int (value, "order", 0)));
}

static void
open_volumes (const Ungroup *ungroup, const char *inner, json_t *value)
{
    const char *slot;
    json_t *shown;

    json_object_foreach (json_object_get (ungroup->assembly, "volumes"), slot, shown) {
        json_t *volume = json_object_get (json_object_get (ungroup->instance, "volumes"), slot);
        g_auto (GStrv) words = g_strsplit (json_str (shown, "inside", ""), ".", 2);
        if (volume == NULL || words[0] == NULL || words[1] == NULL || strcmp (words[0], inner) != 0)
            continue;
        json_t *filled = own_member (value, "volumes");
        if (filled == NULL)
            json_object_set_new (value, "volumes", filled = json_object ());
        json_object_set (filled, words[1], volume);
    }
}

/* -- putting it together -- */

static char *
free_name (const json_t *taken, const Ungroup *ungroup, const char *inner)
{
    g_autofree char *whole = g_strdup_printf ("%s-%s", ungroup->name, inner);
    g_autofree char *longer = g_strndup (whole, ID_NAME_MAX - 4);
    char *name = g_strdup (inner);

    for (guint i = 1; json_object_get (taken, name) != NULL; i++) {
        g_free (name);
        name = i == 1 ? g_strdup (longer) : g_strdup_printf ("%s-%u", longer, i);
        if (!id_is_name (name)) { /* cut at a hyphen */
            g_free (name);
            name = g_strdup_printf ("%s%u", longer, i);
        }
    }
    return name;
}

static void
open_instances (Ungroup *ungroup)
{
    json_t *instances = own_member (ungroup->edit->body, "instances"), *value;
    const char *inner, *next = json_object_iter_key (
                           json_object_iter_next (instances, json_object_iter_at (instances, ungroup->name)));
    g_autofree char *before = g_strdup (next);

    json_object_del (instances, ungroup->name);
    json_object_foreach (json_object_get (ungroup->assembly, "instances"), inner, value) {
        g_autofree char *name = free_name (instances, ungroup, inner);
        g_autoptr (json_t) copy = json_copy (value);
        open_settings (ungroup, copy);
        open_flags (ungroup, copy);
        open_volumes (ungroup, inner, copy);
        object_insert (instances, name, copy, before);
        json_object_set_new (ungroup->names, inner, json_string (name));
    }
}

static void
open_wires (Ungroup *ungroup)
{
    json_t *wire, *inner = json_object_get (ungroup->assembly, "wires");
    gsize index;

    each_wire (ungroup->edit->body, open_wire, ungroup);
    json_array_foreach (inner, index, wire) {
        g_autofree char *from = NULL;
        g_autofree char *to = NULL;
        if (!json_is_string (wire) || !wire_split (json_string_value (wire), &from, &to))
            continue;
        g_autofree char *start = outer_end (ungroup, from);
        g_autofree char *end = outer_end (ungroup, to);
        g_autofree char *text = start != NULL && end != NULL ? wire_text (start, end) : NULL;
        if (text != NULL)
            json_array_append_new (own_section (ungroup->edit->body, "wires"), json_string (text));
    }
}

/* What an assembly around showed of the instance. */
static void
open_boundary (Ungroup *ungroup, const char *section)
{
    json_t *members = ungroup->edit->in != NULL ? own_member (ungroup->edit->body, section) : NULL, *value;
    const char *name;
    void *next;

    json_object_foreach_safe (members, next, name, value) {
        const char *inside = json_str (value, "inside", NULL);
        g_autofree char *end = g_strdup (inside);
        if (inside == NULL)
            continue;
        open_end (ungroup, section, &end);
        json_object_set_new (own_member (members, name), "inside", json_string (end));
    }
}

static void
find_user (json_t *body, const char *in, gpointer data)
{
    Ungroup *ungroup = data;
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get (body, "instances"), name, value)
        ungroup->used |= ref_is_own (json_str (value, "class", ""), ungroup->of);
}

static void
open_all (Ungroup *ungroup)
{
    Edit *edit = ungroup->edit;

    open_instances (ungroup);
    open_wires (ungroup);
    open_boundary (ungroup, "terminals");
    open_boundary (ungroup, "volumes");
    layout_give (edit->body, json_object_get (ungroup->assembly, "layout"), ungroup->names, ungroup->name);
    each_body (edit, find_user, ungroup);
    if (!ungroup->used)
        section_remove (edit->root, "assemblies", ungroup->of);
}

/* -- the operation -- */

static gboolean
find_assembly (Ungroup *ungroup, const char *path)
{
    Edit *edit = ungroup->edit;
    const char *class = json_str (ungroup->instance, "class", ""), *name;
    json_t *value;

    json_object_foreach (json_object_get (edit->root, "assemblies"), name, value)
        if (ref_is_own (class, name)) {
            ungroup->of = g_strdup (name);
            ungroup->assembly = json_incref (value);
        }
    if (ungroup->assembly == NULL)
        return edit_refuse (edit, "not_allowed", path, NULL,
                            "only an assembly of the application's own can be opened");
    if (edit->in != NULL && strcmp (edit->in, ungroup->of) == 0)
        return edit_refuse (edit, "assembly_cycle", path, NULL, "assembly %s contains itself", ungroup->of);
    if (json_object_get (ungroup->instance, "count") != NULL)
        return edit_refuse (edit, "not_allowed", path, NULL,
                            "a tier of assemblies cannot be opened: take its 'count' away first");
    return TRUE;
}

gboolean
op_ungroup (Edit *edit)
{
    const char *path = edit_text (edit, "path", FALSE);
    g_auto (GStrv) words = path != NULL ? path_split (path) : NULL;

    if (path == NULL)
        return FALSE;
    gboolean form = words != NULL && g_strv_length (words) == 2 && strcmp (words[0], "instances") == 0;
    g_autoptr (json_t) instance =
        form ? json_incref (json_object_get (json_object_get (edit->body, "instances"), words[1])) : NULL;
    if (!json_is_object (instance)) {
        g_autofree char *quoted = problem_quote (path);
        return edit_refuse_key (edit, "unknown_instance", "path", "%s is no instance", quoted);
    }
    g_autoptr (json_t) names = json_object ();
    Ungroup ungroup = {.edit = edit, .name = words[1], .instance = instance, .names = names};
    gboolean found = find_assembly (&ungroup, path);
    if (found)
        open_all (&ungroup);
    g_free (ungroup.of);
    json_decref (ungroup.assembly);
    return found;
}
