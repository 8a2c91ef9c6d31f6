/*
 * vdc exec, vdc cp
 */
#include "vdc/cli/commands.h"
#include "vdc/cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
path_for (const Target *target, const char *what)
{
    g_autofree char *path = cli_path ("/applications/%s/instances/%s", target->application, target->instance);
    return g_strconcat (path, what, NULL);
}

int
cmd_exec (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_auto (Target) target = {0};
    int exit_code = 0;
    if (!target_parse_instance (options_word (cli->options, 0), &target, &error))
        return cli_fail (cli, error);
    json_t *argv = json_array ();
    for (guint i = 1; i < options_count (cli->options); i++)
        json_array_append_new (argv, json_str_new (options_word (cli->options, i)));
    gboolean no_input = options_flag (cli->options, "no-stdin");
    SessionEnds ends = {no_input ? -1 : STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, FALSE};
    g_autofree char *path = path_for (&target, "/exec");
    signal (SIGPIPE, SIG_IGN);
    if (!session_run (cli, path, json_pack ("{s:o}", "argv", argv), &ends, &exit_code, &error))
        return cli_fail (cli, error);
    return exit_code;
}

static int
copy_in (Cli *cli, const char *file, const Target *target)
{
    g_autoptr (GError) error = NULL;
    struct stat status;
    int exit_code = 0;
    int fd = strcmp (file, "-") == 0 ? dup (STDIN_FILENO) : open (file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat (fd, &status) < 0) {
        vdc_error_set_errno (&error, errno, "cannot read %s", file);
        return cli_fail (cli, error);
    }
    if (S_ISDIR (status.st_mode)) {
        close (fd);
        return cli_usage (cli, "%s is a folder; copy one with: tar c %s | vdc exec %s:%s -- tar x -C %s",
                          file, file, target->application, target->instance, target->path);
    }
    gboolean plain = S_ISREG (status.st_mode);
    g_autofree char *name = g_path_get_basename (file);
    g_autofree char *to = g_str_has_suffix (target->path, "/") ? g_strconcat (target->path, name, NULL)
                                                               : g_strdup (target->path);
    g_autofree char *path = path_for (target, "/put");
    json_t *body = json_pack ("{s:s, s:i}", "path", to, "mode", plain ? (int)(status.st_mode & 07777) : 0644);
    SessionEnds ends = {fd, STDOUT_FILENO, STDERR_FILENO, FALSE};
    gboolean done = session_run (cli, path, body, &ends, &exit_code, &error);
    close (fd);
    return done ? exit_code : cli_fail (cli, error);
}

/* Written beside the target and renamed, so that a broken-off copy leaves no half file under the name. */
static int
copy_out (Cli *cli, const Target *target, const char *file)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *name = g_path_get_basename (target->path);
    g_autofree char *final =
        g_file_test (file, G_FILE_TEST_IS_DIR) ? g_build_filename (file, name, NULL) : g_strdup (file);
    g_autofree char *part = g_strconcat (final, ".XXXXXX", NULL);
    gboolean to_stdout = strcmp (file, "-") == 0;
    /* A device or a pipe is written to, not replaced. */
    struct stat status;
    gboolean direct = !to_stdout && stat (final, &status) == 0 && !S_ISREG (status.st_mode);
    int exit_code = 0;
    int fd = to_stdout ? dup (STDOUT_FILENO)
             : direct  ? open (final, O_WRONLY | O_CLOEXEC)
                       : g_mkstemp_full (part, O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0) {
        vdc_error_set_errno (&error, errno, "cannot write %s", final);
        return cli_fail (cli, error);
    }
    g_autofree char *path = path_for (target, "/get");
    SessionEnds ends = {-1, fd, STDERR_FILENO, TRUE};
    gboolean done =
        session_run (cli, path, json_pack ("{s:s}", "path", target->path), &ends, &exit_code, &error);
    if (close (fd) < 0 && done)
        done = vdc_error_set_errno (&error, errno, "cannot write %s", final);
    if (to_stdout || direct)
        return done ? exit_code : cli_fail (cli, error);
    if (done && exit_code == 0 && rename (part, final) < 0)
        done = vdc_error_set_errno (&error, errno, "cannot write %s", final);
    if (!done || exit_code != 0)
        unlink (part);
    return done ? exit_code : cli_fail (cli, error);
}

int
cmd_cp (Cli *cli)
{
    g_autoptr (GError) error = NULL;
    g_auto (Target) from = {0};
    g_auto (Target) to = {0};
    gboolean from_remote = FALSE, to_remote = FALSE;
    if (!target_parse_file (options_word (cli->options, 0), &from, &from_remote, &error) ||
        !target_parse_file (options_word (cli->options, 1), &to, &to_remote, &error))
        return cli_fail (cli, error);
    signal (SIGPIPE, SIG_IGN);
    if (!from_remote && to_remote)
        return copy_in (cli, from.path, &to);
    if (from_remote && !to_remote)
        return copy_out (cli, &from, to.path);
    return cli_usage (cli, "exactly one side must be APP:INSTANCE:/PATH, such as shop:web.1:/tmp/file");
}
