#include "vdc/controller/support.h"

#include <gio/gio.h>
#include <string.h>

#include "vdc/base/log.h"
#include "vdc/base/tar.h"
#include "vdc/controller/verify.h"

#define FOLDER "vdc-support/"
#define CALL_TIMEOUT_MS 30000

static const char readme[] =
    "Support bundle of a VDC grid.\n"
    "\n"
    "It holds names, ids, states, numbers and codes: what the grid is, what it does and what went wrong.\n"
    "It holds no credentials, keys or password hashes, no values of secret or text properties, no "
    "descriptions and\n"
    "nothing that guests wrote. Look through it before you give it away: names of applications and addresses "
    "are in it.\n"
    "\n"
    "about.json               versions, identity, configuration, figures of the store\n"
    "applications.json        with their instances\n"
    "volumes.json trash.json jobs.json servers.json networks.json\n"
    "events.json audit.json   the newest of each\n"
    "verify.json              what `vdc verify` found\n"
    "metrics.txt              what is measured now\n"
    "log.txt                  newest lines of the controller's log; values that may be people's are left "
    "out\n"
    "servers/NAME/            inventory and log of each server's agent\n";

typedef struct {
    Controller *controller;
    SupportDone done;
    gpointer user_data;
    GByteArray *tar;
    gint64 time_s;
    guint open;
    GError *error; /* first */
} Bundle;

typedef struct {
    Bundle *bundle;
    char *server, *file;
} Asked;

/* --- files --------------------------------------------------------------------------------------------------- */

static void
add_text (Bundle *bundle, const char *name, const char *text)
{
    g_autofree char *path = g_strconcat (FOLDER, name, NULL);
    tar_add_file (bundle->tar, path, text, strlen (text), bundle->time_s,
                  bundle->error == NULL ? &bundle->error : NULL);
}

/* Takes @value. */
static void
add_json (Bundle *bundle, const char *name, json_t *value)
{
    g_autofree char *text = json_pretty (value);
    g_autofree char *line = g_strconcat (text, "\n", NULL);
    add_text (bundle, name, line);
    json_decref (value);
}

static void
add_own (Bundle *bundle)
{
    Controller *controller = bundle->controller;
    g_autofree char *log = vdc_log_tail ();
    g_autofree char *metrics = support_metrics (controller);
    json_t *about = support_about (controller);
    g_autofree char *stamp = controller_stamp (controller);
    json_put (about, "time", json_string (stamp));
    add_text (bundle, "README.txt", readme);
    add_json (bundle, "about.json", about);
    add_json (bundle, "applications.json", support_applications (controller));
    add_json (bundle, "volumes.json", support_volumes (controller));
    add_json (bundle, "trash.json", support_trash (controller));
    add_json (bundle, "jobs.json", support_jobs (controller));
    add_json (bundle, "servers.json", support_servers (controller));
    add_json (bundle, "networks.json", support_networks (controller));
    add_json (bundle, "events.json", support_events (controller));
    add_json (bundle, "audit.json", support_audit (controller));
    add_text (bundle, "metrics.txt", metrics);
    add_text (bundle, "log.txt", log);
}

/* --- the end ------------------------------------------------------------------------------------------------- */

static GBytes *
compress (GByteArray *tar, GError **error)
{
    g_autoptr (GZlibCompressor) gzip = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1);
    g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
    g_autoptr (GOutputStream) stream = g_converter_output_stream_new (memory, G_CONVERTER (gzip));
    if (!g_output_stream_write_all (stream, tar->data, tar->len, NULL, NULL, error) ||
        !g_output_stream_close (stream, NULL, error))
        return NULL;
    return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

static void
finish (Bundle *bundle)
{
    if (--bundle->open > 0)
        return;
    tar_end (bundle->tar);
    g_autoptr (GBytes) bytes = bundle->error == NULL ? compress (bundle->tar, &bundle->error) : NULL;
    bundle->done (bytes, bundle->error, bundle->user_data);
    g_clear_error (&bundle->error);
    g_byte_array_unref (bundle->tar);
    g_free (bundle);
}

/* --- servers ------------------------------------------------------------------------------------------------- */

static void
add_answer (const Asked *asked, const HttpAnswer *answer)
{
    g_autofree char *name = g_strdup_printf ("servers/%s/%s", asked->server, asked->file);
    if (g_str_has_suffix (asked->file, ".json")) {
        add_json (asked->bundle, name, support_inventory (answer->json));
        return;
    }
    gsize length;
    const char *data = g_bytes_get_data (answer->body, &length);
    gsize from = length > SUPPORT_LOG_BYTES ? length - SUPPORT_LOG_BYTES : 0;
    g_autofree char *text = g_utf8_make_valid (data != NULL ? data + from : "", (gssize)(length - from));
    add_text (asked->bundle, name, text);
}

static void
on_answer (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Asked *asked = user_data;
    if (error == NULL)
        add_answer (asked, answer);
    else {
        g_autofree char *name = g_strdup_printf ("servers/%s/%s.problem.txt", asked->server, asked->file);
        add_text (asked->bundle, name, error->message);
    }
    finish (asked->bundle);
    g_free (asked->server);
    g_free (asked->file);
    g_free (asked);
}

static void
ask (Bundle *bundle, const Server *server, const char *path, const char *file)
{
    const HttpCallOptions options = {.timeout_ms = CALL_TIMEOUT_MS, .accept = "*/*"};
    g_autofree char *url = g_strconcat (server->url, path, NULL);
    Asked *asked = g_new0 (Asked, 1);
    asked->bundle = bundle;
    asked->server = g_strdup (server->name);
    asked->file = g_strdup (file);
    bundle->open++;
    http_client_send (bundle->controller->agents, "GET", url, &options, on_answer, asked);
}

static void
on_verified (json_t *report, gpointer user_data)
{
    Bundle *bundle = user_data;
    add_json (bundle, "verify.json", support_verify (report));
    json_decref (report);
    finish (bundle);
}

void
support_bundle (Controller *controller, SupportDone done, gpointer user_data)
{
    Bundle *bundle = g_new0 (Bundle, 1);
    GHashTableIter iter;
    Server *server;
    bundle->controller = controller;
    bundle->done = done;
    bundle->user_data = user_data;
    bundle->tar = g_byte_array_new ();
    bundle->time_s = controller_now_us (controller) / G_USEC_PER_SEC;
    bundle->open = 2;
    add_own (bundle);
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server)) {
        ask (bundle, server, "/v1/inventory", "inventory.json");
        ask (bundle, server, "/v1/log", "log.txt");
    }
    verify_start (controller, on_verified, bundle);
    finish (bundle);
}
