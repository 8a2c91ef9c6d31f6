/*
 * The settings document of an instance (PROTOCOL.md, "settings"), checked. Everything that becomes part of a
 * path, a variable or a device name is validated here, once; the rest is read from the document where it is
 * used. Pure.
 */
#pragma once

#include "vdc/guest/util.h"

#define UNWIRED "0.255.255.255"

typedef struct {
    uint32_t to, source; /* host byte order */
} PeerRoute;

typedef struct {
    const char *terminal;
    char device[16]; /* the name it gets */
    unsigned char mac[6];
    uint32_t addresses[17]; /* own address, then aliases */
    size_t n_addresses;
    unsigned prefix;  /* 32, or the outside network's */
    uint32_t gateway; /* of the outside network, 0 = none */
    PeerRoute *routes;
    size_t n_routes;
} Nic;

typedef struct {
    const char *slot, *serial, *mount;
    bool read_only;
} VolumeUse;

typedef struct {
    json_t *document;
    int64_t revision;
    bool go, draining;
    Nic *nics;
    size_t n_nics;
    VolumeUse *volumes;
    size_t n_volumes;
    uint32_t gateway; /* a wired gateway output's peer; 0 = none */
    const char *gateway_terminal;
} Settings;

/* Takes its own reference of @document. NULL and @error. */
Settings *settings_new (json_t *document, char **error);
void settings_free (Settings *settings);

const Nic *settings_nic (const Settings *settings, const char *terminal);

/* Words (see appliances/README.md, VDC_CHANGED) for what differs; @old may be NULL: "first". Caller frees. */
char *settings_changes (const Settings *old, const Settings *new);

/* "NAME=value" strings for hooks, NULL-terminated, one allocation each. */
char **settings_environment (const Settings *settings, const char *changed);
void environment_free (char **environment);
/* The contents of the files. Caller frees. */
char *settings_env_text (const Settings *settings);
char *settings_hosts_text (const Settings *settings);
char *settings_peers_text (const json_t *peers);

/* A probe's targets: own address and the single TCP port of each input that has one. */
typedef struct {
    const char *terminal;
    uint32_t address;
    uint16_t port;
} ProbeTarget;
size_t settings_probes (const Settings *settings, ProbeTarget *targets, size_t limit);
