#include "vdc/cli/commands.h"

#include <string.h>

static const Option show_options[] = {
    {"description", 0, NULL, "the description: YAML, or JSON with --json"},
    {NULL},
};
static const Option create_options[] = {
    {"from", 0, "TEMPLATE", "take the description from the catalog: catalog/lamp"},
    {"set", 0, "NAME=VALUE", "a property of the application (again for more)", TRUE},
    {"confirm", 0, NULL, "use volumes kept from an earlier application of that name, with their content"},
    {NULL},
};
static const Option apply_options[] = {
    {"confirm", 0, NULL, "go on although a warning asks to be confirmed"},
    {"no-wait", 0, NULL, "print the job's id instead of waiting for its end"},
    {NULL},
};
static const Option ops_options[] = {
    {"base", 0, "REV", "the revision they are for, the newest unless given"},
    {"dry-run", 'n', NULL, "show what the draft would be"},
    {NULL},
};
static const Option start_options[] = {
    {"debug", 0, NULL, "when it fails, leave what is up for inspection"},
    {"continue", 0, NULL, "go on with a start that failed"},
    {"dry-run", 'n', NULL, "show the steps, do nothing"},
    {"no-wait", 0, NULL, "print the job's id instead of waiting for its end"},
    {NULL},
};
static const Option action_options[] = {
    {"dry-run", 'n', NULL, "show the steps, do nothing"},
    {"no-wait", 0, NULL, "print the job's id instead of waiting for its end"},
    {NULL}};
static const Option wait_options[] = {
    {"no-wait", 0, NULL, "print the job's id instead of waiting for its end"}, {NULL}};
static const Option app_destroy_options[] = {
    {"yes", 'y', NULL, "do not ask"},
    {"keep-volumes", 0, NULL, "keep its volumes as unused"},
    {"force", 0, NULL, "also when it is not stopped"},
    {"no-wait", 0, NULL, "print the job's id instead of waiting for its end"},
    {NULL},
};
static const Option restore_options[] = {
    {"as", 0, "NAME", "under another name, when its own is taken"},
    {"confirm", 0, NULL, "also when a volume that was kept is gone: make an empty one"},
    {"no-wait", 0, NULL, "print the job's id instead of waiting for its end"},
    {NULL},
};
static const Option yes_options[] = {{"yes", 'y', NULL, "do not ask"}, {NULL}};
static const Option logs_options[] = {
    {"instance", 'i', "NAME", "only this instance or member"},
    {"tail", 't', "N", "this many lines, 200 unless given"},
    {NULL},
};
static const Option restart_options[] = {
    {"kill", 0, NULL, "cut its power; the grid notices and starts it again"},
    {"no-wait", 0, NULL, "print the job's id instead of waiting for its end"},
    {NULL},
};
static const Option exec_options[] = {
    {"no-stdin", 'n', NULL, "give the command an empty input"},
    {NULL},
};
static const Option console_options[] = {
    {"follow", 'f', NULL, "print what comes, without typing"},
    {"tail", 't', "BYTES", "scrollback to print first, 65536 unless given"},
    {NULL},
};
static const Option volume_options[] = {
    {"size", 's', "SIZE", "512M, 2G, 1T"},
    {NULL},
};
static const Option support_options[] = {
    {"out", 'o', "FILE", "where to; - is standard output"},
    {NULL},
};
static const Option verify_options[] = {
    {"repair", 0, NULL, "repair what can lose nothing, then look again"},
    {"codes", 0, NULL, "what can be found, what it means and what to do"},
    {NULL},
};
static const Option events_options[] = {
    {"follow", 'f', NULL, "print what comes from now on, or after N, until interrupted"},
    {"after", 'a', "N", "only events with a greater number"},
    {NULL},
};
static const Option login_options[] = {
    {"url", 'u', "URL", "of the grid's controller: https://HOST:PORT"},
    {"ca", 0, "FILE", "certificate of the grid's CA"},
    {NULL},
};
static const Option token_list_options[] = {
    {"all", 0, NULL, "those of all users; for administrators"},
    {NULL},
};
static const Option token_options[] = {
    {"role", 'r', "ROLE", "at most this: viewer (unless given), operator, editor, admin"},
    {"app", 0, "APP", "only this application (again for more)", TRUE},
    {"expires", 'e', "TIME", "30d, 12h, 90m; 90d unless given"},
    {NULL},
};
static const Option user_list_options[] = {
    {"app", 0, "APP", "those who have a role on this application"},
    {NULL},
};
static const Option user_create_options[] = {
    {"role", 'r', "ROLE", "on the whole grid: none (unless given), viewer, operator, editor, admin"},
    {"creates", 0, NULL, "may make applications, and is their admin"},
    {"no-password", 0, NULL, "cannot log in before 'vdc user password'"},
    {NULL},
};
static const Option user_role_options[] = {
    {"app", 0, "APP", "the role on this application, not on the grid"},
    {"creates", 0, NULL, "may make applications, and is their admin"},
    {"no-creates", 0, NULL, "may not"},
    {NULL},
};
static const Option user_logout_options[] = {
    {"tokens", 0, NULL, "revoke the API tokens too"},
    {NULL},
};
static const Option user_delete_options[] = {{"yes", 'y', NULL, "do not ask"}, {NULL}};

static const Option top_options[] = {
    {"sort", 's', "WHAT", "cpu (unless given), memory or network"},
    {"limit", 'l', "N", "so many lines, 20 unless given"},
    {"interval", 'i', "SECONDS", "between two looks on a terminal, 5 unless given"},
    {"once", '1', NULL, "look once, also on a terminal"},
    {NULL},
};

static const Option class_create_options[] = {
    {"image", 'i', "FILE", "the disk image: raw or qcow2"},
    {"format", 0, "FORMAT", "raw or qcow2; found out when it is not said"},
    {"catalog", 'c', "NAME", "the catalog it goes to; not needed when the grid has one"},
    {"terminal", 't', "NAME:PROTOCOL", "an input, or NAME:PROTOCOL:output (again for more)", TRUE},
    {"version", 0, "VERSION", "1.0.0 unless given"},
    {"summary", 0, "TEXT", "one line about it"},
    {"memory", 0, "SIZE", "512M unless given"},
    {"cpu", 0, "CORES", "1 unless given"},
    {"description", 0, "FILE", "the whole class.yaml (with 'unmanaged: true') instead of the options above"},
    {"no-wait", 0, NULL, "print the job's id instead of waiting for its end"},
    {NULL},
};
static const Option catalog_create_options[] = {
    {"summary", 0, "TEXT", "one line about it"},
    {NULL},
};
static const Option publish_options[] = {
    {"image-of", 0, "CLASS", "of a class: whose image it has"},
    {"app", 0, "APP", "instead of FILE: an assembly of this application's own"},
    {"assembly", 0, "NAME", "its name"},
    {"version", 0, "VERSION", "1.0.0 unless given"},
    {NULL},
};
static const Option remove_options[] = {
    {"force", 0, NULL, "also while applications use it"},
    {NULL},
};
static const Option audit_options[] = {
    {"who", 0, "USER", "only what this user did"},
    {"app", 0, "APP", "only about this application"},
    {"action", 0, "NAME", "only calls of this name, such as createApplication"},
    {"result", 0, "CODE", "only with this result: ok, passed, repeated, or the code of an error"},
    {"object", 0, "KIND", "only about objects of this kind"},
    {"id", 0, "NAME", "only about the object of this name"},
    {"since", 0, "TIME", "not before: 2026-11-22 or 2026-11-22T12:30, UTC"},
    {"until", 0, "TIME", "before"},
    {NULL},
};
static const Option audit_verify_options[] = {
    {"head", 0, "SEQ:DIGEST", "a head noted earlier: was the audit made anew since?"},
    {NULL},
};
static const Option backup_options[] = {
    {"to", 0, "DIR", "a folder of the controller's machine, as root there; else its own, which keeps 7"},
    {NULL},
};

const Command commands[] = {
    {"app list", "", "All applications and their states", NULL, "vdc app list\nvdc app list --json", NULL, 0,
     0, FALSE, cmd_app_list},
    {"app show", "APP", "One application with its members, or its description",
     "--description prints the description as it would be applied; operations such as scale are in it.",
     "vdc app show shop\nvdc app show shop --description > shop.yaml", show_options, 1, 1, FALSE,
     cmd_app_show},
    {"app create", "APP [FILE]", "Make an application from a template or a description",
     "Nothing is started. All problems of a description are reported at once, with file and line.",
     "vdc app create shop --from catalog/lamp\nvdc app create shop --from catalog/lamp --set "
     "public_port=8080\n"
     "vdc app create shop shop.yaml",
     create_options, 1, 2, FALSE, cmd_app_create},
    {"app plan", "APP [FILE]", "What an apply would do, step by step",
     "With FILE: from what runs to that description. Without: to the draft; of a stopped one, what a start "
     "would do.",
     "vdc app plan shop shop.yaml", NULL, 1, 2, FALSE, cmd_app_plan},
    {"app apply", "APP [FILE]", "Make a description the one that runs",
     "With FILE: that one. Without: the draft. Applied as a whole or not at all. A volume that is no longer "
     "named is\n"
     "detached and kept.",
     "vdc app apply shop\nvdc app apply shop shop.yaml\nvdc app show shop --description | sed s/256/512/ | "
     "vdc app apply shop -",
     apply_options, 1, 2, FALSE, cmd_app_apply},
    {"app edit", "APP", "Edit the draft's text in your editor",
     "Runs $VISUAL or $EDITOR (else vi) on it; what was saved becomes the draft, nothing that runs is "
     "changed. With\n"
     "problems, or when somebody else changed it meanwhile, the file is kept.",
     "vdc app edit shop && vdc app diff shop && vdc app apply shop", NULL, 1, 1, FALSE, cmd_app_edit},
    {"app diff", "APP [FROM] [TO]", "What differs between descriptions, and what that does to what runs",
     "FROM and TO are applied, draft, or the revision of an earlier one; from applied to draft unless "
     "given.\n"
     "live: taken over while it runs. restart: the members named. restart_all: all of them. none: texts, "
     "positions.",
     "vdc app diff shop\nvdc app diff shop 3 applied", NULL, 1, 3, FALSE, cmd_app_diff},
    {"app draft show", "APP", "The draft's text, its problems and pending changes", NULL,
     "vdc app draft show shop\nvdc app draft show shop --json", NULL, 1, 1, FALSE, cmd_draft_show},
    {"app draft edit", "APP", "The same as app edit", NULL, "vdc app draft edit shop", NULL, 1, 1, FALSE,
     cmd_app_edit},
    {"app draft ops", "APP FILE", "Operations on the draft, all or nothing",
     "FILE (- is standard input) holds a JSON list of add, remove, move, rename, set, wire, unwire, group, "
     "ungroup.\n"
     "Refused with what happened meanwhile when somebody changed the same places since revision --base.",
     "echo '[{\"op\": \"set\", \"path\": \"instances.web.count\", \"value\": 3}]' | vdc app draft ops shop "
     "-\n"
     "vdc app draft ops shop group.json --dry-run --json",
     ops_options, 2, 2, FALSE, cmd_draft_ops},
    {"app draft discard", "APP", "Back to what is applied", NULL, "vdc app draft discard shop", NULL, 1, 1,
     FALSE, cmd_draft_discard},
    {"app start", "APP", "Start it and wait until it serves", NULL,
     "vdc app start shop\nvdc app start shop --dry-run\nvdc app start shop --no-wait", start_options, 1, 1,
     FALSE, cmd_app_start},
    {"app stop", "APP", "Stop it, clients before those that serve them", NULL, "vdc app stop shop",
     action_options, 1, 1, FALSE, cmd_app_stop},
    {"app restart", "APP", "Stop and start all instances", NULL, "vdc app restart shop", action_options, 1, 1,
     FALSE, cmd_app_restart},
    {"app scale", "APP INSTANCE=N", "Change the number of members of tiers",
     "Members that go are drained first: what they serve just now is finished.", "vdc app scale shop web=4",
     action_options, 2, 64, FALSE, cmd_app_scale},
    {"app config", "APP [NAME=VALUE]", "Show or change settings while it runs",
     "NAME is a property of the application, or INSTANCE.PROPERTY. VALUE is read by the type of the "
     "property.",
     "vdc app config shop\nvdc app config shop web.max_conn=512", action_options, 1, 64, FALSE,
     cmd_app_config},
    {"app clean", "APP", "Make the root disks of all its appliances anew",
     "Application volumes keep their data. The application must be stopped.", "vdc app clean shop",
     action_options, 1, 1, FALSE, cmd_app_clean},
    {"app destroy", "APP", "Move a stopped application to the trash",
     "Its name is free at once; for a day 'vdc trash restore' brings it back. Its volumes go with it, "
     "unless\n"
     "--keep-volumes: then they stay as unused, and an application made anew under the same name may have\n"
     "them (app create --confirm). Asks for its name, unless --yes.",
     "vdc app destroy shop\nvdc app destroy shop --yes --keep-volumes", app_destroy_options, 1, 1, FALSE,
     cmd_app_destroy},
    {"app logs", "APP", "Log lines and alerts of its appliances", NULL,
     "vdc app logs shop\nvdc app logs shop -i web.1", logs_options, 1, 1, FALSE, cmd_app_logs},

    {"instance list", "APP", "The members of an application", NULL, "vdc instance list shop", NULL, 1, 1,
     FALSE, cmd_instance_list},
    {"instance show", "APP:INSTANCE", "One member, or all of a tier", NULL,
     "vdc instance show shop:db\nvdc instance show shop:web.1", NULL, 1, 1, FALSE, cmd_instance_show},
    {"instance start", "APP:INSTANCE", "Start a member or a tier", NULL, "vdc instance start shop:web.1",
     wait_options, 1, 1, FALSE, cmd_instance_start},
    {"instance stop", "APP:INSTANCE", "Stop a member or a tier", NULL, "vdc instance stop shop:web.1",
     wait_options, 1, 1, FALSE, cmd_instance_stop},
    {"instance restart", "APP:INSTANCE", "Restart a member or a tier", NULL,
     "vdc instance restart shop:web.1\nvdc instance restart shop:web.1 --kill", restart_options, 1, 1, FALSE,
     cmd_instance_restart},

    {"exec", "APP:INSTANCE -- COMMAND", "Run a command inside an appliance",
     "Input, output and exit code pass through. No shell is between: for one, say sh -c '…'.",
     "vdc exec shop:web.1 -- hostname\nvdc exec shop:db -- sh -c 'df -h | tail -1'\n"
     "tar c site | vdc exec shop:nas -- tar x -C /mnt/data",
     exec_options, 2, 4096, TRUE, cmd_exec},
    {"cp", "FROM TO", "Copy a file into or out of an appliance",
     "One side is APP:INSTANCE:/PATH. - is standard input or output.",
     "vdc cp probe shop:web.1:/tmp/probe\nvdc cp shop:web.1:/var/log/messages -", NULL, 2, 2, FALSE, cmd_cp},
    {"console", "APP:INSTANCE", "The serial console of an appliance",
     "On a terminal: prints the scrollback, then is interactive; Ctrl-] leaves. Else prints the scrollback.",
     "vdc console shop:web.1\nvdc console shop:web.1 --follow | grep -i error", console_options, 1, 1, FALSE,
     cmd_console},

    {"class list", "", "Appliance classes and assemblies", NULL, "vdc class list", NULL, 0, 0, FALSE,
     cmd_class_list},
    {"class show", "CLASS", "Terminals, properties, volumes and resources of a class, and who uses it",
     "CLASS is [CATALOG/]NAME[@VERSION]; without a version the newest.",
     "vdc class show WEB\nvdc class show mine/SHOP@1.2.0", NULL, 1, 1, FALSE, cmd_class_show},
    {"class create", "NAME", "Make a class of a disk image that somebody brought",
     "FILE is a raw or qcow2 disk with its boot loader, such as a cloud image. It is uploaded (and goes on "
     "where it\n"
     "broke off), checked and converted once. Its appliances have no vdc-guest: cloud-init sets name and "
     "addresses\n"
     "from a NoCloud seed, and they are ready when their inputs answer. exec and cp do not work with them.",
     "vdc class create PAGE --image debian-12.qcow2 --terminal in:http\n"
     "vdc class create SHOP --image shop.raw --terminal in:http --terminal db:mysql:output --memory 1G "
     "--version 1.1.0",
     class_create_options, 1, 1, FALSE, cmd_class_create},
    {"class remove", "CATALOG/NAME@VERSION", "Remove one version of a class or assembly from a catalog",
     "Refused while it is used. With --force applications go on with what they recorded.",
     "vdc class remove mine/SHOP@1.0.0", remove_options, 1, 1, FALSE, cmd_class_remove},
    {"catalog list", "", "Templates, assemblies and classes, and the catalogs they are in", NULL,
     "vdc catalog list", NULL, 0, 0, FALSE, cmd_catalog_list},
    {"catalog show", "NAME", "What is in a catalog, or a template", NULL,
     "vdc catalog show mine\nvdc catalog show lamp", NULL, 1, 1, FALSE, cmd_catalog_show},
    {"catalog create", "NAME", "Make a catalog of the grid", NULL,
     "vdc catalog create mine --summary 'what we build ourselves'", catalog_create_options, 1, 1, FALSE,
     cmd_catalog_create},
    {"catalog publish", "CATALOG [FILE]", "Put a class or an assembly into a catalog",
     "FILE is a class.yaml or assembly.yaml. A version never changes: the same again does nothing, another "
     "content\n"
     "needs a higher version. A class takes the image of another one (--image-of).",
     "vdc catalog publish mine assembly.yaml\nvdc catalog publish mine class.yaml --image-of WEB\n"
     "vdc catalog publish mine --app shop --assembly FRONT --version 1.0.0",
     publish_options, 1, 2, FALSE, cmd_catalog_publish},
    {"catalog remove", "NAME", "Remove a catalog with what is in it",
     "NAME is a catalog, or CATALOG/NAME@VERSION. Refused while something of it is used, with the list. With "
     "--force\n"
     "applications go on with what they recorded; what an assembly of another catalog uses stays.",
     "vdc catalog remove mine\nvdc catalog remove mine/WEBX@1.0.0 --force", remove_options, 1, 1, FALSE,
     cmd_catalog_remove},

    {"volume list", "", "Volumes", NULL, "vdc volume list", NULL, 0, 0, FALSE, cmd_volume_list},
    {"volume show", "VOLUME", "One volume", NULL, "vdc volume show shop-data", NULL, 1, 1, FALSE,
     cmd_volume_show},
    {"volume create", "APP.VOLUME", "Make a volume before its application names it",
     "The application APP takes it when its description names VOLUME.",
     "vdc volume create shop.archive --size 2G", volume_options, 1, 1, FALSE, cmd_volume_create},
    {"volume destroy", "VOLUME", "Move an unused volume to the trash",
     "For a day 'vdc trash restore' brings it back. Asks for its name, unless --yes.",
     "vdc volume destroy shop.archive", yes_options, 1, 1, FALSE, cmd_volume_destroy},

    {"trash list", "", "What was destroyed and can be restored", NULL, "vdc trash list", NULL, 0, 0, FALSE,
     cmd_trash_list},
    {"trash restore", "TRASH", "Bring back an application or a volume",
     "TRASH is its name, or its id when there are several. Volumes come back with their data; root disks "
     "are\n"
     "made anew.",
     "vdc trash restore shop\nvdc trash restore shop --as shop-old", restore_options, 1, 1, FALSE,
     cmd_trash_restore},
    {"trash empty", "[TRASH]", "Erase one thing in the trash, or all, for good", "Asks, unless --yes.",
     "vdc trash empty shop\nvdc trash empty --yes", yes_options, 0, 1, FALSE, cmd_trash_empty},

    {"server list", "", "Servers of the grid", NULL, "vdc server list", NULL, 0, 0, FALSE, cmd_server_list},
    {"server show", "SERVER", "One server: capacity, acceleration and why", NULL, "vdc server show s1", NULL,
     1, 1, FALSE, cmd_server_show},
    {"server remove", "SERVER", "Forget a server that holds nothing",
     "Refused while an instance, a volume or something in the trash is on it. Asks for its name, unless "
     "--yes.",
     "vdc server remove s2", yes_options, 1, 1, FALSE, cmd_server_remove},
    {"network list", "", "Outside networks", NULL, "vdc network list", NULL, 0, 0, FALSE, cmd_network_list},
    {"network show", "NETWORK", "One outside network and who uses its addresses", NULL,
     "vdc network show outside", NULL, 1, 1, FALSE, cmd_network_show},

    {"job list", "", "Long operations", NULL, "vdc job list", NULL, 0, 0, FALSE, cmd_job_list},
    {"job show", "JOB", "One long operation: its steps, and what a cancel would do about each", NULL,
     "vdc job show 1f2e3d", NULL, 1, 1, FALSE, cmd_job_show},
    {"job logs", "JOB", "What happened in it, with times", NULL, "vdc job logs 1f2e3d", NULL, 1, 1, FALSE,
     cmd_job_logs},
    {"job wait", "JOB", "Follow it to its end; the exit code is its", NULL, "vdc job wait 1f2e3d", NULL, 1, 1,
     FALSE, cmd_job_wait},
    {"job cancel", "JOB", "Go back to what was before it",
     "A start is stopped again, a stop started again, a change of the description taken back. What cannot be "
     "taken\n"
     "back is refused, with the reason.",
     "vdc job cancel 1f2e3d", wait_options, 1, 1, FALSE, cmd_job_cancel},
    {"job retry", "JOB", "Ask again for what a failed or cancelled one was asked for", NULL,
     "vdc job retry 1f2e3d", wait_options, 1, 1, FALSE, cmd_job_retry},
    {"events", "", "The numbered log of changes", NULL, "vdc events --after 120\nvdc events --follow --json",
     events_options, 0, 0, FALSE, cmd_events},
    {"audit list", "", "Who asked for what, and what came of it",
     "Every changing call and every refusal, oldest first.",
     "vdc audit list --since 2026-11-22\nvdc audit list --who ann --app shop\nvdc audit list --result "
     "not_permitted",
     audit_options, 0, 0, FALSE, cmd_audit_list},
    {"audit export", "", "The audit as JSON lines",
     "Each entry's digest is the SHA-256 of its line without the key digest; prev is the digest before.",
     "vdc audit export > audit.jsonl", audit_options, 0, 0, FALSE, cmd_audit_export},
    {"audit verify", "", "Check that no entry was changed, lost or moved",
     "Names the first bad entry. Exit code 0: whole. 1: not. Note the head it prints elsewhere: with --head "
     "it "
     "shows\nwhether the whole audit was made anew since.",
     "vdc audit verify\nvdc audit verify --head 120:DIGEST", audit_verify_options, 0, 0, FALSE,
     cmd_audit_verify},
    {"backup list", "", "Backups in the controller's own folder", NULL, "vdc backup list", NULL, 0, 0, FALSE,
     cmd_backup_list},
    {"backup store", "", "Back up the controller now",
     "Its store, the grid's keys and its token, in one file, read back before it counts. One is made each "
     "night.\n"
     "To restore on a machine without anything: vdcd restore --from FILE --state DIR, then start vdcd.",
     "vdc backup store\nvdc backup store --to /mnt/usb", backup_options, 0, 0, FALSE, cmd_backup_store},
    {"backup accept", "", "After a restore: go on without the servers that do not answer",
     "What runs there is not known then.", "vdc backup accept", NULL, 0, 0, FALSE, cmd_backup_accept},
    {"top", "[APP]", "The busiest instances",
     "CPU of 100% is one core. On a terminal it is shown again until interrupted.",
     "vdc top\nvdc top shop --sort memory\nvdc top --once --json", top_options, 0, 1, FALSE, cmd_top},
    {"verify", "", "Compare what runs on the servers with what is meant to run",
     "Exit code 0: clean. 1: findings. 6: a server could not be looked at. --repair does what can lose "
     "nothing\n"
     "and looks again; it deletes no data: volumes that nobody knows go to the trash, other files to the\n"
     "server's quarantine folder.",
     "vdc verify\nvdc verify --repair\nvdc verify --codes", verify_options, 0, 0, FALSE, cmd_verify},
    {"login", "USER", "Log in as a user",
     "The password is asked for, or read as a line from standard input. The login is kept in "
     "~/.config/vdc/login and "
     "lasts 12 hours;\n2 hours without a command end it. VDC_URL and VDC_TOKEN, when set, go before it.",
     "vdc login ann --url https://grid.example:8443 --ca ca.crt\nvdc login ann < password-file",
     login_options, 1, 1, FALSE, cmd_login},
    {"logout", "", "End the login", NULL, "vdc logout", NULL, 0, 0, FALSE, cmd_logout},
    {"whoami", "", "Who one is to the grid, and what one may", NULL, "vdc whoami\nvdc whoami --json", NULL, 0,
     0, FALSE, cmd_whoami},
    {"user list", "", "Users and their roles on the grid", NULL, "vdc user list\nvdc user list --app shop",
     user_list_options, 0, 0, FALSE, cmd_user_list},
    {"user show", "USER", "One user: roles and sessions", NULL, "vdc user show ann", NULL, 1, 1, FALSE,
     cmd_user_show},
    {"user create", "USER", "A user who may log in",
     "The password is asked for twice, or read as a line from standard input.",
     "vdc user create ann --creates\nvdc user create ops --role operator < password-file",
     user_create_options, 1, 1, FALSE, cmd_user_create},
    {"user password", "[USER]", "Change one's own password, or a user's",
     "One's own: the current one is asked for first (on standard input: two lines), other sessions end. A "
     "user's: all "
     "the user's sessions end.",
     "vdc user password\nvdc user password ann", NULL, 0, 1, FALSE, cmd_user_password},
    {"user role", "USER ROLE", "Give a role on the grid, or with --app on an application",
     "ROLE: none, viewer (sees), operator (starts, stops, scales, consoles), editor (changes, creates, "
     "destroys), admin "
     "(servers, networks, users; on an application: who has a role there).",
     "vdc user role ann operator\nvdc user role ann editor --app shop\nvdc user role ann none --app shop",
     user_role_options, 2, 2, FALSE, cmd_user_role},
    {"user disable", "USER", "Nobody gets in as this user any more, also with tokens", NULL,
     "vdc user disable ann", NULL, 1, 1, FALSE, cmd_user_disable},
    {"user enable", "USER", "Undo that", NULL, "vdc user enable ann", NULL, 1, 1, FALSE, cmd_user_enable},
    {"user logout", "USER", "End all sessions of a user", NULL,
     "vdc user logout ann\nvdc user logout ann --tokens", user_logout_options, 1, 1, FALSE, cmd_user_logout},
    {"user delete", "USER", "Remove a user with sessions and tokens",
     "The user's applications stay. Asks for the name, unless --yes.", "vdc user delete ann",
     user_delete_options, 1, 1, FALSE, cmd_user_delete},
    {"token list", "", "One's API tokens", NULL, "vdc token list\nvdc token list --all", token_list_options,
     0, 0, FALSE, cmd_token_list},
    {"token create", "NAME", "A token for a program; shown once",
     "It never may more than its owner does at that moment, and not more than its role and applications say.",
     "vdc token create ci --role operator --app shop --expires 30d", token_options, 1, 1, FALSE,
     cmd_token_create},
    {"token revoke", "TOKEN", "End a token at once, by name or id", NULL, "vdc token revoke ci", NULL, 1, 1,
     FALSE, cmd_token_revoke},
    {"support bundle", "", "Gather what is needed to find out what is wrong",
     "A tar.gz with states, events, jobs, audit, verify's findings, inventories and logs. No secrets, no "
     "values that\n"
     "people or guests wrote; names and addresses are in it.",
     "vdc support bundle\nvdc support bundle --out /tmp/support.tar.gz", support_options, 0, 0, FALSE,
     cmd_support_bundle},
    {"completion", "[bash]", "Print the completion script of the shell", NULL,
     "vdc completion > /etc/bash_completion.d/vdc", NULL, 0, 1, FALSE, cmd_completion},
    {NULL},
};

static guint
words_match (const char *words, int argc, char **argv)
{
    g_auto (GStrv) parts = g_strsplit (words, " ", -1);
    guint n = g_strv_length (parts);
    if ((int)n > argc)
        return 0;
    for (guint i = 0; i < n; i++)
        if (strcmp (parts[i], argv[i]) != 0)
            return 0;
    return n;
}

const Command *
command_find (int argc, char **argv, int *used)
{
    for (const Command *command = commands; command->words != NULL; command++) {
        guint n = words_match (command->words, argc, argv);
        if (n > 0) {
            *used = (int)n;
            return command;
        }
    }
    return NULL;
}

gboolean
command_is_group (const char *word)
{
    g_autofree char *prefix = g_strconcat (word, " ", NULL);
    for (const Command *command = commands; command->words != NULL; command++)
        if (g_str_has_prefix (command->words, prefix))
            return TRUE;
    return FALSE;
}
