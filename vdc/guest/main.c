/*
 * vdc-guest: the grid's hand inside an appliance. Child of init (busybox or systemd), which starts it again
 * when it dies; as `vdc-notify` it is the command that scripts use. See PROTOCOL.md.
 */
#include "vdc/guest/channel.h"
#include "vdc/guest/life.h"
#include "vdc/guest/loop.h"
#include "vdc/guest/modules.h"
#include "vdc/guest/notify.h"
#include "vdc/guest/session.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
on_message (const json_t *message)
{
    if (!session_message (message, life_environment ()) && !life_message (message))
        guest_log ("unknown message \"%s\", ignored", message_type (message));
}

static void
on_welcome (const char *nonce, int64_t time_ns)
{
    life_set_clock (time_ns, false);
    channel_send_now (life_hello (nonce));
    life_resend ();
}

static json_t *
first_hello (void)
{
    return life_hello (NULL);
}

static void
log_to_agent (const char *text)
{
    channel_send (json_pack ("{ss ss ss}", "t", "log", "severity", "info", "text", text));
}

/* One NIC per segment: never answer or ask on one of them for an address of another. */
static void
set_kernel (void)
{
    file_poke ("/proc/sys/net/ipv4/conf/all/arp_ignore", "1");
    file_poke ("/proc/sys/net/ipv4/conf/all/arp_announce", "2");
    /* A dead peer is noticed after some 100 s instead of 15 minutes. */
    file_poke ("/proc/sys/net/ipv4/tcp_retries2", "8");
    file_poke ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "80");
}

static void
load_modules (void)
{
    AUTO_FREE char *error = NULL;

    if (access ("/run/vdc/modules-loaded", F_OK) == 0)
        return;
    if (!modules_load ("/etc/vdc/modules", "", &error))
        guest_log ("%s", error);
    file_write ("/run/vdc/modules-loaded", "", 0, 0644, NULL);
}

int
main (int argc, char **argv)
{
    static const ChannelHandler handler = {on_message, on_welcome, session_end_all, session_resume_all};
    const char *name = strrchr (argv[0], '/') ? strrchr (argv[0], '/') + 1 : argv[0];

    if (strcmp (name, "vdc-notify") == 0)
        return notify_main (argc, argv);
    if (argc == 2 && strcmp (argv[1], "--power-off") == 0)
        return notify_simple ("power-off");
    if (argc == 2 && strcmp (argv[1], "--version") == 0)
        return puts ("vdc-guest " VDC_VERSION) < 0;
    if (argc != 1) {
        fputs ("usage: vdc-guest [--power-off | --version]\n", stderr);
        return 2;
    }
    umask (022);
    loop_init ();
    mkdir ("/run/vdc", 0755);
    load_modules ();
    set_kernel ();
    guest_log_hook = log_to_agent;
    life_init ();
    notify_listen ();
    channel_start (&handler, first_hello);
    loop_run ();
    session_end_all ();
    return 0;
}
