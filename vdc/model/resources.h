/*
 * CPU, memory and network: amounts, units, ranges.
 *
 * Texts: cpu in cores ("0.25", 2), memory in bytes with K, M, G, T as powers of 1024 ("192M"), network in
 * bit/s with K, M, G as powers of 1000 ("100M"). Sizes of volumes as memory.
 */
#pragma once

#include "vdc/model/problems.h"

#include <glib.h>
#include <jansson.h>

typedef struct {
    double cpu;       /* cores */
    gboolean cpu_cap; /* TRUE: never more than cpu, even on an idle server */
    guint64 memory_bytes;
    guint64 network_bps;
} Resources;

typedef enum { AMOUNT_CPU, AMOUNT_MEMORY, AMOUNT_NETWORK, AMOUNT_SIZE } AmountKind;

typedef struct {
    double min, max, initial;
} AmountRange;

typedef struct {
    AmountRange cpu, memory, network;
} ResourceRanges;

/*
 * @value: a JSON number or a text as above. FALSE with a problem (bad_amount) at @path when it is none.
 * cpu is rounded to 0.001; the others are whole numbers.
 */
gboolean amount_parse (const json_t *value, AmountKind kind, const char *path, Problems *problems,
                       double *amount);
/* "192M", "0.25", "100M", exact. Caller frees. */
char *amount_text (double amount, AmountKind kind);
