/*
 * Passwords: argon2id by libsodium (INTERACTIVE: 2 passes over 64 MiB), in worker threads. At most
 * PASSWORDS_AT_ONCE run, so that the memory of any number of logins is bounded; PASSWORDS_WAITING more wait,
 * others are refused with VDC_ERROR_BUSY. The only file that knows libsodium. Main loop only.
 */
#pragma once

#include <glib.h>

/* 3 times 64 MiB, and 500 connections beside them, stay below 300 MB. */
#define PASSWORDS_AT_ONCE 3
#define PASSWORDS_WAITING 32
#define PASSWORD_MIN_BYTES 10
#define PASSWORD_MAX_BYTES 1024

typedef struct Passwords Passwords;

Passwords *passwords_new (void);
/* What still waits is dropped: only its free_data is called. */
void passwords_free (Passwords *passwords);

/*
 * Is @password the one of @hash? A NULL @hash (no such user, or one without a password) takes as long and
 * gives FALSE. @done runs on the main loop, then @free_data. FALSE: VDC_ERROR_BUSY, and neither is called.
 */
typedef void (*PasswordChecked) (gboolean right, gpointer user_data);
gboolean passwords_check (Passwords *passwords, const char *password, const char *hash, PasswordChecked done,
                          gpointer user_data, GDestroyNotify free_data, GError **error);
/* The text to keep; NULL: there was no memory for it. */
typedef void (*PasswordHashed) (const char *hash, gpointer user_data);
gboolean passwords_hash (Passwords *passwords, const char *password, PasswordHashed done, gpointer user_data,
                         GDestroyNotify free_data, GError **error);

/* Long enough and not too long, and not the user's name. FALSE: VDC_ERROR_INVALID. */
gboolean password_is_acceptable (const char *password, const char *user, GError **error);
/* Overwrite it with zeros; @text may be NULL. */
void password_wipe (char *text);
