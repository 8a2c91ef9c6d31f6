/* No core files of processes that hold secrets. */
#pragma once

/* For the rest of the life of this process: no core file, nobody but root may look into its memory. */
void cores_forbid (void);
