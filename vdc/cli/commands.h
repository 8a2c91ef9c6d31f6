/*
 * The commands of `vdc`: one table, from which dispatch, help and completion come.
 */
#pragma once

#include "vdc/cli/cli.h"
#include "vdc/cli/options.h"

typedef struct {
    const char *words;     /* "app start" */
    const char *arguments; /* "APP [FILE]"; what completion offers is told by these words */
    const char *summary;   /* one line */
    const char *text;      /* more for --help; may be NULL */
    const char *examples;  /* lines, without indentation */
    const Option *options; /* ends with a NULL name; may be NULL */
    guint min, max;        /* positional arguments */
    gboolean rest;         /* everything after the first positional or "--" is left alone (exec) */
    int (*run) (Cli *cli); /* exit code */
} Command;

/* Ends with NULL words. */
extern const Command commands[];

/* The command that @argv starts with; *@used is how many words it took. NULL: none. */
const Command *command_find (int argc, char **argv, int *used);
/* TRUE when some command starts with @word ("app"). */
gboolean command_is_group (const char *word);

int cmd_app_list (Cli *cli);
int cmd_app_show (Cli *cli);
int cmd_app_create (Cli *cli);
int cmd_app_plan (Cli *cli);
int cmd_app_apply (Cli *cli);
int cmd_app_diff (Cli *cli);
int cmd_app_edit (Cli *cli);
int cmd_draft_show (Cli *cli);
int cmd_draft_ops (Cli *cli);
int cmd_draft_discard (Cli *cli);
int cmd_app_start (Cli *cli);
int cmd_app_stop (Cli *cli);
int cmd_app_restart (Cli *cli);
int cmd_app_scale (Cli *cli);
int cmd_app_config (Cli *cli);
int cmd_app_clean (Cli *cli);
int cmd_app_destroy (Cli *cli);
int cmd_app_logs (Cli *cli);

int cmd_instance_list (Cli *cli);
int cmd_instance_show (Cli *cli);
int cmd_instance_start (Cli *cli);
int cmd_instance_stop (Cli *cli);
int cmd_instance_restart (Cli *cli);

int cmd_login (Cli *cli);
int cmd_logout (Cli *cli);
int cmd_whoami (Cli *cli);
int cmd_me_password (Cli *cli);
int cmd_token_list (Cli *cli);
int cmd_token_create (Cli *cli);
int cmd_token_revoke (Cli *cli);
int cmd_user_list (Cli *cli);
int cmd_user_show (Cli *cli);
int cmd_user_create (Cli *cli);
int cmd_user_password (Cli *cli);
int cmd_user_role (Cli *cli);
int cmd_user_disable (Cli *cli);
int cmd_user_enable (Cli *cli);
int cmd_user_logout (Cli *cli);
int cmd_user_delete (Cli *cli);

int cmd_exec (Cli *cli);
int cmd_cp (Cli *cli);
int cmd_console (Cli *cli);

int cmd_class_list (Cli *cli);
int cmd_class_show (Cli *cli);
int cmd_class_create (Cli *cli);
int cmd_class_remove (Cli *cli);
int cmd_catalog_list (Cli *cli);
int cmd_catalog_show (Cli *cli);
int cmd_catalog_create (Cli *cli);
int cmd_catalog_publish (Cli *cli);
int cmd_catalog_remove (Cli *cli);
int cmd_volume_list (Cli *cli);
int cmd_volume_show (Cli *cli);
int cmd_volume_create (Cli *cli);
int cmd_volume_destroy (Cli *cli);
int cmd_top (Cli *cli);
int cmd_support_bundle (Cli *cli);
int cmd_audit_list (Cli *cli);
int cmd_audit_export (Cli *cli);
int cmd_audit_verify (Cli *cli);
int cmd_backup_list (Cli *cli);
int cmd_backup_store (Cli *cli);
int cmd_backup_accept (Cli *cli);
int cmd_trash_list (Cli *cli);
int cmd_trash_restore (Cli *cli);
int cmd_trash_empty (Cli *cli);
int cmd_server_list (Cli *cli);
int cmd_server_remove (Cli *cli);
int cmd_server_show (Cli *cli);
int cmd_network_list (Cli *cli);
int cmd_network_show (Cli *cli);
int cmd_job_list (Cli *cli);
int cmd_job_show (Cli *cli);
int cmd_job_logs (Cli *cli);
int cmd_job_wait (Cli *cli);
int cmd_job_cancel (Cli *cli);
int cmd_job_retry (Cli *cli);
int cmd_events (Cli *cli);
int cmd_verify (Cli *cli);
int cmd_completion (Cli *cli);

/* Candidates for the last word of @argv, one a line. For the shell. */
int cmd_complete (Cli *cli, int argc, char **argv);

/* `vdc lab …`, argv[0] is "lab": parses its own words. In cmd_lab.c. */
int cmd_lab (int argc, char **argv);
