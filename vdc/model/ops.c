#include "vdc/model/ops.h"

#include "vdc/base/id.h"
#include "vdc/base/json.h"
#include "vdc/model/fields.h"
#include "vdc/model/ops_internal.h"
#include "vdc/model/topology.h"

#include <string.h>

void
ops_result_clear (OpsResult *result)
{
    json_decref (result->document);
    json_decref (result->inverse);
    json_decref (result->touched);
    json_decref (result->renamed);
    json_decref (result->problems);
    *result = (OpsResult){0};
}

/* -- sections: what can be added, removed and renamed -- */

typedef struct {
    const char *name, *what;
    const char *code; /* of a member that is not there */
    gboolean (*is_name) (const char *text);
    const char *(*rule) (void);
    gboolean in_application, in_assembly;
} Section;

static const Section sections[] = {
    {"instances", "an instance", "unknown_instance", id_is_name, id_name_rule, TRUE, TRUE},
    {"volumes", "a volume", "unknown_volume", id_is_name, id_name_rule, TRUE, FALSE},
    {"volumes", "a volume slot", "unknown_slot", id_is_terminal, id_terminal_rule, FALSE, TRUE},
    {"properties", "a property", "unknown_property", id_is_terminal, id_terminal_rule, TRUE, TRUE},
    {"terminals", "a terminal", "unknown_terminal", id_is_terminal, id_terminal_rule, FALSE, TRUE},
    {"assemblies", "an assembly", "unknown_assembly", id_is_class, id_class_rule, TRUE, FALSE},
};

static const Section *
section_of (const Edit *edit, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS (sections); i++)
        if (strcmp (sections[i].name, name) == 0 &&
            (edit->in != NULL ? sections[i].in_assembly : sections[i].in_application))
            return &sections[i];
    return NULL;
}

static const char *
nearest_member (const json_t *object, const char *name)
{
    g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value)
        g_hash_table_add (names, (char *)key);
    return nearest_key (name, names);
}

static gboolean
refuse_unknown (Edit *edit, const Section *section, const char *name)
{
    const json_t *members = json_object_get (edit->body, section->name);
    g_autofree char *quoted = problem_quote (name);
    g_autofree char *path = path_key (section->name, name);

    return edit_refuse (edit, section->code, path, nearest_member (members, name), "there is no %s %s",
                        strchr (section->what, ' ') + 1, quoted);
}

/* The words of the operation's path when it begins with a section and a name; else NULL with a problem. */
static char **
entity_path (Edit *edit, guint least, guint most, const Section **section)
{
    const char *path = edit_text (edit, "path", FALSE);
    g_auto (GStrv) words = path != NULL ? path_split (path) : NULL;
    guint n = words != NULL ? g_strv_length (words) : 0;

    if (path == NULL)
        return NULL;
    *section = n >= 1 ? section_of (edit, words[0]) : NULL;
    if (n >= least && n <= most && *section != NULL)
        return g_steal_pointer (&words);
    g_autofree char *quoted = problem_quote (path);
    edit_refuse_key (edit, "bad_path", "path", "%s is no place such as instances.web", quoted);
    return NULL;
}

/* -- add, remove -- */

static gboolean
op_add (Edit *edit)
{
    const Section *section;
    g_auto (GStrv) words = entity_path (edit, 2, 2, &section);
    json_t *value = json_object_get (edit->op, "value");
    const char *before = edit_text (edit, "before", TRUE);

    if (words == NULL)
        return FALSE;
    g_autofree char *path = path_key (words[0], words[1]);
    g_autofree char *place = edit_path (edit, path);
    if (!field_check_name (words[1], section->is_name, section->rule (), section->what, place,
                           edit->problems))
        return FALSE;
    if (json_object_get (json_object_get (edit->body, words[0]), words[1]) != NULL)
        return edit_refuse (edit, "duplicate_key", path, NULL, "'%s' is there already", words[1]);
    gboolean scalar = edit->in == NULL && strcmp (words[0], "properties") == 0;
    if (value == NULL || json_is_null (value) || scalar == (json_is_object (value) || json_is_array (value)))
        return edit_refuse_key (edit, value == NULL ? "missing_key" : "wrong_type", "value", "must be %s",
                                scalar ? "a single value" : "an object");
    object_insert (own_section (edit->body, words[0]), words[1], value, before);
    return TRUE;
}

static gboolean
wire_avoids (char **from, char **to, gpointer data)
{
    g_autofree char *prefix = g_strconcat (data, ".", NULL);
    return !g_str_has_prefix (*from, prefix) && !g_str_has_prefix (*to, prefix);
}

/* A volume that is gone leaves the slots it filled. */
static void
empty_slots (json_t *body, const char *volume)
{
    json_t *instances = own_section (body, "instances"), *value;
    const char *name;
    void *next;

    json_object_foreach_safe (instances, next, name, value) {
        const char *slot, *found = NULL;
        json_t *filled;
        json_object_foreach (json_object_get (value, "volumes"), slot, filled)
            if (json_is_string (filled) && strcmp (json_string_value (filled), volume) == 0)
                found = slot;
        if (found != NULL) {
            g_autofree char *key = g_strdup (found);
            section_remove (own_member (instances, name), "volumes", key);
        }
    }
}

typedef struct {
    const char *name;
    const char *user; /* "front", of the first instance found */
} Use;

static void
find_use (json_t *body, const char *in, gpointer data)
{
    Use *use = data;
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get (body, "instances"), name, value)
        if (use->user == NULL && ref_is_own (json_str (value, "class", ""), use->name))
            use->user = name;
}

static gboolean
op_remove (Edit *edit)
{
    const Section *section;
    g_auto (GStrv) words = entity_path (edit, 2, 2, &section);

    if (words == NULL)
        return FALSE;
    if (json_object_get (json_object_get (edit->body, words[0]), words[1]) == NULL)
        return refuse_unknown (edit, section, words[1]);
    if (strcmp (words[0], "assemblies") == 0) {
        Use use = {words[1], NULL};
        g_autofree char *path = path_key (words[0], words[1]);
        each_body (edit, find_use, &use);
        if (use.user != NULL)
            return edit_refuse (edit, "in_use", path, NULL, "'%s' is made of it", use.user);
    } else if (strcmp (words[0], "instances") == 0) {
        each_wire (edit->body, wire_avoids, words[1]);
        section_remove (edit->body, "layout", words[1]);
    } else if (strcmp (section->what, "a volume") == 0) {
        empty_slots (edit->body, words[1]);
    }
    section_remove (edit->body, words[0], words[1]);
    return TRUE;
}

/* -- set, move -- */

/* Set or, by a null @value, remove what @words says below @object, which is private. */
static void
set_below (json_t *object, char **words, json_t *value, const char *before)
{
    gboolean unset = json_is_null (value);

    if (words[1] == NULL) {
        if (unset)
            json_object_del (object, words[0]);
        else if (json_object_get (object, words[0]) != NULL)
            json_object_set (object, words[0], value);
        else
            object_insert (object, words[0], value, before);
        return;
    }
    json_t *inner = own_member (object, words[0]);
    if (inner == NULL && unset)
        return;
    if (inner == NULL) {
        inner = json_object ();
        json_object_set_new (object, words[0], inner);
    }
    set_below (inner, words + 1, value, before);
    if (unset && json_object_size (inner) == 0)
        json_object_del (object, words[0]);
}

static gboolean
is_head (const Edit *edit, const char *key)
{
    return strcmp (key, "summary") == 0 || strcmp (key, "help") == 0 ||
           (edit->in != NULL && strcmp (key, "version") == 0);
}

static gboolean
set_member (Edit *edit, const Section *section, char **words, json_t *value, const char *before)
{
    json_t *members = own_member (edit->body, words[0]);
    json_t *old = json_object_get (members, words[1]);
    g_autofree char *path = path_key (words[0], words[1]);

    if (old == NULL)
        return refuse_unknown (edit, section, words[1]);
    if (words[2] != NULL && !json_is_object (old))
        return edit_refuse (edit, "wrong_type", path, NULL, "is a single value");
    if (words[2] == NULL && json_is_null (value))
        return edit_refuse (edit, "not_allowed", path, NULL, "use remove");
    if (words[2] == NULL && json_is_object (old) != json_is_object (value))
        return edit_refuse_key (edit, "wrong_type", "value", "must be %s",
                                json_is_object (old) ? "an object" : "a single value");
    if (words[2] == NULL)
        json_object_set (members, words[1], value);
    else
        set_below (own_member (members, words[1]), words + 2, value, before);
    return TRUE;
}

static gboolean
op_set (Edit *edit)
{
    const char *path = edit_text (edit, "path", FALSE), *before = edit_text (edit, "before", TRUE);
    g_auto (GStrv) words = path != NULL ? path_split (path) : NULL;
    json_t *value = json_object_get (edit->op, "value");

    if (path == NULL)
        return FALSE;
    if (value == NULL)
        return edit_refuse_key (edit, "missing_key", "value", "'value' is missing; null takes a value away");
    const Section *section = words != NULL ? section_of (edit, words[0]) : NULL;
    if (section != NULL && words[1] != NULL)
        return set_member (edit, section, words, value, before);
    if (words != NULL && words[1] == NULL && is_head (edit, words[0])) {
        if (json_is_null (value))
            json_object_del (edit->body, words[0]);
        else
            json_object_update_new (edit->body, json_pack ("{s:O}", words[0], value));
        return TRUE;
    }
    if (words != NULL && words[1] != NULL && strcmp (words[0], "layout") == 0) {
        json_t *layout = own_section (edit->body, "layout");
        set_below (layout, words + 1, value, before);
        if (json_object_size (layout) == 0)
            json_object_del (edit->body, "layout");
        return TRUE;
    }
    g_autofree char *quoted = problem_quote (path);
    return edit_refuse_key (edit, "bad_path", "path", "%s is nothing that can be set", quoted);
}

/* Positions are kept by instance name; what else lies on the canvas has names that no instance can have. */
static char **
canvas_place (Edit *edit)
{
    const char *path = edit_text (edit, "path", FALSE);
    g_auto (GStrv) words = path != NULL ? path_split (path) : NULL;
    guint n = words != NULL ? g_strv_length (words) : 0;

    if (path == NULL)
        return NULL;
    if (n == 2 && strcmp (words[0], "instances") == 0) {
        if (json_object_get (json_object_get (edit->body, "instances"), words[1]) != NULL)
            return g_strdupv (words + 1);
        refuse_unknown (edit, &sections[0], words[1]);
        return NULL;
    }
    if (n == 3 && strcmp (words[0], "layout") == 0 && words[1][0] == '_')
        return g_strdupv (words + 1);
    g_autofree char *quoted = problem_quote (path);
    edit_refuse_key (edit, "bad_path", "path", "%s is nothing that can be moved", quoted);
    return NULL;
}

static gboolean
op_move (Edit *edit)
{
    static const char *const keys[] = {"x", "y", "width", "height"};
    g_auto (GStrv) words = canvas_place (edit);

    if (words == NULL)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
        json_t *value = json_object_get (edit->op, keys[i]);
        if (value == NULL ? i < 2 : !json_is_number (value))
            return edit_refuse_key (edit, value == NULL ? "missing_key" : "wrong_type", keys[i],
                                    "must be a number");
    }
    for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
        json_t *value = json_object_get (edit->op, keys[i]);
        g_auto (GStrv) place = g_new0 (char *, 5);
        for (guint k = 0; words[k] != NULL; k++)
            place[k] = g_strdup (words[k]);
        place[g_strv_length (place)] = g_strdup (keys[i]);
        if (value != NULL)
            set_below (own_section (edit->body, "layout"), place, value, NULL);
    }
    return TRUE;
}

/* -- wire, unwire -- */

/* The instance must be there; its class and terminal are checked with the whole. */
static char *
wire_end (Edit *edit, const char *key)
{
    const char *text = edit_text (edit, key, FALSE);
    g_autofree char *instance = NULL;
    g_autofree char *terminal = NULL;
    const json_t *instances = json_object_get (edit->body, "instances");

    if (text == NULL)
        return NULL;
    if (!terminal_split (text, &instance, &terminal)) {
        g_autofree char *quoted = problem_quote (text);
        edit_refuse_key (edit, "bad_wire", key, "%s is no terminal such as web.in", quoted);
        return NULL;
    }
    if (json_object_get (instances, instance) != NULL)
        return g_strdup (text);
    g_autofree char *place = path_key (edit->place, key);
    problems_add (edit->problems, "unknown_instance", place, nearest_member (instances, instance),
                  "there is no instance '%s'", instance);
    return NULL;
}

static gboolean
op_wire (Edit *edit)
{
    g_autofree char *from = wire_end (edit, "from");
    g_autofree char *to = wire_end (edit, "to");
    json_t *index = json_object_get (edit->op, "index");

    if (from == NULL || to == NULL)
        return FALSE;
    if (index != NULL && (!json_is_integer (index) || json_integer_value (index) < 0))
        return edit_refuse_key (edit, "wrong_type", "index", "must be the place in the list");
    gssize used = wire_find (edit->body, from, NULL);
    if (used >= 0 && !json_bool (edit->op, "replace", FALSE)) {
        g_autofree char *path = path_key ("wires", from);
        return edit_refuse (
            edit, "output_wired_twice", path, NULL,
            "output '%s' has a wire already (%s): an output goes to one input", from,
            json_string_value (json_array_get (json_object_get (edit->body, "wires"), (size_t)used)));
    }
    g_autofree char *text = wire_text (from, to);
    json_t *wires = own_section (edit->body, "wires");
    if (used >= 0)
        json_array_set_new (wires, (size_t)used, json_string (text));
    else
        json_array_insert_new (wires,
                               index != NULL
                                   ? MIN ((size_t)json_integer_value (index), json_array_size (wires))
                                   : json_array_size (wires),
                               json_string (text));
    return TRUE;
}

static gboolean
op_unwire (Edit *edit)
{
    const char *from = edit_text (edit, "from", FALSE), *to = edit_text (edit, "to", TRUE);

    if (from == NULL)
        return FALSE;
    gssize index = wire_find (edit->body, from, to);
    if (index < 0) {
        g_autofree char *path = path_key ("wires", from);
        g_autofree char *quoted = problem_quote (from);
        return edit_refuse (edit, "unknown_wire", path, NULL, "output %s has no such wire", quoted);
    }
    json_t *wires = own_section (edit->body, "wires");
    json_array_remove (wires, (size_t)index);
    if (json_array_size (wires) == 0)
        json_object_del (edit->body, "wires");
    return TRUE;
}

/* -- one operation -- */

static const struct {
    const char *name;
    gboolean (*act) (Edit *edit);
} actions[] = {
    {"add", op_add},       {"remove", op_remove}, {"set", op_set},
    {"move", op_move},     {"rename", op_rename}, {"wire", op_wire},
    {"unwire", op_unwire}, {"group", op_group},   {"ungroup", op_ungroup},
};

static gboolean
enter_body (Edit *edit)
{
    const char *in = edit_text (edit, "in", TRUE);

    edit->body = edit->root;
    if (in == NULL)
        return TRUE;
    edit->body = own_member (own_member (edit->root, "assemblies"), in);
    edit->in = in;
    if (edit->body != NULL && json_is_object (edit->body))
        return TRUE;
    g_autofree char *quoted = problem_quote (in);
    return edit_refuse_key (edit, "unknown_assembly", "in", "the application has no assembly %s of its own",
                            quoted);
}

static gboolean
act (Edit *edit)
{
    const char *name = edit_text (edit, "op", FALSE);
    const char *words[G_N_ELEMENTS (actions) + 1] = {NULL};

    if (name == NULL || !enter_body (edit))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS (actions); i++) {
        words[i] = actions[i].name;
        if (strcmp (name, actions[i].name) == 0)
            return actions[i].act (edit);
    }
    g_autofree char *place = path_key (edit->place, "op");
    g_autofree char *all = g_strjoinv (", ", (char **)words);
    g_autofree char *quoted = problem_quote (name);
    problems_add (edit->problems, "bad_value", place, nearest_word (name, words), "%s is none of: %s", quoted,
                  all);
    return FALSE;
}

/* -- all of them -- */

typedef struct {
    json_t *root;
    json_t *inverse; /* of each operation, first to last */
    json_t *touched, *renamed, *problems;
    GPtrArray *own; /* char *: places whose problems are the operations' own */
} Run;

static json_t *
rename_back (const json_t *op)
{
    g_auto (GStrv) words = path_split (json_str (op, "path", ""));
    g_autofree char *path = path_key (words[0], json_str (op, "to", ""));
    json_t *back = json_pack ("{s:s, s:s, s:s}", "op", "rename", "path", path, "to", words[1]);

    if (json_object_get (op, "in") != NULL)
        json_object_set (back, "in", json_object_get (op, "in"));
    return back;
}

static void
add_own (Run *run, const Edit *edit)
{
    const char *path = json_str (edit->op, "path", NULL), *from = json_str (edit->op, "from", NULL);

    if (path != NULL && strcmp (json_str (edit->op, "op", ""), "remove") != 0)
        g_ptr_array_add (run->own, edit_path (edit, path));
    if (from == NULL || strcmp (json_str (edit->op, "op", ""), "wire") != 0)
        return;
    gssize index = wire_find (edit->body, from, NULL);
    g_autofree char *wire = path_index ("wires", (gsize)MAX (index, 0));
    g_ptr_array_add (run->own, edit_path (edit, wire));
}

static void
keep (Run *run, Edit *edit)
{
    g_autoptr (GPtrArray) changes = description_changes (run->root, edit->root);

    for (guint i = 0; i < changes->len; i++) {
        g_autofree char *path = description_change_path (g_ptr_array_index (changes, i));
        json_array_append_new (run->touched, json_string (path));
    }
    json_array_append_new (run->inverse, edit->is_rename ? json_pack ("[o]", rename_back (edit->op))
                                                         : ops_between (edit->root, run->root));
    json_array_extend (run->renamed, edit->renamed);
    add_own (run, edit);
    json_decref (run->root);
    run->root = json_incref (edit->root);
}

static void
run_op (Run *run, const json_t *op, gsize index, const Catalog *catalog, Problems *problems)
{
    g_autofree char *place = path_index ("ops", index);
    g_autoptr (json_t) root = json_copy (run->root);
    g_autoptr (json_t) renamed = json_array ();
    Edit edit = {
        .root = root, .op = op, .place = place, .catalog = catalog, .renamed = renamed, .problems = problems};

    if (!json_is_object (op))
        field_wrong_type (op, "an object such as {\"op\": \"wire\", ...}", place, problems);
    else if (act (&edit))
        keep (run, &edit);
}

/* The inverses of the last operation first, as one list. */
static json_t *
all_inverse (const Run *run)
{
    json_t *list = json_array ();

    for (gsize i = json_array_size (run->inverse); i > 0; i--)
        json_array_extend (list, json_array_get (run->inverse, i - 1));
    return list;
}

static gboolean
is_own (const Run *run, const char *path)
{
    for (guint i = 0; i < run->own->len; i++) {
        const char *own = g_ptr_array_index (run->own, i);
        if (strncmp (path, own, strlen (own)) == 0 && paths_overlap (path, own))
            return TRUE;
    }
    return FALSE;
}

/* What the checks of descriptions say of the result. */
static void
check_result (Run *run, const Catalog *catalog, Problems *problems)
{
    g_autoptr (Problems) found = problems_new ();
    g_autoptr (Document) document = document_new (run->root);

    topology_free (topology_from_document (document, catalog, found));
    run->problems = problems_json (found);
    for (guint i = 0; i < problems_kept (found); i++) {
        const Problem *problem = problems_get (found, i);
        if (ops_problem_is_shape (problem) ||
            (!ops_problem_is_open (problem->code) && is_own (run, problem->path)))
            problems_add (problems, problem->code, problem->path, problem->nearest, "%s", problem->message);
    }
}

static void
run_clear (Run *run)
{
    json_decref (run->root);
    json_decref (run->inverse);
    json_decref (run->touched);
    json_decref (run->renamed);
    json_decref (run->problems);
    g_ptr_array_unref (run->own);
}

gboolean
ops_apply (const json_t *document, const json_t *ops, const Catalog *catalog, OpsResult *result,
           Problems *problems)
{
    Run run = {json_incref ((json_t *)document), json_array (), json_array (), json_array (), NULL,
               g_ptr_array_new_with_free_func (g_free)};
    guint before = problems_count (problems);
    gsize index;
    json_t *op;

    if (!json_is_array (ops))
        field_wrong_type (ops, "a list of operations", "ops", problems);
    else if (json_array_size (ops) > OPS_MAX)
        problems_add (problems, "too_many", "ops", NULL, "has %zu entries; at most %d are allowed",
                      json_array_size (ops), OPS_MAX);
    else
        json_array_foreach (ops, index, op)
            run_op (&run, op, index, catalog, problems);
    if (problems_count (problems) == before && ops_check_limits (run.root, problems) && catalog != NULL)
        check_result (&run, catalog, problems);
    gboolean good = problems_count (problems) == before;
    if (good)
        *result = (OpsResult){json_incref (run.root), all_inverse (&run), json_incref (run.touched),
                              json_incref (run.renamed), json_incref (run.problems)};
    run_clear (&run);
    return good;
}

/* -- what may stay -- */

gboolean
ops_problem_is_open (const char *code)
{
    static const char *const codes[] = {
        "terminal_required", "volume_missing", "property_missing", "empty", "missing_key", NULL};
    return g_strv_contains (codes, code);
}

/* Of the application or of a section: {"instances"}, {"instances", "web"}, the same in an assembly. */
static gboolean
is_outer_place (const char *path)
{
    g_auto (GStrv) words = path_split (path);
    guint n = words != NULL ? g_strv_length (words) : 0;

    return n <= 2 || (n <= 4 && strcmp (words[0], "assemblies") == 0);
}

gboolean
ops_problem_is_shape (const Problem *problem)
{
    static const char *const codes[] = {"syntax",        "too_large", "too_deep", "too_many", "too_long",
                                        "duplicate_key", "bad_name",  "bad_text", NULL};
    return g_strv_contains (codes, problem->code) ||
           (strcmp (problem->code, "wrong_type") == 0 && is_outer_place (problem->path));
}

static void
count_values (const json_t *value, guint depth, guint *nodes, guint *deepest, gsize *longest)
{
    const char *key;
    json_t *inner;
    gsize index;

    *nodes += 1;
    *deepest = MAX (*deepest, depth);
    if (depth > DOCUMENT_LIMIT_DEPTH || *nodes > DOCUMENT_LIMIT_NODES)
        return;
    json_array_foreach ((json_t *)value, index, inner)
        count_values (inner, depth + 1, nodes, deepest, longest);
    json_object_foreach ((json_t *)value, key, inner) {
        *longest = MAX (*longest, strlen (key));
        count_values (inner, depth + 1, nodes, deepest, longest);
    }
}

gboolean
ops_check_limits (const json_t *document, Problems *problems)
{
    guint nodes = 0, deepest = 0;
    gsize longest = 0;

    count_values (document, 0, &nodes, &deepest, &longest);
    if (deepest > DOCUMENT_LIMIT_DEPTH)
        problems_add (problems, "too_deep", "", NULL, "more than %d levels are not allowed",
                      DOCUMENT_LIMIT_DEPTH);
    else if (nodes > DOCUMENT_LIMIT_NODES)
        problems_add (problems, "too_large", "", NULL, "more than %d values are not allowed",
                      DOCUMENT_LIMIT_NODES);
    else if (longest > DOCUMENT_LIMIT_KEY_BYTES)
        problems_add (problems, "too_long", "", NULL, "a key is longer than any name may be");
    else
        return TRUE;
    return FALSE;
}
