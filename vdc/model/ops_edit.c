/* What the operations share: private copies of what they change, wires, problems. */
#include "vdc/base/json.h"
#include "vdc/model/fields.h"
#include "vdc/model/ops_internal.h"

#include <string.h>

/* -- problems -- */

char *
edit_path (const Edit *edit, const char *path)
{
    if (edit->in == NULL)
        return g_strdup (path);
    g_autofree char *assembly = path_key ("assemblies", edit->in);
    return g_strconcat (assembly, ".", path, NULL);
}

gboolean
edit_refuse (Edit *edit, const char *code, const char *path, const char *nearest, const char *format, ...)
{
    g_autofree char *place = edit_path (edit, path);
    va_list args;

    va_start (args, format);
    g_autofree char *message = g_strdup_vprintf (format, args);
    va_end (args);
    problems_add (edit->problems, code, place, nearest, "%s", message);
    return FALSE;
}

gboolean
edit_refuse_key (Edit *edit, const char *code, const char *key, const char *format, ...)
{
    g_autofree char *place = path_key (edit->place, key);
    va_list args;

    va_start (args, format);
    g_autofree char *message = g_strdup_vprintf (format, args);
    va_end (args);
    problems_add (edit->problems, code, place, NULL, "%s", message);
    return FALSE;
}

const char *
edit_text (Edit *edit, const char *key, gboolean optional)
{
    json_t *value = json_object_get (edit->op, key);
    g_autofree char *place = path_key (edit->place, key);

    if (json_is_string (value))
        return json_string_value (value);
    if (value != NULL && !(optional && json_is_null (value)))
        field_wrong_type (value, "a string", place, edit->problems);
    else if (!optional)
        problems_add (edit->problems, "missing_key", edit->place, NULL, "'%s' is missing", key);
    return NULL;
}

/* -- private copies -- */

json_t *
own_member (json_t *parent, const char *key)
{
    json_t *member = json_object_get (parent, key);

    if (!json_is_object (member) && !json_is_array (member))
        return NULL;
    json_t *copy = json_copy (member);
    json_object_set_new (parent, key, copy);
    return copy;
}

static guint
section_rank (const char *key)
{
    static const char *const order[] = {"application", "assembly",  "version",    "summary",
                                        "help",        "terminals", "properties", "instances",
                                        "wires",       "volumes",   "assemblies", "layout"};
    guint rank = 0;

    while (rank < G_N_ELEMENTS (order) && strcmp (order[rank], key) != 0)
        rank++;
    return rank;
}

json_t *
own_section (json_t *body, const char *key)
{
    gboolean list = strcmp (key, "wires") == 0;
    json_t *found = json_object_get (body, key), *value;
    const char *name, *before = NULL;

    if (list ? json_is_array (found) : json_is_object (found))
        return own_member (body, key);
    json_object_del (body, key);
    json_object_foreach (body, name, value)
        if (before == NULL && section_rank (name) > section_rank (key))
            before = name;
    json_t *section = list ? json_array () : json_object ();
    object_insert (body, key, section, before);
    json_decref (section);
    return section;
}

void
section_remove (json_t *body, const char *section, const char *key)
{
    if (json_object_get (json_object_get (body, section), key) == NULL)
        return;
    json_t *members = own_member (body, section);
    json_object_del (members, key);
    if (json_object_size (members) == 0 && strcmp (section, "instances") != 0)
        json_object_del (body, section);
}

void
object_insert (json_t *object, const char *key, json_t *value, const char *before)
{
    g_autoptr (json_t) after = json_object ();
    const char *name;
    json_t *member;
    void *next;
    gboolean found = FALSE;

    json_object_foreach_safe (object, next, name, member) {
        found = found || (before != NULL && strcmp (name, before) == 0); /* @before may be its own key */
        if (!found)
            continue;
        json_object_set (after, name, member);
        json_object_del (object, name);
    }
    json_object_set (object, key, value);
    json_object_update (object, after);
}

void
object_rename (json_t *object, const char *from, const char *to)
{
    g_autoptr (json_t) value = json_incref (json_object_get (object, from));
    const char *next =
        json_object_iter_key (json_object_iter_next (object, json_object_iter_at (object, from)));
    g_autofree char *before = g_strdup (next);

    if (value == NULL)
        return;
    json_object_del (object, from);
    object_insert (object, to, value, before);
}

/* -- bodies -- */

gboolean
ref_is_own (const char *ref, const char *name)
{
    gsize length = strlen (name);

    if (!catalog_ref_is_local (ref))
        return FALSE;
    const char *rest = ref + strlen (CATALOG_LOCAL "/");
    return strncmp (rest, name, length) == 0 && (rest[length] == '\0' || rest[length] == '@');
}

void
each_body (Edit *edit, BodyFunction function, gpointer data)
{
    json_t *assemblies = own_member (edit->root, "assemblies"), *value;
    const char *name;
    void *next;

    function (edit->root, NULL, data);
    json_object_foreach_safe (assemblies, next, name, value) {
        g_autofree char *in = g_strdup (name);
        gboolean worked_on = edit->in != NULL && strcmp (in, edit->in) == 0;
        json_t *body = json_is_object (value) ? own_member (assemblies, in) : NULL;
        if (worked_on)
            edit->body = body;
        if (body != NULL)
            function (body, in, data);
    }
}

/* -- wires -- */

gboolean
terminal_split (const char *text, char **instance, char **terminal)
{
    return split_terminal (text, instance, terminal);
}

char *
wire_text (const char *from, const char *to)
{
    return g_strconcat (from, " -> ", to, NULL);
}

gssize
wire_find (const json_t *body, const char *from, const char *to)
{
    json_t *wires = json_object_get (body, "wires"), *wire;
    gsize index;

    json_array_foreach (wires, index, wire) {
        g_autofree char *start = NULL;
        g_autofree char *end = NULL;
        if (json_is_string (wire) && wire_split (json_string_value (wire), &start, &end) &&
            strcmp (start, from) == 0 && (to == NULL || strcmp (end, to) == 0))
            return (gssize)index;
    }
    return -1;
}

void
each_wire (json_t *body, WireFunction function, gpointer data)
{
    json_t *wires = json_object_get (body, "wires"), *wire;
    json_t *kept = json_array ();
    gsize index;
    gboolean changed = FALSE;

    json_array_foreach (wires, index, wire) {
        g_autofree char *from = NULL;
        g_autofree char *to = NULL;
        if (!json_is_string (wire) || !wire_split (json_string_value (wire), &from, &to)) {
            json_array_append (kept, wire);
            continue;
        }
        g_autofree char *old = wire_text (from, to);
        gboolean stays = function (&from, &to, data);
        g_autofree char *text = stays ? wire_text (from, to) : NULL;
        gboolean same = stays && strcmp (text, old) == 0;
        changed |= !same;
        if (stays)
            json_array_append_new (kept, same ? json_incref (wire) : json_string (text));
    }
    if (changed && json_array_size (kept) == 0)
        json_object_del (body, "wires");
    else if (changed)
        json_object_set (body, "wires", kept);
    json_decref (kept);
}
