/* A spec to begin with, for the tests of the agent. */
#pragma once

#include "vdc/agent/spec.h"

#define FIXTURE_DIGEST "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* The member "web.1" of "shop", power on, incarnation 1, one input NIC, no volume. Caller owns. */
static inline json_t *
fixture_spec (void)
{
    return json_pack (
        "{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:i, s:{s:s, s:s, s:s, s:s, s:s, s:s}, s:i,"
        " s:{s:f, s:b, s:I, s:I}, s:[{s:s, s:s, s:s, s:s, s:[], s:s, s:[]}], s:[], s:{s:i, s:b},"
        " s:i}",
        "operation", "op", "generation", 3, "application", "shop", "application_id", "a1b2c3d4", "member",
        "web.1", "class", "WEB", "power", "on", "incarnation", 1, "image", "digest", "sha256:" FIXTURE_DIGEST,
        "root", "root.qcow2", "format", "qcow2", "kernel", "vmlinuz", "initrd", "initrd", "cmdline",
        "console=ttyS0", "root_epoch", 1, "resources", "cpu", 0.25, "cpu_cap", 0, "memory_bytes",
        (json_int_t)192 << 20, "network_bps", (json_int_t)100000000, "nics", "terminal", "in", "side",
        "input", "mac", "02:00:00:00:00:05", "address", "100.64.0.5", "aliases", "segment", "web.in", "rules",
        "volumes", "guest", "revision", 1, "go", 1, "stop_timeout_s", 1);
}

static inline Spec *
fixture_parse (json_t *document)
{
    g_autoptr (GError) error = NULL;
    Spec *spec = spec_new (document, NULL, NULL, &error);
    g_assert_no_error (error);
    json_decref (document);
    return spec;
}
