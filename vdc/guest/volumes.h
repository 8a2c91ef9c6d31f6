/* Volumes of the settings: found by serial, formatted when empty, checked, mounted, grown, frozen, unmounted.
 */
#pragma once

#include "vdc/guest/settings.h"

/* Anything to do: not mounted yet, or the device is larger than its file system? Cheap, for the loop. */
bool volumes_need_work (const Settings *settings);
/* In a child (blocks; complains on stderr): makes every volume usable. @argument is the Settings. */
bool volumes_prepare (void *argument);

/*
 * The part of it before the mount: @device (a file in tests) has a sound file system, or is empty, or was left
 * half formatted by us, and then it is formatted. FALSE: it holds something else, or is broken; nothing was
 * written.
 */
bool volume_check_or_format (const VolumeUse *volume, const char *device);

/* Blocks new writes on every mounted writable volume; all or none. */
bool volumes_freeze (const Settings *settings, char **error);
void volumes_thaw (const Settings *settings);

/* At power-off: what cannot be unmounted is remounted read-only. */
void volumes_unmount (const Settings *settings);
