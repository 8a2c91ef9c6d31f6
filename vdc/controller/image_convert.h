/*
 * The one place where a program of QEMU reads what a stranger made: qemu-img, with both formats given, as a
 * user of no rights, without network, under limits of memory, time, files and what it may write. It runs in
 * @folder and sees nothing else by name that its user may not open. (A filter for system calls comes with the
 * hardening of the agent.)
 */
#pragma once

#include "vdc/controller/image_header.h"

/*
 * Convert @source, which image_header_check has let through as @header, to the raw disk @name in @folder.
 * Both are on one file system. Blocks. On failure @folder holds what was written.
 */
gboolean image_convert (const char *folder, const char *source, const ImageHeader *header, const char *name,
                        GError **error);
