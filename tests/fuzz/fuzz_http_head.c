/*
 * Bytes that come in on a connection: the head, the path through the router, the query. The verdict must not depend
 * on how the bytes were cut, and what is taken must hold nothing that another parser could read differently.
 */
#include "vdc/http/head.h"
#include "vdc/http/router.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
nothing (HttpRequest *request, gpointer user_data)
{
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/", PUBLIC, NONE, "root"), .handler = nothing},
    {HTTP_ROUTE (GET, "/a/{x}/b/{y}", PUBLIC, NONE, "two"), .handler = nothing},
    {HTTP_ROUTE (POST, "/a/{x}", PUBLIC, NONE, "one"), .handler = nothing},
    {HTTP_ROUTE (GET, "/files/{rest*}", PUBLIC, NONE, "rest"), .handler = nothing},
};

static void
must (gboolean holds)
{
    if (!holds)
        abort ();
}

static HttpHeadState
read_in_pieces (const guint8 *data, gsize size, gsize piece, guint *status)
{
    HttpHead head = {0};
    HttpHeadState state = HTTP_HEAD_MORE;
    for (gsize length = 0; state == HTTP_HEAD_MORE && length < size;) {
        length = MIN (size, length + piece);
        state = http_head_read (&head, data, length);
    }
    *status = head.status;
    http_head_clear (&head);
    return state;
}

static void
check_taken (const HttpHead *head, const guint8 *data)
{
    GHashTableIter iter;
    gpointer name, value;
    must (head->length >= 4 && head->length <= HTTP_HEAD_LIMIT_BYTES &&
          memcmp (data + head->length - 4, "\r\n\r\n", 4) == 0);
    must (memchr (data, '\0', head->length) == NULL);
    for (gsize i = 0; i < head->length; i++)
        must ((data[i] == '\n') == (i > 0 && data[i - 1] == '\r'));
    must (head->path[0] == '/' && strlen (head->path) <= HTTP_LINE_LIMIT_BYTES);
    must (g_hash_table_contains (head->headers, "host"));
    must (!g_hash_table_contains (head->headers, "transfer-encoding"));
    g_hash_table_iter_init (&iter, head->headers);
    while (g_hash_table_iter_next (&iter, &name, &value))
        must (*(char *)name != '\0' && strpbrk (name, " \t:\r\n") == NULL && strpbrk (value, "\r\n") == NULL);
}

static void
route (const HttpHead *head)
{
    static HttpRouter *router;
    g_autoptr (GHashTable) params = NULL;
    g_autoptr (GHashTable) query = http_query_parse (head->query);
    g_autofree char *allow = NULL;
    GHashTableIter iter;
    gpointer value;
    must (query == NULL || head->query == NULL || g_hash_table_size (query) <= strlen (head->query));
    if (router == NULL) {
        router = http_router_new ();
        http_router_add (router, rows, G_N_ELEMENTS (rows), NULL);
    }
    const HttpRoute *row = http_router_match (router, head->method, head->path, &params, &allow);
    must (row == NULL || params != NULL);
    if (params == NULL)
        return;
    g_hash_table_iter_init (&iter, params);
    while (g_hash_table_iter_next (&iter, NULL, &value))
        must (*(char *)value != '\0' && g_utf8_validate (value, -1, NULL));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    HttpHead head = {0};
    guint status;
    HttpHeadState state = http_head_read (&head, data, size);

    must ((state == HTTP_HEAD_REFUSED) == (head.problem != NULL));
    if (size < 4096)
        must (read_in_pieces (data, size, 1, &status) == state && status == head.status);
    must (read_in_pieces (data, size, 7, &status) == state && status == head.status);
    if (state == HTTP_HEAD_WHOLE) {
        check_taken (&head, data);
        route (&head);
    }
    http_head_clear (&head);
    return 0;
}
