/*
 * An application's description: a topology, its settings, its volumes.
 */
#pragma once

#include "vdc/model/assembly.h"

#define APPLICATION_ASSEMBLIES_MAX 50
#define APPLICATION_ASSEMBLY_VERSION "0.0.0" /* of one of its own that says none */
#define VOLUME_MIRRORS_MAX 5
#define VOLUME_SIZE_MIN (1024 * 1024)
#define VOLUME_SIZE_MAX (64ULL << 40)

typedef struct {
    char *name;
    guint64 size_bytes;
    guint mirrors; /* 2 unless given */
    char *seed;    /* folder beside the template, relative; NULL: none */
} ApplicationVolume;

typedef struct {
    char *name;
    char *summary;      /* may be NULL */
    json_t *properties; /* object: name → scalar; never NULL */
    Body body;
    GPtrArray *volumes;    /* ApplicationVolume * */
    GPtrArray *assemblies; /* Assembly *: its own, used as "local/NAME" */
    json_t *document;
} Application;

/*
 * Always gives an application unless the text is no mapping at all, so that topology_new can add its own
 * problems: it is sound only when @problems stayed empty. Lines are set by application_parse;
 * application_from_document leaves them to document_locate, after topology_new.
 */
Application *application_parse (const char *text, gsize length, DocumentFormat format, Problems *problems);
Application *application_from_document (const Document *document, Problems *problems);
void application_free (Application *application);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Application, application_free)

const ApplicationVolume *application_volume (const Application *application, const char *name);

/*
 * Edits of a description document, in place. They change the one value and check only that the place exists
 * (VDC_ERROR_NOT_FOUND with the nearest name); the result must go through topology_new like any other
 * description.
 */
/* `count` of @instance; where that is `$name`, the property it points at. VDC_ERROR_INVALID when @instance is
 * no tier. */
gboolean application_edit_count (json_t *document, const char *instance, gint64 count, GError **error);
/* @key "name": a property of the application (must exist); "instance.name": a setting. Takes no reference of
 * @value. */
gboolean application_edit_set (json_t *document, const char *key, json_t *value, GError **error);
gboolean application_edit_name (json_t *document, const char *name, GError **error);
