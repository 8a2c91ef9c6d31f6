/*
 * What the servers remember for the controller: of each application with something on a server, its record
 * and those of its volumes as they were at the last change that matters (what it is, where its members are,
 * in which life). When the store is lost and an old backup restored, they are read back: learn.h.
 *
 * MEMO: {"digest", "era", "commit", "record": APPLICATION row, "volumes": [VOLUME rows]}. era counts
 * restorations, so that what was said after one is newer than anything before. Secrets in it are sealed as in
 * the store.
 */
#pragma once

#include "vdc/controller/controller.h"

typedef struct Memos Memos;

Memos *memos_new (void);
void memos_free (Memos *memos);
/* After each round: tell every server what it does not know yet, one at a time each. */
void memos_round (Controller *controller);
/* What a memo of @application would be called; caller frees. */
char *memo_digest (Controller *controller, const ApplicationRecord *application);
