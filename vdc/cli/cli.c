#include "vdc/cli/cli.h"

#include "vdc/base/id.h"
#include "vdc/cli/config.h"
#include "vdc/cli/print.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIST_PAGES_MAX 1000

void
cli_clear (Cli *cli)
{
    options_free (cli->options);
    http_client_free (cli->client);
    g_free (cli->url);
    json_decref (cli->error_body);
}

/* --- errors -------------------------------------------------------------------------------------------- */

static void
print_error_json (Cli *cli, const GError *error)
{
    g_autoptr (json_t) body =
        json_is_object (cli->error_body) ? json_incref (cli->error_body) : json_object ();
    if (json_object_get (body, "code") == NULL) {
        json_put (body, "code", json_string (vdc_error_name (error)));
        json_put (body, "message", json_str_new (error->message));
    }
    print_json (stderr, body);
}

static void
print_remedy (const json_t *body)
{
    const char *remedy =
        json_str (json_object_get (body, "params"), "remedy", json_str (body, "remedy", NULL));
    if (remedy == NULL)
        return;
    g_autofree char *text = print_clean (remedy);
    fprintf (stderr, "  what to do: %s\n", text);
}

int
cli_fail_in (Cli *cli, const GError *error, const char *file)
{
    g_autoptr (GError) none = NULL;
    if (error == NULL)
        error = none = g_error_new (VDC_ERROR, VDC_ERROR_FAILED, "failed");
    if (cli->json) {
        print_error_json (cli, error);
        return vdc_error_exit_code (error);
    }
    json_t *problems = json_object_get (cli->error_body, "problems");
    gsize n = json_array_size (problems);
    if (n > 0) {
        print_problems (stderr, file, problems);
        fprintf (stderr, "vdc: %zu %s; nothing was done\n", n, n == 1 ? "problem" : "problems");
        return vdc_error_exit_code (error);
    }
    g_autofree char *message = print_clean_lines (error->message);
    fprintf (stderr, "vdc: %s\n", message);
    print_remedy (cli->error_body);
    return vdc_error_exit_code (error);
}

int
cli_fail (Cli *cli, const GError *error)
{
    return cli_fail_in (cli, error, NULL);
}

int
cli_usage (Cli *cli, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *message = g_strdup_vprintf (format, args);
    va_end (args);
    fprintf (stderr, "vdc %s: %s\n", cli->command, message);
    return 2;
}

/* --- requests ------------------------------------------------------------------------------------------ */

static gboolean
connect_to_grid (Cli *cli, GError **error)
{
    if (cli->client != NULL)
        return TRUE;
    g_autoptr (Config) config = config_load (cli->lab, error);
    if (config == NULL)
        return FALSE;
    HttpClientOptions options = {.ca_file = config->ca_file, .token = config->token};
    cli->client = http_client_new (&options, error);
    cli->url = g_steal_pointer (&config->url);
    return cli->client != NULL;
}

HttpClient *
cli_client (Cli *cli, GError **error)
{
    return connect_to_grid (cli, error) ? cli->client : NULL;
}

char *
cli_url (Cli *cli, GError **error, const char *format, ...)
{
    if (!connect_to_grid (cli, error))
        return NULL;
    va_list args;
    va_start (args, format);
    g_autofree char *path = g_strdup_vprintf (format, args);
    va_end (args);
    return g_strconcat (cli->url, "/api/v1", path, NULL);
}

char *
cli_path (const char *format, const char *first, const char *second)
{
    g_autofree char *one = http_escape (first);
    g_autofree char *two = second ? http_escape (second) : NULL;
    GString *path = g_string_new (NULL);
    guint taken = 0;
    for (const char *at = format; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's') {
            g_string_append (path, taken++ == 0 ? one : two);
            at++;
        } else {
            g_string_append_c (path, *at);
        }
    }
    return g_string_free (path, FALSE);
}

typedef struct {
    gboolean done;
    json_t *json;
    json_t *error_body;
    GError *error;
} Waited;

static void
on_done (HttpCall *call, const HttpAnswer *answer, const GError *error, gpointer user_data)
{
    Waited *waited = user_data;
    waited->done = TRUE;
    if (error != NULL) {
        waited->error = g_error_copy (error);
        waited->error_body = json_incref (answer->json);
    } else {
        waited->json = answer->json ? json_incref (answer->json) : json_object ();
    }
}

static json_t *
request (Cli *cli, const char *method, const char *path, json_t *body, const char *key, GError **error)
{
    Waited waited = {0};
    g_autofree char *url = cli_url (cli, error, "%s", path);
    if (url == NULL)
        return NULL;
    json_decref (g_steal_pointer (&cli->error_body));
    HttpCallOptions options = {.json = body, .idempotency_key = key, .timeout_ms = 60000};
    http_client_send (cli->client, method, url, &options, on_done, &waited);
    while (!waited.done)
        g_main_context_iteration (NULL, TRUE);
    cli->error_body = waited.error_body;
    if (waited.error != NULL)
        g_propagate_error (error, waited.error);
    return waited.json;
}

json_t *
cli_get (Cli *cli, const char *path, GError **error)
{
    return request (cli, "GET", path, NULL, NULL, error);
}

json_t *
cli_post_once (Cli *cli, const char *path, json_t *body, GError **error)
{
    return request (cli, "POST", path, body, NULL, error);
}

static gboolean
stop_waiting (gpointer done)
{
    *(gboolean *)done = TRUE;
    return G_SOURCE_REMOVE;
}

void
cli_wait_ms (guint ms)
{
    gboolean done = FALSE;
    g_timeout_add (ms, stop_waiting, &done);
    while (!done)
        g_main_context_iteration (NULL, TRUE);
}

static json_t *
change (Cli *cli, const char *method, const char *path, json_t *body, GError **error)
{
    g_autofree char *key = id_random (16);
    g_autoptr (GError) unknown = NULL;
    gint64 end_us = g_get_monotonic_time () + (gint64)CLI_REPEAT_MS * 1000;
    for (;;) {
        g_autoptr (GError) local = NULL;
        json_t *answer = request (cli, method, path, body, key, &local);
        if (answer != NULL)
            return answer;
        if (g_error_matches (local, VDC_ERROR, VDC_ERROR_UNKNOWN_RESULT) ||
            g_error_matches (local, VDC_ERROR, VDC_ERROR_IN_PROGRESS)) {
            g_clear_error (&unknown);
            unknown = g_steal_pointer (&local);
        } else if (unknown == NULL || !vdc_error_is_unreachable (local)) {
            g_propagate_error (error, g_steal_pointer (&local));
            return NULL;
        }
        if (g_get_monotonic_time () >= end_us) {
            g_propagate_error (error, g_steal_pointer (&unknown));
            return NULL;
        }
        cli_wait_ms (500);
    }
}

json_t *
cli_post (Cli *cli, const char *path, json_t *body, GError **error)
{
    return change (cli, "POST", path, body, error);
}

json_t *
cli_put (Cli *cli, const char *path, json_t *body, GError **error)
{
    return change (cli, "PUT", path, body, error);
}

json_t *
cli_delete (Cli *cli, const char *path, GError **error)
{
    return change (cli, "DELETE", path, NULL, error);
}

json_t *
cli_list (Cli *cli, const char *path, GError **error)
{
    g_autoptr (json_t) all = json_array ();
    g_autofree char *next = NULL;
    for (int page = 0; page < LIST_PAGES_MAX; page++) {
        g_autofree char *after = next ? http_escape (next) : NULL;
        g_autofree char *where =
            after ? g_strconcat (path, strchr (path, '?') ? "&" : "?", "after=", after, NULL)
                  : g_strdup (path);
        g_autoptr (json_t) answer = cli_get (cli, where, error);
        if (answer == NULL)
            return NULL;
        json_array_extend (all, json_object_get (answer, "items"));
        g_free (next);
        next = g_strdup (json_str (answer, "next", NULL));
        if (next == NULL)
            break;
    }
    return json_pack ("{s:O, s:n}", "items", all, "next");
}

/* --- terminal ------------------------------------------------------------------------------------------ */

gboolean
cli_is_interactive (void)
{
    return isatty (STDERR_FILENO);
}

gboolean
cli_ask_name (const char *question, const char *expected)
{
    char line[256];
    if (!isatty (STDIN_FILENO))
        return FALSE;
    fprintf (stderr, "%s", question);
    if (fgets (line, sizeof line, stdin) == NULL)
        return FALSE;
    return strcmp (g_strstrip (line), expected) == 0;
}
