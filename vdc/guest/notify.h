/* /run/vdc/notify: how scripts in the appliance speak; one request, one answer per connection. */
#pragma once

#define NOTIFY_SOCKET "/run/vdc/notify"

/* The server side, in vdc-guest. */
void notify_listen (void);
/* The command vdc-notify: exit code 0, 1 (not possible), 2 (usage). */
int notify_main (int argc, char **argv);
/* Sends {"t": @type}; exit code. */
int notify_simple (const char *type);
