#include "vdc/http/server_private.h"

#include <string.h>
#include <time.h>

/*
 * Every answer, also a refusal, says these unless its handler says otherwise: what we send is data, to be
 * shown in no frame, guessed at by no browser, read by no other page, kept in no cache.
 */
static const char *const always[][2] = {
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy",
     "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

static const struct {
    guint status;
    const char *text;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

static const char *
reason_of (guint status)
{
    for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Answer";
}

static gboolean
is_given (GPtrArray *headers, const char *name)
{
    for (guint i = 0; headers != NULL && i + 1 < headers->len; i += 2)
        if (g_ascii_strcasecmp (headers->pdata[i], name) == 0)
            return TRUE;
    return FALSE;
}

static void
add_date (GString *head)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time (NULL);
    struct tm t;
    gmtime_r (&now, &t);
    g_string_append_printf (head, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[t.tm_wday], t.tm_mday,
                            months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

/*
 * A browser applies it to every port of the name: a grid reached as "localhost" would take plain HTTP from
 * everything else on that machine. (Addresses are left out by the browsers themselves.)
 */
static gboolean
may_be_strict (const char *host)
{
    return host != NULL && g_ascii_strncasecmp (host, "localhost", 9) != 0;
}

GBytes *
http_answer_head (guint status, GPtrArray *headers, HttpLengthKind kind, gsize length, gboolean close,
                  gboolean secure, const char *host)
{
    GString *head = g_string_sized_new (512);
    g_string_append_printf (head, "HTTP/1.1 %u %s\r\n", status, reason_of (status));
    add_date (head);
    for (guint i = 0; headers != NULL && i + 1 < headers->len; i += 2)
        g_string_append_printf (head, "%s: %s\r\n", (char *)headers->pdata[i], (char *)headers->pdata[i + 1]);
    for (guint i = 0; i < G_N_ELEMENTS (always); i++)
        if (!is_given (headers, always[i][0]))
            g_string_append_printf (head, "%s: %s\r\n", always[i][0], always[i][1]);
    if (secure && may_be_strict (host))
        g_string_append (head, "Strict-Transport-Security: max-age=31536000\r\n");
    if (kind == HTTP_LENGTH_CHUNKED)
        g_string_append (head, "Transfer-Encoding: chunked\r\n");
    else if (kind == HTTP_LENGTH_KNOWN && status != 204 && status != 304)
        g_string_append_printf (head, "Content-Length: %" G_GSIZE_FORMAT "\r\n", length);
    if (close)
        g_string_append (head, "Connection: close\r\n");
    g_string_append (head, "\r\n");
    return g_string_free_to_bytes (head);
}

GBytes *
http_answer_refusal_body (const HttpRefusal *refusal)
{
    g_autoptr (json_t) body = json_object ();
    json_put (body, "code", json_string (vdc_error_info (refusal->code)->name));
    json_put (body, "message", json_str_new (refusal->message));
    json_put (body, "params", json_object ());
    json_put (body, "path", NULL);
    char *text = json_text (body);
    return g_bytes_new_take (text, strlen (text));
}
