#include "vdc/controller/image_convert.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vdc/base/command.h"
#include "vdc/base/error.h"

#define NOBODY 65534
#define CPU_S 3600
#define MEMORY_BYTES (G_GUINT64_CONSTANT (2) << 30)
#define TIMEOUT_MS (2 * 3600 * 1000)

static void
add (GPtrArray *argv, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_ptr_array_add (argv, g_strdup_vprintf (format, args));
    va_end (args);
}

/* Without root there are no rights to give up. */
static void
add_confinement (GPtrArray *argv, const char *folder, const ImageHeader *header)
{
    add (argv, "env");
    add (argv, "--chdir=%s", folder);
    add (argv, "prlimit");
    add (argv, "--fsize=%" G_GUINT64_FORMAT, header->virtual_bytes + (1 << 20));
    add (argv, "--as=%" G_GUINT64_FORMAT, MEMORY_BYTES);
    add (argv, "--cpu=%d", CPU_S);
    add (argv, "--nofile=64");
    add (argv, "--core=0");
    if (geteuid () != 0)
        return;
    add (argv, "unshare");
    add (argv, "--net");
    add (argv, "--ipc");
    add (argv, "setpriv");
    add (argv, "--reuid=%d", NOBODY);
    add (argv, "--regid=%d", NOBODY);
    add (argv, "--clear-groups");
    add (argv, "--no-new-privs");
    add (argv, "--inh-caps=-all");
    add (argv, "--bounding-set=-all");
}

static gboolean
hand_over (const char *path, GError **error)
{
    if (geteuid () != 0 || lchown (path, NOBODY, NOBODY) == 0)
        return TRUE;
    return vdc_error_set_errno (error, errno, "cannot hand %s to the converter", path);
}

gboolean
image_convert (const char *folder, const char *source, const ImageHeader *header, const char *name,
               GError **error)
{
    g_autofree char *link_path = g_build_filename (folder, "source", NULL);
    g_autofree char *disk = g_build_filename (folder, name, NULL);
    g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);

    /* The state's folder is nobody's to walk through: what is needed lies in the working folder. */
    if (link (source, link_path) != 0)
        return vdc_error_set_errno (error, errno, "cannot link the upload");
    if (!hand_over (link_path, error) || !hand_over (folder, error))
        return FALSE;
    add_confinement (argv, folder, header);
    add (argv, "qemu-img");
    add (argv, "convert");
    add (argv, "-f");
    add (argv, "%s", image_format_name (header->format));
    add (argv, "-O");
    add (argv, "raw");
    add (argv, "source");
    add (argv, "%s", name);
    g_ptr_array_add (argv, NULL);
    gboolean ok = command_run ((const char *const *)argv->pdata, NULL, NULL, TIMEOUT_MS, error);
    if (!ok && strstr ((*error)->message, g_strerror (ENOSPC)) != NULL)
        (*error)->code = VDC_ERROR_FULL;
    unlink (link_path);
    if (!ok)
        g_prefix_error (error, "cannot convert the image: ");
    if (ok && geteuid () == 0 && (lchown (folder, 0, 0) != 0 || lchown (disk, 0, 0) != 0))
        return vdc_error_set_errno (error, errno, "cannot take the image back");
    return ok;
}
