/*
 * What the controller remembers of applications, members, volumes and jobs: one stored JSON object each (an
 * application with its members is one, so that it can never be half-written). Main loop only.
 */
#pragma once

#include "vdc/controller/addresses.h"
#include "vdc/controller/lifecycle.h"
#include "vdc/controller/record.h"
#include "vdc/controller/wiring.h"
#include "vdc/model/topology.h"

/* One member: what is wished of it, what was decided about it. Times are wall clock microseconds. */
typedef struct {
    char *name;
    char *server;    /* where it is placed; kept when stopped, its root disk is there. NULL: never placed */
    gboolean on;     /* shall run */
    gboolean failed; /* given up; `error` says why */
    gboolean go;     /* its guest may run the start hook */
    gboolean was_ready; /* ready since it was switched on */
    gboolean rooted;    /* was ready once: its root disk is worth keeping */
    gboolean leaving;   /* drained, stopped and deleted for good */
    gboolean draining;  /* leaving, and its peers are being told */
    gboolean again;     /* stop properly, then start with the next incarnation */
    gboolean renew;     /* `again` with a new root disk */
    gboolean sent; /* its agent may know of it: set before the first PUT, cleared after DELETE was answered */
    gboolean erased;     /* leaving, and the agent agreed to remove everything of it */
    gint64 incarnation;  /* VMs made so far */
    gint64 root_epoch;   /* root disks made so far */
    gint64 generation;   /* of the last spec */
    gint64 revision;     /* of the last guest settings */
    gint64 drain_end_us; /* not waited longer */
    gint64 seen;         /* incarnation whose VM has been seen; the timer began anew then */
    gint64 timer_us;     /* start_timeout counts from here */
    gint64 since_us;     /* in this state */
    gint64 restarts;     /* by policy, since it was switched on */
    char *operation;     /* hex, of the last spec */
    char *spec_digest;   /* of the spec without generation and operation */
    char *guest_digest;  /* of the guest settings without revision */
    char *boot_id;       /* of the server, when the VM was started */
    char *state;         /* published */
    char *text;          /* published with it; may be NULL */
    json_t *failures;    /* stamps (us) of failures in the window */
    json_t *error;       /* {step, code, message, remedy, console_tail}; NULL: none */

    /* Not stored. */
    json_t *report;      /* newest from its server; NULL: it reports nothing of it */
    gboolean known;      /* its server has reported in full since this process runs, and is not silent */
    gboolean fresh;      /* a report came since DELETE was answered */
    guint64 report_mark; /* Server.reported at that moment */
    gboolean calling;    /* a call about it is under way */
    gint64 retry_us;     /* monotonic; no call before: the last one failed */
    gint64 put_us;       /* monotonic; the same spec is not sent again before */
    gint64 delete_us;    /* monotonic; not deleted again before */
    guint attempts;
} MemberRecord;

typedef struct {
    char *name, *id, *created, *template;
    gint64 revision;      /* of the description, counted up by every change */
    char *text;           /* description as last given; NULL: made by operations */
    char *format;         /* "yaml", "json" */
    gint64 text_revision; /* revision the text belongs to */
    json_t *applied;      /* description document that runs */
    json_t *used;         /* classes and assemblies of `applied` (topology_used) */
    json_t *images;       /* class text ("WEB@1.0.0") → image of the index */
    json_t *next; /* {applied, used, images, text, format, job}: adopted when those leaving are gone */
    json_t *addresses;
    json_t *outside;     /* member → {address, prefix, gateway, network, published: [{port, local_port}]} */
    json_t *seeds;       /* volume → folder to fill it from at its first creation */
    char *phase;         /* what it is about to do, phase_name */
    gboolean failed;     /* the last start failed; `error` */
    gboolean debug;      /* a failed start is left up */
    gboolean then_start; /* stopping to start again */
    gboolean destroying; /* deleted once everything is gone */
    gboolean keep_volumes;
    gint64 settings_revision;
    json_t *error; /* {instance, step, code, message, remedy, console_tail} */
    char *state, *job;

    char *author, *cause; /* of the description that is applied, or being applied: user, "apply" */

    GPtrArray *members; /* MemberRecord *, stored as an array under "members" */

    /* Not stored. */
    struct Draft *draft; /* read when it is asked for: draft_of */
    json_t *stored;      /* as last committed */
    gboolean touched;    /* something it waits for may have happened: the next round decides about it */
    gboolean dirty;      /* may differ from `stored`: the next commit compares */
    gboolean busy;       /* was in the middle of something when last decided about: so does each round */
    gboolean visited;    /* this round */
    gint64 visited_us;   /* monotonic, the last time */
    char *memo;          /* digest of the memo of it, see memo.h; of `memo_of` */
    json_t *memo_of;     /* `stored` of then */
    char *spec_inputs;   /* what the specs were last made from; see specs.c */
    Topology *topology;  /* of `applied` */
    Addresses *address_book;
    Wiring *wiring;
} ApplicationRecord;

typedef struct {
    char *id, *name;           /* 16 hex digits; "app.volume" or a name of its own */
    char *application, *local; /* both NULL for one of its own */
    char *owner;               /* id of the application it belongs to, or belonged to; NULL: the grid's */
    gint64 size_bytes;
    char *server;    /* where it lies; NULL: not made yet */
    char *seed;      /* folder; NULL: none */
    gboolean made;   /* the agent has made (and seeded) it at this size */
    gboolean unused; /* no description names it */
    gboolean deleting;
    gboolean renamed; /* its agent may have it under an earlier name */
    char *created;
    json_t *error; /* of the last try to make it */

    /* Not stored. */
    json_t *stored;
    gboolean dirty;        /* may differ from `stored` */
    const char *published; /* state of the last event; static */
    gint64 seed_bytes;     /* of the first content that was sent */
    gboolean calling;
    gint64 retry_us;
    guint attempts;
} VolumeRecord;

/* What was destroyed and can be restored: see trash.h. Times are wall clock microseconds. */
typedef struct {
    char *id, *kind, *name; /* 16 hex digits; "application", "volume"; the name it had */
    char *application_name; /* it belongs to; NULL: to none */
    char *owner;            /* id of the application it is or belongs to; NULL: the grid's */
    char *why;              /* "destroyed", "found" */
    gint64 trashed_us;
    gint64 expires_us;   /* 0: stays until somebody removes it */
    gint64 size_bytes;   /* of its volumes */
    json_t *application; /* the record; NULL for a volume */
    json_t *volumes;     /* [the records] */
    json_t *kept;        /* [{id, local, unused}]: its volumes that were kept out of the trash */

    /* Not stored. */
    json_t *stored;
} TrashRecord;

typedef struct {
    char *id, *kind, *application, *state, *created, *ended;
    char *application_id; /* a later application of that name is another */
    char *user;           /* who asked for it; NULL: not known */
    char *retry_of;       /* id of the job it repeats; NULL: none */
    gboolean cancelling;  /* still running, and on its way back */
    json_t *steps;        /* see jobs.h */
    json_t *log;          /* [{time, step, text}], at most JOB_LOG_LINES */
    json_t *error;
    json_t *stored;
} JobRecord;

ApplicationRecord *application_record_new (const json_t *stored);
void application_record_free (ApplicationRecord *application);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ApplicationRecord, application_record_free)
json_t *application_record_json (const ApplicationRecord *application);
/* NULL when there is none. */
MemberRecord *application_record_member (const ApplicationRecord *application, const char *name);
/* Nothing of it is on any server, by its agent's own word. */
gboolean member_is_gone (const MemberRecord *member);
/* Its agent reports a VM that is not at its end. */
gboolean member_has_vm (const MemberRecord *member);
/* The wall clock was set: move every time that something is waited for by @delta_us. */
void application_record_shift (ApplicationRecord *application, gint64 delta_us);
/* The same after a restart, where nobody knows by how much: what began in the future begins now. */
void application_record_clamp (ApplicationRecord *application, gint64 now_us);
MemberRecord *application_record_add (ApplicationRecord *application, const char *member);

VolumeRecord *volume_record_new (const json_t *stored);
void volume_record_free (VolumeRecord *volume);
json_t *volume_record_json (const VolumeRecord *volume);
/* "new", "ready", "failed", "unused", "deleting". Static. */
const char *volume_state (const VolumeRecord *volume);

JobRecord *job_record_new (const json_t *stored);
void job_record_free (JobRecord *job);
json_t *job_record_json (const JobRecord *job);

TrashRecord *trash_record_new (const json_t *stored);
void trash_record_free (TrashRecord *entry);
json_t *trash_record_json (const TrashRecord *entry);
