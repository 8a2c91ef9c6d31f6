/*
 * A small ISO 9660 file system, made of a few files in one folder: what a NoCloud seed needs, and no more.
 * Pure; the same input gives the same bytes, dates are zero.
 */
#pragma once

#include <glib.h>

#define ISO_FILES_MAX 16
#define ISO_NAME_MAX 30

typedef struct {
    const char *name; /* letters, digits, '.', '-', '_'; at most ISO_NAME_MAX */
    const char *text;
} IsoFile;

/* @label: the volume's, at most 32 characters. @files sorted by name. Caller unrefs. */
GBytes *iso_image_new (const char *label, const IsoFile *files, guint count);
