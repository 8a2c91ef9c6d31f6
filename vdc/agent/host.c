#include "vdc/agent/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *
host_record_path (const Host *host, const char *application, const char *member)
{
    return g_strdup_printf ("%s/instances/%s/%s.json", host->state_folder, application, member);
}

char *
host_console_path (const Host *host, const char *application, const char *member)
{
    return g_strdup_printf ("%s/consoles/%s/%s.log", host->state_folder, application, member);
}

static char *
socket_path (const Host *host, char kind, const char *application_id, const char *member)
{
    g_autofree char *uuid = domain_uuid (application_id, member);
    return g_strdup_printf ("%s/%c-%.8s%.4s", host->run_folder, kind, uuid, uuid + 9);
}

char *
host_channel_socket (const Host *host, const char *application_id, const char *member)
{
    return socket_path (host, 'g', application_id, member);
}

char *
host_console_socket (const Host *host, const char *application_id, const char *member)
{
    return socket_path (host, 'c', application_id, member);
}

char *
host_screen_socket (const Host *host, const char *application_id, const char *member)
{
    return socket_path (host, 'v', application_id, member);
}

char *
host_cgroup_name (const char *application_id, const char *member)
{
    return domain_name (application_id, member);
}

/* /proc/stat: "cpu  user nice system idle iowait irq softirq steal …", in ticks. */
guint64
host_cpu_us (void)
{
    g_autofree char *text = NULL;
    guint64 user, nice, system, idle, wait, irq, softirq;
    if (!g_file_get_contents ("/proc/stat", &text, NULL, NULL) ||
        sscanf (text,
                "cpu %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                &user, &nice, &system, &idle, &wait, &irq, &softirq) != 7)
        return 0;
    return (user + nice + system + irq + softirq) * G_USEC_PER_SEC / (guint64)sysconf (_SC_CLK_TCK);
}

double
host_load (void)
{
    double load = 0;
    return getloadavg (&load, 1) == 1 ? load : 0;
}

guint64
host_memory_bytes (const char *key)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents ("/proc/meminfo", &text, NULL, NULL))
        return 0;
    const char *at = strstr (text, key);
    return at ? g_ascii_strtoull (at + strlen (key), NULL, 10) * 1024 : 0;
}

gboolean
host_is_fake (const Host *host)
{
    return strcmp (host->hypervisor->ops->name, "fake") == 0;
}
