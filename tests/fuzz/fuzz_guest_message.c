/*
 * Anything a broken or hostile agent could send: lines, messages, settings, base64. Nothing may crash or
 * leak, and what is accepted must be safe to write into files and variables.
 */
#include "vdc/guest/message.h"
#include "vdc/guest/settings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
use_settings (const json_t *message)
{
    AUTO_FREE char *error = NULL;
    Settings *settings = settings_new (json_object_get (message, "settings"), &error);
    ProbeTarget targets[32];

    if (!settings)
        return;
    AUTO_FREE char *env = settings_env_text (settings);
    AUTO_FREE char *hosts = settings_hosts_text (settings);
    AUTO_FREE char *changes = settings_changes (NULL, settings);
    char **environment = settings_environment (settings, changes);

    settings_probes (settings, targets, 32);
    if (strstr (env, "\nVDC_SET_PATH="))
        abort ();
    environment_free (environment);
    settings_free (settings);
}

static void
use_line (const char *text, size_t length, void *context)
{
    AUTO_FREE char *error = NULL;
    AUTO_JSON json_t *message = message_parse (text, length, &error);
    const char *path;
    size_t bytes;

    if (!message)
        return;
    AUTO_FREE const char **argv = message_argv (message, NULL);
    AUTO_FREE unsigned char *raw = base64_decode (json_text_of (message, "data", ""), &bytes);

    path = message_path (message, NULL);
    if (path && strstr (path, "/../"))
        abort ();
    message_mode (message, 0);
    message_id (message);
    use_settings (message);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    LineReader reader = {0};
    size_t half = size / 2;

    line_reader_feed (&reader, (const char *)data, half, use_line, NULL);
    line_reader_feed (&reader, (const char *)data + half, size - half, use_line, NULL);
    line_reader_reset (&reader);
    return 0;
}
