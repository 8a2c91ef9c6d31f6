#include "vdc/http/head.h"

#include <string.h>

#include "vdc/base/bug.h"

/* Two of these could be read as the first or as the last. Other headers are lists. */
static const char *const single[] = {
    "host",           "content-length",  "transfer-encoding", "authorization",     "content-type",
    "origin",         "cookie",          "idempotency-key",   "if-match",          "if-none-match",
    "last-event-id",  "expect",          "upgrade",           "sec-websocket-key", "sec-websocket-version",
    "sec-fetch-site", "x-requested-with"};

static HttpHeadState
refused (HttpHead *head, guint status, const char *problem)
{
    head->status = status;
    head->problem = problem;
    return HTTP_HEAD_REFUSED;
}

static gboolean
is_token_byte (guint8 byte)
{
    return g_ascii_isalnum (byte) || (byte != '\0' && strchr ("!#$%&'*+-.^_`|~", byte) != NULL);
}

/* --- bytes ------------------------------------------------------------------------------------------------- */

static HttpHeadState
end_line (HttpHead *head, gsize at)
{
    gsize length = at - head->line_start;
    head->line_start = head->scanned = at + 2;
    if (length == 0 && head->lines == 0)
        return refused (head, 400, "the request begins with an empty line");
    head->lines++;
    if (head->lines > HTTP_HEADERS_MAX + 1 && length > 0)
        return refused (head, 431, "more than 100 headers");
    head->length = head->line_start;
    return length == 0 ? HTTP_HEAD_WHOLE : HTTP_HEAD_MORE;
}

static HttpHeadState
check_byte (HttpHead *head, guint8 byte)
{
    gsize column = head->scanned - head->line_start;
    if (byte == '\n')
        return refused (head, 400, "a line ends in LF without CR");
    if ((byte < ' ' && byte != '\t') || byte == 0x7f)
        return refused (head, 400, "a control character is in the head");
    if (column == 0 && head->lines > 0 && (byte == ' ' || byte == '\t'))
        return refused (head, 400, "a header is folded over two lines");
    if (column >= HTTP_LINE_LIMIT_BYTES)
        return head->lines == 0 ? refused (head, 414, "the request line is over 8192 bytes")
                                : refused (head, 431, "a header is over 8192 bytes");
    head->scanned++;
    return HTTP_HEAD_MORE;
}

/* Line by line to the empty one, nothing looked at twice. */
static HttpHeadState
scan (HttpHead *head, const guint8 *data, gsize length)
{
    HttpHeadState state = HTTP_HEAD_MORE;
    while (state == HTTP_HEAD_MORE && head->scanned < length) {
        gsize at = head->scanned;
        /* One byte of room for the LF of a CR that is the last one allowed. */
        if (at >= HTTP_HEAD_LIMIT_BYTES || (data[at] == '\r' && at + 1 >= HTTP_HEAD_LIMIT_BYTES))
            return refused (head, 431, "the head is over 32768 bytes");
        if (data[at] != '\r')
            state = check_byte (head, data[at]);
        else if (at + 1 == length)
            break;
        else if (data[at + 1] == '\n')
            state = end_line (head, at);
        else
            state = refused (head, 400, "a CR without LF is in the head");
    }
    return state;
}

/* --- the request line -------------------------------------------------------------------------------------- */

static gboolean
take_target (HttpHead *head, const char *target)
{
    if (target[0] != '/')
        return FALSE;
    for (const char *c = target; *c != '\0'; c++)
        if ((guchar)*c <= ' ' || (guchar)*c > '~' || *c == '#')
            return FALSE;
    const char *mark = strchr (target, '?');
    head->path = mark != NULL ? g_strndup (target, (gsize)(mark - target)) : g_strdup (target);
    head->query = mark != NULL ? g_strdup (mark + 1) : NULL;
    return TRUE;
}

static gboolean
take_method (HttpHead *head, const char *method)
{
    gsize length = strlen (method);
    if (length == 0 || length > HTTP_METHOD_MAX_BYTES ||
        strspn (method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != length)
        return FALSE;
    head->method = g_strdup (method);
    return TRUE;
}

static HttpHeadState
take_request_line (HttpHead *head, const char *line)
{
    g_auto (GStrv) parts = g_strsplit (line, " ", 4);
    if (g_strv_length (parts) != 3 || !take_method (head, parts[0]))
        return refused (head, 400, "the request line is not METHOD TARGET HTTP/1.1");
    if (!take_target (head, parts[1]))
        return refused (head, 400, "the target must be a path of visible ASCII, such as /api/v1/servers");
    if (strcmp (parts[2], "HTTP/1.1") != 0)
        return g_str_has_prefix (parts[2], "HTTP/")
                   ? refused (head, 505, "only HTTP/1.1 is spoken here")
                   : refused (head, 400, "the request line names no HTTP version");
    return HTTP_HEAD_WHOLE;
}

/* --- headers ----------------------------------------------------------------------------------------------- */

static HttpHeadState
take_header (HttpHead *head, const char *line)
{
    gsize n = 0;
    while (is_token_byte ((guint8)line[n]))
        n++;
    if (n == 0 || line[n] != ':')
        return refused (head, 400, "a header is not NAME: VALUE");
    g_autofree char *name = g_ascii_strdown (line, (gssize)n);
    g_autofree char *value = g_strdup (line + n + 1);
    g_strstrip (value); /* the scan left no other white space than blank and tab */
    const char *before = g_hash_table_lookup (head->headers, name);
    for (guint i = 0; before != NULL && i < G_N_ELEMENTS (single); i++)
        if (strcmp (name, single[i]) == 0 && !vdc_bug ("http-header-twice"))
            return refused (head, 400,
                            i == 0   ? "exactly one Host header is needed"
                            : i == 1 ? "the length of the body is given twice"
                                     : "a header that may come once came twice");
    char *whole = before != NULL ? g_strconcat (before, ", ", value, NULL) : g_steal_pointer (&value);
    g_hash_table_replace (head->headers, g_steal_pointer (&name), whole);
    return HTTP_HEAD_WHOLE;
}

static gboolean
is_host (const char *text)
{
    return text != NULL && *text != '\0' &&
           strspn (text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]%") ==
               strlen (text);
}

static gboolean
is_key (const char *text)
{
    gsize length = strlen (text);
    for (const char *c = text; *c != '\0'; c++)
        if (!g_ascii_isprint (*c))
            return FALSE;
    return length > 0 && length <= HTTP_IDEMPOTENCY_KEY_MAX_BYTES;
}

static gboolean
has_word (const char *list, const char *word)
{
    g_auto (GStrv) words = g_strsplit (list ? list : "", ",", -1);
    for (guint i = 0; words[i] != NULL; i++)
        if (g_ascii_strcasecmp (g_strstrip (words[i]), word) == 0)
            return TRUE;
    return FALSE;
}

/* How long the body is must be said once and in one way. */
static HttpHeadState
take_length (HttpHead *head)
{
    const char *length = g_hash_table_lookup (head->headers, "content-length");
    const char *encoding = g_hash_table_lookup (head->headers, "transfer-encoding");
    if (encoding != NULL && length != NULL && vdc_bug ("http-two-lengths"))
        encoding = NULL;
    if (encoding != NULL && length != NULL)
        return refused (head, 400, "the length of the body is given twice");
    if (encoding != NULL && vdc_bug ("http-chunked-as-none"))
        encoding = NULL;
    if (encoding != NULL)
        return g_ascii_strcasecmp (encoding, "chunked") == 0
                   ? refused (head, 411, "a body needs a Content-Length here; chunked ones are not taken")
                   : refused (head, 400, "this Transfer-Encoding is not understood");
    if (length == NULL)
        return HTTP_HEAD_WHOLE;
    if (*length == '\0' || strspn (length, "0123456789") != strlen (length) || strlen (length) >= 19)
        return refused (head, 400, "Content-Length is not a number");
    head->content_length = g_ascii_strtoull (length, NULL, 10);
    return HTTP_HEAD_WHOLE;
}

static HttpHeadState
take_meaning (HttpHead *head)
{
    const char *key = g_hash_table_lookup (head->headers, "idempotency-key");
    const char *expect = g_hash_table_lookup (head->headers, "expect");
    if (!is_host (g_hash_table_lookup (head->headers, "host")))
        return refused (head, 400, "exactly one Host header is needed");
    if (key != NULL && !is_key (key))
        return refused (head, 400, "Idempotency-Key must be 1 to 128 printable ASCII characters");
    if (expect != NULL && g_ascii_strcasecmp (expect, "100-continue") != 0)
        return refused (head, 417, "only 100-continue may be expected");
    head->continues = expect != NULL;
    head->close = has_word (g_hash_table_lookup (head->headers, "connection"), "close");
    return take_length (head);
}

HttpHeadState
http_head_read (HttpHead *head, const guint8 *data, gsize length)
{
    HttpHeadState state = scan (head, data, length);
    if (state != HTTP_HEAD_WHOLE)
        return state;
    g_autofree char *text = g_strndup ((const char *)data, head->length - 4);
    g_auto (GStrv) lines = g_strsplit (text, "\r\n", -1);
    head->headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    state = take_request_line (head, lines[0]);
    for (guint i = 1; state == HTTP_HEAD_WHOLE && lines[i] != NULL; i++)
        state = take_header (head, lines[i]);
    return state == HTTP_HEAD_WHOLE ? take_meaning (head) : state;
}

void
http_head_clear (HttpHead *head)
{
    g_free (head->method);
    g_free (head->path);
    g_free (head->query);
    g_clear_pointer (&head->headers, g_hash_table_unref);
    memset (head, 0, sizeof *head);
}

/* --- the query --------------------------------------------------------------------------------------------- */

static char *
decode (const char *text, gsize length)
{
    g_autofree char *blanks = g_strndup (text, length);
    g_strdelimit (blanks, "+", ' ');
    char *plain = g_uri_unescape_string (blanks, NULL);
    if (plain != NULL && !g_utf8_validate (plain, -1, NULL))
        g_clear_pointer (&plain, g_free);
    return plain;
}

GHashTable *
http_query_parse (const char *query)
{
    g_autoptr (GHashTable) values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    g_auto (GStrv) parts = g_strsplit (query ? query : "", "&", -1);
    for (guint i = 0; parts[i] != NULL; i++) {
        const char *equals = strchr (parts[i], '=');
        gsize name_length = equals != NULL ? (gsize)(equals - parts[i]) : strlen (parts[i]);
        if (*parts[i] == '\0')
            continue;
        char *name = decode (parts[i], name_length);
        char *value = equals != NULL ? decode (equals + 1, strlen (equals + 1)) : g_strdup ("");
        if (name == NULL || value == NULL) {
            g_free (name);
            g_free (value);
            return NULL;
        }
        g_hash_table_replace (values, name, value);
    }
    return g_steal_pointer (&values);
}
