/*
 * A text that a person wrote, brought up to a document that operations have changed since.
 */
#pragma once

#include <jansson.h>

/*
 * The YAML @text with its comments and its form, saying what @document says. NULL when only printing the document
 * anew can do that: something was added or removed other than a layout where there was none. Caller frees.
 */
char *description_text_follow (const char *text, const json_t *document);
