#include "vdc/lab/published.h"

#include "vdc/base/log.h"

struct Published {
    Relay *relay;
    const LabSettings *settings;
    json_t *list;
};

Published *
published_new (Relay *relay, const LabSettings *settings)
{
    Published *published = g_new0 (Published, 1);
    published->relay = relay;
    published->settings = settings;
    published->list = json_array ();
    return published;
}

void
published_free (Published *published)
{
    if (published == NULL)
        return;
    json_decref (published->list);
    g_free (published);
}

static void
add_port (Published *self, const json_t *use, const json_t *port)
{
    g_autoptr (GError) error = NULL;
    gint64 local = json_int (port, "local_port", 0), remote = json_int (port, "port", 0);
    const char *address = json_str (use, "address", "");
    if (local < self->settings->publish_first || local > self->settings->publish_last || remote < 1 ||
        remote > 65535)
        return;
    gboolean is_new = !relay_has (self->relay, (guint16)local);
    gboolean ok = relay_add (self->relay, (guint16)local, address, (guint16)remote, &error);
    g_autofree char *text = g_strdup_printf ("%d", (int)local);
    if (ok && is_new)
        vdc_log (VDC_LOG_INFO, "port published", "application", json_str (use, "application", NULL), "port",
                 text, NULL);
    if (!ok)
        vdc_log (VDC_LOG_WARNING, "port not published", "application", json_str (use, "application", NULL),
                 "reason", error->message, NULL);
    json_array_append_new (self->list, json_pack ("{s:s, s:s, s:s, s:i, s:i, s:o}", "application",
                                                  json_str (use, "application", ""), "member",
                                                  json_str (use, "member", ""), "address", address, "port",
                                                  (int)remote, "local_port", (int)local, "error",
                                                  ok ? json_null () : json_str_new (error->message)));
}

static gboolean
is_listed (const Published *self, guint port)
{
    size_t i;
    json_t *entry;
    json_array_foreach (self->list, i, entry)
        if (json_int (entry, "local_port", 0) == port)
            return TRUE;
    return FALSE;
}

static void
remove_unlisted (Published *self)
{
    g_autoptr (GList) ports = relay_ports (self->relay);
    for (GList *entry = ports; entry != NULL; entry = entry->next) {
        guint port = GPOINTER_TO_UINT (entry->data);
        if (port != self->settings->api_port && !is_listed (self, port))
            relay_remove (self->relay, (guint16)port);
    }
}

void
published_update (Published *self, const json_t *network)
{
    size_t i, j;
    json_t *use, *port;
    json_array_clear (self->list);
    json_array_foreach (json_object_get (network, "used"), i, use)
        json_array_foreach (json_object_get (use, "published"), j, port)
            add_port (self, use, port);
    remove_unlisted (self);
}

json_t *
published_list (const Published *self)
{
    return self != NULL ? json_deep_copy (self->list) : json_array ();
}
