#include "vdc/guest/life.h"
#include "vdc/guest/channel.h"
#include "vdc/guest/loop.h"
#include "vdc/guest/network.h"
#include "vdc/guest/power.h"
#include "vdc/guest/process.h"
#include "vdc/guest/volumes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HOOKS "/etc/vdc/hooks/"
#define CONFIGURE_LIMIT_MS 60000
#define START_LIMIT_MS 900000
#define CHECK_LIMIT_MS 20000
#define STOP_LIMIT_MS 25000
#define VOLUMES_LIMIT_MS 900000
#define CHECK_EVERY_MS 10000
#define MAINTENANCE_REPEAT_MS 30000
#define MAINTENANCE_VALID_MS 90000
#define DRAIN_EVERY_MS 500
#define THAW_AFTER_MS 60000

typedef enum {
    STATE_BOOTING,
    STATE_CONFIGURING,
    STATE_WAITING,
    STATE_STARTING,
    STATE_READY,
    STATE_FAILED,
    STATE_MAINTENANCE,
    STATE_STOPPING,
} State;

static const char *const state_names[] = {"booting", "configuring", "waiting",     "starting",
                                          "ready",   "failed",      "maintenance", "stopping"};

static struct {
    State state;
    char *text;
    int progress;
    Settings *current;
    Settings *pending;
    Settings *applying; /* between the start of its application and `configured` */
    char *changes;      /* of `applying` */
    char **environment; /* of `current`, for commands */
    Process *process;
    bool process_is_start;
    bool hooked;       /* the configure hook was run since boot */
    bool started;      /* the start hook ended well */
    bool start_failed; /* configure or start; not again before changed settings */
    bool was_ready;
    int retry_ms; /* between tries to become ready */
    int misses;
    char *check_text;
    unsigned timer;        /* next check or next try */
    unsigned repeat_timer; /* maintenance */
    int64_t maintained_ms;
    unsigned drain_timer;
    bool drained;
    int idle_polls;
    unsigned thaw_timer;
    int stop_limit_ms;
    json_t *counters;
    char boot_id[40];
} life;

static void proceed (void);

/* --- state
 * ------------------------------------------------------------------------------------------------------- */

static void
save_state (void)
{
    AUTO_JSON json_t *state = json_pack ("{sb sb ss}", "started", life.started, "was_ready", life.was_ready,
                                         "state", state_names[life.state]);
    AUTO_FREE char *text = json_dumps (state, 0);

    file_write ("/run/vdc/state.json", text, strlen (text), 0644, NULL);
}

static void
send_state (void)
{
    channel_send (json_pack ("{ss ss ss si}", "t", "state", "state", state_names[life.state], "text",
                             life.text, "progress", life.progress));
}

static void
set_state (State state, const char *text, int progress)
{
    if (life.state == state && strcmp (life.text, text) == 0 && life.progress == progress)
        return;
    free (life.text);
    life.text = util_dup (text);
    life.progress = progress;
    if (life.state != state) {
        life.state = state;
        life.was_ready = life.was_ready || state == STATE_READY;
        save_state ();
        guest_log ("%s%s%s", state_names[state], *text ? ": " : "", text);
    }
    send_state ();
}

static void
send_configured (int64_t revision, const char *error)
{
    channel_send (
        json_pack ("{ss sI ss?}", "t", "configured", "revision", (json_int_t)revision, "error", error));
}

static void
send_check (void)
{
    channel_send (json_pack ("{ss sb si ss}", "t", "check", "ok", life.misses == 0, "misses", life.misses,
                             "text", life.check_text));
}

static bool
has_hook (const char *name)
{
    AUTO_FREE char *path = util_printf (HOOKS "%s", name);

    return access (path, X_OK) == 0;
}

static void
run_hook (const char *name, const Settings *settings, const char *changed, int limit_ms, ProcessDone done)
{
    AUTO_FREE char *path = util_printf (HOOKS "%s", name);
    char **environment = settings_environment (settings, changed);

    life.process = process_run (name, path, environment, limit_ms, done, NULL);
    environment_free (environment);
}

/* --- configure
 * --------------------------------------------------------------------------------------------------- */

static bool
write_peers (const Settings *settings, char **error)
{
    json_t *names = json_object_get (settings->document, "names");
    json_t *peers = json_object_get (settings->document, "peers");
    const char *terminal;
    json_t *list;

    /* Outputs without wire have an empty file: scripts need not ask whether it is there. */
    json_object_foreach (names, terminal, list) {
        AUTO_FREE char *path = util_printf ("/run/vdc/peers/%s", terminal);
        AUTO_FREE char *text = settings_peers_text (json_object_get (peers, terminal));

        if (strchr (terminal, '.') ||
            json_object_get (json_object_get (settings->document, "inputs"), terminal))
            continue;
        if (!file_write (path, text, strlen (text), 0644, error))
            return false;
    }
    return true;
}

static bool
write_names (const Settings *settings, char **error)
{
    AUTO_FREE char *hosts = settings_hosts_text (settings);
    AUTO_FREE char *env = settings_env_text (settings);
    AUTO_FREE char *resolver = NULL;
    const char *hostname = json_text_of (settings->document, "hostname", "");

    if (settings->gateway)
        resolver = util_printf (
            "nameserver %s\n", json_text_of (json_object_get (settings->document, "gateway"), "address", ""));
    /* A gateway's own resolver is its class's affair. */
    if (!settings_nic (settings, "outside") && !file_write ("/etc/resolv.conf", resolver ? resolver : "",
                                                            resolver ? strlen (resolver) : 0, 0644, error))
        return false;
    if (sethostname (hostname, strlen (hostname)) < 0)
        return fail (error, "cannot set the host name: %s", strerror (errno));
    return file_write ("/etc/hosts", hosts, strlen (hosts), 0644, error) &&
           file_write ("/run/vdc/env", env, strlen (env), 0600, error) && write_peers (settings, error);
}

static void
become_current (void)
{
    AUTO_FREE char *document = json_dumps (life.applying->document, JSON_INDENT (2));

    settings_free (life.current);
    life.current = life.applying;
    life.applying = NULL;
    environment_free (life.environment);
    life.environment = settings_environment (life.current, NULL);
    /* Secrets are in it. */
    file_write ("/run/vdc/instance.json", document, strlen (document), 0600, NULL);
}

static void
configure_ended (bool ok, const char *text)
{
    int64_t revision = life.applying->revision;

    life.process = NULL;
    if (ok) {
        if (*life.changes)
            life.start_failed = false;
        become_current ();
        send_configured (revision, NULL);
    } else {
        settings_free (life.applying);
        life.applying = NULL;
        life.hooked = life.hooked && life.started;
        guest_log ("revision %lld: %s", (long long)revision, text);
        send_configured (revision, text);
        if (!life.started) {
            life.start_failed = true;
            set_state (STATE_FAILED, text, 0);
        }
    }
    proceed ();
}

static void
on_configured (bool ok, const char *text, void *context)
{
    AUTO_FREE char *error = ok ? util_dup ("") : util_printf ("configure: %s", text);

    configure_ended (ok, error);
}

/*
 * Nothing serves before `go`, and until then peers come and go with every member that starts: the hook's
 * first run waits for it. Six guests that boot at once on two cores would otherwise each run it several times
 * for nothing.
 */
static bool
hook_can_wait (void)
{
    return !life.started && !life.applying->go;
}

static void
run_configure (void)
{
    if (!*life.changes || hook_can_wait ()) {
        configure_ended (true, "");
        return;
    }
    life.hooked = true;
    if (has_hook ("configure"))
        run_hook ("configure", life.applying, life.changes, CONFIGURE_LIMIT_MS, on_configured);
    else
        configure_ended (true, "");
}

static void
on_volumes (bool ok, const char *text, void *context)
{
    life.process = NULL;
    if (ok)
        run_configure ();
    else
        configure_ended (false, text);
}

static void
apply_pending (void)
{
    AUTO_FREE char *error = NULL;

    life.applying = life.pending;
    life.pending = NULL;
    free (life.changes);
    life.changes = settings_changes (life.hooked ? life.current : NULL, life.applying);
    if (*life.changes && !life.started)
        set_state (STATE_CONFIGURING, "", 0);
    if (*life.changes && (!network_apply (life.applying, &error) || !write_names (life.applying, &error)))
        configure_ended (false, error);
    else if (volumes_need_work (life.applying))
        life.process =
            process_call ("volumes", volumes_prepare, life.applying, VOLUMES_LIMIT_MS, on_volumes, NULL);
    else
        run_configure ();
}

/* --- start, ready, check
 * ----------------------------------------------------------------------------------------- */

static void
on_timer (void *context)
{
    life.timer = 0;
    proceed ();
}

/* Looks at once whether it is ready (again). */
static void
leave_to_starting (const char *text)
{
    set_state (STATE_STARTING, text, 0);
    loop_cancel (life.timer);
    life.timer = 0;
    life.retry_ms = 100;
    proceed ();
}

static void
wake_in (int delay_ms)
{
    loop_cancel (life.timer);
    life.timer = loop_timer (delay_ms, on_timer, NULL);
}

static void
on_started (bool ok, const char *text, void *context)
{
    life.process = NULL;
    life.process_is_start = false;
    life.retry_ms = 100;
    if (ok) {
        life.started = true;
        save_state ();
    } else {
        AUTO_FREE char *error = util_printf ("start: %s", text);

        life.start_failed = true;
        set_state (STATE_FAILED, error, 0);
    }
    proceed ();
}

static void
run_start (void)
{
    set_state (STATE_STARTING, "", 0);
    if (!has_hook ("start")) {
        on_started (true, "", NULL);
        return;
    }
    life.process_is_start = true;
    run_hook ("start", life.current, NULL, START_LIMIT_MS, on_started);
}

static void
not_ready_yet (const char *text)
{
    if (life.state == STATE_STARTING)
        set_state (STATE_STARTING, text, 0);
    life.retry_ms = life.retry_ms < 500 ? life.retry_ms * 2 : 1000;
    wake_in (life.retry_ms);
}

static void
check_result (bool ok, const char *text)
{
    bool changed = !ok || life.misses > 0 || life.state != STATE_READY;

    free (life.check_text);
    life.check_text = util_dup (ok ? "" : text);
    if (life.state != STATE_READY && !ok) {
        not_ready_yet (text);
        return;
    }
    life.misses = ok ? 0 : life.misses + 1;
    if (life.state != STATE_READY)
        set_state (STATE_READY, "", 100);
    if (changed)
        send_check ();
    wake_in (CHECK_EVERY_MS);
}

static void
on_check (bool ok, const char *text, void *context)
{
    AUTO_FREE char *full = ok ? util_dup ("") : util_printf ("check: %s", text);

    life.process = NULL;
    check_result (ok, full);
    proceed ();
}

static void
run_check (void)
{
    AUTO_FREE char *error = NULL;

    if (!network_probe (life.current, &error))
        check_result (false, error);
    else if (has_hook ("check"))
        run_hook ("check", life.current, NULL, CHECK_LIMIT_MS, on_check);
    else
        check_result (true, "");
}

/* --- drain
 * ------------------------------------------------------------------------------------------------------- */

static void
on_drain (void *context)
{
    int connections = life.current ? network_connections (life.current) : 0;

    life.drain_timer = 0;
    if (!life.current || !life.current->draining)
        return;
    life.idle_polls = connections == 0 ? life.idle_polls + 1 : 0;
    if (life.idle_polls >= 2 && !life.drained) {
        life.drained = true;
        channel_send (json_pack ("{ss}", "t", "drained"));
    }
    life.drain_timer = loop_timer (DRAIN_EVERY_MS, on_drain, NULL);
}

static void
watch_drain (void)
{
    if (!life.current->draining) {
        life.drained = false;
        life.idle_polls = 0;
    } else if (!life.drain_timer) {
        life.drain_timer = loop_timer (DRAIN_EVERY_MS, on_drain, NULL);
    }
}

/* The one place that decides what comes next; called after everything that may have changed it. */
static void
proceed (void)
{
    if (life.process || life.applying || life.state == STATE_STOPPING)
        return;
    if (life.pending) {
        apply_pending ();
        return;
    }
    if (!life.current)
        return;
    watch_drain ();
    if (!life.started) {
        if (life.start_failed)
            return;
        if (life.current->go)
            run_start ();
        else
            set_state (STATE_WAITING, "", 0);
        return;
    }
    if (life.timer || life.state == STATE_FAILED || (life.state == STATE_MAINTENANCE && life.was_ready))
        return;
    run_check ();
}

/* --- stop
 * -------------------------------------------------------------------------------------------------------- */

static void
on_stopped (bool ok, const char *text, void *context)
{
    if (!ok)
        guest_log ("stop: %s, powering off nevertheless", text);
    volumes_thaw (life.current);
    power_off (life.current);
}

static void
stop (int limit_ms)
{
    if (life.state == STATE_STOPPING)
        return;
    process_kill (life.process);
    life.process = NULL;
    loop_cancel (life.timer);
    loop_cancel (life.repeat_timer);
    loop_cancel (life.drain_timer);
    set_state (STATE_STOPPING, "", 0);
    if (life.current && has_hook ("stop"))
        run_hook ("stop", life.current, NULL, limit_ms, on_stopped);
    else
        on_stopped (true, "", NULL);
}

/* --- messages
 * ---------------------------------------------------------------------------------------------------- */

static void
take_settings (const json_t *message)
{
    json_t *document = json_object_get (message, "settings");
    AUTO_FREE char *error = NULL;
    Settings *settings = settings_new (document, &error);

    if (!settings) {
        send_configured (json_int_of (document, "revision", -1), error);
        return;
    }
    if (life.current && !life.pending && !life.applying && settings->revision == life.current->revision &&
        json_equal (settings->document, life.current->document)) {
        send_configured (settings->revision, NULL);
        settings_free (settings);
        return;
    }
    settings_free (life.pending);
    life.pending = settings;
    proceed ();
}

static void
on_thaw_late (void *context)
{
    life.thaw_timer = 0;
    guest_log ("no thaw came within %d s: volumes are writable again", THAW_AFTER_MS / 1000);
    volumes_thaw (life.current);
}

static void
freeze (void)
{
    AUTO_FREE char *error = NULL;
    bool ok = volumes_freeze (life.current, &error);

    loop_cancel (life.thaw_timer);
    life.thaw_timer = ok ? loop_timer (THAW_AFTER_MS, on_thaw_late, NULL) : 0;
    channel_send (json_pack ("{ss sb ss}", "t", "frozen", "ok", ok, "text", error ? error : ""));
}

static void
thaw (void)
{
    loop_cancel (life.thaw_timer);
    life.thaw_timer = 0;
    volumes_thaw (life.current);
    channel_send (json_pack ("{ss sb ss}", "t", "frozen", "ok", false, "text", "thawed"));
}

void
life_set_clock (int64_t time_ns, bool backwards)
{
    struct timespec now, set = {.tv_sec = time_ns / 1000000000, .tv_nsec = time_ns % 1000000000};
    int64_t difference_ns;

    if (time_ns <= 0)
        return;
    clock_gettime (CLOCK_REALTIME, &now);
    difference_ns = time_ns - (now.tv_sec * INT64_C (1000000000) + now.tv_nsec);
    /* Less than the channel's own delay is no difference. */
    if (difference_ns < 20000000 && (!backwards || difference_ns > -20000000))
        return;
    if (clock_settime (CLOCK_REALTIME, &set) < 0)
        guest_log ("cannot set the clock: %s", strerror (errno));
}

bool
life_message (const json_t *message)
{
    const char *type = message_type (message);

    if (strcmp (type, "settings") == 0)
        take_settings (message);
    else if (strcmp (type, "stop") == 0)
        stop (1000 * (int)json_int_of (message, "timeout_s", STOP_LIMIT_MS / 1000));
    else if (strcmp (type, "freeze") == 0)
        freeze ();
    else if (strcmp (type, "thaw") == 0)
        thaw ();
    else if (strcmp (type, "clock") == 0)
        life_set_clock (json_int_of (message, "time_ns", 0), true);
    else if (strcmp (type, "ping") == 0)
        channel_send (json_pack ("{ss}", "t", "pong"));
    else
        return false;
    return true;
}

json_t *
life_hello (const char *nonce)
{
    return json_pack ("{ss ss? si ss ss sI}", "t", "hello", "nonce", nonce, "version", MESSAGE_VERSION,
                      "boot_id", life.boot_id, "state", state_names[life.state], "configured",
                      (json_int_t)(life.current ? life.current->revision : 0));
}

void
life_resend (void)
{
    const char *name;
    json_t *value;

    send_state ();
    if (life.was_ready)
        send_check ();
    if (life.drained)
        channel_send (json_pack ("{ss}", "t", "drained"));
    json_object_foreach (life.counters, name, value)
        channel_send (json_pack ("{ss ss sO}", "t", "counter", "name", name, "value", value));
}

char **
life_environment (void)
{
    return life.environment;
}

/* --- vdc-notify
 * -------------------------------------------------------------------------------------------------- */

static void
on_maintenance (void *context)
{
    life.repeat_timer = 0;
    if (life.state != STATE_MAINTENANCE)
        return;
    if (!life.process_is_start && monotonic_ms () - life.maintained_ms > MAINTENANCE_VALID_MS) {
        leave_to_starting ("maintenance was not confirmed any more");
        return;
    }
    send_state ();
    life.repeat_timer = loop_timer (MAINTENANCE_REPEAT_MS, on_maintenance, NULL);
}

static void
enter_maintenance (const char *text, int progress)
{
    life.maintained_ms = monotonic_ms ();
    if (life.process_is_start)
        process_extend (life.process);
    set_state (STATE_MAINTENANCE, text, progress < 0 ? 0 : progress > 100 ? 100 : progress);
    loop_cancel (life.repeat_timer);
    life.repeat_timer = loop_timer (MAINTENANCE_REPEAT_MS, on_maintenance, NULL);
}

static const char *
notify_counter (const json_t *message)
{
    const char *name = json_text_of (message, "name", "");
    json_t *value = json_object_get (message, "value");

    if (!name_valid (name) || !json_is_number (value))
        return "a counter has a name of [a-z0-9_] and a number";
    if (!json_object_get (life.counters, name) && json_object_size (life.counters) >= 64)
        return "there are 64 counters already";
    json_object_set (life.counters, name, value);
    channel_send (json_pack ("{ss ss sO}", "t", "counter", "name", name, "value", value));
    return NULL;
}

static const char *
notify_text (const json_t *message)
{
    channel_send (json_pack ("{ss ss ss}", "t", message_type (message), "severity",
                             json_text_of (message, "severity", "info"), "text",
                             json_text_of (message, "text", "")));
    return NULL;
}

static const char *
notify_state (const char *type, const json_t *message)
{
    const char *text = json_text_of (message, "text", "");

    if (life.state == STATE_STOPPING)
        return "the instance is stopping";
    if (strcmp (type, "power-off") == 0) {
        stop (STOP_LIMIT_MS);
    } else if (strcmp (type, "maintenance") == 0) {
        enter_maintenance (text, json_int_of (message, "progress", 0));
    } else if (strcmp (type, "failed") == 0) {
        life.start_failed = !life.started;
        set_state (STATE_FAILED, text, 0);
    } else if (strcmp (type, "ready") == 0) {
        life.start_failed = false;
        if (life.state == STATE_MAINTENANCE || life.state == STATE_FAILED)
            leave_to_starting ("");
    } else {
        return "unknown request";
    }
    return NULL;
}

const char *
life_notify (const json_t *message, bool privileged)
{
    const char *type = message_type (message);

    if (strcmp (type, "counter") == 0)
        return notify_counter (message);
    if (strcmp (type, "log") == 0 || strcmp (type, "alert") == 0)
        return notify_text (message);
    return privileged ? notify_state (type, message) : "only root may say this";
}

/* --- begin
 * ------------------------------------------------------------------------------------------------------- */

static void
read_boot_id (void)
{
    AUTO_FREE char *text = file_read ("/proc/sys/kernel/random/boot_id", 64);

    if (text) {
        text[strcspn (text, "\n")] = '\0';
        strncpy (life.boot_id, text, sizeof life.boot_id - 1);
    }
}

/* After a crash of ours: what ran goes on; a start hook that was under way begins again. */
static void
remember (void)
{
    AUTO_FREE char *state_text = file_read ("/run/vdc/state.json", 4096);
    AUTO_FREE char *settings_text = file_read ("/run/vdc/instance.json", MESSAGE_LIMIT * 4);
    AUTO_JSON json_t *state = state_text ? json_loads (state_text, 0, NULL) : NULL;
    AUTO_JSON json_t *document = settings_text ? json_loads (settings_text, 0, NULL) : NULL;

    if (!document)
        return;
    life.current = settings_new (document, NULL);
    if (!life.current)
        return;
    life.environment = settings_environment (life.current, NULL);
    life.started = json_bool_of (state, "started", false);
    life.hooked = life.started;
    life.was_ready = json_bool_of (state, "was_ready", false);
    life.state = life.started ? STATE_STARTING : STATE_CONFIGURING;
    guest_log ("began again at revision %lld", (long long)life.current->revision);
}

void
life_init (void)
{
    life.text = util_dup ("");
    life.check_text = util_dup ("");
    life.counters = json_object ();
    life.retry_ms = 100;
    mkdir ("/run/vdc", 0755);
    mkdir ("/run/vdc/peers", 0755);
    read_boot_id ();
    remember ();
    if (!life.environment)
        life.environment = settings_environment (NULL, NULL);
    proceed ();
}
