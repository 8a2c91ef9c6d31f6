/*
 * From a description to what may be applied: checked as a whole, classes resolved to exact versions, images
 * looked up. Nothing here changes a record.
 */
#pragma once

#include "vdc/controller/controller.h"

typedef struct {
    json_t *document;
    json_t *images;     /* class text → image; classes whose image was not built are missing */
    Topology *topology; /* its topology_used is what to store */
} Prepared;

void prepared_free (Prepared *prepared);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Prepared, prepared_free)

/*
 * A new text or document against the catalog as it is now. @text may be NULL, then @document is read.
 * NULL with @problems (never empty then). @name: what the application must be called; NULL: any.
 */
Prepared *description_prepare (Controller *controller, const char *text, DocumentFormat format,
                               json_t *document, const char *name, Problems *problems);
/* A changed document of @application against the classes it was applied with. */
Prepared *description_prepare_edit (Controller *controller, const ApplicationRecord *application,
                                    json_t *document, Problems *problems, GError **error);
/* The same for a document kept with its snapshot (ApplicationRecord.next). NULL and @error. */
Prepared *description_prepare_kept (json_t *document, const json_t *used, json_t *images, GError **error);

/*
 * Seal the secrets of @prepared and of @text (replaced; may hold NULL), for the application @id, so that both
 * may be kept. @before: the description that is applied, NULL for none. On failure @prepared must not be
 * kept.
 */
gboolean description_seal (Controller *controller, const char *id, Prepared *prepared, char **text,
                           DocumentFormat format, const json_t *before, GError **error);

/*
 * Set "property" or "instance.property" of @document in place. A text value takes the type the property has.
 * VDC_ERROR_NOT_FOUND names the nearest.
 */
gboolean description_set (Controller *controller, json_t *document, const Topology *topology, const char *key,
                          json_t *value, GError **error);

/* @name: "yaml" or "json", NULL is yaml. FALSE: VDC_ERROR_USAGE. */
gboolean description_format (const char *name, DocumentFormat *format, GError **error);
/*
 * The "description" of a request: text in its "format", or an object, which is JSON. *@text is NULL when
 * there is none; caller frees it. FALSE: VDC_ERROR_USAGE.
 */
gboolean description_of_request (const json_t *request, char **text, DocumentFormat *format, GError **error);
