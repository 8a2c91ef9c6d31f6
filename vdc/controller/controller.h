/*
 * The parts of vdcd and its memory of the grid. Everything here is owned by the main loop.
 *
 * Memory is a copy of the store plus what the agents report. A change is made to the records, then
 * controller_commit writes what differs, with the events noted meanwhile, in one transaction; only after that
 * does anything act on it.
 */
#pragma once

#include "vdc/base/clock.h"
#include "vdc/controller/access/access.h"
#include "vdc/controller/catalog_folder.h"
#include "vdc/controller/catalog_grid.h"
#include "vdc/controller/image_store.h"
#include "vdc/controller/records.h"
#include "vdc/http/client.h"
#include "vdc/store/events.h"

typedef enum { SERVER_NEW, SERVER_UP, SERVER_SUSPECT, SERVER_DOWN } ServerState;

/* A server; only name, address and url are stored. */
typedef struct {
    char *name, *address, *url;
    ServerState state;
    gboolean full;           /* reported everything since this process runs */
    guint64 reported;        /* reports since this process runs */
    gint64 heard_us;         /* monotonic, of the newest report */
    guint64 space_mark;      /* reports before which the trash is not emptied further for its space */
    gint64 space_need_bytes; /* asked for in vain; 0: nothing */
    json_t *info;            /* newest report without its instances; NULL: none yet */
    GHashTable *reports;     /* "APP/MEMBER" → json_t */
} Server;

typedef struct {
    const char *state_folder;
    const char *const *catalog_folders;
    const char *images_file;
    const char *ui_folder;    /* what the UI's build made; NULL: the console page */
    const char *built_images; /* folder of DIGEST/, for agents that lack one; NULL: beside images_file */
    const char *agent_port;   /* "8444" */
    const char
        *outside; /* of a new store: "192.0.2.0/24,gateway=…,addresses=A-B,publish=IP:P1-P2"; or NULL */
    const char *const *names; /* the API may be called by, for the certificate; NULL-terminated */
    gboolean no_metrics_history;
    Clock *clock;             /* NULL: the machine's */
    gint64 trash_keep_us;     /* how long what was destroyed is kept; 0: TRASH_KEEP_US */
    guint trash_free_percent; /* below which the trash is emptied; 0: TRASH_FREE_PERCENT */
    guint audit_kept;         /* entries, 0: the default */
    guint audit_days;         /* 0: any age */
    guint64 events_kept;      /* 0: the default */
    guint events_days;        /* 0: any age */
    guint learn_min_s;        /* a restored one learns for at least so long */
    int backup_hour;          /* 0 to 23 of the machine's day; -1: none by night */
} ControllerOptions;

typedef struct Controller {
    Clock *clock;
    Store *store;
    struct Audit *audit;       /* audit.h */
    struct Backups *backups;   /* backup.h */
    struct Memos *memos;       /* memo.h */
    struct Learning *learning; /* learn.h; NULL: nothing is to be learned */
    Access *access;
    CatalogFolder *catalog;
    CatalogGrid *catalogs;
    ImageStore *images;
    HttpClient *agents;
    struct StaticFiles *ui;
    struct Consoles *consoles; /* api/consoles.h: tickets, and who looks at which console */
    GHashTable *applications;  /* name → ApplicationRecord */
    GHashTable *volumes;       /* id → VolumeRecord */
    GHashTable *servers;       /* name → Server */
    GHashTable *jobs;          /* id → JobRecord */
    GHashTable *trash;         /* id → TrashRecord */
    char *state_folder, *pki_folder, *grid_id, *token, *agent_port;
    gint64 trash_keep_us;
    guint trash_free_percent;
    gint64 generation;   /* counts starts of vdcd */
    gint64 learn_min_us; /* asked for at least so long */
    gint64 era;          /* counts restorations of the store */
    gint64 started_us;   /* monotonic */
    gint64 kept_us;      /* monotonic, of the last housekeeping */
    gboolean reported;   /* an agent reported, or its server changed its state, since the last round */
    gint64 clock_us;     /* wall minus monotonic, as of the last round; 0: no round yet */
    struct Metrics *metrics;
    struct Seal *seal; /* secrets/seal.h */
    json_t *noted;     /* events for the next commit */
    json_t *written;   /* [table, key, value|null] for the next commit */
    guint wake_source, tick_source;
} Controller;

/* Opens the store, makes the certificates and the token, reads everything. Acts only after controller_run. */
Controller *controller_new (const ControllerOptions *options, GError **error);
void controller_free (Controller *controller);
/* Start reconciling: now, on every wake, and each second. */
void controller_run (Controller *controller);
/* Reconcile everything soon. */
void controller_wake (Controller *controller);

/* Read the folders of `system` anew, and put the grid's catalogs behind it. */
void controller_reload_catalog (Controller *controller);
/* The image of exactly that class; NULL when there is none. Borrowed until the next reload or publish. */
const json_t *controller_class_image (const Controller *controller, const char *catalog, const char *name,
                                      const char *version);

/* --- records ----------------------------------------------------------------------------------------------- */

ApplicationRecord *controller_application (Controller *controller, const char *name, GError **error);
Server *controller_server (Controller *controller, const char *name, GError **error);
JobRecord *controller_job (Controller *controller, const char *id, GError **error);
/* By id or entity name ("lamp.shop-data"). */
VolumeRecord *controller_volume (Controller *controller, const char *name, GError **error);
/* NULL when there is none. */
VolumeRecord *controller_application_volume (Controller *controller, const char *application,
                                             const char *local);

/* Build what is derived from `applied`: topology, addresses, wiring. */
gboolean controller_compile (Controller *controller, ApplicationRecord *application, GError **error);

/*
 * A commit compares only records that are marked, and a round decides only about applications that are marked
 * or busy, so that thousands cost nothing while nothing happens to them. Whoever finds an application or a
 * volume by the functions above has marked it; whoever changes one found otherwise marks it himself. (Builds
 * for tests look at every commit whether something unmarked differs, and end there.)
 */
void controller_touch (ApplicationRecord *application);
void controller_touch_all (Controller *controller);

/* --- changes ----------------------------------------------------------------------------------------------- */

/*
 * Note an event for the next commit. @data is taken, may be NULL. All kinds there are:
 *
 *   application.created|changed|cleaned|destroying|destroyed|restored
 *                        what it is; "changed" with data.revision, the last two with data.trash
 *
 *   application.state    a move of the diagram in lifecycle.h, data.error
 *
 *   instance.state       the same of a member, or a new text in the same state: data.text, server, error
 *
 *   instance.removed
 *
 *   volume.created|destroyed|restored
 *
 *   volume.state         new, ready, failed, unused, deleting; noted by controller_commit itself
 *
 *   trash.added|removed|restored
 *                        state is the kind; data.name, data.why (destroyed, found; asked, expired,
 *                        space), and for "space" data.server, free_bytes, disk_bytes
 *
 *   job.state            running, done, failed, cancelled
 *   job.step             data is the step
 *   draft.changed        the draft has a new revision: data as a line of its log, {rev, ops, touched,
 *                        user, time}
 *   volume.renamed       by its application's draft, which is applied now; data.from
 *   server.registered|removed
 *   server.state         new, up, suspect, down
 *   network.created
 *   catalog.created|removed
 *   class.published|removed   of a grid catalog; id is "CATALOG/NAME@VERSION"
 */
void controller_note (Controller *controller, const char *kind, const char *object, const char *id,
                      const char *application, const char *state, json_t *data);
/* Write a row with the next commit; NULL deletes it. Takes @value. */
void controller_write (Controller *controller, StoreTable table, const char *key, json_t *value);
/*
 * Make everything that changed durable. On failure nothing is: FALSE, the events stay noted and the caller
 * either tries again later or drops its change by controller_revert.
 */
gboolean controller_commit (Controller *controller, GError **error);
/*
 * The same for changes that are rows and events only, with no part in any record: whatever the size of the
 * grid, no record is looked at. Nothing else may have been noted before.
 */
gboolean controller_commit_rows (Controller *controller, GError **error);
/* Forget all uncommitted changes of records and everything noted. @application itself is replaced. */
void controller_revert (Controller *controller);

/* Now, as stored in records; and as text. */
gint64 controller_now_us (Controller *controller);
char *controller_stamp (Controller *controller);
