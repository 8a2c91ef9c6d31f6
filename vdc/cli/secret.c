#include "vdc/cli/secret.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "vdc/base/error.h"

#define SECRET_MAX_BYTES 1024

void
secret_free (char *secret)
{
    if (secret != NULL)
        explicit_bzero (secret, strlen (secret));
    g_free (secret);
}

/* Byte by byte: what follows the line is left to who reads next. */
static char *
read_line (int fd)
{
    char line[SECRET_MAX_BYTES + 1];
    gsize n = 0;
    char c = '\0';
    while (n < SECRET_MAX_BYTES && read (fd, &c, 1) == 1 && c != '\n')
        line[n++] = c;
    if (n > 0 && line[n - 1] == '\r')
        n--;
    line[n] = '\0';
    char *copy = g_strdup (line);
    explicit_bzero (line, sizeof line);
    return copy;
}

/* The terminal's echo is back whatever was typed; after Ctrl-C the shell restores it. */
static char *
ask (const char *prompt)
{
    struct termios before, silent;
    fprintf (stderr, "%s", prompt);
    fflush (stderr);
    if (tcgetattr (STDIN_FILENO, &before) < 0)
        return NULL;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr (STDIN_FILENO, TCSAFLUSH, &silent);
    char *line = read_line (STDIN_FILENO);
    tcsetattr (STDIN_FILENO, TCSAFLUSH, &before);
    fprintf (stderr, "\n");
    return line;
}

char *
secret_read (const char *prompt, gboolean twice, GError **error)
{
    gboolean terminal = isatty (STDIN_FILENO);
    char *secret = terminal ? ask (prompt) : read_line (STDIN_FILENO);
    if (secret == NULL || *secret == '\0') {
        secret_free (secret);
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "no password: type it on a terminal, or give it as a line on standard input");
        return NULL;
    }
    if (!terminal || !twice)
        return secret;
    char *again = ask ("Once more: ");
    gboolean same = g_strcmp0 (secret, again) == 0;
    secret_free (again);
    if (same)
        return secret;
    secret_free (secret);
    g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE, "the two are not the same; nothing was done");
    return NULL;
}
