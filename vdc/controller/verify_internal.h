/* Shared by the files of verify. */
#pragma once

#include "vdc/controller/verify.h"

typedef struct {
    Controller *controller;
    const Server *server;
    const json_t *inventory;
    json_t *findings;
} VerifyLook;

/* Append a finding, borrowed: more may be put into it for its repair. @server, @application, @object may be
 * NULL. */
json_t *verify_add (json_t *findings, const char *code, const Server *server, const char *application,
                    const char *object, const char *format, ...) G_GNUC_PRINTF (6, 7);
/* verify_records.c: the part of verify_store about single records. */
void verify_records (Controller *controller, json_t *findings);
/* verify_server.c: a member in the middle of something is neither missed nor too much. */
gboolean verify_is_settled (const ApplicationRecord *application, const MemberRecord *member);
/* verify_volumes.c: the part of verify_server about volumes. */
void verify_volumes (const VerifyLook *look);
/* verify_repair.c: has it a way to do what the table of codes says? For tests. */
gboolean verify_knows_repair (const char *code);
