/*
 * Where the grid is: URL, token and CA of its controller.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *url;     /* without a slash at the end */
    char *token;   /* may be NULL */
    char *ca_file; /* may be NULL */
} Config;

/*
 * With @lab: that lab's client folder. Else VDC_URL, VDC_TOKEN, VDC_CA; what is not set comes from the login
 * (unless VDC_URL or VDC_TOKEN is another's), then from ~/.config/vdc/{url,token,ca.crt}; without a URL
 * there, root takes the lab "default" if it is up. NULL: VDC_ERROR_UNREACHABLE that says what to do.
 */
Config *config_load (const char *lab, GError **error);
/* Keep @token as the login to the grid of @config, in ~/.config/vdc/login; its CA with it. */
gboolean config_keep_login (const Config *config, const char *token, GError **error);
/* Forget it. */
gboolean config_drop_login (GError **error);
void config_free (Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Config, config_free)
