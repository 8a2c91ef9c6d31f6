/*
 * The wires module by hand, for tests and for looking: one action per run, SPEC documents from files.
 *
 *     wire-tool [--backbone IF] [--outside IF] ensure SPEC… | remove ID MEMBER | remove-name NAME | inventory
 * | counters SPEC | check SPEC | rules SPEC | mtu
 *
 * Works in the network namespace it is started in.
 */
#include "vdc/agent/wire_apply.h"
#include "vdc/agent/wire_rules.h"

#include <stdio.h>
#include <string.h>

static WireMember *
load (const char *path, GError **error)
{
    g_autoptr (json_t) spec = json_parse_file (path, error);
    return spec ? wire_member_parse (spec, error) : NULL;
}

static gboolean
print (json_t *value)
{
    g_autoptr (json_t) owned = value;
    g_autofree char *text = owned ? json_pretty (owned) : NULL;
    if (text != NULL)
        puts (text);
    return text != NULL;
}

static gboolean
do_ensure (WireHost *host, char **args, GError **error)
{
    for (; *args != NULL; args++) {
        g_autoptr (WireMember) member = load (*args, error);
        g_autoptr (GArray) taps = NULL;
        gint64 start = g_get_monotonic_time ();
        if (member == NULL || !wires_ensure (host, member, &taps, error))
            return FALSE;
        for (guint i = 0; i < taps->len; i++) {
            const WireTap *tap = &g_array_index (taps, WireTap, i);
            printf ("%s %s %s %s %u\n", member->member, tap->terminal, tap->tap, tap->mac, tap->mtu);
        }
        fprintf (stderr, "%s: %.1f ms\n", member->member, (double)(g_get_monotonic_time () - start) / 1000);
    }
    return TRUE;
}

static gboolean
do_counters (WireHost *host, char **args, GError **error)
{
    g_autoptr (WireMember) member = load (args[0], error);
    g_autoptr (WireCounters) counters = member ? wires_counters (host, error) : NULL;
    return counters != NULL && print (wire_counters_member (counters, member));
}

static gboolean
do_check (WireHost *host, char **args, GError **error)
{
    g_autoptr (WireMember) member = load (args[0], error);
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    if (member == NULL || !wires_check (host, member, problems, error))
        return FALSE;
    for (guint i = 0; i < problems->len; i++)
        puts (g_ptr_array_index (problems, i));
    return TRUE;
}

static gboolean
do_rules (WireHost *host, char **args, GError **error)
{
    g_autoptr (WireMember) member = load (args[0], error);
    if (member == NULL)
        return FALSE;
    g_autoptr (GString) text = g_string_new (NULL);
    for (guint i = 0; i < member->nics->len; i++)
        wire_rules_nic (text, g_ptr_array_index (member->nics, i), member->network_bps, TRUE);
    fputs (text->str, stdout);
    return TRUE;
}

static gboolean
do_remove (WireHost *host, char **args, GError **error)
{
    return wires_remove (host, args[0], args[1], error);
}

static gboolean
do_remove_name (WireHost *host, char **args, GError **error)
{
    return wires_remove_name (host, args[0], error);
}

static gboolean
do_inventory (WireHost *host, char **args, GError **error)
{
    return print (wires_inventory (host, error));
}

static gboolean
do_mtu (WireHost *host, char **args, GError **error)
{
    guint mtu = wire_host_mtu (host, error);
    if (mtu != 0)
        printf ("%u\n", mtu);
    return mtu != 0;
}

static const struct {
    const char *name;
    guint args;
    gboolean (*run) (WireHost *host, char **args, GError **error);
} actions[] = {
    {"ensure", 1, do_ensure},       {"remove", 2, do_remove},     {"remove-name", 1, do_remove_name},
    {"inventory", 0, do_inventory}, {"counters", 1, do_counters}, {"check", 1, do_check},
    {"rules", 1, do_rules},         {"mtu", 0, do_mtu},
};

static gboolean
run (const WireConfig *config, const char *name, char **args, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS (actions); i++) {
        if (strcmp (actions[i].name, name) != 0 || g_strv_length (args) < actions[i].args)
            continue;
        g_autoptr (WireHost) host = wire_host_new (config, error);
        return host != NULL && actions[i].run (host, args, error);
    }
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "no such action");
    return FALSE;
}

int
main (int argc, char **argv)
{
    g_autofree char *backbone = NULL, *outside = NULL;
    const GOptionEntry options[] = {
        {"backbone", 0, 0, G_OPTION_ARG_STRING, &backbone, "interface that decides the MTU", "IF"},
        {"outside", 0, 0, G_OPTION_ARG_STRING, &outside, "interface or bridge of the outside", "IF"},
        {NULL},
    };
    g_autoptr (GOptionContext) context = g_option_context_new ("ACTION…");
    g_autoptr (GError) error = NULL;
    g_option_context_add_main_entries (context, options, NULL);
    if (!g_option_context_parse (context, &argc, &argv, &error) || argc < 2) {
        fprintf (stderr, "wire-tool: %s\n", error ? error->message : "no action");
        return 2;
    }
    WireConfig config = {.server = "test", .backbone = backbone, .outside = outside};
    if (!run (&config, argv[1], argv + 2, &error)) {
        fprintf (stderr, "wire-tool: %s\n", error ? error->message : "failed");
        return 1;
    }
    return 0;
}
