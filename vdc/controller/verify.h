/*
 * Does what the servers have agree with what the store says? One code per kind of disagreement, all in
 * verify_codes.c with meaning and remedy. Something that could not be looked at is said, never passed over.
 *
 * A repair does what the table says of the code, for those whose remedy can lose nothing: it never deletes
 * data. Root disks and files nobody knows go to the server's quarantine folder, volumes to the trash.
 */
#pragma once

#include "vdc/controller/controller.h"

typedef struct {
    const char *code;
    const char *where;   /* "store", "server" */
    const char *meaning; /* a sentence */
    const char *remedy;  /* what a person can do */
    const char *repair;  /* what a repair does; NULL: it leaves that alone */
} VerifyCode;

/* Ends with a NULL code. */
const VerifyCode *verify_codes (void);
/* Never NULL: a code that is not in the table is our own bug. */
const VerifyCode *verify_code (const char *code);
/* For the API. New reference. */
json_t *verify_codes_json (void);

/* Findings within the store, appended to @findings: {code, server, application, object, message, remedy,
 * repairable}. */
void verify_store (Controller *controller, json_t *findings);
/* Findings on @server from its agent's inventory. Members in the middle of a change are not missed. */
void verify_server (Controller *controller, const Server *server, const json_t *inventory, json_t *findings);

/*
 * The whole: asks every agent, then calls @done once with {clean, complete, findings, could_not_look:
 * [{server, message}], checked: {servers, applications, instances, volumes}}, which @done takes.
 */
typedef void (*VerifyDone) (json_t *report, gpointer user_data);
void verify_start (Controller *controller, VerifyDone done, gpointer user_data);
/*
 * Look, repair what may be repaired, and look again until that is gone, for some seconds at most. The report
 * has also repaired: [finding…] and not_repaired: [finding with `problem`…].
 */
void verify_repair (Controller *controller, VerifyDone done, gpointer user_data);
