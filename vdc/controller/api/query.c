#include "vdc/controller/api/query.h"

#include <string.h>

#include "vdc/controller/api/schemas.h"
#include "vdc/model/problems.h"

static const struct {
    const char *name, *help;
} helps[] = {
    {"limit", "At most so many"},
    {"after", "Go on after this place: the next of the answer before, or the number of an event"},
    {"fields", "Only these fields, with commas: name,state,error.message"},
    {"dry_run", "Only say what would be done"},
    {"force", "Stop it first"},
    {"keep_volumes", "Its volumes become unused instead"},
    {"confirm", "Warnings are accepted"},
    {"state", "Only those in this state"},
    {"application", "Only what belongs to this application"},
    {"server", "Only what is on this server"},
    {"format", "Of the text"},
    {"from", "applied, draft, or the revision of a description"},
    {"to", "applied, draft, or the revision of a description"},
    {"all", "Everybody's, for administrators"},
    {"follow", "Go on with what comes"},
    {"ticket", "Of createConsoleTicket"},
    {"tail", "So many bytes of what was before"},
    {"eof", "This was the last input"},
    {"kind", "Only these; a trailing * stands for anything"},
    {"class", "Only of this class"},
    {"catalog", "Only of this catalog"},
    {"offset", "From this byte on"},
    {"length", "So many bytes"},
    {"from", "From this time on, in seconds since 1970"},
    {"to", "Until this time, in seconds since 1970"},
    {"max_points", "At most so many points"},
    {"counter", "A counter of the appliance itself"},
    {"sort", "What is most of this comes first"},
    {"since", "Not before this time: 2026-11-22 or 2026-11-22T12:30"},
    {"until", "Before this time"},
    {"who", "Only what this user did"},
    {"action", "Only calls of this name"},
    {"result", "Only with this result: ok, passed, repeated, or the code of an error"},
    {"object", "Only about objects of this kind"},
    {"id", "Only about the object of this name"},
    {"all", "Everybody's, for administrators"},
};

const char *
query_help (const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS (helps); i++)
        if (strcmp (helps[i].name, name) == 0)
            return helps[i].help;
    return NULL;
}

static void
parameter_free (gpointer data)
{
    QueryParameter *parameter = data;
    g_free (parameter->name);
    g_strfreev (parameter->words);
    g_free (parameter);
}

static void
read_range (QueryParameter *parameter, const char *range, const char *dots)
{
    g_autofree char *low = g_strndup (range, (gsize)(dots - range));
    parameter->type = QUERY_INTEGER;
    if (!g_ascii_string_to_signed (low, 10, 0, G_MAXINT64, &parameter->min, NULL))
        g_error ("malformed range %s", range);
    if (dots[2] == '\0')
        parameter->max = G_MAXINT64;
    else if (!g_ascii_string_to_signed (dots + 2, 10, 0, G_MAXINT64, &parameter->max, NULL))
        g_error ("malformed range %s", range);
}

static QueryParameter *
parameter_new (const char *word)
{
    QueryParameter *parameter = g_new0 (QueryParameter, 1);
    const char *equal = strchr (word, '='), *dots = equal != NULL ? strstr (equal, "..") : NULL;
    gsize length = equal != NULL ? (gsize)(equal - word) : strlen (word);
    if (dots != NULL)
        read_range (parameter, equal + 1, dots);
    else if (equal != NULL) {
        parameter->type = QUERY_WORDS;
        parameter->words = g_strsplit (equal + 1, "|", -1);
    } else if (word[length - 1] == '!') {
        parameter->type = QUERY_FLAG;
        length--;
    }
    parameter->name = g_strndup (word, length);
    parameter->help = query_help (parameter->name);
    return parameter;
}

GPtrArray *
query_parameters (const HttpRoute *route)
{
    GPtrArray *list = g_ptr_array_new_with_free_func (parameter_free);
    g_auto (GStrv) words = g_strsplit (route->query != NULL ? route->query : "", " ", -1);
    for (guint i = 0; words[i] != NULL; i++)
        if (*words[i] != '\0')
            g_ptr_array_add (list, parameter_new (words[i]));
    if (strcmp (route->method, "GET") != 0)
        g_ptr_array_add (list, parameter_new ("dry_run!"));
    else if (route->answer_schema != NULL && !schemas_is_plain (route->answer_schema))
        g_ptr_array_add (list, parameter_new ("fields"));
    return list;
}

static gboolean
check_one (HttpRequest *request, const QueryParameter *parameter, GError **error)
{
    const char *text = http_request_query (request, parameter->name);
    gint64 number;
    if (parameter->type == QUERY_INTEGER)
        return http_request_query_int (request, parameter->name, parameter->min, parameter->max, 0, &number,
                                       error);
    if (parameter->type == QUERY_WORDS && !g_strv_contains ((const char *const *)parameter->words, text)) {
        g_autofree char *list = g_strjoinv (", ", parameter->words);
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "%s must be one of %s", parameter->name, list);
        return FALSE;
    }
    if (strlen (text) > QUERY_TEXT_MAX_BYTES) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "%s has more than %d bytes", parameter->name,
                     QUERY_TEXT_MAX_BYTES);
        return FALSE;
    }
    return TRUE;
}

static gboolean
refuse_unknown (GPtrArray *known, const char *name, GError **error)
{
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    g_autofree char *quoted = problem_quote (name);
    for (guint i = 0; i < known->len; i++)
        g_ptr_array_add (names, ((QueryParameter *)known->pdata[i])->name);
    g_ptr_array_add (names, NULL);
    const char *nearest = nearest_word (name, (const char *const *)names->pdata);
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "the query knows no %s%s%s%s", quoted,
                 nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return FALSE;
}

static const QueryParameter *
find (GPtrArray *known, const char *name)
{
    for (guint i = 0; i < known->len; i++)
        if (strcmp (((QueryParameter *)known->pdata[i])->name, name) == 0)
            return known->pdata[i];
    return NULL;
}

gboolean
query_check (HttpRequest *request, const HttpRoute *route, char **name, GError **error)
{
    g_autoptr (GPtrArray) given = http_request_query_names (request);
    if (given->len == 0)
        return TRUE;
    g_autoptr (GPtrArray) known = query_parameters (route);
    for (guint i = 0; i < given->len; i++) {
        const QueryParameter *parameter = find (known, given->pdata[i]);
        if (parameter != NULL ? check_one (request, parameter, error)
                              : refuse_unknown (known, given->pdata[i], error))
            continue;
        *name = g_strdup (given->pdata[i]);
        return FALSE;
    }
    return TRUE;
}
