#include "vdc/controller/access/redact.h"

#include <string.h>

#include "vdc/base/bug.h"
#include "vdc/controller/controller.h"

#define SERVER_WORDS "its server"
#define FILE_WORDS "a file of its server"

/* Where people read sentences; everything else in an answer is a field of its own. */
static const char *const keys[] = {"message", "text", "remedy", NULL};

typedef struct {
    const char *begin; /* of what is replaced, up to the next of `ends` */
    const char *words;
} Needle;

/* Of the controller's folders the lab's is one level up: there its servers' are beside it. */
static char *
state_prefix (Controller *controller)
{
    g_autofree char *name = g_path_get_basename (controller->state_folder);
    return strcmp (name, "ctl") == 0 ? g_path_get_dirname (controller->state_folder)
                                     : g_strdup (controller->state_folder);
}

static GArray *
needles_new (Controller *controller, const char *state)
{
    const Needle folders[] = {
        {state, FILE_WORDS}, {"/var/lib/vdc", FILE_WORDS}, {"/var/cache/vdc", FILE_WORDS}};
    GArray *needles = g_array_new (FALSE, FALSE, sizeof (Needle));
    GHashTableIter iter;
    Server *server;
    g_hash_table_iter_init (&iter, controller->servers);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&server)) {
        const Needle needle = {server->url, SERVER_WORDS};
        g_array_append_val (needles, needle);
    }
    g_array_append_vals (needles, folders, G_N_ELEMENTS (folders));
    return needles;
}

/* NULL: nothing is in it. */
static char *
redacted (const char *text, const GArray *needles)
{
    char *result = NULL;
    for (guint i = 0; i < needles->len; i++) {
        const Needle *needle = &g_array_index (needles, Needle, i);
        const char *at;
        while ((at = strstr (result != NULL ? result : text, needle->begin)) != NULL) {
            const char *from = result != NULL ? result : text;
            const char *rest = at + strlen (needle->begin);
            rest += strcspn (rest, " \t\n'\",;:)");
            char *next = g_strdup_printf ("%.*s%s%s", (int)(at - from), from, needle->words, rest);
            g_free (result);
            result = next;
        }
    }
    return result;
}

/* A new reference: the same value, or a copy of what had to change on the way to it. */
static json_t *
walk (json_t *value, const char *key, const GArray *needles)
{
    json_t *copy = NULL, *item;
    gsize i;
    const char *name;
    if (json_is_string (value) && key != NULL && g_strv_contains (keys, key)) {
        g_autofree char *text = redacted (json_string_value (value), needles);
        return text != NULL ? json_str_new (text) : json_incref (value);
    }
    if (json_is_array (value)) {
        json_array_foreach (value, i, item) {
            g_autoptr (json_t) now = walk (item, NULL, needles);
            if (now != item && copy == NULL)
                copy = json_copy (value);
            if (now != item)
                json_array_set (copy, i, now);
        }
    } else if (json_is_object (value)) {
        json_object_foreach (value, name, item) {
            g_autoptr (json_t) now = walk (item, name, needles);
            if (now != item && copy == NULL)
                copy = json_copy (value);
            if (now != item)
                json_object_set (copy, name, now);
        }
    }
    return copy != NULL ? copy : json_incref (value);
}

json_t *
access_redact (Controller *controller, const Principal *principal, json_t *body)
{
    if (vdc_bug ("access-unredacted") || principal == NULL ||
        access_role (controller, principal, NULL) >= HTTP_ROLE_VIEWER)
        return body;
    g_autofree char *state = state_prefix (controller);
    g_autoptr (GArray) needles = needles_new (controller, state);
    json_t *result = walk (body, NULL, needles);
    json_decref (body);
    return result;
}
