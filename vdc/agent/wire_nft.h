/*
 * libnftables, and nothing else. One caller at a time; the kernel's tables are those of the namespace the
 * process was in at wire_nft_new.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

typedef struct WireNft WireNft;

WireNft *wire_nft_new (GError **error);
void wire_nft_free (WireNft *nft);

/* All commands of @text in one transaction: all or none. The error carries nft's first complaint. */
gboolean wire_nft_run (WireNft *nft, const char *text, GError **error);
/* The "nftables" array that a list command answers. VDC_ERROR_NOT_FOUND where the thing is not there. Caller
 * owns. */
json_t *wire_nft_list (WireNft *nft, const char *command, GError **error);

/*
 * Every counter of bridge table @table: @take is called with each. By netlink and not by "list counters", for
 * which nft 1.0.6 reads all rules of the machine first (0.7 s with 200 taps). No table is no counters.
 */
typedef void (*WireNftTake) (const char *name, guint64 packets, guint64 bytes, gpointer data);
gboolean wire_nft_counters (WireNft *nft, const char *table, WireNftTake take, gpointer data, GError **error);
