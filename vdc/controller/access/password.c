#include "vdc/controller/access/password.h"

#include <sodium.h>
#include <string.h>

#include "vdc/base/error.h"

/* A hash of a random password with the same cost: what is checked when there is no user. */
static const char nobody[] =
    "$argon2id$v=19$m=65536,t=2,p=1$1THrLpuEOGS62T9ruMs23Q$df87Aiy/OQhVeftvZ+KeEfFNM7ToTyHMFXYvt6GNXuc";

struct Passwords {
    GThreadPool *pool;
    GQueue waiting; /* Work */
    guint running;  /* in the pool, or done and not told */
};

typedef struct {
    Passwords *passwords;
    GMainContext *context;
    char *password;
    char *hash; /* to check against; NULL: make one */
    gboolean known, right;
    char made[crypto_pwhash_STRBYTES]; /* "" when it failed */
    PasswordChecked checked;
    PasswordHashed hashed;
    gpointer user_data;
    GDestroyNotify free_data;
} Work;

static void
work_free (Work *work)
{
    password_wipe (work->password);
    g_free (work->password);
    g_free (work->hash);
    sodium_memzero (work->made, sizeof work->made);
    if (work->free_data != NULL)
        work->free_data (work->user_data);
    g_main_context_unref (work->context);
    g_free (work);
}

static void
run_next (Passwords *passwords)
{
    while (passwords->running < PASSWORDS_AT_ONCE && !g_queue_is_empty (&passwords->waiting)) {
        passwords->running++;
        g_thread_pool_push (passwords->pool, g_queue_pop_head (&passwords->waiting), NULL);
    }
}

static gboolean
tell (gpointer data)
{
    Work *work = data;
    work->passwords->running--;
    run_next (work->passwords);
    if (work->checked != NULL)
        work->checked (work->right && work->known, work->user_data);
    else
        work->hashed (work->made[0] != '\0' ? work->made : NULL, work->user_data);
    return G_SOURCE_REMOVE;
}

static void
free_told (gpointer data)
{
    work_free (data);
}

/* In a worker; touches nothing but @data. */
static void
work_on (gpointer data, gpointer unused)
{
    Work *work = data;
    gsize length = strlen (work->password);
    if (work->checked != NULL)
        work->right = crypto_pwhash_str_verify (work->hash, work->password, length) == 0;
    else if (crypto_pwhash_str (work->made, work->password, length, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
        work->made[0] = '\0';
    GSource *source = g_idle_source_new ();
    g_source_set_priority (source, G_PRIORITY_DEFAULT);
    g_source_set_callback (source, tell, work, free_told);
    g_source_attach (source, work->context);
    g_source_unref (source);
}

Passwords *
passwords_new (void)
{
    if (sodium_init () < 0)
        g_error ("libsodium cannot be used");
    Passwords *passwords = g_new0 (Passwords, 1);
    g_queue_init (&passwords->waiting);
    passwords->pool = g_thread_pool_new (work_on, NULL, PASSWORDS_AT_ONCE, FALSE, NULL);
    return passwords;
}

void
passwords_free (Passwords *passwords)
{
    if (passwords == NULL)
        return;
    g_queue_clear_full (&passwords->waiting, (GDestroyNotify)work_free);
    g_thread_pool_free (passwords->pool, FALSE, TRUE);
    g_free (passwords);
}

/* Takes @user_data only on success. */
static gboolean
begin (Passwords *passwords, Work *work, const char *password, GError **error)
{
    if (g_queue_get_length (&passwords->waiting) >= PASSWORDS_WAITING) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_BUSY, "too many logins at this moment; try again");
        work->free_data = NULL;
        work->context = g_main_context_ref_thread_default ();
        work_free (work);
        return FALSE;
    }
    work->passwords = passwords;
    work->context = g_main_context_ref_thread_default ();
    work->password = g_strdup (password);
    g_queue_push_tail (&passwords->waiting, work);
    run_next (passwords);
    return TRUE;
}

gboolean
passwords_check (Passwords *passwords, const char *password, const char *hash, PasswordChecked done,
                 gpointer user_data, GDestroyNotify free_data, GError **error)
{
    Work *work = g_new0 (Work, 1);
    work->hash = g_strdup (hash != NULL ? hash : nobody);
    work->known = hash != NULL;
    work->checked = done;
    work->user_data = user_data;
    work->free_data = free_data;
    return begin (passwords, work, password, error);
}

gboolean
passwords_hash (Passwords *passwords, const char *password, PasswordHashed done, gpointer user_data,
                GDestroyNotify free_data, GError **error)
{
    Work *work = g_new0 (Work, 1);
    work->hashed = done;
    work->user_data = user_data;
    work->free_data = free_data;
    return begin (passwords, work, password, error);
}

gboolean
password_is_acceptable (const char *password, const char *user, GError **error)
{
    gsize length = strlen (password);
    if (length >= PASSWORD_MIN_BYTES && length <= PASSWORD_MAX_BYTES &&
        g_ascii_strcasecmp (password, user) != 0)
        return TRUE;
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID,
                 "a password has %d to %d bytes and is not the user's name", PASSWORD_MIN_BYTES,
                 PASSWORD_MAX_BYTES);
    return FALSE;
}

void
password_wipe (char *text)
{
    if (text != NULL)
        sodium_memzero (text, strlen (text));
}
