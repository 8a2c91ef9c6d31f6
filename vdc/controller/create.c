/* A new application, from a template of the catalog or from a description. */
#include <string.h>

#include "vdc/base/id.h"
#include "vdc/base/log.h"
#include "vdc/controller/change_internal.h"
#include "vdc/controller/plan.h"
#include "vdc/controller/view.h"

/* A template's document under the new name, with the settings given. */
static Prepared *
prepare_template (Controller *controller, Operation *operation, const Template *template, const char *name,
                  const json_t *settings, GError **error)
{
    g_autoptr (json_t) document = json_deep_copy (template->document);
    if (!application_edit_name (document, name, error))
        return NULL;
    g_autoptr (Prepared) plain =
        description_prepare (controller, NULL, DOCUMENT_YAML, document, name, operation->problems);
    if (plain == NULL || json_object_size (settings) == 0)
        return g_steal_pointer (&plain);
    if (!change_set_all (controller, document, plain->topology, settings, error))
        return NULL;
    return description_prepare (controller, NULL, DOCUMENT_YAML, document, name, operation->problems);
}

/* Only what comes with the catalog may fill a volume: a description sent to us cannot name our files. */
static json_t *
template_seeds (const Template *template, const Topology *topology)
{
    json_t *seeds = json_object ();
    for (guint i = 0; i < topology->volumes->len; i++) {
        const ApplicationVolume *volume = ((TopologyVolume *)topology->volumes->pdata[i])->declared;
        if (volume->seed == NULL || g_path_is_absolute (volume->seed) || strstr (volume->seed, "..") != NULL)
            continue;
        g_autofree char *folder = g_canonicalize_filename (volume->seed, template->folder);
        json_put (seeds, volume->name, json_str_new (folder));
    }
    return seeds;
}

static ApplicationRecord *
new_application (Controller *controller, const char *name, const char *id)
{
    ApplicationRecord *application = application_record_new (NULL);
    application->name = g_strdup (name);
    application->id = g_strdup (id);
    application->created = controller_stamp (controller);
    application->phase = g_strdup (phase_name (PHASE_STOPPED));
    application->state = g_strdup (state_name (STATE_STOPPED));
    return application;
}

static json_t *
create_from (Controller *controller, Operation *operation, const char *name, const char *id,
             const Template *template, const Prepared *prepared, const char *text, const char *format,
             GError **error)
{
    if (operation->dry_run) {
        const PlanFacts facts = {.topology = prepared->topology};
        return json_pack ("{s:o, s:o}", "steps", plan_start (&facts), "cycles",
                          plan_cycles (prepared->topology));
    }
    if (!volumes_may_follow (controller, operation, name, prepared->topology, error))
        return NULL;
    ApplicationRecord *application = new_application (controller, name, id);
    if (template != NULL) {
        record_set_string (&application->template, template->name);
        record_set_json (&application->seeds, template_seeds (template, prepared->topology));
    }
    change_set_author (application, operation, "create");
    g_hash_table_insert (controller->applications, g_strdup (name), application);
    if (!change_adopt (controller, application, prepared, error)) {
        controller_revert (controller);
        return NULL;
    }
    change_set_text (controller, application, text, format);
    vdc_log (VDC_LOG_INFO, "application created", "application", name, "id", application->id, "template",
             template != NULL ? template->name : "", NULL);
    if (operation->principal != NULL)
        access_give_creator (controller, operation->principal, application->id);
    controller_note (controller, "application.created", "application", name, name, application->state, NULL);
    return operation_finish (controller, operation, view_application (controller, application), error);
}

json_t *
operation_create (Controller *controller, Operation *operation, const json_t *request, GError **error)
{
    const char *name = json_str (request, "name", ""), *from = json_str (request, "from", NULL);
    g_autofree char *text = NULL;
    const json_t *settings = json_object_get (request, "set");
    const Template *template = NULL;
    DocumentFormat parsed;
    g_autoptr (Prepared) prepared = NULL;

    if (!id_is_name (name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "an application's name must be %s",
                     id_name_rule ());
        return NULL;
    }
    if (g_hash_table_contains (controller->applications, name)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_CONFLICT, "application '%s' exists", name);
        return NULL;
    }
    if (!description_of_request (request, &text, &parsed, error))
        return NULL;
    const char *format = parsed == DOCUMENT_JSON ? "json" : "yaml";
    if ((from == NULL) == (text == NULL) || (text != NULL && json_object_size (settings) > 0)) {
        g_set_error (error, VDC_ERROR, VDC_ERROR_USAGE,
                     "give 'from' (with 'set', if wished) or 'description', one of them");
        return NULL;
    }
    if (from != NULL && (template = catalog_folder_template (controller->catalog, from)) == NULL) {
        g_autofree char *quoted = problem_quote (from);
        g_set_error (error, VDC_ERROR, VDC_ERROR_NOT_FOUND, "the catalog has no application %s", quoted);
        return NULL;
    }
    prepared = template != NULL
                   ? prepare_template (controller, operation, template, name, settings, error)
                   : description_prepare (controller, text, parsed, NULL, name, operation->problems);
    if (prepared == NULL) {
        if (*error == NULL)
            problems_to_error (operation->problems, error);
        return NULL;
    }
    g_autofree char *id = id_random (4);
    if (!description_seal (controller, id, prepared, &text, parsed, NULL, error))
        return NULL;
    return create_from (controller, operation, name, id, template, prepared, text, format, error);
}
