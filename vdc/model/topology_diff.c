#include "vdc/model/topology_diff.h"

#include "vdc/base/json.h"

#include <string.h>

static const char *const kind_names[] = {"live", "restart", "add", "remove"};

const char *
change_kind_name (ChangeKind kind)
{
    return kind_names[kind];
}

static void
change_free (gpointer data)
{
    MemberChange *change = data;

    g_free (change->member);
    g_free (change->text);
    g_free (change);
}

void
topology_diff_free (TopologyDiff *diff)
{
    if (diff == NULL)
        return;
    g_ptr_array_unref (diff->members);
    g_ptr_array_unref (diff->volumes_new);
    g_ptr_array_unref (diff->volumes_unused);
    g_ptr_array_unref (diff->volumes_grown);
    g_ptr_array_unref (diff->volumes_problem);
    problems_free (diff->warnings);
    g_free (diff);
}

/* -- one member -- */

typedef struct {
    const Topology *before, *after;
    Problems *warnings;
    GPtrArray *texts; /* char * */
    gboolean restart, new_root;
} Compare;

static void
note (Compare *compare, gboolean restart, char *text)
{
    compare->restart |= restart;
    g_ptr_array_add (compare->texts, text);
}

/* Secrets stay secret; other values as JSON, so that "8080" and 8080 look different. */
static char *
shown (const Member *member, const char *name, const json_t *value)
{
    const Property *property = boundary_property (&member->class->boundary, name);

    if (value == NULL)
        return g_strdup ("unset");
    if (property != NULL && property->type == PROPERTY_SECRET)
        return g_strdup ("(secret)");
    g_autofree char *text = json_text (value);
    return text[0] == '"' ? problem_quote (json_string_value (value)) : g_steal_pointer (&text);
}

static void
compare_setting (Compare *compare, const Member *before, const Member *after, const char *name)
{
    json_t *old = json_object_get (before->settings, name), *new = json_object_get (after->settings, name);

    if (old == new || (old != NULL && new != NULL &&json_equal (old, new)))
        return;
    g_autofree char *from = shown (before, name, old);
    g_autofree char *to = shown (after, name, new);
    note (compare, FALSE, g_strdup_printf ("setting %s: %s -> %s", name, from, to));
}

static void
compare_settings (Compare *compare, const Member *before, const Member *after)
{
    const char *name;
    json_t *value;

    json_object_foreach (after->settings, name, value)
        compare_setting (compare, before, after, name);
    json_object_foreach (before->settings, name, value)
        if (json_object_get (after->settings, name) == NULL)
            compare_setting (compare, before, after, name);
}

/* The class's terminals and slots: what its machine is built of. Texts for people are not in it. */
static char *
machine_text (const Class *class)
{
    GString *text = g_string_new (class->outside ? "outside" : class->unmanaged ? "unmanaged" : "");

    if (class->screen)
        g_string_append (text, " screen");
    for (guint i = 0; i < class->boundary.terminals->len; i++) {
        const Terminal *terminal = g_ptr_array_index (class->boundary.terminals, i);
        g_string_append_printf (text, " %s %s %s %d", terminal->name, terminal_side_name (terminal->side),
                                terminal->protocol->name, terminal->gateway);
    }
    for (guint i = 0; i < class->boundary.volumes->len; i++) {
        const VolumeSlot *slot = g_ptr_array_index (class->boundary.volumes, i);
        g_string_append_printf (text, " %s %s %s", slot->name, slot->mount, slot_mode_name (slot->mode));
    }
    return g_string_free (text, FALSE);
}

/* Another class or version has another image; the same one with other terminals is only built anew around its
 * disks. */
static void
compare_class (Compare *compare, const Member *before, const Member *after)
{
    g_autofree char *from = member_class_text (before);
    g_autofree char *to = member_class_text (after);
    g_autofree char *old_machine = machine_text (before->class);
    g_autofree char *new_machine = machine_text (after->class);

    compare->new_root = strcmp (from, to) != 0;
    if (compare->new_root)
        note (compare, TRUE, g_strdup_printf ("class %s -> %s", from, to));
    else if (strcmp (old_machine, new_machine) != 0)
        note (compare, TRUE, g_strdup_printf ("class %s: its terminals or volumes changed", to));
}

static void
compare_amount (Compare *compare, const char *name, AmountKind kind, double before, double after)
{
    if (before == after)
        return;
    g_autofree char *from = amount_text (before, kind);
    g_autofree char *to = amount_text (after, kind);
    note (compare, TRUE, g_strdup_printf ("%s: %s -> %s", name, from, to));
}

static void
compare_resources (Compare *compare, const Resources *before, const Resources *after)
{
    compare_amount (compare, "cpu", AMOUNT_CPU, before->cpu, after->cpu);
    compare_amount (compare, "memory", AMOUNT_MEMORY, before->memory_bytes, after->memory_bytes);
    compare_amount (compare, "network", AMOUNT_NETWORK, before->network_bps, after->network_bps);
    if (before->cpu_cap != after->cpu_cap)
        note (compare, TRUE, g_strdup_printf ("cpu_cap: %s", after->cpu_cap ? "true" : "false"));
}

static const MemberVolume *
volume_in (const Member *member, const char *slot)
{
    for (guint i = 0; i < member->volumes->len; i++) {
        const MemberVolume *volume = g_ptr_array_index (member->volumes, i);
        if (strcmp (volume->slot->name, slot) == 0)
            return volume;
    }
    return NULL;
}

static gboolean
has_volume (const Topology *topology, const char *name)
{
    for (guint i = 0; i < topology->volumes->len; i++)
        if (strcmp (((const TopologyVolume *)g_ptr_array_index (topology->volumes, i))->name, name) == 0)
            return TRUE;
    return FALSE;
}

/*
 * A name gone from the application and a new one on the same slot: it may be a rename that was meant to keep
 * the data, and is an empty volume instead.
 */
static void
warn_replaced (Compare *compare, const Member *member, const MemberVolume *old, const MemberVolume *new)
{
    if (has_volume (compare->after, old->volume) || has_volume (compare->before, new->volume))
        return;
    g_autofree char *path = g_strdup_printf ("volumes.%s", new->declared);
    problems_add (compare->warnings, "volume_replaced", path, NULL,
                  "'%s' of '%s' would get the new, empty volume '%s' instead of '%s'; renaming a volume is "
                  "an operation "
                  "of its own",
                  new->slot->name, member->name, new->volume, old->volume);
}

static void
compare_volumes (Compare *compare, const Member *before, const Member *after)
{
    for (guint i = 0; i < after->volumes->len; i++) {
        const MemberVolume *new = g_ptr_array_index (after->volumes, i);
        const MemberVolume *old = volume_in (before, new->slot->name);
        if (old == NULL) {
            note (compare, TRUE, g_strdup_printf ("volume %s: %s attached", new->slot->name, new->volume));
        } else if (strcmp (old->volume, new->volume) != 0) {
            note (compare, TRUE,
                  g_strdup_printf ("volume %s: %s -> %s", new->slot->name, old->volume, new->volume));
            warn_replaced (compare, after, old, new);
        }
    }
    for (guint i = 0; i < before->volumes->len; i++) {
        const MemberVolume *old = g_ptr_array_index (before->volumes, i);
        if (volume_in (after, old->slot->name) == NULL)
            note (compare, TRUE, g_strdup_printf ("volume %s: %s detached", old->slot->name, old->volume));
    }
}

static gboolean
same_targets (const MemberWire *a, const MemberWire *b)
{
    if (strcmp (a->text, b->text) != 0 || a->protocol != b->protocol || a->to->len != b->to->len)
        return FALSE;
    for (guint i = 0; i < a->to->len; i++) {
        const Member *left = g_ptr_array_index (a->to, i), *right = g_ptr_array_index (b->to, i);
        if (strcmp (left->name, right->name) != 0)
            return FALSE;
    }
    return TRUE;
}

static void
compare_wires (Compare *compare, const Member *before, const Member *after)
{
    for (guint i = 0; i < after->class->boundary.terminals->len; i++) {
        const Terminal *terminal = g_ptr_array_index (after->class->boundary.terminals, i);
        const MemberWire *old = topology_wire (compare->before, before, terminal->name);
        const MemberWire *new = topology_wire (compare->after, after, terminal->name);
        if (old != NULL && (new == NULL || strcmp (old->text, new->text) != 0))
            note (compare, FALSE, g_strdup_printf ("wire %s removed", old->text));
        if (new != NULL && (old == NULL || strcmp (old->text, new->text) != 0))
            note (compare, FALSE, g_strdup_printf ("wire %s added", new->text));
        else if (new != NULL && old != NULL && !same_targets (old, new))
            note (compare, FALSE, g_strdup_printf ("wire %s: other members", new->text));
    }
}

static char *
join (GPtrArray *texts)
{
    g_ptr_array_add (texts, NULL);
    char *joined = g_strjoinv ("; ", (char **)texts->pdata);
    g_ptr_array_remove_index (texts, texts->len - 1);
    return joined;
}

static void
add_change (TopologyDiff *diff, ChangeKind kind, const char *member, gboolean new_root, char *text)
{
    MemberChange *change = g_new0 (MemberChange, 1);

    change->kind = kind;
    change->member = g_strdup (member);
    change->new_root = new_root;
    change->text = text;
    g_ptr_array_add (diff->members, change);
}

static void
compare_members (TopologyDiff *diff, const Topology *before, const Topology *after, const Member *old,
                 const Member *new)
{
    g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
    Compare compare = {before, after, diff->warnings, texts, FALSE, FALSE};

    compare_class (&compare, old, new);
    compare_resources (&compare, &old->resources, &new->resources);
    compare_volumes (&compare, old, new);
    compare_settings (&compare, old, new);
    compare_wires (&compare, old, new);
    /* What is new reaches it through its seed, which is read when it boots. */
    if (texts->len > 0 && new->class->unmanaged)
        compare.restart = TRUE;
    if (texts->len > 0)
        add_change (diff, compare.restart ? CHANGE_RESTART : CHANGE_LIVE, new->name, compare.new_root,
                    join (texts));
}

/* -- volumes of the application -- */

static const TopologyVolume *
find_volume (const Topology *topology, const char *name)
{
    for (guint i = 0; topology != NULL && i < topology->volumes->len; i++) {
        const TopologyVolume *volume = g_ptr_array_index (topology->volumes, i);
        if (strcmp (volume->name, name) == 0)
            return volume;
    }
    return NULL;
}

static void
compare_volume (TopologyDiff *diff, const Topology *before, const TopologyVolume *new)
{
    const TopologyVolume *old = find_volume (before, new->name);

    if (old == NULL) {
        g_ptr_array_add (diff->volumes_new, g_strdup (new->name));
    } else if (new->declared->size_bytes > old->declared->size_bytes) {
        g_ptr_array_add (diff->volumes_grown, g_strdup (new->name));
    } else if (new->declared->size_bytes < old->declared->size_bytes) {
        g_autofree char *from = amount_text (old->declared->size_bytes, AMOUNT_SIZE);
        g_autofree char *to = amount_text (new->declared->size_bytes, AMOUNT_SIZE);
        g_ptr_array_add (
            diff->volumes_problem,
            g_strdup_printf ("volume '%s' cannot become smaller (%s -> %s)", new->name, from, to));
    }
}

/*
 * Members of a per_member slot that is scaled down keep their volumes without a warning: that is what the
 * slot promises. A declared name that is gone from the description is another matter.
 */
static void
unuse_volume (TopologyDiff *diff, const Topology *after, const TopologyVolume *old)
{
    if (find_volume (after, old->name) != NULL)
        return;
    g_ptr_array_add (diff->volumes_unused, g_strdup (old->name));
    if (application_volume (after->application, old->declared->name) != NULL)
        return;
    g_autofree char *path = g_strdup_printf ("volumes.%s", old->declared->name);
    problems_add (diff->warnings, "volume_unused", path, NULL,
                  "volume '%s' is no longer named: it is detached and kept as unused", old->name);
}

/* -- the whole -- */

static void
compare_topologies (TopologyDiff *diff, const Topology *before, const Topology *after)
{
    for (guint i = 0; i < after->members->len; i++) {
        const Member *new = g_ptr_array_index (after->members, i);
        const Member *old = before != NULL ? topology_member (before, new->name) : NULL;
        if (old != NULL)
            compare_members (diff, before, after, old, new);
        else
            add_change (diff, CHANGE_ADD, new->name, FALSE, member_class_text (new));
    }
    for (guint i = 0; i < after->volumes->len; i++)
        compare_volume (diff, before, g_ptr_array_index (after->volumes, i));
    for (guint i = 0; before != NULL && i < before->members->len; i++) {
        const Member *old = g_ptr_array_index (before->members, i);
        if (topology_member (after, old->name) == NULL)
            add_change (diff, CHANGE_REMOVE, old->name, FALSE, member_class_text (old));
    }
    for (guint i = 0; before != NULL && i < before->volumes->len; i++)
        unuse_volume (diff, after, g_ptr_array_index (before->volumes, i));
}

TopologyDiff *
topology_diff (const Topology *before, const Topology *after)
{
    TopologyDiff *diff = g_new0 (TopologyDiff, 1);

    diff->members = g_ptr_array_new_with_free_func (change_free);
    diff->volumes_new = g_ptr_array_new_with_free_func (g_free);
    diff->volumes_unused = g_ptr_array_new_with_free_func (g_free);
    diff->volumes_grown = g_ptr_array_new_with_free_func (g_free);
    diff->volumes_problem = g_ptr_array_new_with_free_func (g_free);
    diff->warnings = problems_new ();
    compare_topologies (diff, before, after);
    return diff;
}

gboolean
topology_diff_is_empty (const TopologyDiff *diff)
{
    return diff->members->len + diff->volumes_new->len + diff->volumes_unused->len +
               diff->volumes_grown->len + diff->volumes_problem->len ==
           0;
}

static json_t *
names_json (GPtrArray *names)
{
    json_t *list = json_array ();

    for (guint i = 0; i < names->len; i++)
        json_array_append_new (list, json_string (g_ptr_array_index (names, i)));
    return list;
}

json_t *
topology_diff_json (const TopologyDiff *diff)
{
    json_t *object = json_object (), *members = json_array (), *volumes = json_object ();

    for (guint i = 0; i < diff->members->len; i++) {
        const MemberChange *change = g_ptr_array_index (diff->members, i);
        json_array_append_new (members, json_pack ("{s:s, s:s, s:s}", "member", change->member, "change",
                                                   change_kind_name (change->kind), "text", change->text));
    }
    json_put (volumes, "new", names_json (diff->volumes_new));
    json_put (volumes, "unused", names_json (diff->volumes_unused));
    json_put (volumes, "grown", names_json (diff->volumes_grown));
    json_put (volumes, "problem", names_json (diff->volumes_problem));
    json_put (object, "members", members);
    json_put (object, "volumes", volumes);
    json_put (object, "warnings", problems_json (diff->warnings));
    return object;
}
