/*
 * Files for browsers: from a folder (`vdcd --ui DIR`, what the UI's build made) or from the program itself.
 *
 * A name is what stands in the address, checked here: words of letters, digits, '.', '_', '-' with '/'
 * between, none beginning with '.'; the kernel is told not to leave the folder, nor to follow links. Only
 * types of the table are served. Where NAME.br or NAME.gz lies beside NAME it is sent to whom takes that
 * coding; files of the program are packed at the start. A name with a hash in it (index-B3xY0a9k.js) is told
 * to be kept for ever, others are asked for again with their ETag. Main loop only.
 */
#pragma once

#include "vdc/http/reply.h"

#define STATIC_NAME_MAX_BYTES 255
/* One file; a longer one is not served. */
#define STATIC_FILE_MAX_BYTES (16 * 1024 * 1024)

typedef struct StaticFiles StaticFiles;

typedef struct {
    const char *name; /* "console.js" */
    const char *data;
    gsize length;
} StaticFile;

/* NULL: VDC_ERROR_NOT_FOUND, …; the folder must hold an index.html. */
StaticFiles *static_files_open (const char *folder, GError **error);
/* @files is borrowed and static. */
StaticFiles *static_files_embedded (const StaticFile *files, gsize n);
void static_files_free (StaticFiles *files);

/*
 * Answer @request with the file @name. 404 when there is none; a name without a type ("applications/shop", an
 * address within the UI) gives index.html.
 */
void static_files_serve (StaticFiles *files, HttpRequest *request, const char *name);

/* For tests: may this name be asked for at all? */
gboolean static_name_is_good (const char *name);
/* "text/javascript; charset=utf-8"; NULL: of no type that is served. Static. */
const char *static_type_of (const char *name);
/* Is there a hash in the name? */
gboolean static_is_hashed (const char *name);
