#include "vdc/model/description_diff.h"

#include "vdc/base/json.h"
#include "vdc/model/description_changes.h"
#include "vdc/model/ops_internal.h"
#include "vdc/model/topology_diff.h"

#include <string.h>

typedef struct {
    const json_t *before, *after;
    const Topology *old, *new;
    const Catalog *catalog;
    GHashTable *restarts; /* member → itself: restart by what the topologies say */
    GHashTable *told;     /* set of those that a change of the documents explains */
    guint kept;           /* members that are there before and after */
    json_t *list;
} Diff;

/* -- what a place is about -- */

typedef struct {
    const char *instance; /* the application's; NULL: none or several */
    GPtrArray *groups;    /* char *: groups of members that it touches */
    gboolean runs;        /* it is more than a text or a position */
    gboolean may_restart;
} Scope;

static void
scope_clear (Scope *scope)
{
    g_ptr_array_unref (scope->groups);
}

/* Groups of the instances made of @assembly anywhere in @document: "front", "front.pages". */
static void
find_uses (const json_t *document, const json_t *body, const char *prefix, const char *assembly, guint depth,
           GPtrArray *groups)
{
    const char *name, *own;
    json_t *value, *inner;

    if (depth > TOPOLOGY_DEPTH_MAX)
        return;
    json_object_foreach (json_object_get (body, "instances"), name, value) {
        const char *ref = json_str (value, "class", "");
        g_autofree char *group = g_strconcat (prefix, name, NULL);
        g_autofree char *below = g_strconcat (group, ".", NULL);
        if (ref_is_own (ref, assembly))
            g_ptr_array_add (groups, g_strdup (group));
        json_object_foreach (json_object_get (document, "assemblies"), own, inner)
            if (ref_is_own (ref, own))
                find_uses (document, inner, below, assembly, depth + 1, groups);
    }
}

/* The same with @name behind each. */
static void
add_uses (const Diff *diff, const char *assembly, const char *name, GPtrArray *groups)
{
    g_autoptr (GPtrArray) uses = g_ptr_array_new_with_free_func (g_free);

    find_uses (diff->after, diff->after, "", assembly, 0, uses);
    for (guint i = 0; i < uses->len; i++)
        g_ptr_array_add (groups, name != NULL ? g_strdup_printf ("%s.%s", (char *)uses->pdata[i], name)
                                              : g_strdup (uses->pdata[i]));
}

static gboolean
is_built_in (const char *key)
{
    static const char *const keys[] = {"class", "resources", "volumes", NULL};
    return g_strv_contains (keys, key);
}

static Scope
scope_of (const Diff *diff, const DescriptionChange *change, char **words)
{
    static const char *const texts[] = {"layout", "summary", "help", "version", NULL};
    Scope scope = {.groups = g_ptr_array_new_with_free_func (g_free)};
    gboolean instance = strcmp (words[0], "instances") == 0 && words[1] != NULL;

    scope.runs = !g_strv_contains (texts, words[0]);
    scope.may_restart = instance && words[2] != NULL && is_built_in (words[2]);
    if (strcmp (words[0], "assemblies") == 0) {
        scope.may_restart = TRUE;
        add_uses (diff, words[1], NULL, scope.groups);
    } else if (change->in != NULL) {
        add_uses (diff, change->in, instance ? words[1] : NULL, scope.groups);
    } else if (instance) {
        scope.instance = words[1];
        g_ptr_array_add (scope.groups, g_strdup (words[1]));
    }
    return scope;
}

static gboolean
is_in_group (const char *group, const char *outer)
{
    gsize length = strlen (outer);
    return strncmp (group, outer, length) == 0 && (group[length] == '\0' || group[length] == '.');
}

/* -- effects -- */

/* Members of @scope that restart. */
static json_t *
restarting (Diff *diff, const Scope *scope)
{
    json_t *members = json_array ();

    for (guint i = 0; diff->new != NULL &&i < diff->new->members->len; i++) {
        const Member *member = diff->new->members->pdata[i];
        gboolean inside = FALSE;
        for (guint k = 0; k < scope->groups->len; k++)
            inside |= is_in_group (member->group, scope->groups->pdata[k]);
        if (!inside || !scope->may_restart || !g_hash_table_contains (diff->restarts, member->name))
            continue;
        json_array_append_new (members, json_string (member->name));
        g_hash_table_add (diff->told, member->name);
    }
    return members;
}

static gboolean
is_one_instance (const json_t *members)
{
    g_autofree char *first = NULL;

    for (gsize i = 0; i < json_array_size (members); i++) {
        const char *name = json_string_value (json_array_get (members, i));
        g_autofree char *top = g_strndup (name, strcspn (name, "."));
        if (first != NULL && strcmp (first, top) != 0)
            return FALSE;
        if (first == NULL)
            first = g_steal_pointer (&top);
    }
    return TRUE;
}

static const char *
effect_of (const Diff *diff, const Scope *scope, const json_t *members)
{
    if (!scope->runs)
        return "none";
    if (diff->old == NULL || diff->new == NULL)
        return scope->may_restart ? "restart" : "live";
    if (json_array_size (members) == 0)
        return "live";
    return json_array_size (members) == diff->kept && !is_one_instance (members) ? "restart_all" : "restart";
}

/* -- values as they may be seen -- */

static const Boundary *
boundary_of (const Diff *diff, const json_t *document, const char *instance)
{
    const json_t *value = json_object_get (json_object_get (document, "instances"), instance);
    const char *ref = json_str (value, "class", "");
    CatalogEntry entry;

    if (diff->catalog == NULL || !catalog_ref_is_valid (ref) || !catalog_get (diff->catalog, ref, &entry))
        return NULL;
    return catalog_entry_boundary (&entry);
}

static gboolean
is_secret (const Boundary *boundary, const char *name)
{
    const Property *property = boundary != NULL ? boundary_property (boundary, name) : NULL;
    return property != NULL && property->type == PROPERTY_SECRET;
}

/* A copy of settings, or of an instance that has them, without secrets. */
static json_t *
without_secrets (const Boundary *boundary, json_t *value)
{
    g_autoptr (json_t) copy = json_deep_copy (value);
    json_t *inner = json_object_get (copy, "set"), *set = json_is_object (inner) ? inner : copy, *setting;
    const char *name;
    void *next;

    json_object_foreach_safe (set, next, name, setting)
        if (is_secret (boundary, name))
            json_object_set_new (set, name, json_string ("(secret)"));
    return g_steal_pointer (&copy);
}

static json_t *
shown (const Diff *diff, const json_t *document, const DescriptionChange *change, char **words, json_t *value)
{
    const json_t *body = change->in != NULL
                             ? json_object_get (json_object_get (document, "assemblies"), change->in)
                             : document;

    if (value == NULL)
        return json_null ();
    if (strcmp (words[0], "instances") != 0 || words[1] == NULL)
        return json_incref (value);
    const Boundary *boundary = boundary_of (diff, body, words[1]);
    gboolean setting = words[2] != NULL && strcmp (words[2], "set") == 0;
    if (setting && words[3] != NULL && is_secret (boundary, words[3]))
        return json_string ("(secret)");
    return words[2] == NULL || (setting && words[3] == NULL) ? without_secrets (boundary, value)
                                                             : json_incref (value);
}

/* -- the list -- */

static void
add_change (Diff *diff, const DescriptionChange *change)
{
    g_autofree char *path = description_change_path (change);
    g_auto (GStrv) words = path_split (change->path);

    if (words == NULL)
        words = g_strsplit (change->path, ".", -1);
    Scope scope = scope_of (diff, change, words);
    json_t *members = restarting (diff, &scope);
    json_t *item = json_pack ("{s:s, s:o, s:o, s:s, s:s?}", "path", path, "from",
                              shown (diff, diff->before, change, words, change->from), "to",
                              shown (diff, diff->after, change, words, change->to), "effect",
                              effect_of (diff, &scope, members), "instance", scope.instance);
    json_put (item, "members", members);
    json_array_append_new (diff->list, item);
    scope_clear (&scope);
}

/* Restarts that no document explains: the catalog has another version of the class. */
static void
add_catalog_changes (Diff *diff)
{
    for (guint i = 0; diff->new != NULL &&i < diff->new->members->len; i++) {
        const Member *member = diff->new->members->pdata[i];
        const Member *old = topology_member (diff->old, member->name);
        if (!g_hash_table_contains (diff->restarts, member->name) ||
            g_hash_table_contains (diff->told, member->name))
            continue;
        g_autofree char *from = member_class_text (old);
        g_autofree char *to = member_class_text (member);
        g_autofree char *top = g_strndup (member->group, strcspn (member->group, "."));
        g_autofree char *parent = path_key ("instances", top);
        g_autofree char *path = path_key (parent, "class");
        json_array_append_new (diff->list, json_pack ("{s:s, s:s, s:s, s:s, s:s, s:[s], s:b}", "path", path,
                                                      "from", from, "to", to, "effect", "restart", "instance",
                                                      top, "members", member->name, "catalog", 1));
    }
}

static void
find_restarts (Diff *diff)
{
    g_autoptr (TopologyDiff) members = topology_diff (diff->old, diff->new);

    for (guint i = 0; i < members->members->len; i++) {
        const MemberChange *change = members->members->pdata[i];
        if (change->kind == CHANGE_RESTART)
            g_hash_table_add (diff->restarts, g_strdup (change->member));
    }
    for (guint i = 0; i < diff->new->members->len; i++)
        diff->kept += topology_member (diff->old, ((Member *)diff->new->members->pdata[i])->name) != NULL;
}

json_t *
description_diff (const json_t *before, const json_t *after, const Topology *old, const Topology *new,
                  const Catalog *catalog)
{
    g_autoptr (GHashTable) restarts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr (GHashTable) told = g_hash_table_new (g_str_hash, g_str_equal);
    g_autoptr (GPtrArray) changes = description_changes (before, after);
    Diff diff = {before, after, old, new, catalog, restarts, told, 0, json_array ()};

    if (old == NULL || new == NULL)
        diff.old = diff.new = NULL;
    else
        find_restarts (&diff);
    for (guint i = 0; i < changes->len; i++)
        add_change (&diff, changes->pdata[i]);
    add_catalog_changes (&diff);
    return diff.list;
}
