/*
 * Which terminals may be wired, and why the others may not. The same functions judge the wires of
 * descriptions (check_wires.c), so that what an editor lights up is what is accepted.
 */
#pragma once

#include "vdc/model/application.h"
#include "vdc/model/catalog.h"

/*
 * The code of the problem that keeps @terminal, called "web.in" by @end, from being a wire's end of @side;
 * NULL: nothing does. *@message is set with it; caller frees.
 */
const char *wire_side_refusal (const char *end, const Terminal *terminal, TerminalSide side, char **message);
/* The same of two ends whose sides are right; @from, @to are what they are called. */
const char *wire_protocol_refusal (const char *from, const Protocol *a, const char *to, const Protocol *b,
                                   char **message);

/*
 * Every terminal of @document (or of its own assembly @in, unless NULL), and whether a wire may go between it
 * and
 * @from: {from, side, protocol, wired, items: [{terminal, instance, side, protocol, may, code, message,
 * replaces}]}. `wired` is the wire @from has as an output, which a new one replaces; `replaces` the one that
 * the other has. NULL: VDC_ERROR_NOT_FOUND (no such terminal), VDC_ERROR_USAGE.
 */
json_t *wire_check_json (const json_t *document, const char *in, const char *from, const Catalog *catalog,
                         GError **error);

/* [{code, meaning}]: what descriptions are refused for because of a wire. New array. */
json_t *wire_rules_json (void);
/* [{name, any, ports, speaks_with}]. New array. */
json_t *protocols_json (void);
