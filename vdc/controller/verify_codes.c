/* The one table of what verify finds. */
#include <string.h>

#include "vdc/controller/verify.h"

#define RESTART_AGENT "vdc verify --repair, or restart vdc-agent on the server"
#define REPAIR "vdc verify --repair"

static const VerifyCode codes[] = {
    /* In the store. */
    {"outside_duplicate", "store", "an outside address is given to two instances",
     "stop one of them and apply it again", NULL},
    {"port_duplicate", "store", "a local port is given to two instances",
     "stop one of them and apply it again", NULL},
    {"network_unknown", "store", "an instance has an address of a network that there is not",
     "create the network again (vdc network list shows those there are), or apply the application again",
     NULL},
    {"address_mismatch", "store", "the stored inner addresses are not those the wiring uses",
     "stop the application and apply it again", NULL},
    {"description_broken", "store", "a stored description does not compile: its application is left alone",
     "restore the store from a backup, or destroy the application and create it again", NULL},
    {"member_missing", "store", "the description names an instance that has no record", REPAIR,
     "its record is made, stopped"},
    {"member_stray", "store", "an instance has a record, and no description names it",
     "apply the application again", NULL},
    {"server_unknown", "store", "an instance or a volume lies on a server that is not registered",
     "register the server again (vdcd issue)", NULL},
    {"volume_unknown", "store", "the description names a volume that has no record",
     "when its file is there (volume_orphan), --repair puts that into the trash: restore it under the "
     "volume's "
     "name; else apply the application again, which makes an empty one",
     NULL},
    {"volume_stray", "store", "a volume's record belongs to an application that there is not", REPAIR,
     "it becomes an unused volume"},
    {"volume_duplicate", "store", "two volumes have one name", "destroy the one that is not needed by its id",
     NULL},
    {"job_stuck", "store", "a job runs, and nothing carries it on", REPAIR, "it is ended as failed"},
    {"trash_clash", "store", "a volume that is in use is also in the trash", REPAIR,
     "it is taken out of the trash; the volume stays as it is"},
    {"audit_broken", "store", "an entry of the audit is missing, changed or out of its place",
     "compare it with a backup of the store (vdc audit verify)", NULL},
    {"store_differs", "store", "what vdcd works with is not what its store holds", "restart vdcd", NULL},
    /* On a server. */
    {"domain_orphan", "server", "a VM runs that no application knows",
     "when nobody needs it, end it by `virsh destroy` on the server", NULL},
    {"domain_missing", "server", "an instance that runs has no VM", "vdc instance restart", NULL},
    {"domain_duplicate", "server", "an instance has more than one VM", "vdc instance restart", NULL},
    {"qemu_orphan", "server", "a QEMU process is of no VM that libvirt knows", "end the process", NULL},
    {"tap_orphan", "server", "a tap belongs to no running instance", REPAIR,
     "it is removed, unless a VM uses it"},
    {"tap_missing", "server", "an instance that runs lacks a tap", "vdc instance restart", NULL},
    {"bridge_orphan", "server", "a bridge belongs to no running application", REPAIR,
     "it is removed, unless a tap is on it"},
    {"chain_orphan", "server", "a chain of rules belongs to no running instance", REPAIR, "it is removed"},
    {"chain_missing", "server", "the rules of a terminal are missing: it is mute", RESTART_AGENT,
     "the agent lays the wires of the instance anew"},
    {"wire_differs", "server", "taps or rules of an instance are not what its wires say", RESTART_AGENT,
     "the agent lays the wires of the instance anew"},
    {"cgroup_orphan", "server", "a control group belongs to no running instance", REPAIR,
     "it is removed, unless a process is in it"},
    {"disk_orphan", "server", "a root disk belongs to no instance", REPAIR,
     "it is moved to the server's quarantine folder"},
    {"disk_missing", "server", "an instance that runs has no root disk", "vdc instance restart", NULL},
    {"image_missing", "server", "the image of an instance's class is not on its server",
     "build it (appliances/build), or copy it to the server's image folder", NULL},
    {"file_orphan", "server", "a file in the agent's folders belongs to nothing", REPAIR,
     "it is moved to the server's quarantine folder"},
    {"spec_orphan", "server", "an agent keeps an instance that no application knows", REPAIR,
     "the agent forgets it; its root disk stays"},
    {"spec_missing", "server", "an agent does not know an instance that runs there", REPAIR,
     "it is told again"},
    {"spec_stale", "server", "an agent has another generation of an instance than the store", REPAIR,
     "it is told again"},
    {"volume_orphan", "server", "a volume's file is in no record", REPAIR,
     "it gets a record in the trash, where it stays until somebody restores or removes it"},
    {"volume_missing", "server", "a volume's file is missing", "bring the file back from a copy", NULL},
    {"volume_unrecorded", "server", "a volume's file is there, the agent's record of it is not", REPAIR,
     "the agent writes the record again"},
    {"volume_size", "server", "a volume's file has another size than its record",
     "apply the application again", NULL},
    {"volume_writers", "server", "a volume is open by a writer and by others", "stop all but one of them",
     NULL},
    {"volume_open", "server", "a volume is noted as open by an instance that does not run", REPAIR,
     "the agent notes that it is closed"},
    {"trash_missing", "server", "the file of a volume in the trash is missing",
     "bring the file back from a copy, or remove the entry (vdc trash empty)", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

const VerifyCode *
verify_codes (void)
{
    return codes;
}

const VerifyCode *
verify_code (const char *code)
{
    for (const VerifyCode *row = codes; row->code != NULL; row++)
        if (strcmp (row->code, code) == 0)
            return row;
    g_error ("%s is no code of verify", code);
}

json_t *
verify_codes_json (void)
{
    json_t *list = json_array ();
    for (const VerifyCode *row = codes; row->code != NULL; row++)
        json_array_append_new (list, json_pack ("{s:s, s:s, s:s, s:s, s:s?}", "code", row->code, "where",
                                                row->where, "meaning", row->meaning, "remedy", row->remedy,
                                                "repair", row->repair));
    return list;
}
