/*
 * Where a lab keeps its files, and where the programs and catalogs it starts are found.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *name;    /* of the lab */
    char *key;     /* of the folder: names what must be unique on the host, whatever the lab is called */
    char *folder;  /* everything the lab writes is below it; mode 0700 */
    char *lock;    /* held by the supervisor as long as it lives; its text is the supervisor's pid */
    char *control; /* unix socket of the supervisor; may be longer than a sockaddr, see control.h */
    char *logs;    /* one file per daemon, size-capped */
    char *client;  /* url, token, ca.crt: what the command line reads */
    char *run;     /* settings of the machines; remade at each start */
} LabPaths;

/*
 * VDC_LAB_DIR when set (then @name only labels it), else /var/lib/vdc/lab/NAME.
 * NULL and @error (VDC_ERROR_USAGE) when @name is no valid name or the folder lies where a server's own /run
 * hides it.
 */
LabPaths *lab_paths_new (const char *name, GError **error);
void lab_paths_free (LabPaths *paths);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LabPaths, lab_paths_free)

/* Folder/NAME; caller frees. */
char *lab_paths_join (const LabPaths *paths, const char *name);

/*
 * The program @name of VDC: beside this program, in the neighbouring folder of the build tree, or in PATH.
 * NULL and VDC_ERROR_NOT_FOUND when there is none. Caller frees.
 */
char *lab_find_program (const char *name, GError **error);
/* The folder that holds appliances/ and catalog/: VDC_ROOT, the source tree, /usr/share/vdc. Caller frees. */
char *lab_find_root (GError **error);
/* ${VDC_CACHE:-/var/cache/vdc}/images; caller frees. */
char *lab_images_folder (void);
