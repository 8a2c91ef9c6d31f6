/*
 * The server agent: every member of this server, the means to run them, what is told to the controller. Owned
 * by the main loop; only Host goes to workers.
 */
#pragma once

#include "vdc/agent/instance.h"
#include "vdc/http/router.h"

typedef struct Agent Agent;

typedef struct {
    const char *state, *server, *controller, *images, *backbone, *outside;
    const char *hypervisor;  /* "libvirt" or "fake" */
    const char *libvirt_uri; /* "qemu:///system" */
    const char *cgroup_root; /* "/sys/fs/cgroup" */
    gboolean wires;          /* lay them also for fake VMs */
} AgentOptions;

/*
 * Set up the host, find again every member whose record is there, begin to report (@options->controller NULL:
 * to nobody, for tests). Blocks for the accelerator's probe.
 */
Agent *agent_new (const AgentOptions *options, GError **error);
/* Leaves VMs, wires and records alone. Only when no worker is at anything (tests), or at the process's end.
 */
void agent_free (Agent *agent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Agent, agent_free)

/* At the end of the process, workers or not: takes back what nobody needs. */
void agent_end (Agent *agent);

const Host *agent_host (Agent *agent);
/* Who looks at screens: id → viewer, kept by routes_screen.c. */
GHashTable *agent_viewers (Agent *agent);
/* NULL when there is none. */
Instance *agent_find (Agent *agent, const char *application, const char *member);
/* The one that has session @id. */
Instance *agent_find_session (Agent *agent, const char *id);
/* Make the member be as @spec says. */
gboolean agent_put (Agent *agent, Spec *spec, GError **error);
/*
 * @done is called once, at once or later: with NULL when the removal of a member is kept (it goes on after a
 * restart too), or when nothing is left of one that nobody knows, which is looked for on the host all the
 * same.
 */
typedef void (*AgentDeleted) (const GError *error, gpointer user_data);
void agent_delete (Agent *agent, const char *application, const char *member, gboolean remove_root,
                   AgentDeleted done, gpointer user_data);
/* Lay the wires of a running member anew, whatever they are now. VDC_ERROR_NOT_FOUND. */
gboolean agent_lay_wires (Agent *agent, const char *application, const char *member, GError **error);
/* REPORTs of all. Caller owns. */
json_t *agent_reports (Agent *agent);
/* The object of GET /v1/server. Caller owns. */
json_t *agent_server (Agent *agent);
/* Specs of all members, of Spec. Caller unrefs. */
GPtrArray *agent_specs (Agent *agent);

/* What is remembered for the controller. */
struct Memos *agent_memos (Agent *agent);

/* The agent's API. */
void agent_add_routes (Agent *agent, HttpRouter *router);
