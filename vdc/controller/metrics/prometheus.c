/*
 * The text format 0.0.4 of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/
 *
 * Counters as the agents count them; what becomes of them is the scraper's affair. A family's lines must
 * stand together, so families are the outer loop.
 */
#include "vdc/controller/metrics/metrics_private.h"

#include <math.h>
#include <string.h>

typedef struct {
    GString *text;
    Controller *controller;
    const char *family;
} Scrape;

/* Label values: backslash, quote and line feed are escaped. */
static void
add_label (GString *text, const char *name, const char *value)
{
    g_string_append_printf (text, "%s%s=\"", text->str[text->len - 1] == '{' ? "" : ",", name);
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            g_string_append_c (text, '\\');
        if (*value == '\n')
            g_string_append (text, "\\n");
        else
            g_string_append_c (text, *value);
    }
    g_string_append_c (text, '"');
}

/* @...: names and values of labels, ended by NULL. A value of NULL leaves its label out. */
static void G_GNUC_NULL_TERMINATED
add (Scrape *scrape, double value, ...)
{
    va_list labels;
    const char *name;
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    if (isnan (value))
        return;
    g_string_append_printf (scrape->text, "%s{", scrape->family);
    va_start (labels, value);
    while ((name = va_arg (labels, const char *)) != NULL) {
        const char *label = va_arg (labels, const char *);
        if (label != NULL)
            add_label (scrape->text, name, label);
    }
    va_end (labels);
    g_string_append_printf (scrape->text, "} %s\n", g_ascii_dtostr (number, sizeof number, value));
}

static double
number (const json_t *object, const char *key, double scale)
{
    const json_t *value = json_object_get (object, key);
    return json_is_number (value) ? json_number_value (value) * scale : NAN;
}

/* --- of members ---------------------------------------------------------------------------------------------- */

typedef struct {
    Scrape *scrape;
    const ApplicationRecord *application;
    const MemberRecord *member;
    const json_t *counters;
} Of;

#define MEMBER_LABELS(of)                                                                                    \
    "application", (of)->application->name, "instance", (of)->member->name, "server", (of)->member->server

static void
member_up (const Of *of)
{
    gboolean up = strcmp (of->member->state, "running") == 0 || strcmp (of->member->state, "degraded") == 0;
    add (of->scrape, up, "application", of->application->name, "instance", of->member->name, "state",
         of->member->state, NULL);
}

static void
member_restarts (const Of *of)
{
    add (of->scrape, (double)of->member->restarts, MEMBER_LABELS (of), NULL);
}

static void
member_cpu (const Of *of)
{
    add (of->scrape, number (of->counters, "cpu_us", 1e-6), MEMBER_LABELS (of), NULL);
}

static void
member_memory (const Of *of)
{
    add (of->scrape, number (of->counters, "memory_bytes", 1), MEMBER_LABELS (of), NULL);
}

static void
each_nic (const Of *of, const char *key)
{
    const char *terminal;
    json_t *nic;
    json_object_foreach (json_object_get (of->counters, "nics"), terminal, nic)
        add (of->scrape, number (nic, key, 1), MEMBER_LABELS (of), "terminal", terminal, NULL);
}

static void
member_received (const Of *of)
{
    each_nic (of, "rx_bytes");
}

static void
member_sent (const Of *of)
{
    each_nic (of, "tx_bytes");
}

static void
member_dropped (const Of *of)
{
    each_nic (of, "dropped");
}

static void
each_wire (const Of *of, const char *key)
{
    const char *text;
    json_t *wire;
    json_object_foreach (json_object_get (of->counters, "wires"), text, wire)
        add (of->scrape, number (wire, key, 1), MEMBER_LABELS (of), "wire", text, NULL);
}

static void
member_wire_bytes (const Of *of)
{
    each_wire (of, "bytes");
}

static void
member_wire_packets (const Of *of)
{
    each_wire (of, "packets");
}

static void
member_guest (const Of *of)
{
    const char *name;
    json_t *value;
    json_object_foreach (json_object_get (of->counters, "guest"), name, value)
        if (json_is_number (value))
            add (of->scrape, json_number_value (value), MEMBER_LABELS (of), "counter", name, NULL);
}

static void
each_volume (const Of *of, const char *key)
{
    const char *id;
    json_t *counters;
    json_object_foreach (json_object_get (of->counters, "volumes"), id, counters) {
        const VolumeRecord *volume = g_hash_table_lookup (of->scrape->controller->volumes, id);
        if (volume != NULL)
            add (of->scrape, number (counters, key, 1), "application", of->application->name, "volume",
                 volume->name, "server", of->member->server, NULL);
    }
}

static void
volume_read (const Of *of)
{
    each_volume (of, "read_bytes");
}

static void
volume_written (const Of *of)
{
    each_volume (of, "written_bytes");
}

static void
volume_used (const Of *of)
{
    each_volume (of, "used_bytes");
}

static const struct {
    const char *name, *type, *help;
    void (*each) (const Of *of);
} member_families[] = {
    {"vdc_instance_up", "gauge", "1 when the instance serves", member_up},
    {"vdc_instance_restarts", "gauge", "Restarts by policy since it was switched on", member_restarts},
    {"vdc_instance_cpu_seconds_total", "counter", "CPU time of its VM", member_cpu},
    {"vdc_instance_memory_bytes", "gauge", "Memory of its VM on the server", member_memory},
    {"vdc_instance_receive_bytes_total", "counter", "Received by a terminal", member_received},
    {"vdc_instance_transmit_bytes_total", "counter", "Sent by a terminal", member_sent},
    {"vdc_instance_dropped_packets_total", "counter", "Sent by a terminal, allowed by no wire",
     member_dropped},
    {"vdc_wire_bytes_total", "counter", "Over a wire, at this end of it", member_wire_bytes},
    {"vdc_wire_packets_total", "counter", "Over a wire, at this end of it", member_wire_packets},
    {"vdc_guest_counter", "untyped", "What the appliance counts itself", member_guest},
    {"vdc_volume_read_bytes_total", "counter", "Read by its VM", volume_read},
    {"vdc_volume_written_bytes_total", "counter", "Written by its VM", volume_written},
    {"vdc_volume_used_bytes", "gauge", "Space taken on the server's disk", volume_used},
};

static void
begin (Scrape *scrape, const char *name, const char *type, const char *help)
{
    scrape->family = name;
    g_string_append_printf (scrape->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
add_members (Scrape *scrape, GPtrArray *applications)
{
    for (guint family = 0; family < G_N_ELEMENTS (member_families); family++) {
        begin (scrape, member_families[family].name, member_families[family].type,
               member_families[family].help);
        for (guint i = 0; i < applications->len; i++) {
            const ApplicationRecord *application = applications->pdata[i];
            for (guint k = 0; k < application->members->len; k++) {
                const MemberRecord *member = application->members->pdata[k];
                const Of of = {scrape, application, member, json_object_get (member->report, "counters")};
                member_families[family].each (&of);
            }
        }
    }
}

static void
add_applications (Scrape *scrape, GPtrArray *applications)
{
    begin (scrape, "vdc_application_up", "gauge", "1 when the application is running");
    for (guint i = 0; i < applications->len; i++) {
        const ApplicationRecord *application = applications->pdata[i];
        add (scrape, strcmp (application->state, "running") == 0, "application", application->name, "state",
             application->state, NULL);
    }
}

/* --- of the grid --------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *type, *help, *key;
    double scale;
} server_families[] = {
    {"vdc_server_cpu_seconds_total", "counter", "CPU time used by everything on it", "cpu_us", 1e-6},
    {"vdc_server_cpus", "gauge", "Processors", "cpus", 1},
    {"vdc_server_load1", "gauge", "Load over one minute", "load", 1},
    {"vdc_server_memory_bytes", "gauge", "Memory", "memory_bytes", 1},
    {"vdc_server_memory_free_bytes", "gauge", "Memory available to new processes", "memory_free_bytes", 1},
    {"vdc_server_disk_bytes", "gauge", "File system of the agent's folder", "disk_bytes", 1},
    {"vdc_server_disk_free_bytes", "gauge", "Free on it", "disk_free_bytes", 1},
};

static void
each_server (Scrape *scrape, const char *key, double scale)
{
    GHashTableIter iter;
    const Server *server;
    g_hash_table_iter_init (&iter, scrape->controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server))
        add (scrape, key != NULL ? number (server->info, key, scale) : server->state == SERVER_UP, "server",
             server->name, NULL);
}

static void
add_grid (Scrape *scrape)
{
    begin (scrape, "vdc_server_up", "gauge", "1 when the server reports");
    each_server (scrape, NULL, 1);
    for (guint i = 0; i < G_N_ELEMENTS (server_families); i++) {
        begin (scrape, server_families[i].name, server_families[i].type, server_families[i].help);
        each_server (scrape, server_families[i].key, server_families[i].scale);
    }
    begin (scrape, "vdc_controller_generation", "gauge", "Starts of vdcd");
    add (scrape, (double)scrape->controller->generation, NULL);
    begin (scrape, "vdc_events_total", "counter", "Events so far");
    add (scrape, (double)events_last (scrape->controller->store), NULL);
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
    return strcmp ((*(ApplicationRecord *const *)a)->name, (*(ApplicationRecord *const *)b)->name);
}

char *
metrics_prometheus (Controller *controller, gboolean grid, MetricsSees sees, gpointer user_data)
{
    g_autoptr (GPtrArray) applications = g_ptr_array_new ();
    GHashTableIter iter;
    gpointer application;
    Scrape scrape = {g_string_new (NULL), controller, NULL};
    g_hash_table_iter_init (&iter, controller->applications);
    while (g_hash_table_iter_next (&iter, NULL, &application))
        if (sees (application, user_data))
            g_ptr_array_add (applications, application);
    g_ptr_array_sort (applications, by_name);
    add_applications (&scrape, applications);
    add_members (&scrape, applications);
    if (grid)
        add_grid (&scrape);
    return g_string_free (scrape.text, FALSE);
}
