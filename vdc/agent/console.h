/*
 * One serial console. QEMU itself appends its output to a file, with or without an agent; this module reads
 * the file, keeps it short, follows it, and types into the console's socket. Main loop only.
 *
 *     consoles/APP/MEMBER.log, MEMBER.log.1     at most CONSOLE_FILE_BYTES each, plus what arrived since the
 * last look
 */
#pragma once

#include <glib.h>

typedef struct Console Console;
typedef struct ConsoleFollower ConsoleFollower;

#define CONSOLE_FILE_BYTES (1024 * 1024)

/* Makes the file when missing. */
Console *console_new (const char *log_path, const char *socket_path);
void console_free (Console *console);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Console, console_free)

/* The last @bytes of output, as they came. Caller unrefs. */
GBytes *console_tail (Console *console, gsize bytes);
/* The last @lines lines as valid UTF-8 without control characters but newline and tab: for reports. Caller
 * frees. */
char *console_tail_text (Console *console, guint lines);
/* Call now and then: cuts the file when it is too long. */
void console_rotate (Console *console);

/* FALSE: give no more until console_follower_resume. */
typedef gboolean (*ConsoleData) (const void *data, gsize length, gpointer user_data);
/* Told what is written from now on. The console's end (console_free) calls @ended. */
ConsoleFollower *console_follow (Console *console, ConsoleData data, GDestroyNotify ended,
                                 gpointer user_data);
void console_follower_resume (ConsoleFollower *follower);
void console_unfollow (ConsoleFollower *follower);

/* Type. Bytes are queued (at most 64 KiB) until the console takes them; VDC_ERROR_UNREACHABLE when there is
 * none. */
gboolean console_input (Console *console, const void *data, gsize length, GError **error);

/* Remove the files of a console. */
void console_remove_files (const char *log_path);
