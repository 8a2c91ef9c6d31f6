/*
 * From the difference of two documents to operations: the inverse of what has no simpler one, and what a new
 * text means to those who follow operations.
 *
 * The order makes each step possible: wires off, members away, members there, values, wires on. Members and
 * values are put back from the last to the first, so that the key each goes before is there.
 */
#include "vdc/base/json.h"
#include "vdc/model/description_changes.h"
#include "vdc/model/ops.h"

#include <string.h>

static json_t *
new_op (const DescriptionChange *change, const char *op, json_t *path)
{
    json_t *object = json_pack ("{s:s}", "op", op);

    if (change->in != NULL)
        json_object_set_new (object, "in", json_string (change->in));
    if (path != NULL)
        json_object_set_new (object, "path", path);
    return object;
}

static gboolean
is_wire (const DescriptionChange *change)
{
    return g_str_has_prefix (change->path, "wires[") || g_str_has_prefix (change->path, "wires.");
}

/* A member of a section as a whole: what add and remove take. Layout is only set. */
static gboolean
is_member (const DescriptionChange *change)
{
    static const char *const kinds[] = {"instances",  "volumes",   "properties",
                                        "assemblies", "terminals", NULL};
    g_auto (GStrv) words = path_split (change->path);

    return words != NULL && g_strv_length (words) == 2 && g_strv_contains (kinds, words[0]);
}

static void
add_wire_op (json_t *ops, const DescriptionChange *change, const json_t *wire, gboolean on)
{
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;

    if (!json_is_string (wire) || !wire_split (json_string_value (wire), &from, &to))
        return;
    json_t *op = new_op (change, on ? "wire" : "unwire", NULL);
    json_object_set_new (op, "from", json_string (from));
    json_object_set_new (op, "to", json_string (to));
    if (on)
        json_object_set_new (op, "index", json_integer (change->index));
    json_array_append_new (ops, op);
}

static json_t *
value_op (const DescriptionChange *change, const char *name, json_t *value)
{
    json_t *op = new_op (change, name, json_string (change->path));

    json_object_set (op, "value", value);
    if (change->next != NULL && !json_is_null (value))
        json_object_set_new (op, "before", json_string (change->next));
    return op;
}

/* Changes are from what is wanted (`from`) to what is there (`to`). */
typedef struct {
    json_t *unwire, *remove, *remove_assemblies, *add_assemblies, *add, *set, *wire;
} Sorted;

static void
sort_change (Sorted *sorted, const DescriptionChange *change)
{
    gboolean assembly = g_str_has_prefix (change->path, "assemblies");

    if (is_wire (change)) {
        add_wire_op (sorted->unwire, change, change->to, FALSE);
        add_wire_op (sorted->wire, change, change->from, TRUE);
    } else if (is_member (change) && change->from == NULL) {
        json_array_append_new (assembly ? sorted->remove_assemblies : sorted->remove,
                               new_op (change, "remove", json_string (change->path)));
    } else if (is_member (change) && change->to == NULL) {
        json_array_insert_new (assembly ? sorted->add_assemblies : sorted->add, 0,
                               value_op (change, "add", change->from));
    } else {
        json_t *value = change->from != NULL ? json_incref (change->from) : json_null ();
        json_array_insert_new (sorted->set, 0, value_op (change, "set", value));
        json_decref (value);
    }
}

json_t *
ops_between (const json_t *from, const json_t *to)
{
    g_autoptr (GPtrArray) changes = description_changes (to, from);
    json_t *ops = json_array ();
    Sorted sorted = {ops,           json_array (), json_array (), json_array (),
                     json_array (), json_array (), json_array ()};
    json_t *const rest[] = {sorted.remove, sorted.add_assemblies,    sorted.add,
                            sorted.set,    sorted.remove_assemblies, sorted.wire};

    for (guint i = 0; i < changes->len; i++)
        sort_change (&sorted, g_ptr_array_index (changes, i));
    for (gsize i = 0; i < G_N_ELEMENTS (rest); i++) {
        json_array_extend (ops, rest[i]);
        json_decref (rest[i]);
    }
    return ops;
}

/* -- what operations say of themselves -- */

static void
append_path (json_t *list, const json_t *op, const char *path)
{
    const char *in = json_str (op, "in", NULL);
    g_autofree char *assembly = in != NULL ? path_key ("assemblies", in) : NULL;
    g_autofree char *full = in != NULL ? g_strconcat (assembly, ".", path, NULL) : g_strdup (path);

    json_array_append_new (list, json_str_new (full));
}

/* "web.in" needs instances.web. */
static void
need_instance (json_t *needs, const json_t *op, const char *end)
{
    g_auto (GStrv) words = end != NULL ? g_strsplit (end, ".", 2) : NULL;
    g_autofree char *path = words != NULL && words[0] != NULL ? path_key ("instances", words[0]) : NULL;

    if (path != NULL)
        append_path (needs, op, path);
}

static void
place_wire (json_t *changes, json_t *needs, const json_t *op)
{
    const char *from = json_str (op, "from", NULL);
    g_autofree char *path = from != NULL ? path_key ("wires", from) : NULL;

    if (path != NULL)
        append_path (changes, op, path);
    need_instance (needs, op, from);
    need_instance (needs, op, json_str (op, "to", NULL));
}

void
ops_places (const json_t *ops, json_t *changes, json_t *needs)
{
    gsize index, k;
    json_t *op, *name;

    json_array_foreach ((json_t *)ops, index, op) {
        const char *kind = json_str (op, "op", ""), *path = json_str (op, "path", NULL);
        if (strcmp (kind, "wire") == 0 || strcmp (kind, "unwire") == 0)
            place_wire (changes, needs, op);
        else if (strcmp (kind, "move") == 0 && path != NULL)
            append_path (needs, op, path);
        else if (path != NULL)
            append_path (changes, op, path);
        json_array_foreach (json_object_get (op, "instances"), k, name) {
            g_autofree char *place =
                json_is_string (name) ? path_key ("instances", json_string_value (name)) : NULL;
            if (place != NULL)
                append_path (changes, op, place);
        }
    }
}
