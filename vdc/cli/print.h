/*
 * Output: tables for people, JSON for programs. People's text never carries control characters of a name or a
 * log line to the terminal.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>
#include <stdio.h>

typedef enum {
    FORMAT_TEXT,        /* a string or number as it is */
    FORMAT_BYTES,       /* "1.5 GiB" */
    FORMAT_RATE,        /* bit/s: "100 Mbit/s" */
    FORMAT_TIME,        /* a stamp, in local time "2026-11-22 10:15:02" */
    FORMAT_COUNT,       /* length of an array or object */
    FORMAT_LIST,        /* strings of an array, ", " between */
    FORMAT_FLAG,        /* "yes", "no" */
    FORMAT_RANGE,       /* {min, max, default}: "0.25 (0.05 to 4)" */
    FORMAT_RANGE_BYTES, /* the same in bytes */
    FORMAT_RANGE_RATE,  /* in bit/s */
} Format;

typedef struct {
    const char *title; /* NULL ends the table */
    const char *path;  /* "name", "resources.cpu" */
    Format format;
} Column;

/* The value at a dotted path; NULL when missing or null. Borrowed. */
json_t *print_lookup (const json_t *object, const char *path);
/* As text for a cell: "-" for what is missing. Caller frees. */
char *print_cell (const json_t *object, const char *path, Format format);
/* Titles and rows, columns aligned by display width. Nothing but "@none\n" when @items is empty (and not
 * NULL). */
void print_table (FILE *file, const Column *columns, const json_t *items, const char *none);
/* "Title:  value" lines; rows whose value is missing are left out. */
void print_fields (FILE *file, const Column *columns, const json_t *object);
/* The document indented, and a newline. */
void print_json (FILE *file, const json_t *value);
/* One line. */
void print_json_line (FILE *file, const json_t *value);

/* Escapes control and bidirectional-override characters; invalid bytes are replaced. Caller frees. */
char *print_clean (const char *text);
/* The same, keeping newlines and tabs. Caller frees. */
char *print_clean_lines (const char *text);

char *print_bytes (guint64 bytes);
/* "256M", "1.5G", "2T", "1048576" → bytes; units of 1024. FALSE: VDC_ERROR_USAGE. */
gboolean print_parse_bytes (const char *text, guint64 *bytes, GError **error);

/*
 * Problems of a description, like a compiler: "FILE:LINE:COLUMN: path: message (did you mean 'x'?)". @file
 * NULL: left out with its line.
 */
void print_problems (FILE *out, const char *file, const json_t *problems);
