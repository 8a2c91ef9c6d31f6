#include "vdc/agent/probe.h"

#include "vdc/base/command.h"
#include "vdc/base/file.h"
#include "vdc/base/json.h"
#include "vdc/base/log.h"

#include <string.h>
#include <unistd.h>

#define ROM_BYTES 65536
#define PROBE_TIMEOUT_MS 5000

extern const char probe_rom_start[], probe_rom_end[];

void
probe_free (Probe *probe)
{
    if (probe == NULL)
        return;
    g_free (probe->accel);
    g_free (probe->reason);
    g_free (probe);
}

char *
probe_boot_id (void)
{
    const char *given = g_getenv ("VDC_BOOT_ID");
    char *text = NULL;

    if (given != NULL && *given != '\0')
        return g_strdup (given);
    if (!g_file_get_contents ("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
        return g_strdup ("unknown");
    return g_strstrip (text);
}

static Probe *
probe_new (const char *accel, const char *reason)
{
    Probe *probe = g_new0 (Probe, 1);
    probe->accel = g_strdup (accel);
    probe->reason = g_strdup (reason);
    return probe;
}

/* The code at 0xf0000, and at the reset vector a far jump to it: "ljmpw $0xf000, $0". */
static gboolean
write_rom (const char *path, GError **error)
{
    static const guint8 jump[] = {0xea, 0x00, 0x00, 0x00, 0xf0};
    g_autofree guint8 *rom = g_malloc0 (ROM_BYTES);

    memcpy (rom, probe_rom_start, (gsize)(probe_rom_end - probe_rom_start));
    memcpy (rom + ROM_BYTES - 16, jump, sizeof jump);
    return file_replace (path, rom, ROM_BYTES, 0600, error);
}

static Probe *
run_guest (const char *state_folder)
{
    g_autofree char *rom = g_build_filename (state_folder, "probe.rom", NULL);
    g_autofree char *output = NULL;
    g_autoptr (GError) error = NULL;
    const char *argv[] = {"qemu-system-x86_64",
                          "-accel",
                          "kvm",
                          "-cpu",
                          "host",
                          "-machine",
                          "q35",
                          "-m",
                          "16",
                          "-no-user-config",
                          "-display",
                          "none",
                          "-nodefaults",
                          "-no-reboot",
                          "-debugcon",
                          "stdio",
                          "-bios",
                          rom,
                          NULL};

    if (access ("/dev/kvm", R_OK | W_OK) != 0)
        return probe_new ("tcg", "there is no usable /dev/kvm on this machine");
    if (!write_rom (rom, &error))
        return probe_new ("tcg", error->message);
    gboolean ok = command_run (argv, NULL, &output, PROBE_TIMEOUT_MS, &error);
    unlink (rom);
    if (!ok) {
        g_autofree char *reason =
            g_strdup_printf ("/dev/kvm is there, but a probe guest did not run under it: %s", error->message);
        return probe_new ("tcg", g_strdelimit (reason, "\n\r", ' '));
    }
    if (strstr (output, "VDC64") == NULL)
        return probe_new ("tcg", "/dev/kvm is there, but a probe guest ended before its 64-bit code");
    return probe_new ("kvm", "a probe guest ran under /dev/kvm");
}

static Probe *
load (const char *path, const char *boot_id)
{
    g_autoptr (json_t) cached = json_parse_file (path, NULL);
    const char *accel = json_str (cached, "accel", "");

    if (g_strcmp0 (json_str (cached, "boot_id", NULL), boot_id) != 0)
        return NULL;
    if (strcmp (accel, "kvm") != 0 && strcmp (accel, "tcg") != 0)
        return NULL;
    return probe_new (accel, json_str (cached, "reason", ""));
}

Probe *
probe_run (const char *state_folder, const char *boot_id)
{
    g_autofree char *path = g_build_filename (state_folder, "probe.json", NULL);
    g_autoptr (GError) error = NULL;
    Probe *probe = load (path, boot_id);

    if (probe != NULL)
        return probe;
    probe = run_guest (state_folder);
    g_autoptr (json_t) cache = json_pack ("{s:s, s:s, s:o}", "boot_id", boot_id, "accel", probe->accel,
                                          "reason", json_str_new (probe->reason));
    g_autofree char *text = json_pretty (cache);
    if (!file_replace (path, text, strlen (text), 0600, &error))
        vdc_log (VDC_LOG_WARNING, "cannot keep the probe's answer, ignoring", "error", error->message, NULL);
    vdc_log (VDC_LOG_INFO, "accelerator probed", "accel", probe->accel, "reason", probe->reason, NULL);
    return probe;
}
