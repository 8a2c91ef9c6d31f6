/* Seals, and the places of secrets in descriptions and their texts. */
#include "vdc/base/error.h"
#include "vdc/base/file.h"
#include "vdc/controller/secrets/seal.h"
#include "vdc/controller/secrets/secrets.h"
#include "vdc/model/document.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
    char *folder, *path;
    Seal *seal;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    fixture->folder = g_dir_make_tmp ("vdc-secrets-XXXXXX", NULL);
    fixture->path = g_build_filename (fixture->folder, "secret.key", NULL);
    fixture->seal = seal_new (fixture->path, &error);
    g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    seal_free (fixture->seal);
    file_remove_tree (fixture->folder, NULL);
    g_free (fixture->folder);
    g_free (fixture->path);
}

static void
test_round (Fixture *fixture, gconstpointer data)
{
    for (guint length = 0; length < 300; length += 7) {
        g_autofree char *plain = g_strnfill (length, 'x');
        g_autofree char *sealed = seal_close (fixture->seal, "app1", plain);
        g_autofree char *other = seal_close (fixture->seal, "app1", plain);
        char *opened = seal_open (fixture->seal, "app1", sealed, NULL);
        g_assert_true (seal_is (sealed));
        g_assert_cmpstr (sealed, !=, other);
        g_assert_cmpstr (opened, ==, plain);
        seal_wipe (opened);
    }
}

static void
test_length_is_hidden (Fixture *fixture, gconstpointer data)
{
    g_autofree char *one = seal_close (fixture->seal, "a", "x"), *many = NULL, *block = NULL;
    g_autofree char *sixty_three = g_strnfill (63, 'y'), *sixty_four = g_strnfill (64, 'y');
    many = seal_close (fixture->seal, "a", sixty_three);
    block = seal_close (fixture->seal, "a", sixty_four);
    g_assert_cmpuint (strlen (one), ==, strlen (many));
    g_assert_cmpuint (strlen (block), >, strlen (one));
}

static void
test_foreign_is_refused (Fixture *fixture, gconstpointer data)
{
    g_autofree char *sealed = seal_close (fixture->seal, "app1", "hunter2");
    g_autoptr (GError) error = NULL;
    g_assert_null (seal_open (fixture->seal, "app2", sealed, &error));
    g_assert_error (error, VDC_ERROR, VDC_ERROR_INVALID);
    for (gsize i = strlen (SECRET_SEALED_PREFIX); i < strlen (sealed); i++) {
        g_autofree char *bad = g_strdup (sealed);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        char *opened = seal_open (fixture->seal, "app1", bad, NULL);
        /* The last character of base64 has bits that mean nothing. */
        g_assert_true (opened == NULL || strcmp (opened, "hunter2") == 0);
        seal_wipe (opened);
    }
    g_assert_null (seal_open (fixture->seal, "app1", "sealed:", NULL));
    g_assert_null (seal_open (fixture->seal, "app1", "hunter2", NULL));
}

static void
test_key_is_kept (Fixture *fixture, gconstpointer data)
{
    g_autofree char *sealed = seal_close (fixture->seal, "app1", "hunter2");
    g_autoptr (Seal) again = seal_new (fixture->path, NULL);
    GStatBuf present;
    char *opened = seal_open (again, "app1", sealed, NULL);
    g_assert_cmpstr (opened, ==, "hunter2");
    seal_wipe (opened);
    g_assert_cmpint (g_stat (fixture->path, &present), ==, 0);
    g_assert_cmpuint (present.st_mode & 07777, ==, 0600);
}

static void
test_torn_key_is_refused (Fixture *fixture, gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    g_assert_true (g_file_set_contents (fixture->path, "short", -1, NULL));
    g_assert_null (seal_new (fixture->path, &error));
    g_assert_nonnull (strstr (error->message, "restore it from a backup"));
}

/* --- texts ------------------------------------------------------------------------------------------------- */

static char *
replaced (const char *text, const char *path, const char *value)
{
    g_autoptr (GHashTable) values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert (values, g_strdup (path), g_strdup (value));
    return document_replace_values (text, values);
}

static void
test_text (void)
{
    static const char *const forms[][2] = {
        {"a:\n  p: secret  # why\n", "a:\n  p: sealed:x  # why\n"},
        {"a: {p: 'it''s', q: 1}\n", "a: {p: sealed:x, q: 1}\n"},
        {"# ä ö €\na: {ä: 1, p: \"s\\\"x\"}  # €\n", "# ä ö €\na: {ä: 1, p: sealed:x}  # €\n"},
        {"a:\n  p: >-\n    secret\n  q: 2\n", "a:\n  p: sealed:x\n  q: 2\n"},
        {"a:\n  p: |-\n    secret\n", "a:\n  p: sealed:x\n"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS (forms); i++) {
        g_autofree char *text = replaced (forms[i][0], "a.p", "sealed:x");
        g_assert_cmpstr (text, ==, forms[i][1]);
    }
    g_assert_null (replaced ("a: {p: {x: 1}}\n", "a.p", "sealed:x"));
    g_assert_null (replaced ("a: {q: 1}\n", "a.p", "sealed:x"));
}

/* What cannot be replaced in its place is printed anew: the value is never kept. */
static void
test_text_falls_back (void)
{
    g_autoptr (GHashTable) sealed = g_hash_table_new (g_str_hash, g_str_equal);
    g_autoptr (json_t) document = json_pack ("{s:{s:s}}", "a", "p", "sealed:x");
    g_hash_table_insert (sealed, (gpointer) "a.p", (gpointer) "sealed:x");
    g_autofree char *text = secrets_seal_text ("a: {q: hunter2}\n", DOCUMENT_YAML, document, sealed);
    g_autofree char *json =
        secrets_seal_text ("{\"a\": {\"p\": \"hunter2\"}}", DOCUMENT_JSON, document, sealed);
    g_assert_null (strstr (text, "hunter2"));
    g_assert_nonnull (strstr (text, "sealed:x"));
    g_assert_null (strstr (json, "hunter2"));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
#define CASE(name, function) g_test_add ("/secrets/" name, Fixture, NULL, set_up, function, tear_down)
    CASE ("round", test_round);
    CASE ("length-is-hidden", test_length_is_hidden);
    CASE ("foreign-is-refused", test_foreign_is_refused);
    CASE ("key-is-kept", test_key_is_kept);
    CASE ("torn-key-is-refused", test_torn_key_is_refused);
    g_test_add_func ("/secrets/text", test_text);
    g_test_add_func ("/secrets/text-falls-back", test_text_falls_back);
    return g_test_run ();
}
