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
