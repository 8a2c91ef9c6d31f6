#include "vdc/model/document.h"

#include "vdc/model/document_internal.h"

#include <string.h>
#include <yaml.h>

struct Document {
    json_t *root;
    GHashTable *places; /* path → Place *; NULL: no text */
};

/* -- what both readers share -- */

void
reading_place (Reading *reading, const char *path, guint line, guint column)
{
    if (strlen (path) > PATH_LIMIT_BYTES || g_hash_table_contains (reading->places, path))
        return;
    Place *place = g_new (Place, 1);
    *place = (Place){line, column, 0, 0};
    g_hash_table_insert (reading->places, g_strdup (path), place);
}

static void
stop (Reading *reading, const char *code, const char *path, guint line, guint column, const char *message)
{
    reading->stopped = TRUE;
    problems_add_at (reading->problems, code, path, line, column, "%s", message);
}

gboolean
reading_node (Reading *reading, const char *path, guint depth, guint line, guint column)
{
    if (reading->stopped)
        return FALSE;
    if (depth > DOCUMENT_LIMIT_DEPTH)
        stop (reading, "too_deep", "", line, column,
              "more than " G_STRINGIFY (DOCUMENT_LIMIT_DEPTH) " levels are not allowed");
    else if (++reading->nodes > DOCUMENT_LIMIT_NODES)
        stop (reading, "too_large", "", line, column,
              "more than " G_STRINGIFY (DOCUMENT_LIMIT_NODES) " values are not allowed");
    else if (strlen (path) > PATH_LIMIT_BYTES)
        stop (reading, "too_long", "", line, column, "the keys around this place are too long");
    return !reading->stopped;
}

gboolean
reading_key (Reading *reading, GHashTable *seen, const char *key, const char *path, guint line, guint column)
{
    if (strlen (key) > DOCUMENT_LIMIT_KEY_BYTES) {
        stop (reading, "too_long", "", line, column, "a key is longer than any name may be");
        return FALSE;
    }
    if (!g_hash_table_add (seen, g_strdup (key))) {
        g_autofree char *quoted = problem_quote (key);
        problems_add_at (reading->problems, "duplicate_key", path, line, column, "%s is here twice", quoted);
        return FALSE;
    }
    return TRUE;
}

/* -- YAML -- */

typedef struct {
    Reading *reading;
    yaml_parser_t parser;
} Yaml;

#define LINE_OF(mark) ((guint)(mark).line + 1)
#define COLUMN_OF(mark) ((guint)(mark).column + 1)

static void
refuse (Yaml *yaml, const yaml_event_t *event, const char *path, const char *message)
{
    problems_add_at (yaml->reading->problems, "not_allowed", path, LINE_OF (event->start_mark),
                     COLUMN_OF (event->start_mark), "%s", message);
}

static void
report_syntax (Yaml *yaml)
{
    const yaml_parser_t *parser = &yaml->parser;
    /* The reader's errors (bytes that are not UTF-8) come without a mark of their own. */
    yaml_mark_t mark = parser->error == YAML_READER_ERROR ? parser->mark : parser->problem_mark;

    yaml->reading->stopped = TRUE;
    problems_add_at (yaml->reading->problems, "syntax", "", LINE_OF (mark), COLUMN_OF (mark),
                     "not valid YAML: %s%s%s", parser->problem != NULL ? parser->problem : "cannot be read",
                     parser->context != NULL ? " " : "", parser->context != NULL ? parser->context : "");
}

/* FALSE when there are no more events. The caller deletes @event on TRUE. */
static gboolean
next (Yaml *yaml, yaml_event_t *event)
{
    if (yaml->reading->stopped)
        return FALSE;
    if (yaml_parser_parse (&yaml->parser, event))
        return TRUE;
    report_syntax (yaml);
    return FALSE;
}

static void
check_decoration (Yaml *yaml, const yaml_event_t *event, const char *path, const yaml_char_t *anchor,
                  const yaml_char_t *tag)
{
    if (anchor != NULL)
        refuse (yaml, event, path, "anchors are not allowed");
    if (tag != NULL)
        refuse (yaml, event, path, "tags are not allowed");
}

static json_t *
scalar_value (Yaml *yaml, const yaml_event_t *event, const char *path)
{
    const char *text = (const char *)event->data.scalar.value, *why = NULL;
    json_t *value;

    check_decoration (yaml, event, path, event->data.scalar.anchor, event->data.scalar.tag);
    if (strlen (text) != event->data.scalar.length) {
        refuse (yaml, event, path, "the character U+0000 is not allowed");
        return json_null ();
    }
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        value = json_string (text);
    else
        value = scalar_resolve (text, &why);
    if (value != NULL)
        return value;
    problems_add_at (yaml->reading->problems, "bad_number", path, LINE_OF (event->start_mark),
                     COLUMN_OF (event->start_mark), "%s", why != NULL ? why : "is no text");
    return json_null ();
}

static json_t *node_value (Yaml *yaml, const yaml_event_t *event, const char *path, guint depth);

static json_t *
sequence_value (Yaml *yaml, const char *path, guint depth)
{
    json_t *list = json_array ();
    yaml_event_t event;

    while (next (yaml, &event)) {
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete (&event);
            break;
        }
        g_autofree char *place = path_index (path, json_array_size (list));
        reading_place (yaml->reading, place, LINE_OF (event.start_mark), COLUMN_OF (event.start_mark));
        json_array_append_new (list, node_value (yaml, &event, place, depth + 1));
        yaml_event_delete (&event);
    }
    return list;
}

/* The key's text, or NULL with a problem; a key that is no scalar is read over. */
static char *
key_text (Yaml *yaml, const yaml_event_t *event, const char *path, guint depth)
{
    if (event->type != YAML_SCALAR_EVENT) {
        refuse (yaml, event, path, "a key must be a plain word");
        json_decref (node_value (yaml, event, path, depth + 1));
        return NULL;
    }
    const char *text = (const char *)event->data.scalar.value;
    check_decoration (yaml, event, path, event->data.scalar.anchor, event->data.scalar.tag);
    if (strlen (text) != event->data.scalar.length) {
        refuse (yaml, event, path, "the character U+0000 is not allowed");
        return NULL;
    }
    if (strcmp (text, "<<") == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        refuse (yaml, event, path, "merge keys are not allowed");
        return NULL;
    }
    return g_strdup (text);
}

static void
value_place (Reading *reading, const char *path, const yaml_event_t *event)
{
    Place *place = g_hash_table_lookup (reading->places, path);

    if (place == NULL)
        return;
    place->value_start = event->start_mark.index;
    place->value_end = event->end_mark.index;
}

/* Reads the value that belongs to @key_event and puts it into @object, unless the key may not be used. */
static gboolean
member_value (Yaml *yaml, json_t *object, GHashTable *seen, const yaml_event_t *key_event, const char *path,
              guint depth)
{
    guint line = LINE_OF (key_event->start_mark), column = COLUMN_OF (key_event->start_mark);
    g_autofree char *key = key_text (yaml, key_event, path, depth);
    g_autofree char *place = key != NULL ? path_key (path, key) : g_strdup (path);
    gboolean usable = key != NULL && reading_key (yaml->reading, seen, key, place, line, column);
    yaml_event_t event;

    if (usable)
        reading_place (yaml->reading, place, line, column);
    if (!next (yaml, &event))
        return FALSE;
    if (usable && event.type == YAML_SCALAR_EVENT)
        value_place (yaml->reading, place, &event);
    json_t *value = node_value (yaml, &event, place, depth + 1);
    yaml_event_delete (&event);
    if (usable)
        json_object_set_new (object, key, value);
    else
        json_decref (value);
    return TRUE;
}

static json_t *
mapping_value (Yaml *yaml, const char *path, guint depth)
{
    g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    json_t *object = json_object ();
    yaml_event_t event;
    gboolean more = TRUE;

    while (more && next (yaml, &event)) {
        more = event.type != YAML_MAPPING_END_EVENT && member_value (yaml, object, seen, &event, path, depth);
        yaml_event_delete (&event);
    }
    return object;
}

/* Never NULL; null for what was refused. */
static json_t *
node_value (Yaml *yaml, const yaml_event_t *event, const char *path, guint depth)
{
    if (!reading_node (yaml->reading, path, depth, LINE_OF (event->start_mark),
                       COLUMN_OF (event->start_mark)))
        return json_null ();
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return scalar_value (yaml, event, path);
    case YAML_SEQUENCE_START_EVENT:
        check_decoration (yaml, event, path, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
        return sequence_value (yaml, path, depth);
    case YAML_MAPPING_START_EVENT:
        check_decoration (yaml, event, path, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return mapping_value (yaml, path, depth);
    default:
        refuse (yaml, event, path, "aliases are not allowed");
        return json_null ();
    }
}

static void
check_document_start (Yaml *yaml, const yaml_event_t *event, gboolean first)
{
    if (!first) {
        refuse (yaml, event, "", "a second document is not allowed");
        yaml->reading->stopped = TRUE;
    }
    if (event->data.document_start.version_directive != NULL ||
        event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
        refuse (yaml, event, "", "directives are not allowed");
}

/* One event of the stream's outermost level; FALSE at its end. */
static gboolean
stream_event (Yaml *yaml, json_t **root)
{
    yaml_event_t event;
    gboolean more = TRUE;

    if (!next (yaml, &event))
        return FALSE;
    switch (event.type) {
    case YAML_STREAM_END_EVENT:
        more = FALSE;
        break;
    case YAML_DOCUMENT_START_EVENT:
        check_document_start (yaml, &event, *root == NULL);
        break;
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    default:
        g_assert (*root == NULL);
        *root = node_value (yaml, &event, "", 0);
    }
    yaml_event_delete (&event);
    return more;
}

static json_t *
reading_yaml (Reading *reading, const char *text, gsize length)
{
    Yaml yaml = {.reading = reading};
    json_t *root = NULL;

    if (!yaml_parser_initialize (&yaml.parser))
        g_error ("out of memory");
    yaml_parser_set_encoding (&yaml.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string (&yaml.parser, (const unsigned char *)text, length);
    while (stream_event (&yaml, &root))
        ;
    yaml_parser_delete (&yaml.parser);
    if (reading->stopped)
        g_clear_pointer (&root, json_decref);
    else if (root == NULL)
        problems_add_at (reading->problems, "empty", "", 1, 1, "there is nothing in this text");
    return root;
}

/* -- documents -- */

Document *
document_parse (const char *text, gsize length, DocumentFormat format, Problems *problems)
{
    if (length > DOCUMENT_LIMIT_BYTES) {
        problems_add_at (problems, "too_large", "", 1, 1,
                         "the text has %" G_GSIZE_FORMAT " bytes; at most %d are allowed", length,
                         DOCUMENT_LIMIT_BYTES);
        return NULL;
    }
    g_autoptr (GHashTable) places = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    Reading reading = {.problems = problems, .places = places};
    json_t *root = format == DOCUMENT_JSON ? reading_json (&reading, text, length)
                                           : reading_yaml (&reading, text, length);
    if (root == NULL)
        return NULL;
    Document *document = g_new0 (Document, 1);
    document->root = root;
    document->places = g_steal_pointer (&places);
    return document;
}

Document *
document_new (json_t *root)
{
    Document *document = g_new0 (Document, 1);
    document->root = json_incref (root);
    return document;
}

void
document_free (Document *document)
{
    if (document == NULL)
        return;
    json_decref (document->root);
    g_clear_pointer (&document->places, g_hash_table_unref);
    g_free (document);
}

json_t *
document_root (const Document *document)
{
    return document->root;
}

/* Cuts the last part off: "a.b[2]" → "a.b" → "a" → "". */
static void
to_parent (char *path)
{
    gsize length = strlen (path);

    if (g_str_has_suffix (path, "\"]")) {
        char *bracket = g_strrstr (path, "[\"");
        path[bracket != NULL ? (gsize)(bracket - path) : 0] = '\0';
        return;
    }
    while (length > 0 && path[length - 1] != '.' && path[length - 1] != '[')
        length--;
    path[length > 0 ? length - 1 : 0] = '\0';
}

gboolean
document_position (const Document *document, const char *path, guint *line, guint *column)
{
    g_autofree char *at = g_strdup (path);

    if (document->places == NULL)
        return FALSE;
    for (;;) {
        const Place *place = g_hash_table_lookup (document->places, at);
        if (place == NULL && at[0] != '\0') {
            to_parent (at);
            continue;
        }
        *line = place != NULL ? place->line : 1;
        *column = place != NULL ? place->column : 1;
        return TRUE;
    }
}

/*
 * What the reader refused stands as null in the document; that null then has the wrong type, which would be a
 * second problem of the same place and help nobody.
 */
static void
drop_consequences (Problems *problems)
{
    g_autoptr (GHashTable) refused = g_hash_table_new (g_str_hash, g_str_equal);

    for (guint i = 0; i < problems_kept (problems); i++)
        if (problems_get (problems, i)->line != 0)
            g_hash_table_add (refused, problems_get (problems, i)->path);
    for (guint i = problems_kept (problems); i > 0; i--) {
        const Problem *problem = problems_get (problems, i - 1);
        if (problem->line == 0 && problem->path[0] != '\0' && g_hash_table_contains (refused, problem->path))
            problems_remove (problems, i - 1);
    }
}

void
document_locate (const Document *document, Problems *problems)
{
    drop_consequences (problems);
    for (guint i = 0; i < problems_kept (problems); i++) {
        Problem *problem = problems_get (problems, i);
        if (problem->line == 0)
            document_position (document, problem->path, &problem->line, &problem->column);
    }
    problems_sort (problems);
}

/* -- replacing -- */

typedef struct {
    const char *start, *end; /* in the text */
    const char *value;
} Replacement;

static gint
by_start (gconstpointer a, gconstpointer b)
{
    const Replacement *left = a, *right = b;
    return (left->start > right->start) - (left->start < right->start);
}

/* A block scalar's end is the start of what follows: the line break before that stays. */
static const char *
without_space (const char *start, const char *end)
{
    while (end > start && strchr (" \t\r\n", end[-1]) != NULL)
        end--;
    return end;
}

static GArray *
find_values (const char *text, GHashTable *places, GHashTable *values)
{
    g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (Replacement));
    GHashTableIter iter;
    const char *path, *value;

    g_hash_table_iter_init (&iter, values);
    while (g_hash_table_iter_next (&iter, (gpointer *)&path, (gpointer *)&value)) {
        const Place *place = g_hash_table_lookup (places, path);
        if (place == NULL || place->value_end <= place->value_start)
            return NULL;
        const char *start = g_utf8_offset_to_pointer (text, (glong)place->value_start);
        const char *end = g_utf8_offset_to_pointer (start, (glong)(place->value_end - place->value_start));
        const Replacement replacement = {start, without_space (start, end), value};
        g_array_append_val (found, replacement);
    }
    g_array_sort (found, by_start);
    return g_steal_pointer (&found);
}

char *
document_replace_values (const char *text, GHashTable *values)
{
    g_autoptr (Problems) problems = problems_new ();
    g_autoptr (Document) document = document_parse (text, strlen (text), DOCUMENT_YAML, problems);
    g_autoptr (GArray) found =
        document != NULL && document->places != NULL ? find_values (text, document->places, values) : NULL;

    if (found == NULL)
        return NULL;
    GString *result = g_string_new (NULL);
    const char *done = text;
    for (guint i = 0; i < found->len; i++) {
        const Replacement *replacement = &g_array_index (found, Replacement, i);
        g_string_append_len (result, done, replacement->start - done);
        g_string_append (result, replacement->value);
        done = replacement->end;
    }
    g_string_append (result, done);
    return g_string_free (result, FALSE);
}
