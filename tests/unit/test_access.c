/* Logins: what is parsed, what guessing costs, when sessions and tokens end. */
#include <string.h>

#include "vdc/base/file.h"
#include "vdc/controller/access/credentials.h"
#include "vdc/controller/access/redact.h"
#include "vdc/controller/access/users.h"
#include "vdc/controller/controller.h"

#define SECOND_US ((gint64)G_USEC_PER_SEC)
#define NOW_US (1800000000 * SECOND_US)

/* --- headers ----------------------------------------------------------------------------------------------- */

#define SECRET "vdcs_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
test_cookie (void)
{
    static const struct {
        const char *header, *secret;
    } cases[] = {
        {SESSION_COOKIE "=" SECRET, SECRET},
        {"a=b; " SESSION_COOKIE "=" SECRET "; c=d", SECRET},
        {"a=b;" SESSION_COOKIE "=" SECRET ";", SECRET},
        {NULL, NULL},
        {"", NULL},
        {SESSION_COOKIE, NULL},
        {SESSION_COOKIE "=", NULL},
        {"x" SESSION_COOKIE "=" SECRET, NULL},
        {"__host-vdc=" SECRET, NULL},
        {SESSION_COOKIE " =" SECRET, NULL},
        {SESSION_COOKIE "=\"" SECRET "\"", NULL},
        {SESSION_COOKIE "=" SECRET "=", NULL},
        {SESSION_COOKIE "=" SECRET "\x80", NULL},
        {SESSION_COOKIE "=" SECRET ", " SESSION_COOKIE "=" SECRET, NULL},
        {SESSION_COOKIE "=" SECRET "; " SESSION_COOKIE "=" SECRET, NULL},
        {SESSION_COOKIE "=" SECRET "; " SESSION_COOKIE "=x", NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *secret = credential_cookie (cases[i].header);
        g_assert_cmpstr (secret, ==, cases[i].secret);
    }
}

static void
test_origin (void)
{
    g_assert_true (http_origin_is_ours ("https://grid.example:8443", "grid.example:8443"));
    g_assert_true (http_origin_is_ours ("https://Grid.example", "grid.EXAMPLE"));
    static const char *const wrong[][2] = {
        {NULL, "a"},          {"https://a", NULL},     {"null", "a"},    {"http://a", "a"},
        {"https://a.b", "a"}, {"https://a:1", "a"},    {"https://", ""}, {"https://a/", "a"},
        {"https://a b", "a"}, {"https://evil@a", "a"}, {"a", "a"},       {"https://evil.example", "a"},
    };
    for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
        g_assert_false (http_origin_is_ours (wrong[i][0], wrong[i][1]));
}

static void
test_type (void)
{
    static const char *const right[] = {"application/json", "Application/JSON; charset=utf-8",
                                        "application/json ;x"};
    static const char *const wrong[] = {"", "text/plain", "application/jsonp",
                                        "text/plain; application/json"};
    for (guint i = 0; i < G_N_ELEMENTS (right); i++)
        g_assert_true (http_type_is (right[i], "application/json"));
    for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
        g_assert_false (http_type_is (wrong[i], "application/json"));
    g_assert_false (http_type_is (NULL, "application/json"));
}

/* --- guessing ---------------------------------------------------------------------------------------------- */

static void
test_delay_doubles_up_to_its_limit (void)
{
    static const guint delays[] = {1, 2, 4, 8, 16, 32, 60, 60};
    Clock *clock = clock_manual_new (0);
    Throttle *throttle = throttle_new (clock);
    guint wait_s = 0;
    for (guint i = 0; i < THROTTLE_FREE; i++)
        g_assert_true (throttle_try (throttle, "ann", "192.0.2.1", &wait_s));
    for (guint i = 0; i < G_N_ELEMENTS (delays); i++) {
        g_assert_false (throttle_try (throttle, "ann", "192.0.2.1", &wait_s));
        g_assert_cmpuint (wait_s, ==, delays[i]);
        clock_manual_advance (clock, delays[i] * SECOND_US - 1);
        g_assert_false (throttle_try (throttle, "ann", "192.0.2.1", &wait_s));
        g_assert_cmpuint (wait_s, ==, 1);
        clock_manual_advance (clock, 1);
        g_assert_true (throttle_try (throttle, "ann", "192.0.2.1", &wait_s));
    }
    /* Nobody else waits for it. */
    g_assert_true (throttle_try (throttle, "ann", "192.0.2.2", &wait_s));
    g_assert_true (throttle_try (throttle, "bob", "192.0.2.1", &wait_s));
    throttle_succeeded (throttle, "ann", "192.0.2.1");
    for (guint i = 0; i < THROTTLE_FREE; i++)
        g_assert_true (throttle_try (throttle, "ann", "192.0.2.1", &wait_s));
    g_assert_false (throttle_try (throttle, "ann", "192.0.2.1", &wait_s));
    throttle_free (throttle);
    clock_manual_free (clock);
}

static void
test_tries_are_forgotten (void)
{
    Clock *clock = clock_manual_new (0);
    Throttle *throttle = throttle_new (clock);
    guint wait_s = 0;
    for (guint i = 0; i < THROTTLE_FREE; i++)
        throttle_try (throttle, "ann", "a", &wait_s);
    throttle_cancel (throttle, "ann", "a"); /* the last one was not looked at */
    g_assert_true (throttle_try (throttle, "ann", "a", &wait_s));
    clock_manual_advance (clock, THROTTLE_FORGET_S * SECOND_US);
    g_assert_true (throttle_try (throttle, "bob", "a", &wait_s));
    g_assert_cmpuint (throttle_count (throttle), ==, 1);
    throttle_free (throttle);
    clock_manual_free (clock);
}

static void
test_tries_kept_are_limited (void)
{
    Clock *clock = clock_manual_new (0);
    Throttle *throttle = throttle_new (clock);
    guint wait_s = 0;
    for (guint i = 0; i < THROTTLE_ENTRIES + 1; i++) {
        g_autofree char *user = g_strdup_printf ("u%u", i);
        g_assert_true (throttle_try (throttle, user, "a", &wait_s));
        g_assert_cmpuint (throttle_count (throttle), ==, MIN (i + 1, THROTTLE_ENTRIES));
    }
    throttle_free (throttle);
    clock_manual_free (clock);
}

/* --- passwords --------------------------------------------------------------------------------------------- */

static void
test_password_lengths (void)
{
    for (int length = PASSWORD_MIN_BYTES - 1; length <= PASSWORD_MAX_BYTES + 1; length++) {
        g_autofree char *text = g_strnfill ((gsize)length, 'x');
        gboolean right = length >= PASSWORD_MIN_BYTES && length <= PASSWORD_MAX_BYTES;
        g_assert_cmpint (password_is_acceptable (text, "ann", NULL), ==, right);
    }
    g_assert_false (password_is_acceptable ("ann-of-the-hill", "ann-of-the-hill", NULL));
}

typedef struct {
    GMainLoop *loop;
    guint left, right, wrong;
    char *hash;
} Hashing;

static void
on_hashed (const char *hash, gpointer user_data)
{
    Hashing *hashing = user_data;
    hashing->hash = g_strdup (hash);
    g_main_loop_quit (hashing->loop);
}

static void
on_checked (gboolean right, gpointer user_data)
{
    Hashing *hashing = user_data;
    right ? hashing->right++ : hashing->wrong++;
    if (--hashing->left == 0)
        g_main_loop_quit (hashing->loop);
}

static void
test_passwords_wait_or_are_refused (void)
{
    g_autoptr (GError) error = NULL;
    Hashing hashing = {.loop = g_main_loop_new (NULL, FALSE)};
    Passwords *passwords = passwords_new ();
    g_assert_true (passwords_hash (passwords, "correct horse", on_hashed, &hashing, NULL, NULL));
    g_main_loop_run (hashing.loop);
    g_assert_true (g_str_has_prefix (hashing.hash, "$argon2id$v=19$m=65536,t=2,p=1$"));
    const char *const tries[] = {"correct horse", "Correct horse"};
    for (guint i = 0; i < PASSWORDS_AT_ONCE + PASSWORDS_WAITING; i++, hashing.left++)
        g_assert_true (passwords_check (passwords, tries[i % 2], i < 4 ? hashing.hash : NULL, on_checked,
                                        &hashing, NULL, NULL));
    g_assert_false (passwords_check (passwords, "x", NULL, on_checked, &hashing, NULL, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_BUSY);
    g_main_loop_run (hashing.loop);
    g_assert_cmpuint (hashing.right, ==, 2);
    g_assert_cmpuint (hashing.wrong, ==, PASSWORDS_AT_ONCE + PASSWORDS_WAITING - 2);
    /* Those under way as it ends are told nobody. */
    g_assert_true (passwords_check (passwords, "x", NULL, on_checked, &hashing, NULL, NULL));
    passwords_free (passwords);
    g_main_loop_unref (hashing.loop);
    g_free (hashing.hash);
}

/* --- sessions and tokens ----------------------------------------------------------------------------------- */

typedef struct {
    char *folder;
    Clock *clock;
    Controller *controller;
} Fixture;

static void
open_controller (Fixture *fixture)
{
    static const char *const none[] = {NULL};
    const ControllerOptions options = {
        .state_folder = fixture->folder, .catalog_folders = none, .names = none, .clock = fixture->clock};
    g_autoptr (GError) error = NULL;
    fixture->controller = controller_new (&options, &error);
    g_assert_no_error (error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->folder = g_dir_make_tmp ("vdc-access-XXXXXX", NULL);
    fixture->clock = clock_manual_new (NOW_US);
    open_controller (fixture);
    user_create (fixture->controller, "ann", HTTP_ROLE_OPERATOR, FALSE, NULL);
    g_assert_true (controller_commit (fixture->controller, NULL));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    controller_free (fixture->controller);
    clock_manual_free (fixture->clock);
    g_assert_true (file_remove_tree (fixture->folder, NULL));
    g_free (fixture->folder);
}

static Principal
session_of (Fixture *fixture, char **secret)
{
    const json_t *row;
    *secret = credential_new_session (fixture->controller, "ann", FALSE, "192.0.2.1", NULL, &row);
    return (Principal){
        .kind = PRINCIPAL_SESSION, .user = (char *)"ann", .credential = (char *)json_str (row, "id", "")};
}

static Principal
token_of (Fixture *fixture, const char *name, HttpRole role, gint64 life_s)
{
    const json_t *row;
    g_autofree char *secret =
        credential_new_token (fixture->controller, "ann", name, role, NULL, life_s, &row, NULL);
    return (Principal){
        .kind = PRINCIPAL_TOKEN, .user = (char *)"ann", .credential = (char *)json_str (row, "id", "")};
}

static void
test_session_ends_when_idle (Fixture *fixture, gconstpointer data)
{
    g_autofree char *secret = NULL;
    Principal ann = session_of (fixture, &secret);
    clock_manual_advance (fixture->clock, SESSION_IDLE_S * SECOND_US - 1);
    g_assert_true (access_is_live (fixture->controller, &ann));
    credential_used (fixture->controller, ann.credential);
    ann.credential = (char *)json_str (credential_find (fixture->controller, secret), "id", "");
    clock_manual_advance (fixture->clock, SESSION_IDLE_S * SECOND_US - 1);
    g_assert_true (access_is_live (fixture->controller, &ann));
    clock_manual_advance (fixture->clock, 1);
    g_assert_false (access_is_live (fixture->controller, &ann));
    g_assert_cmpint (access_role (fixture->controller, &ann, NULL), ==, HTTP_ROLE_PUBLIC);
}

static void
test_session_ends_however_busy (Fixture *fixture, gconstpointer data)
{
    g_autofree char *secret = NULL;
    session_of (fixture, &secret);
    for (guint s = 0; s < SESSION_LIFE_S; s += SESSION_IDLE_S / 2) {
        const json_t *row = credential_find (fixture->controller, secret);
        Principal ann = {
            .kind = PRINCIPAL_SESSION, .user = (char *)"ann", .credential = (char *)json_str (row, "id", "")};
        g_assert_true (access_is_live (fixture->controller, &ann));
        credential_used (fixture->controller, ann.credential);
        clock_manual_advance (fixture->clock, SESSION_IDLE_S / 2 * SECOND_US);
    }
    const json_t *row = credential_find (fixture->controller, secret);
    Principal ann = {
        .kind = PRINCIPAL_SESSION, .user = (char *)"ann", .credential = (char *)json_str (row, "id", "")};
    g_assert_false (access_is_live (fixture->controller, &ann));
}

static void
test_sessions_are_limited (Fixture *fixture, gconstpointer data)
{
    g_autofree char *first = NULL, *second = NULL;
    session_of (fixture, &first);
    clock_manual_advance (fixture->clock, 1);
    session_of (fixture, &second);
    for (guint i = 2; i < SESSIONS_PER_USER; i++) {
        g_autofree char *secret = NULL;
        clock_manual_advance (fixture->clock, 1);
        session_of (fixture, &secret);
    }
    g_assert_nonnull (credential_find (fixture->controller, first));
    g_autofree char *one_more = NULL;
    session_of (fixture, &one_more);
    g_assert_null (credential_find (fixture->controller, first));
    g_assert_nonnull (credential_find (fixture->controller, second));
}

static void
test_token_expires_and_is_limited (Fixture *fixture, gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    const json_t *row;
    Principal token = token_of (fixture, "t0", HTTP_ROLE_ADMIN, TOKEN_LIFE_MIN_S);
    g_assert_cmpint (access_role (fixture->controller, &token, NULL), ==,
                     HTTP_ROLE_OPERATOR); /* the owner's */
    Principal low = token_of (fixture, "t1", HTTP_ROLE_VIEWER, TOKEN_LIFE_MAX_S);
    g_assert_cmpint (access_role (fixture->controller, &low, NULL), ==, HTTP_ROLE_VIEWER);
    clock_manual_advance (fixture->clock, TOKEN_LIFE_MIN_S * SECOND_US - 1);
    g_assert_true (access_is_live (fixture->controller, &token));
    clock_manual_advance (fixture->clock, 1);
    g_assert_false (access_is_live (fixture->controller, &token));
    for (guint i = 2; i < TOKENS_PER_USER; i++) {
        g_autofree char *name = g_strdup_printf ("t%u", i);
        token_of (fixture, name, HTTP_ROLE_VIEWER, 3600);
    }
    g_assert_null (credential_new_token (fixture->controller, "ann", "more", HTTP_ROLE_VIEWER, NULL, 3600,
                                         &row, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_REFUSED);
}

static void
test_roles_on_what_is_gone_are_limited (Fixture *fixture, gconstpointer data)
{
    Principal ann = {.kind = PRINCIPAL_SESSION, .user = (char *)"ann"};
    for (guint i = 0; i < ACCESS_ROLES_KEPT + 1; i++) {
        g_autofree char *id = g_strdup_printf ("%08x", i);
        access_give_creator (fixture->controller, &ann, id);
        const json_t *roles = json_object_get (user_find (fixture->controller, "ann", NULL), "applications");
        g_assert_cmpuint (json_object_size (roles), ==, i < ACCESS_ROLES_KEPT ? i + 1 : 1);
    }
}

/* What shares values with a record is copied where it changes. */
static void
test_errors_tell_no_folders (Fixture *fixture, gconstpointer data)
{
    g_autofree char *text = g_strdup_printf (
        "cannot make %s/disks/a.qcow2: it is full; /var/lib/vdc/x, /srv/www", fixture->folder);
    g_autoptr (json_t) error = json_pack ("{s:s, s:s}", "message", text, "code", text);
    g_autofree char *secret = NULL;
    Principal ann = session_of (fixture, &secret);
    for (guint i = 0; i < 2; i++) {
        g_autoptr (json_t) shown =
            access_redact (fixture->controller, &ann, json_pack ("{s:[O, i]}", "items", error, 1));
        const json_t *item = json_array_get (json_object_get (shown, "items"), 0);
        g_assert_cmpstr (
            json_str (item, "message", ""), ==,
            i == 0 ? text : "cannot make a file of its server: it is full; a file of its server, /srv/www");
        user_set (fixture->controller, "ann", "role",
                  json_string ("none")); /* no viewer of the grid any more */
    }
    g_assert_cmpstr (json_str (error, "message", ""), ==, text);
}

static void
on_lost (gpointer user_data)
{
    (*(guint *)user_data)++;
}

static void
test_streams_are_told_once (Fixture *fixture, gconstpointer data)
{
    guint lost = 0, other = 0;
    Principal *ann = g_rc_box_new0 (Principal);
    Principal token = token_of (fixture, "t", HTTP_ROLE_ADMIN, 3600);
    *ann = (Principal){
        .kind = PRINCIPAL_TOKEN, .user = g_strdup ("ann"), .credential = g_strdup (token.credential)};
    access_watch (fixture->controller, ann, HTTP_ROLE_OPERATOR, "01234567", on_lost, &lost);
    guint id = access_watch (fixture->controller, ann, HTTP_ROLE_VIEWER, NULL, on_lost, &other);
    access_tick (fixture->controller);
    user_set (fixture->controller, "ann", "role", json_string ("viewer"));
    access_changed (fixture->controller);
    access_changed (fixture->controller);
    g_assert_cmpuint (lost, ==, 1);
    g_assert_cmpuint (other, ==, 0);
    access_unwatch (fixture->controller, id);
    credential_end (fixture->controller, ann->credential);
    access_changed (fixture->controller);
    g_assert_cmpuint (other, ==, 0);
    principal_unref (ann);
}

/* What was not committed was never there; what was is there after a restart. */
static void
test_changes_go_with_the_commit (Fixture *fixture, gconstpointer data)
{
    g_autofree char *kept = NULL, *dropped = NULL;
    session_of (fixture, &kept);
    user_set_application_role (fixture->controller, "ann", "01234567", HTTP_ROLE_ADMIN);
    g_assert_true (controller_commit (fixture->controller, NULL));
    session_of (fixture, &dropped);
    user_set_application_role (fixture->controller, "ann", "01234567", HTTP_ROLE_PUBLIC);
    user_create (fixture->controller, "bob", HTTP_ROLE_ADMIN, FALSE, NULL);
    controller_revert (fixture->controller);
    for (guint i = 0; i < 2; i++) {
        const json_t *row = credential_find (fixture->controller, kept);
        g_assert_nonnull (row);
        g_assert_null (credential_find (fixture->controller, dropped));
        g_assert_null (user_find (fixture->controller, "bob", NULL));
        Principal ann = {
            .kind = PRINCIPAL_SESSION, .user = (char *)"ann", .credential = (char *)json_str (row, "id", "")};
        g_assert_cmpint (access_role (fixture->controller, &ann, "01234567"), ==, HTTP_ROLE_ADMIN);
        g_assert_cmpint (access_role (fixture->controller, &ann, "76543210"), ==, HTTP_ROLE_OPERATOR);
        controller_free (fixture->controller);
        open_controller (fixture);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/access/cookie", test_cookie);
    g_test_add_func ("/access/origin", test_origin);
    g_test_add_func ("/access/content-type", test_type);
    g_test_add_func ("/access/delay-doubles-up-to-its-limit", test_delay_doubles_up_to_its_limit);
    g_test_add_func ("/access/tries-are-forgotten", test_tries_are_forgotten);
    g_test_add_func ("/access/tries-kept-are-limited", test_tries_kept_are_limited);
    g_test_add_func ("/access/password-lengths", test_password_lengths);
    g_test_add_func ("/access/passwords-wait-or-are-refused", test_passwords_wait_or_are_refused);
#define ADD(name, func) g_test_add ("/access/" name, Fixture, NULL, set_up, func, tear_down)
    ADD ("session-ends-when-idle", test_session_ends_when_idle);
    ADD ("session-ends-however-busy", test_session_ends_however_busy);
    ADD ("sessions-are-limited", test_sessions_are_limited);
    ADD ("token-expires-and-is-limited", test_token_expires_and_is_limited);
    ADD ("roles-on-what-is-gone-are-limited", test_roles_on_what_is_gone_are_limited);
    ADD ("errors-tell-no-folders", test_errors_tell_no_folders);
    ADD ("streams-are-told-once", test_streams_are_told_once);
    ADD ("changes-go-with-the-commit", test_changes_go_with_the_commit);
    return g_test_run ();
}
