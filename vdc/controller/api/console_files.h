/* The files of the console page (console/), made part of the program by embed_files.py. */
#pragma once

#include "vdc/http/static.h"

extern const StaticFile console_files[];
extern const gsize n_console_files;
