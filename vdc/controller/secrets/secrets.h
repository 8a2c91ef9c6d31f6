/*
 * Where secrets are in descriptions and specs.
 *
 * A value of a property of type secret is sealed before a description is kept anywhere, in the document and
 * in the text a person gave. The sealed form stands for the value in everything that follows: records,
 * drafts, texts, differences, answers, specs. Given back to us it means the same value, so that a description
 * that was shown can be edited and applied. It is opened only for the agent that runs the member: a spec
 * carries the sealed forms, and beside them, in "secrets", what each of them stands for.
 *
 * Main loop only.
 */
#pragma once

#include "vdc/controller/controller.h"
#include "vdc/model/document.h"

/*
 * Seal every secret of @document in place, for the application @id. Where @before (may be NULL) has the same
 * value at the same place, its seal is kept, so that nothing seems changed. Understands half-written
 * descriptions: what is not of the form is left alone. *@sealed (may be NULL): path → seal (both char *) of
 * what was replaced, empty when nothing was; caller unrefs. FALSE: VDC_ERROR_INVALID names a place whose seal
 * is of another application.
 */
gboolean secrets_seal_document (Controller *controller, const char *id, json_t *document,
                                const json_t *before, GHashTable **sealed, GError **error);
/*
 * The text @sealed was found in, with the seals in the place of the values and everything else as it was.
 * When that cannot be done, the text of @document (comments are lost then). Caller frees.
 */
char *secrets_seal_text (const char *text, DocumentFormat format, const json_t *document, GHashTable *sealed);
/* One value alone, as `set` has it; a seal of ours stays. Caller frees. */
char *secrets_seal_value (Controller *controller, const char *id, const char *value, GError **error);
/* {seal: value} of all seals in @spec's guest settings. New reference; NULL and @error. */
json_t *secrets_of_spec (Controller *controller, const char *id, const json_t *spec, GError **error);
