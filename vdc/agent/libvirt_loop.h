/* libvirt's event handles and timers as GLib sources on the default main context. */
#pragma once

/* Once, before the first connection. Later calls do nothing. */
void libvirt_loop_register (void);
