/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout of every public struct, on machines with 64-bit pointers. An assertion that fails
 * says: plugins that were built before would read the wrong bytes. New members stand at the end
 * and get new lines here; a line that is there changes only together with SLUICE_ABI_MAJOR (while
 * that is 0: with the minor, and a word in the ABI diary of plugin.h). */
#include <sluice/counters.h>
#include <sluice/helpers.h>
#include <sluice/plugin.h>
#include <sluice/storage.h>

#if UINTPTR_MAX > 0xffffffffu

#define SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type ": another size")
#define AT(type, member, offset, bytes)                                                            \
    _Static_assert(offsetof(struct type, member) == (offset) &&                                    \
                       sizeof(((struct type *)0)->member) == (bytes),                              \
                   #type "." #member " moved, or has another size")

SIZE(sluice_slice, 16);
AT(sluice_slice, ptr, 0, 8);
AT(sluice_slice, len, 8, 8);

SIZE(sluice_buf, 40);
AT(sluice_buf, size, 0, 4);
AT(sluice_buf, bytes, 8, 16);
AT(sluice_buf, retain, 24, 8);
AT(sluice_buf, release, 32, 8);

SIZE(sluice_host, 88);
AT(sluice_host, size, 0, 4);
AT(sluice_host, abi_major, 4, 2);
AT(sluice_host, abi_minor, 6, 2);
AT(sluice_host, name, 8, 8);
AT(sluice_host, version, 16, 8);
AT(sluice_host, extension, 24, 8);
AT(sluice_host, log, 32, 8);
AT(sluice_host, fail, 40, 8);
AT(sluice_host, complete, 48, 8);
AT(sluice_host, deadline_ns, 56, 8);
AT(sluice_host, buf_new, 64, 8);
AT(sluice_host, conf_str, 72, 8);
AT(sluice_host, conf_int, 80, 8);

SIZE(sluice_conf_key, 56);
AT(sluice_conf_key, name, 0, 8);
AT(sluice_conf_key, type, 8, 4);
AT(sluice_conf_key, flags, 12, 4);
AT(sluice_conf_key, dflt, 16, 8);
AT(sluice_conf_key, unit, 24, 8);
AT(sluice_conf_key, doc, 32, 8);
AT(sluice_conf_key, min, 40, 8);
AT(sluice_conf_key, max, 48, 8);

SIZE(sluice_plugin, 112);
AT(sluice_plugin, size, 0, 4);
AT(sluice_plugin, abi_major, 4, 2);
AT(sluice_plugin, needs_minor, 6, 2);
AT(sluice_plugin, id, 8, 8);
AT(sluice_plugin, version, 16, 8);
AT(sluice_plugin, license, 24, 8);
AT(sluice_plugin, summary, 32, 8);
AT(sluice_plugin, flags, 40, 8);
AT(sluice_plugin, conf_keys, 48, 8);
AT(sluice_plugin, create, 56, 8);
AT(sluice_plugin, configure, 64, 8);
AT(sluice_plugin, start, 72, 8);
AT(sluice_plugin, quiesce, 80, 8);
AT(sluice_plugin, stop, 88, 8);
AT(sluice_plugin, destroy, 96, 8);
AT(sluice_plugin, extension, 104, 8);

SIZE(sluice_put_opts, 32);
AT(sluice_put_opts, size, 0, 4);
AT(sluice_put_opts, flags, 4, 4);
AT(sluice_put_opts, crc32c, 8, 4);
AT(sluice_put_opts, reserved, 12, 4);
AT(sluice_put_opts, version, 16, 16);

SIZE(sluice_put_result, 68);
AT(sluice_put_result, size, 0, 4);
AT(sluice_put_result, version, 4, 64);

SIZE(sluice_get_result, 88);
AT(sluice_get_result, size, 0, 4);
AT(sluice_get_result, body, 8, 8);
AT(sluice_get_result, object_size, 16, 8);
AT(sluice_get_result, version, 24, 64);

SIZE(sluice_list_entry, 32);
AT(sluice_list_entry, key, 0, 16);
AT(sluice_list_entry, object_size, 16, 8);
AT(sluice_list_entry, modified_ms, 24, 8);

SIZE(sluice_list_sink, 16);
AT(sluice_list_sink, size, 0, 4);
AT(sluice_list_sink, add, 8, 8);

SIZE(sluice_storage, 64);
AT(sluice_storage, size, 0, 4);
AT(sluice_storage, reserved, 4, 4);
AT(sluice_storage, capabilities, 8, 8);
AT(sluice_storage, max_object_size, 16, 8);
AT(sluice_storage, put, 24, 8);
AT(sluice_storage, get, 32, 8);
AT(sluice_storage, head, 40, 8);
AT(sluice_storage, del, 48, 8);
AT(sluice_storage, list, 56, 8);

SIZE(sluice_host_storage, 16);
AT(sluice_host_storage, size, 0, 4);
AT(sluice_host_storage, reserved, 4, 4);
AT(sluice_host_storage, attempt, 8, 8);

SIZE(sluice_counter, 40);
AT(sluice_counter, name, 0, 8);
AT(sluice_counter, labels, 8, 8);
AT(sluice_counter, unit, 16, 8);
AT(sluice_counter, help, 24, 8);
AT(sluice_counter, kind, 32, 4);
AT(sluice_counter, reserved, 36, 4);

SIZE(sluice_host_counters, 32);
AT(sluice_host_counters, size, 0, 4);
AT(sluice_host_counters, reserved, 4, 4);
AT(sluice_host_counters, declare, 8, 8);
AT(sluice_host_counters, add, 16, 8);
AT(sluice_host_counters, observe, 24, 8);

_Static_assert(sizeof(sluice_status) == 4 && (sluice_status)-1 < 0, "sluice_status is int32_t");

#endif
