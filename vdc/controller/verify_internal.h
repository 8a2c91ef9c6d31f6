/* Shared by the files of verify. */
#pragma once

#include "vdc/controller/verify.h"

typedef struct {
    Controller *controller;
    const Server *server;
    const json_t *inventory;
    json_t *findings;
} VerifyLook;

/* Append a finding. @server, @application, @object, @remedy may be NULL; see verify.h. */
void verify_add (json_t *findings, const char *code, const Server *server, const char *application,
                 const char *object, const char *remedy, const char *format, ...) G_GNUC_PRINTF (7, 8);
/* verify_volumes.c: the part of verify_server about volumes. */
void verify_volumes (const VerifyLook *look);
