#include "vdc/controller/metrics/metrics_private.h"

#include <math.h>
#include <string.h>

static void
look_free (gpointer data)
{
    Look *look = data;
    json_decref (look->counters);
    g_free (look);
}

Metrics *
metrics_new (const char *folder)
{
    Metrics *metrics = g_new0 (Metrics, 1);
    metrics->folder = g_strdup (folder);
    metrics->looks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, look_free);
    metrics->latest = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    metrics_files_new (metrics);
    return metrics;
}

void
metrics_free (Metrics *metrics)
{
    if (metrics == NULL)
        return;
    metrics_files_free (metrics);
    g_hash_table_unref (metrics->looks);
    g_hash_table_unref (metrics->latest);
    g_free (metrics->folder);
    g_free (metrics);
}

/* Names of members, volumes and servers are safe in paths; wires and counters are not names of ours. */
char *
metrics_path (MetricKind kind, const char *id, const char *part, const char *counter)
{
    const char *folder = metric_kind_name (kind);
    if (kind == METRIC_VOLUME || kind == METRIC_SERVER)
        return g_strdup_printf ("%s/%s.rrd", folder, id);
    if (kind == METRIC_INSTANCE)
        return g_strdup_printf ("%s/%s/%s.rrd", folder, id, part);
    g_autofree char *digest =
        g_compute_checksum_for_string (G_CHECKSUM_SHA256, kind == METRIC_WIRE ? part : counter, -1);
    digest[16] = '\0';
    return kind == METRIC_WIRE ? g_strdup_printf ("%s/%s/%s.rrd", folder, id, digest)
                               : g_strdup_printf ("%s/%s/%s/%s.rrd", folder, id, part, digest);
}

/* --- looking ------------------------------------------------------------------------------------------------- */

/* One round over everything. */
typedef struct {
    Metrics *metrics;
    gint64 at_s;
    const ApplicationRecord *application;
    GHashTable *wires; /* of the application: text → double[METRICS_MAX] */
} Round;

/*
 * @counters against the last look at @key, which they replace. FALSE: nobody looked anew since then. *@before
 * may be NULL (caller unrefs); *@seconds between the two.
 */
static gboolean
compare (Round *round, const char *key, json_t *counters, json_t **before, double *seconds)
{
    gint64 at_us = json_int (counters, "at_us", 0);
    Look *last = g_hash_table_lookup (round->metrics->looks, key);
    if (last != NULL && last->at_us == at_us)
        return FALSE;
    *before = last != NULL ? json_incref (last->counters) : NULL;
    *seconds = last != NULL ? (double)(at_us - last->at_us) / G_USEC_PER_SEC : 0;
    Look *look = g_new0 (Look, 1);
    look->counters = json_incref (counters);
    look->at_us = at_us;
    g_hash_table_replace (round->metrics->looks, g_strdup (key), look);
    return TRUE;
}

static void
look_at_wires (Round *round, const char *group, const json_t *counters, const json_t *before, double seconds)
{
    const char *text;
    json_t *wire;
    g_autofree char *client = g_strconcat (group, ".", NULL);
    json_object_foreach (json_object_get (counters, "wires"), text, wire) {
        if (!g_str_has_prefix (text, client))
            continue;
        double *values = g_hash_table_lookup (round->wires, text);
        if (values == NULL) {
            values = g_new (double, METRICS_MAX);
            metric_clear (values);
            g_hash_table_insert (round->wires, g_strdup (text), values);
        }
        metric_add_wire (wire, json_object_get (json_object_get (before, "wires"), text), seconds, values);
    }
}

static void
look_at_guest (Round *round, const char *member, const json_t *counters, const json_t *before, double seconds)
{
    const char *name;
    json_t *value;
    double values[METRICS_MAX];
    json_object_foreach (json_object_get (counters, "guest"), name, value) {
        g_autofree char *path = metrics_path (METRIC_GUEST, round->application->id, member, name);
        metric_of_guest (value, json_object_get (json_object_get (before, "guest"), name), seconds, values);
        metrics_take (round->metrics, METRIC_GUEST, path, round->at_s, values);
    }
}

/* They are looked at by themselves, so they have a time of their own. */
static void
look_at_volumes (Round *round, const json_t *counters, const json_t *before)
{
    const char *id;
    json_t *volume;
    double values[METRICS_MAX];
    json_object_foreach (json_object_get (counters, "volumes"), id, volume) {
        g_autofree char *path = metrics_path (METRIC_VOLUME, id, NULL, NULL);
        const json_t *last = json_object_get (json_object_get (before, "volumes"), id);
        gint64 us = json_int (volume, "at_us", 0) - json_int (last, "at_us", 0);
        metric_of_volume (volume, last, (double)us / G_USEC_PER_SEC, values);
        metrics_take (round->metrics, METRIC_VOLUME, path, round->at_s, values);
    }
}

static void
look_at_member (Round *round, const MemberRecord *member)
{
    json_t *counters = json_object_get (member->report, "counters");
    g_autoptr (json_t) before = NULL;
    double values[METRICS_MAX], seconds;
    const Member *described = round->application->topology != NULL
                                  ? topology_member (round->application->topology, member->name)
                                  : NULL;
    g_autofree char *path = metrics_path (METRIC_INSTANCE, round->application->id, member->name, NULL);
    if (counters == NULL || !member_has_vm (member) || !compare (round, path, counters, &before, &seconds))
        return;
    metric_of_instance (counters, before, seconds, values);
    metrics_take (round->metrics, METRIC_INSTANCE, path, round->at_s, values);
    look_at_guest (round, member->name, counters, before, seconds);
    look_at_volumes (round, counters, before);
    if (described != NULL)
        look_at_wires (round, described->group, counters, before, seconds);
}

static void
look_at_application (Round *round, const ApplicationRecord *application)
{
    GHashTableIter iter;
    const char *text;
    const double *values;
    round->application = application;
    round->wires = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < application->members->len; i++)
        look_at_member (round, application->members->pdata[i]);
    g_hash_table_iter_init (&iter, round->wires);
    while (g_hash_table_iter_next (&iter, (gpointer *)&text, (gpointer *)&values)) {
        g_autofree char *path = metrics_path (METRIC_WIRE, application->id, text, NULL);
        metrics_take (round->metrics, METRIC_WIRE, path, round->at_s, values);
    }
    g_hash_table_unref (round->wires);
}

static void
look_at_server (Round *round, const Server *server)
{
    g_autoptr (json_t) before = NULL;
    double values[METRICS_MAX], seconds;
    g_autofree char *path = metrics_path (METRIC_SERVER, server->name, NULL, NULL);
    if (server->state != SERVER_UP || server->info == NULL ||
        !compare (round, path, server->info, &before, &seconds))
        return;
    metric_of_server (server->info, before, seconds, values);
    values[4] = g_hash_table_size (server->reports);
    metrics_take (round->metrics, METRIC_SERVER, path, round->at_s, values);
}

static gboolean
is_old (gpointer path, gpointer latest, gpointer at_s)
{
    return ((Latest *)latest)->at_s < *(gint64 *)at_s - METRIC_GAP_S;
}

static gboolean
is_gone (gpointer path, gpointer look, gpointer metrics)
{
    return !g_hash_table_contains (((Metrics *)metrics)->latest, path);
}

static void
look (Controller *controller)
{
    Metrics *metrics = controller->metrics;
    GHashTableIter iter;
    gpointer value;
    Round round = {.metrics = metrics, .at_s = controller_now_us (controller) / G_USEC_PER_SEC};
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        look_at_application (&round, value);
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        look_at_server (&round, value);
    g_hash_table_foreach_remove (metrics->latest, is_old, &round.at_s);
    g_hash_table_foreach_remove (metrics->looks, is_gone, metrics);
}

static void
sweep (Controller *controller)
{
    static const MetricKind of_applications[] = {METRIC_INSTANCE, METRIC_WIRE, METRIC_GUEST};
    GHashTable *known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        for (guint i = 0; i < G_N_ELEMENTS (of_applications); i++)
            g_hash_table_add (known, g_strdup_printf ("%s/%s", metric_kind_name (of_applications[i]),
                                                      ((ApplicationRecord *)value)->id));
    g_hash_table_iter_init (&iter, controller->volumes);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        g_hash_table_add (known, metrics_path (METRIC_VOLUME, ((VolumeRecord *)value)->id, NULL, NULL));
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        g_hash_table_add (known, metrics_path (METRIC_SERVER, ((Server *)value)->name, NULL, NULL));
    metrics_sweep (controller->metrics, known);
}

void
metrics_tick (Controller *controller)
{
    Metrics *metrics = controller->metrics;
    gint64 now_us = clock_monotonic_us (controller->clock);
    if (now_us - metrics->looked_us < METRIC_STEP_S * (gint64)G_USEC_PER_SEC)
        return;
    metrics->looked_us = now_us;
    look (controller);
    if (now_us - metrics->flushed_us < METRICS_FLUSH_S * (gint64)G_USEC_PER_SEC)
        return;
    metrics->flushed_us = now_us;
    metrics_flush (metrics);
    if (metrics->folder == NULL || now_us - metrics->swept_us < METRICS_SWEEP_S * (gint64)G_USEC_PER_SEC)
        return;
    metrics->swept_us = now_us;
    sweep (controller);
}

/* --- now ----------------------------------------------------------------------------------------------------- */

static gboolean
latest (Controller *controller, const char *path, double *values)
{
    const Latest *found = g_hash_table_lookup (controller->metrics->latest, path);
    metric_clear (values);
    if (found == NULL)
        return FALSE;
    memcpy (values, found->values, sizeof found->values);
    return TRUE;
}

gboolean
metrics_of_instance (Controller *controller, const ApplicationRecord *application, const char *member,
                     double *values)
{
    g_autofree char *path = metrics_path (METRIC_INSTANCE, application->id, member, NULL);
    return latest (controller, path, values);
}

static void
put_latest (Controller *controller, json_t *object, const char *key, MetricKind kind, const char *path)
{
    double values[METRICS_MAX];
    if (latest (controller, path, values))
        json_put (object, key, metric_json (kind, values));
}

static json_t *
guests_now (Controller *controller, const ApplicationRecord *application, const MemberRecord *member)
{
    json_t *guest = json_object (), *value;
    const char *name;
    json_object_foreach (json_object_get (json_object_get (member->report, "counters"), "guest"), name,
                         value) {
        g_autofree char *path = metrics_path (METRIC_GUEST, application->id, member->name, name);
        put_latest (controller, guest, name, METRIC_GUEST, path);
    }
    return guest;
}

json_t *
metrics_of_application (Controller *controller, const ApplicationRecord *application)
{
    json_t *instances = json_object (), *wires = json_object (), *guests = json_object ();
    for (guint i = 0; i < application->members->len; i++) {
        const MemberRecord *member = application->members->pdata[i];
        g_autofree char *path = metrics_path (METRIC_INSTANCE, application->id, member->name, NULL);
        put_latest (controller, instances, member->name, METRIC_INSTANCE, path);
        json_put (guests, member->name, guests_now (controller, application, member));
    }
    for (guint i = 0; application->topology != NULL && i < application->topology->wires->len; i++) {
        const MemberWire *wire = application->topology->wires->pdata[i];
        g_autofree char *path = metrics_path (METRIC_WIRE, application->id, wire->text, NULL);
        put_latest (controller, wires, wire->text, METRIC_WIRE, path);
    }
    return json_pack ("{s:o, s:o, s:o}", "instances", instances, "wires", wires, "guests", guests);
}
