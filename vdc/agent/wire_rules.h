/*
 * The one writer of nft text: wires as commands for nft (8), one command a line. Pure. Nothing but numbers,
 * names made by wire_plan and fixed words gets into a command; wire names only into comment lines, checked by
 * the parser.
 */
#pragma once

#include "vdc/agent/wire_plan.h"

#define WIRE_TABLE "vdc"
/* In the comment of a chain's first rule, followed by the digest of its text. */
#define WIRE_DIGEST_MARK "vdc:"

/* The table, its base chains, maps and sets. May be repeated: it replaces the base chains at once. */
void wire_rules_base (GString *text);

/* All of @nic: chains, counters, map entries; replaces what stands. @host_cut: nothing between this NIC and
 * the server itself (a bridge made by us, not one of the operator's). */
void wire_rules_nic (GString *text, const WireNic *nic, guint64 network_bps, gboolean host_cut);
/* In the comment of the first rule that wire_rules_nic makes. */
char *wire_rules_nic_digest (const WireNic *nic, guint64 network_bps);
/* The counters of @nic: a set of names (caller unrefs). */
GHashTable *wire_rules_nic_counters (const WireNic *nic);

/* All rules of @member and the base, in chains of @table that hang on no hook: to read them back, for
 * comparison. */
void wire_rules_scratch (GString *text, const char *table, const WireMember *member);

/* Chains and map entries of @tap go; whether they exist does not matter. Counters are deleted by name,
 * existing ones only, after this. */
void wire_rules_remove_tap (GString *text, const char *tap);
void wire_rules_remove_counter (GString *text, const char *counter);

/* The interface that joins "vboutside" to the world (the server itself is cut from it), or leaves it. */
void wire_rules_cut_port (GString *text, const char *interface, gboolean cut);
