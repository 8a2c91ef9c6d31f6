#include "vdc/controller/records.h"

#include "vdc/controller/draft.h"

#define FIELD RECORD_FIELD

static const RecordField member_fields[] = {
    FIELD (MemberRecord, RECORD_STRING, name),
    FIELD (MemberRecord, RECORD_STRING, server),
    FIELD (MemberRecord, RECORD_BOOL, on),
    FIELD (MemberRecord, RECORD_BOOL, failed),
    FIELD (MemberRecord, RECORD_BOOL, go),
    FIELD (MemberRecord, RECORD_BOOL, was_ready),
    FIELD (MemberRecord, RECORD_BOOL, rooted),
    FIELD (MemberRecord, RECORD_BOOL, leaving),
    FIELD (MemberRecord, RECORD_BOOL, draining),
    FIELD (MemberRecord, RECORD_BOOL, again),
    FIELD (MemberRecord, RECORD_BOOL, renew),
    FIELD (MemberRecord, RECORD_INT, incarnation),
    FIELD (MemberRecord, RECORD_INT, root_epoch),
    FIELD (MemberRecord, RECORD_INT, generation),
    FIELD (MemberRecord, RECORD_INT, revision),
    FIELD (MemberRecord, RECORD_INT, drain_end_us),
    FIELD (MemberRecord, RECORD_INT, timer_us),
    FIELD (MemberRecord, RECORD_INT, seen),
    FIELD (MemberRecord, RECORD_INT, since_us),
    FIELD (MemberRecord, RECORD_INT, restarts),
    FIELD (MemberRecord, RECORD_STRING, operation),
    FIELD (MemberRecord, RECORD_STRING, spec_digest),
    FIELD (MemberRecord, RECORD_STRING, guest_digest),
    FIELD (MemberRecord, RECORD_STRING, boot_id),
    FIELD (MemberRecord, RECORD_STRING, state),
    FIELD (MemberRecord, RECORD_STRING, text),
    FIELD (MemberRecord, RECORD_JSON, failures),
    FIELD (MemberRecord, RECORD_JSON, error),
    FIELD (MemberRecord, RECORD_BOOL, erased),
    FIELD (MemberRecord, RECORD_BOOL, sent),
    {NULL},
};

static const RecordField application_fields[] = {
    FIELD (ApplicationRecord, RECORD_STRING, name),
    FIELD (ApplicationRecord, RECORD_STRING, id),
    FIELD (ApplicationRecord, RECORD_STRING, created),
    FIELD (ApplicationRecord, RECORD_STRING, template),
    FIELD (ApplicationRecord, RECORD_INT, revision),
    FIELD (ApplicationRecord, RECORD_STRING, text),
    FIELD (ApplicationRecord, RECORD_STRING, format),
    FIELD (ApplicationRecord, RECORD_INT, text_revision),
    FIELD (ApplicationRecord, RECORD_ORDERED, applied),
    FIELD (ApplicationRecord, RECORD_ORDERED, used),
    FIELD (ApplicationRecord, RECORD_JSON, images),
    FIELD (ApplicationRecord, RECORD_ORDERED, next),
    FIELD (ApplicationRecord, RECORD_JSON, addresses),
    FIELD (ApplicationRecord, RECORD_JSON, outside),
    FIELD (ApplicationRecord, RECORD_JSON, seeds),
    FIELD (ApplicationRecord, RECORD_STRING, phase),
    FIELD (ApplicationRecord, RECORD_BOOL, failed),
    FIELD (ApplicationRecord, RECORD_BOOL, debug),
    FIELD (ApplicationRecord, RECORD_BOOL, then_start),
    FIELD (ApplicationRecord, RECORD_BOOL, destroying),
    FIELD (ApplicationRecord, RECORD_BOOL, keep_volumes),
    FIELD (ApplicationRecord, RECORD_INT, settings_revision),
    FIELD (ApplicationRecord, RECORD_JSON, error),
    FIELD (ApplicationRecord, RECORD_STRING, author),
    FIELD (ApplicationRecord, RECORD_STRING, cause),
    FIELD (ApplicationRecord, RECORD_STRING, state),
    FIELD (ApplicationRecord, RECORD_STRING, job),
    {NULL},
};

static const RecordField volume_fields[] = {
    FIELD (VolumeRecord, RECORD_STRING, id),
    FIELD (VolumeRecord, RECORD_STRING, name),
    FIELD (VolumeRecord, RECORD_STRING, application),
    FIELD (VolumeRecord, RECORD_STRING, local),
    FIELD (VolumeRecord, RECORD_STRING, owner),
    FIELD (VolumeRecord, RECORD_INT, size_bytes),
    FIELD (VolumeRecord, RECORD_STRING, server),
    FIELD (VolumeRecord, RECORD_STRING, seed),
    FIELD (VolumeRecord, RECORD_BOOL, made),
    FIELD (VolumeRecord, RECORD_BOOL, unused),
    FIELD (VolumeRecord, RECORD_BOOL, deleting),
    FIELD (VolumeRecord, RECORD_BOOL, renamed),
    FIELD (VolumeRecord, RECORD_STRING, created),
    FIELD (VolumeRecord, RECORD_JSON, error),
    {NULL},
};

static const RecordField trash_fields[] = {
    FIELD (TrashRecord, RECORD_STRING, id),
    FIELD (TrashRecord, RECORD_STRING, kind),
    FIELD (TrashRecord, RECORD_STRING, name),
    FIELD (TrashRecord, RECORD_STRING, application_name),
    FIELD (TrashRecord, RECORD_STRING, owner),
    FIELD (TrashRecord, RECORD_STRING, why),
    FIELD (TrashRecord, RECORD_INT, trashed_us),
    FIELD (TrashRecord, RECORD_INT, expires_us),
    FIELD (TrashRecord, RECORD_INT, size_bytes),
    FIELD (TrashRecord, RECORD_JSON, application),
    FIELD (TrashRecord, RECORD_JSON, volumes),
    FIELD (TrashRecord, RECORD_JSON, kept),
    {NULL},
};

static const RecordField job_fields[] = {
    FIELD (JobRecord, RECORD_STRING, id),
    FIELD (JobRecord, RECORD_STRING, kind),
    FIELD (JobRecord, RECORD_STRING, state),
    FIELD (JobRecord, RECORD_STRING, application),
    FIELD (JobRecord, RECORD_STRING, application_id),
    FIELD (JobRecord, RECORD_STRING, created),
    FIELD (JobRecord, RECORD_STRING, ended),
    FIELD (JobRecord, RECORD_STRING, user),
    FIELD (JobRecord, RECORD_STRING, retry_of),
    FIELD (JobRecord, RECORD_BOOL, cancelling),
    FIELD (JobRecord, RECORD_JSON, steps),
    FIELD (JobRecord, RECORD_JSON, log),
    FIELD (JobRecord, RECORD_JSON, error),
    {NULL},
};

static void
member_record_free (gpointer data)
{
    MemberRecord *member = data;
    record_clear (member_fields, member);
    g_clear_pointer (&member->report, json_decref);
    g_free (member);
}

ApplicationRecord *
application_record_new (const json_t *stored)
{
    ApplicationRecord *application = g_new0 (ApplicationRecord, 1);
    application->members = g_ptr_array_new_with_free_func (member_record_free);
    if (stored == NULL)
        return application;
    record_load (application_fields, application, stored);
    application->stored = json_deep_copy (stored);
    gsize i;
    json_t *value;
    json_array_foreach (json_object_get (stored, "members"), i, value) {
        MemberRecord *member = g_new0 (MemberRecord, 1);
        record_load (member_fields, member, value);
        g_ptr_array_add (application->members, member);
    }
    return application;
}

void
application_record_free (ApplicationRecord *application)
{
    if (application == NULL)
        return;
    draft_free (application->draft);
    g_ptr_array_unref (application->members);
    wiring_free (application->wiring);
    addresses_free (application->address_book);
    topology_free (application->topology);
    g_clear_pointer (&application->stored, json_decref);
    g_free (application->spec_inputs);
    g_free (application->memo);
    g_clear_pointer (&application->memo_of, json_decref);
    record_clear (application_fields, application);
    g_free (application);
}

json_t *
application_record_json (const ApplicationRecord *application)
{
    json_t *object = record_save (application_fields, application);
    json_t *members = json_array ();
    for (guint i = 0; i < application->members->len; i++)
        json_array_append_new (members, record_save (member_fields, application->members->pdata[i]));
    json_put (object, "members", members);
    return object;
}

MemberRecord *
application_record_member (const ApplicationRecord *application, const char *name)
{
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        if (g_strcmp0 (member->name, name) == 0)
            return member;
    }
    return NULL;
}

gboolean
member_is_gone (const MemberRecord *member)
{
    if (member->server == NULL)
        return TRUE;
    return !member->sent && member->known && member->fresh && member->report == NULL;
}

gboolean
member_has_vm (const MemberRecord *member)
{
    static const char *const over[] = {"absent", "stopped", "failed", NULL};
    return member->report != NULL && !g_strv_contains (over, json_str (member->report, "vm", "absent"));
}

void
application_record_shift (ApplicationRecord *application, gint64 delta_us)
{
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        json_t *failures = json_array (), *stamp;
        gsize k;
        if (member->timer_us != 0)
            member->timer_us += delta_us;
        if (member->drain_end_us != 0)
            member->drain_end_us += delta_us;
        json_array_foreach (member->failures, k, stamp) {
            json_array_append_new (failures, json_integer (json_integer_value (stamp) + delta_us));
        }
        json_decref (member->failures);
        member->failures = failures;
    }
}

void
application_record_clamp (ApplicationRecord *application, gint64 now_us)
{
    for (guint i = 0; i < application->members->len; i++) {
        MemberRecord *member = application->members->pdata[i];
        gint64 ahead_us = member->timer_us - now_us;
        for (gsize k = 0; k < json_array_size (member->failures); k++)
            ahead_us = MAX (ahead_us, json_integer_value (json_array_get (member->failures, k)) - now_us);
        if (ahead_us <= 0)
            continue;
        member->timer_us = MIN (member->timer_us, now_us);
        json_array_clear (member->failures);
    }
}

MemberRecord *
application_record_add (ApplicationRecord *application, const char *name)
{
    MemberRecord *member = g_new0 (MemberRecord, 1);
    member->name = g_strdup (name);
    member->state = g_strdup (state_name (STATE_STOPPED));
    member->failures = json_array ();
    member->root_epoch = 1;
    g_ptr_array_add (application->members, member);
    return member;
}

VolumeRecord *
volume_record_new (const json_t *stored)
{
    VolumeRecord *volume = g_new0 (VolumeRecord, 1);
    if (stored != NULL) {
        record_load (volume_fields, volume, stored);
        volume->stored = json_deep_copy (stored);
        volume->published = volume_state (volume);
    }
    return volume;
}

const char *
volume_state (const VolumeRecord *volume)
{
    if (volume->deleting)
        return "deleting";
    if (volume->error != NULL)
        return "failed";
    if (volume->unused)
        return "unused";
    return volume->made ? "ready" : "new";
}

void
volume_record_free (VolumeRecord *volume)
{
    if (volume == NULL)
        return;
    record_clear (volume_fields, volume);
    g_clear_pointer (&volume->stored, json_decref);
    g_free (volume);
}

json_t *
volume_record_json (const VolumeRecord *volume)
{
    return record_save (volume_fields, volume);
}

JobRecord *
job_record_new (const json_t *stored)
{
    JobRecord *job = g_new0 (JobRecord, 1);
    if (stored != NULL) {
        record_load (job_fields, job, stored);
        job->stored = json_deep_copy (stored);
    }
    return job;
}

void
job_record_free (JobRecord *job)
{
    if (job == NULL)
        return;
    record_clear (job_fields, job);
    g_clear_pointer (&job->stored, json_decref);
    g_free (job);
}

json_t *
job_record_json (const JobRecord *job)
{
    return record_save (job_fields, job);
}

TrashRecord *
trash_record_new (const json_t *stored)
{
    TrashRecord *entry = g_new0 (TrashRecord, 1);
    if (stored != NULL) {
        record_load (trash_fields, entry, stored);
        entry->stored = json_deep_copy (stored);
    }
    return entry;
}

void
trash_record_free (TrashRecord *entry)
{
    if (entry == NULL)
        return;
    record_clear (trash_fields, entry);
    g_clear_pointer (&entry->stored, json_decref);
    g_free (entry);
}

json_t *
trash_record_json (const TrashRecord *entry)
{
    return record_save (trash_fields, entry);
}
