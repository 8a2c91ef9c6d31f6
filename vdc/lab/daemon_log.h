/*
 * The log of one daemon: FOLDER/MACHINE-DAEMON.log. At DAEMON_LOG_LIMIT_BYTES it becomes ….log.1 (the former
 * .1 goes), so that a daemon can never fill the disk. Writing never fails loudly: a full disk must not stop
 * the daemon.
 */
#pragma once

#include <glib.h>

#define DAEMON_LOG_LIMIT_BYTES (4 * 1024 * 1024)

typedef struct DaemonLog DaemonLog;

DaemonLog *daemon_log_new (const char *folder, const char *machine, const char *daemon);
void daemon_log_write (DaemonLog *log, const char *data, gsize length);
void daemon_log_free (DaemonLog *log);
