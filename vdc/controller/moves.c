#include "vdc/controller/moves.h"

#include "vdc/base/log.h"

void
move_member (Controller *controller, ApplicationRecord *application, MemberRecord *member, State to,
             const char *text)
{
    State from = state_from_name (member->state);
    gboolean moved = from != to;
    if (!moved && g_strcmp0 (text, member->text) == 0)
        return;
    if (moved && !lifecycle_member_may_move (from, to))
        vdc_log (VDC_LOG_ERROR, "move is not in the diagram, ignoring", "application", application->name,
                 "instance", member->name, "from", state_name (from), "to", state_name (to), NULL);
    record_set_string (&member->text, text);
    if (moved) {
        record_set_string (&member->state, state_name (to));
        member->since_us = controller_now_us (controller);
        vdc_log (VDC_LOG_INFO, "instance state", "application", application->name, "instance", member->name,
                 "from", state_name (from), "to", state_name (to), "operation",
                 member->operation != NULL ? member->operation : "", "text", text != NULL ? text : "", NULL);
    }
    controller_note (controller, "instance.state", "instance", member->name, application->name, member->state,
                     json_pack ("{s:s?, s:s?, s:O?}", "text", member->text, "server", member->server, "error",
                                member->error));
}

void
move_application (Controller *controller, ApplicationRecord *application, State to)
{
    State from = state_from_name (application->state);
    if (from == to)
        return;
    if (!lifecycle_application_may_move (from, to))
        vdc_log (VDC_LOG_ERROR, "move is not in the diagram, ignoring", "application", application->name,
                 "from", state_name (from), "to", state_name (to), NULL);
    record_set_string (&application->state, state_name (to));
    vdc_log (VDC_LOG_INFO, "application state", "application", application->name, "from", state_name (from),
             "to", state_name (to), NULL);
    controller_note (controller, "application.state", "application", application->name, application->name,
                     state_name (to), json_pack ("{s:O?}", "error", application->error));
}

void
move_phase (Controller *controller, ApplicationRecord *application, Phase to)
{
    record_set_string (&application->phase, phase_name (to));
}

void
member_give_up (Controller *controller, ApplicationRecord *application, MemberRecord *member,
                const char *step, const char *code, const char *message, const char *remedy, const char *tail)
{
    member->failed = TRUE;
    member->again = FALSE;
    record_set_json (&member->error, json_pack ("{s:s, s:s, s:o, s:o, s:o}", "step", step, "code", code,
                                                "message", json_str_new (message), "remedy",
                                                json_str_new (remedy), "console_tail", json_str_new (tail)));
    vdc_log (VDC_LOG_WARNING, "instance given up", "application", application->name, "instance", member->name,
             "step", step, "error", message, NULL);
}
