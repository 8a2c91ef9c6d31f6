#include "vdc/agent/wire_nft.h"

#include "vdc/base/error.h"

#include <nftables/libnftables.h>
#include <string.h>

struct WireNft {
    struct nft_ctx *context;
};

WireNft *
wire_nft_new (GError **error)
{
    struct nft_ctx *context = nft_ctx_new (NFT_CTX_DEFAULT);
    if (context == NULL) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "cannot open nftables; is this process root?");
        return NULL;
    }
    if (nft_ctx_buffer_output (context) != 0 || nft_ctx_buffer_error (context) != 0) {
        nft_ctx_free (context);
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "cannot set up nftables: no memory");
        return NULL;
    }
    WireNft *nft = g_new0 (WireNft, 1);
    nft->context = context;
    return nft;
}

void
wire_nft_free (WireNft *nft)
{
    if (nft == NULL)
        return;
    nft_ctx_free (nft->context);
    g_free (nft);
}

/* nft quotes the failing command below its complaint; one line is enough for a message. */
static void
set_error (WireNft *nft, GError **error)
{
    const char *text = nft_ctx_get_error_buffer (nft->context);
    g_autofree char *line = g_strndup (text, strcspn (text, "\n"));
    gboolean missing = strstr (line, "No such file or directory") != NULL;
    g_set_error (error, VDC_ERROR, missing ? VDC_ERROR_NOT_FOUND : VDC_ERROR_FAILED, "nftables: %s",
                 *line ? line : "refused without a reason");
}

gboolean
wire_nft_run (WireNft *nft, const char *text, GError **error)
{
    nft_ctx_output_set_flags (nft->context, 0);
    gboolean done = nft_run_cmd_from_buffer (nft->context, text) == 0;
    if (!done)
        set_error (nft, error);
    /* Reading a buffer is what empties it. */
    nft_ctx_get_output_buffer (nft->context);
    return done;
}

json_t *
wire_nft_list (WireNft *nft, const char *command, GError **error)
{
    nft_ctx_output_set_flags (nft->context, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_NUMERIC_ALL);
    if (nft_run_cmd_from_buffer (nft->context, command) != 0) {
        set_error (nft, error);
        nft_ctx_get_output_buffer (nft->context);
        return NULL;
    }
    const char *text = nft_ctx_get_output_buffer (nft->context);
    json_t *document = json_loads (text, 0, NULL);
    json_t *list = json_incref (json_object_get (document, "nftables"));
    json_decref (document);
    if (list == NULL)
        g_set_error (error, VDC_ERROR, VDC_ERROR_FAILED, "nftables: '%s' answered what is not JSON", command);
    return list;
}
