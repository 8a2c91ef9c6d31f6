/*
 * The supervisor's link to vdcd, as any other client of the API: by 127.0.0.1, with the local token. Main
 * loop only.
 */
#pragma once

#include "vdc/base/json.h"

#include <glib.h>

typedef struct Link Link;

/* Something in the grid may have changed (also once after each connect): look at what you need by link_get.
 */
typedef void (*LinkChanged) (Link *link, gpointer user_data);
/* @answer is borrowed; NULL with @error. */
typedef void (*LinkAnswer) (Link *link, const json_t *answer, const GError *error, gpointer user_data);

/*
 * @state_folder is vdcd's --state: its pki/ca.crt and token appear at its first start. The link tries until
 * vdcd answers, follows its events, and starts again when they break off. Strings are copied.
 */
Link *link_new (const char *url, const char *state_folder, LinkChanged changed, gpointer user_data);
void link_free (Link *link);

/* @path as "/api/v1/servers". @answer is not called once the link is freed. */
void link_get (Link *link, const char *path, LinkAnswer answer, gpointer user_data);
/* Steals @body. */
void link_post (Link *link, const char *path, json_t *body, LinkAnswer answer, gpointer user_data);
