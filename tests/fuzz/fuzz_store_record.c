/*
 * What is read back from disk and from backups: heads of backups, and JSON rows as entries of the audit. A
 * head that is accepted names only files that a backup has; an entry is good only when it is sealed.
 */
#include "vdc/store/audit_chain.h"
#include "vdc/store/backup_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
must (gboolean holds)
{
    if (!holds)
        abort ();
}

static void
try_head (const char *bytes, gsize size)
{
    g_autoptr (GError) error = NULL;
    gint64 offset = -1, total = -1;
    gsize i;
    json_t *file;
    g_autoptr (json_t) index = backup_parse_head (bytes, size, &offset, &total, &error);
    must ((index == NULL) == (error != NULL));
    if (index == NULL)
        return;
    must (offset > 0 && offset <= (gint64)size && total >= offset);
    json_array_foreach (json_object_get (index, "files"), i, file) {
        const char *path = json_str (file, "path", "/");
        must (path[0] != '/' && strstr (path, "..") == NULL);
    }
}

static void
try_entry (const char *bytes, gsize size)
{
    g_autoptr (json_t) entry = json_parse (bytes, size, NULL);
    if (entry == NULL)
        return;
    if (audit_chain_check (entry, 1, AUDIT_NO_DIGEST) == AUDIT_GOOD)
        must (json_int (entry, "seq", 0) == 1);
    if (!json_is_object (entry))
        return;
    audit_chain_seal (entry, 7, AUDIT_NO_DIGEST);
    must (audit_chain_check (entry, 7, AUDIT_NO_DIGEST) == AUDIT_GOOD);
    /* What is stored is text: read back it must still fit. */
    g_autofree char *text = json_text (entry);
    g_autoptr (json_t) again = json_parse (text, strlen (text), NULL);
    must (again != NULL && audit_chain_check (again, 7, AUDIT_NO_DIGEST) == AUDIT_GOOD);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    char key[AUDIT_KEY_BYTES + 1];
    g_strlcpy (key, "0000000000000001", sizeof key);
    must (audit_chain_seq (key) == 1);
    try_head ((const char *)data, size);
    try_entry ((const char *)data, size);
    return 0;
}
