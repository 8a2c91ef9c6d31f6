/*
 * Ends TCP connections to peers whose wire is gone. Without this both ends would wait for answers that the
 * wire's rules no longer let through.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* @peers: addresses in host byte order. The kernel modules for it are loaded at the first call. */
void sever_connections (const uint32_t *peers, size_t n_peers);
