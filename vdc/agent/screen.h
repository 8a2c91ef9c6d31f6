/*
 * One viewer's connection to the screen of a VM: raw bytes of the RFB protocol between QEMU's VNC socket and
 * whoever asks. The agent does not look into them. Main loop only.
 */
#pragma once

#include <glib.h>

/* Of the viewer, not yet taken by QEMU. */
#define SCREEN_INPUT_LIMIT_BYTES (256 * 1024)

typedef struct Screen Screen;

typedef struct {
    /* FALSE: give no more until screen_resume. */
    gboolean (*data) (const void *data, gsize length, gpointer user_data);
    /* Everything given to screen_input has been taken. */
    void (*taken) (gpointer user_data);
    /* QEMU has ended it: called once, unless screen_close came first. The pointer is invalid when it returns.
     */
    void (*ended) (gpointer user_data);
} ScreenEvents;

/* VDC_ERROR_UNREACHABLE: nobody listens there. @events is static. */
Screen *screen_open (const char *socket_path, const ScreenEvents *events, gpointer user_data, GError **error);
void screen_close (Screen *screen);
void screen_resume (Screen *screen);
/* Queued; VDC_ERROR_TOO_LARGE beyond the limit. */
gboolean screen_input (Screen *screen, const void *data, gsize length, GError **error);
