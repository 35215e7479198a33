/* The embedded file store as a built-in plugin: what main registers. */
#ifndef SLUICE_STORAGE_FS_H
#define SLUICE_STORAGE_FS_H

#include <sluice/plugin.h>

sluice_status storage_fs_plugin_open(const sluice_host *host, const sluice_plugin **out);

#endif
