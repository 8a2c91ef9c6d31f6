/*
 * jansson with scope cleanup and typed getters whose errors name the place ("instances.web.count").
 * Getters that return const char * or a borrowed json_t * borrow from @object.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (json_t, json_decref)

/* No document deeper or, where the caller gives no other limit, longer than this is parsed. */
#define JSON_LIMIT_BYTES (1024 * 1024)

/* How deep lists and objects stand in each other in @text, without parsing it. */
guint json_text_depth (const char *text, gsize length);
/* Duplicate keys are errors. NULL and @error (VDC_ERROR_USAGE, with line and column) on failure. */
json_t *json_parse (const char *text, gsize length, GError **error);
json_t *json_parse_file (const char *path, GError **error);

/* Compact text with sorted keys: equal documents give equal text. Caller frees with g_free. */
char *json_text (const json_t *value);
/* Indented by 2, keys as inserted. */
char *json_pretty (const json_t *value);

/* Required members. FALSE and VDC_ERROR_USAGE "@where.key must be a …" when missing or of another type. */
gboolean json_need_string (const json_t *object, const char *where, const char *key, const char **value,
                           GError **error);
gboolean json_need_int (const json_t *object, const char *where, const char *key, gint64 *value,
                        GError **error);
gboolean json_need_object (const json_t *object, const char *where, const char *key, json_t **value,
                           GError **error);
gboolean json_need_array (const json_t *object, const char *where, const char *key, json_t **value,
                          GError **error);

/* Optional members: @fallback when missing, null or of another type. */
const char *json_str (const json_t *object, const char *key, const char *fallback);
gint64 json_int (const json_t *object, const char *key, gint64 fallback);
double json_num (const json_t *object, const char *key, double fallback);
gboolean json_bool (const json_t *object, const char *key, gboolean fallback);

/* Sets and steals @value; a NULL @value sets null. */
void json_put (json_t *object, const char *key, json_t *value);
/* As json_string, but bytes that are not UTF-8 are replaced; NULL gives null. */
json_t *json_str_new (const char *text);
