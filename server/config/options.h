/* SPDX-License-Identifier: Apache-2.0
 *
 * Every option of the server, in one table. From these rows come the structs of config.h, parsing,
 * validation, `sluice config doc` and docs/configuration.md; a new option is one new row.
 *
 * Columns: type, field, key, default (as one would write it), lowest, highest, unit, flags, help.
 *   INT       int64_t
 *   SIZE      int64_t, bytes; B KiB MiB GiB TiB accepted
 *   DURATION  int64_t, milliseconds; ms s m h d accepted
 *   BOOL      bool
 *   STR       const char *; lowest and highest bound its length
 *   ENUM      int, the position of the word in `unit` ("a|b|c")
 *   LIST      unsigned, one bit for each word of `unit` that the comma-separated value names
 *   ADDRESS   struct config_address; "" is absent; lowest and highest bound the port
 *   DECIMAL   double, digits and perhaps a point; lowest and highest are whole numbers
 * Threads: constants. */
#ifndef SLUICE_CONFIG_OPTIONS_H
#define SLUICE_CONFIG_OPTIONS_H

#define CONFIG_KIB (INT64_C(1) << 10)
#define CONFIG_MIB (INT64_C(1) << 20)
#define CONFIG_GIB (INT64_C(1) << 30)
#define CONFIG_DAY_MS (INT64_C(24) * 3600 * 1000)

/* The row's value never appears in a log line, an error or a listing. */
#define CONFIG_SECRET 1u

/* clang-format off */
#define CONFIG_SERVER_OPTIONS(X)                                                                   \
    X(INT, node_id, "node.id", "1", 0, INT32_MAX, "", 0,                                           \
      "Number of this broker. Brokers on one bucket need different numbers.")                      \
    X(STR, cluster_id, "cluster.id", "", 0, 64, "", 0,                                             \
      "Id of the cluster, 22 characters of base64. Empty: the one that the bucket carries, made "  \
      "when the bucket is first used. If set, a bucket of another cluster is refused.")            \
    X(INT, threads, "threads", "0", 0, 256, "", 0,                                                 \
      "Event loops. 0: one for every two cores, which leaves the others to the store's threads, "  \
      "the kernel and, on a small machine, the clients.")                                                        \
    X(SIZE, memory_budget, "memory.budget", "256MiB", 16 * CONFIG_MIB, 1024 * CONFIG_GIB, "", 0,   \
      "Bytes of requests and replies the broker holds for its clients. Above it the broker "       \
      "stops reading from sockets until there is room again.")                                     \
    X(SIZE, socket_request_max_bytes, "socket.request.max.bytes", "100MiB", CONFIG_KIB,            \
      INT32_MAX, "", 0, "The largest request a client may send.")                                  \
    X(INT, max_connections, "max.connections", "20000", 1, 1000000, "", 0,                         \
      "Client connections open at once; further ones are closed.")                                 \
    X(DURATION, connections_max_idle_ms, "connections.max.idle.ms", "600000", 1000,                \
      INT32_MAX, "", 0, "A connection that sent nothing for so long is closed.")                   \
    X(DURATION, shutdown_timeout_ms, "shutdown.timeout.ms", "10000", 0, INT32_MAX, "", 0,          \
      "How long a stop waits for requests that are under way.")                                    \
    X(BOOL, auto_create_topics_enable, "auto.create.topics.enable", "true", 0, 1, "", 0,           \
      "Create a topic when a client first names it.")                                              \
    X(INT, num_partitions, "num.partitions", "1", 1, 10000, "", 0,                                 \
      "Partitions of a topic that is created without saying how many.")                            \
    X(ENUM, log_level, "log.level", "info", 0, 0, "debug|info|warn|error", 0,                      \
      "Log lines below this level are left out.")                                                  \
    X(DURATION, request_stall_timeout_ms, "request.stall.timeout.ms", "30000", 1000,               \
      INT32_MAX, "", 0,                                                                            \
      "A client that begins a request and sends no further byte of it for so long is closed.")     \
    X(DURATION, producer_id_expiration_ms, "producer.id.expiration.ms", "86400000", 1000,          \
      365 * CONFIG_DAY_MS, "", 0,                                                                  \
      "The sequence numbers of an idempotent producer that wrote nothing for so long are "         \
      "forgotten.")                                                                                \
    X(SIZE, fetch_max_bytes, "fetch.max.bytes", "55MiB", CONFIG_KIB, INT32_MAX, "", 0,             \
      "The most record bytes in one answer to a consumer, whatever it asks for.")                  \
    X(DURATION, group_initial_rebalance_delay_ms, "group.initial.rebalance.delay.ms", "3000", 0,   \
      600000, "", 0,                                                                               \
      "How long the first member of an empty group waits for others before the first "             \
      "rebalance; again as long whenever one comes, up to the rebalance time-out.")                \
    X(DURATION, group_min_session_timeout_ms, "group.min.session.timeout.ms", "6000", 1,           \
      INT32_MAX, "", 0, "The shortest session time-out a member of a group may ask for.")          \
    X(DURATION, group_max_session_timeout_ms, "group.max.session.timeout.ms", "1800000", 1,        \
      INT32_MAX, "", 0, "The longest session time-out a member of a group may ask for.")           \
    X(INT, group_max_size, "group.max.size", "10000", 1, 10000, "", 0,                             \
      "Members of one group.")                                                                     \
    X(DURATION, group_consumer_session_timeout_ms, "group.consumer.session.timeout.ms", "45000",   \
      1000, INT32_MAX, "", 0,                                                                      \
      "A member of a group of the consumer protocol that is not heard of for so long is lost.")    \
    X(DURATION, group_consumer_heartbeat_interval_ms, "group.consumer.heartbeat.interval.ms",      \
      "5000", 100, INT32_MAX, "", 0,                                                               \
      "How often members of groups of the consumer protocol are told to be heard of.")             \
    X(INT, group_consumer_max_size, "group.consumer.max.size", "10000", 1, 10000, "", 0,           \
      "Members of one group of the consumer protocol.")                                            \
    X(INT, group_max_count, "group.max.count", "100000", 1, 100000000, "", 0,                      \
      "Groups, with members or committed offsets, of one journal. Further ones are refused.")      \
    X(SIZE, group_memory_budget, "group.memory.budget", "256MiB", CONFIG_MIB, 1024 * CONFIG_GIB,   \
      "", 0,                                                                                       \
      "Bytes of subscriptions and assignments that members make the broker hold, all groups "      \
      "together; of one group at most 4 MiB. Above it a member is refused as if the group were "   \
      "full.")                                                                                     \
    X(INT, offset_metadata_max_bytes, "offset.metadata.max.bytes", "4096", 0, 4096, "", 0,         \
      "The longest metadata of a committed offset.")                                               \
    X(DURATION, offsets_commit_timeout_ms, "offsets.commit.timeout.ms", "5000", 1, INT32_MAX, "",  \
      0, "How long an offset commit waits for the store before the client is told to retry.")      \
    X(INT, offsets_retention_minutes, "offsets.retention.minutes", "10080", 1, INT32_MAX,          \
      "minutes", 0,                                                                                \
      "Committed offsets are kept for so long after their group lost its last member; without "    \
      "members, after the commit.")                                                                \
    X(DURATION, offsets_retention_check_interval_ms, "offsets.retention.check.interval.ms",        \
      "600000", 1, INT32_MAX, "", 0, "How often it is looked for offsets to forget.")              \
    X(DURATION, log_retention_check_interval_ms, "log.retention.check.interval.ms", "300000", 1,   \
      INT32_MAX, "", 0, "How often it is looked for records that are past their retention.")       \
    X(DURATION, log_cleaner_backoff_ms, "log.cleaner.backoff.ms", "15000", 1, INT32_MAX, "", 0,    \
      "How often it is looked for a partition to compact.")                                        \
    X(SIZE, log_cleaner_dedupe_buffer_size, "log.cleaner.dedupe.buffer.size", "16MiB",             \
      4 * CONFIG_KIB, 16 * CONFIG_GIB, "", 0,                                                      \
      "Memory for the keys of the partition that is being compacted; 27 bytes for each. If the "   \
      "keys of one segment do not fit, it is read several times.")

#define CONFIG_LISTENER_OPTIONS(X)                                                                 \
    X(ADDRESS, address, "address", "127.0.0.1:9092", 0, 65535, "host:port", 0,                     \
      "Where to listen. 0.0.0.0 or [::] listens on every address; port 0 takes a free one.")       \
    X(ADDRESS, advertised, "advertised", "", 1, 65535, "host:port", 0,                             \
      "The address clients are told to connect to. Empty: the same as `address`. Needed when "     \
      "`address` is 0.0.0.0 or [::], and behind NAT or in a container.")                           \
    X(ENUM, protocol, "protocol", "plain", 0, 0, "plain", 0,                                       \
      "What is spoken on this listener. TLS is not there yet.")

#define CONFIG_STORAGE_OPTIONS(X)                                                                  \
    X(STR, plugin, "plugin", "fs", 1, 255, "", 0,                                                  \
      "The storage plugin: `fs`, the embedded file store; the NAME of a [plugin NAME] section; "   \
      "or the absolute path of a shared object, whose keys then stand here.")                      \
    X(STR, path, "path", "./sluice-data", 1, 1024, "", 0,                                          \
      "Directory of the file store.")                                                              \
    X(ENUM, durability, "durability", "fsync", 0, 0, "fsync|os", 0,                                \
      "`fsync`: a write is acknowledged when it survives power loss. `os`: when the operating "    \
      "system has it, which survives a crash of the broker but not one of the machine.")           \
    X(STR, prefix, "prefix", "_sluice", 1, 128, "", 0,                                             \
      "Objects of the journals begin with this.")                                                  \
    X(STR, ns, "namespace", "default", 1, 48, "", 0,                                               \
      "Segments of topics begin with this: NAMESPACE/TOPIC/PARTITION/segment-*.kfs. Letters, "     \
      "digits, - and _; the same on every broker of a bucket, and never changed.")                 \
    X(INT, threads, "threads", "8", 1, 256, "", 0,                                                 \
      "Threads that make the blocking calls of the storage plugin.")                               \
    X(SIZE, cache_bytes, "cache.bytes", "64MiB", 0, 1024 * CONFIG_GIB, "", 0,                      \
      "Bytes of stored objects kept in memory for readers.")                                       \
    X(DECIMAL, price_put, "price.put.per.1000", "-1", -1, 1000000, "", 0,                          \
      "What the store bills for 1000 PUT or LIST requests, in dollars; `sluice status` tells "     \
      "what the present rate comes to in a month. -1: 0.005, as S3 Standard, on object stores, "   \
      "and 0 on local ones.")                                                                      \
    X(DECIMAL, price_get, "price.get.per.1000", "-1", -1, 1000000, "", 0,                          \
      "The same for 1000 GET or HEAD requests. -1: 0.0004 on object stores, 0 on local ones.")

#define CONFIG_PLUGIN_OPTIONS(X)                                                                   \
    X(STR, path, "path", "", 0, 1024, "", 0,                                                       \
      "The plugin's shared object, by absolute path. Neither it nor a directory above it may be "  \
      "writable for everybody.")                                                                   \
    X(STR, sha256, "sha256", "", 0, 64, "", 0,                                                     \
      "The SHA-256 that the file must have, in hexadecimal digits. Empty: any.")

#define CONFIG_JOURNAL_OPTIONS(X)                                                                  \
    X(INT, cluster_journals, "cluster.journals", "0", 0, 1024, "", 0,                              \
      "Journals of a new bucket; a bucket that exists keeps its number. 0: 1 on local stores, "    \
      "where one journal syncs for all writers at once, 4 on object stores.")                          \
    X(DURATION, linger_ms, "linger.ms", "-1", -1, 10000, "", 0,                                    \
      "How long a journal entry gathers writes while another one is being stored. -1: 0 on "       \
      "local stores, 20 on object stores.")                                                        \
    X(INT, max_in_flight, "max.in.flight", "4", 1, 64, "", 0,                                      \
      "Entries of one journal that are being stored at once.")                                     \
    X(SIZE, entry_max_bytes, "entry.max.bytes", "8MiB", 64 * CONFIG_KIB, CONFIG_GIB, "", 0,        \
      "An entry is closed at this size. A larger single batch makes an entry of its own.")         \
    X(BOOL, paranoid, "paranoid", "false", 0, 1, "", 0,                                            \
      "Check the journal before every answer, not every few seconds. For machines that may be "    \
      "suspended and woken up again.")                                                             \
    X(INT, snapshot_entries, "snapshot.entries", "2000", 16, 1000000, "", 0,                       \
      "Entries after which a snapshot of the journal's state is written.")                         \
    X(SIZE, tail_cache_bytes, "tail.cache.bytes", "64MiB", CONFIG_MIB, 1024 * CONFIG_GIB, "", 0,   \
      "Bytes of the newest entries kept in memory, for consumers that are up to date.")            \
    X(SIZE, segment_target_bytes, "log.segment.target.bytes", "64MiB", 64 * CONFIG_KIB,            \
      CONFIG_GIB, "", 0,                                                                           \
      "A partition that holds so much, or its topic's segment.bytes if that is less, is rolled "   \
      "into a segment of its own.")                                                                \
    X(SIZE, roll_memory, "roll.memory", "128MiB", CONFIG_MIB, 1024 * CONFIG_GIB, "", 0,            \
      "Memory for segments that are being made, shared by all journals. When what is not rolled "  \
      "yet fills it, all partitions that hold a sixteenth of a segment or more are rolled in one " \
      "go. Where thousands of partitions are written to, more of it means larger segments and "    \
      "fewer reads of the store.")                                                                 \
    X(DURATION, roll_age_ms, "roll.age.ms", "900000", 1000, INT64_MAX / 1000000, "", 0,            \
      "Records older than this are rolled however few they are, so that a partition with little "  \
      "traffic does not keep journal entries from being deleted.")                                 \
    X(SIZE, live_max_bytes, "live.max.bytes", "4GiB", CONFIG_MIB, 1024 * CONFIG_GIB, "", 0,        \
      "Bytes of entries of one journal that may be kept for records that are not rolled yet. "     \
      "Above it the oldest are rolled at once; from twice as much on, producers are refused until "\
      "rolling has caught up.")                                                                    \
    X(INT, live_runs_max, "live.runs.max", "2000000", 1000, 100000000, "", 0,                      \
      "Batches of one journal that are not rolled yet; each takes 40 bytes of memory. At this "    \
      "many producers are refused until rolling has caught up.")                                   \
    X(DURATION, grace_ms, "grace.ms", "3600000", 1000, 30 * CONFIG_DAY_MS, "", 0,                  \
      "How long entries and segments stay in the store after nothing refers to them any more. "    \
      "Must be much larger than safe.window.ms.")                                                  \
    X(DURATION, check_interval_ms, "check.interval.ms", "7000", 100, 60000, "", 0,                 \
      "How often it is checked that nobody collected what this broker still trusts.")              \
    X(DURATION, safe_window_ms, "safe.window.ms", "20000", 1000, 600000, "", 0,                    \
      "How long after a check entries may be trusted. Must be the same on every broker of a "      \
      "bucket, and larger than check.interval.ms.")

#define CONFIG_TOPIC_OPTIONS(X)                                                                    \
    X(SIZE, message_max_bytes, "message.max.bytes", "1048588", 1, CONFIG_GIB, "", 0,               \
      "The largest record batch.")                                                                 \
    X(DURATION, retention_ms, "retention.ms", "604800000", -1, INT64_MAX, "", 0,                   \
      "Records older than this may be deleted. -1: never.")                                        \
    X(SIZE, retention_bytes, "retention.bytes", "-1", -1, INT64_MAX, "", 0,                        \
      "A partition larger than this loses its oldest records. -1: no limit.")                      \
    X(LIST, cleanup_policy, "cleanup.policy", "delete", 0, 0, "delete|compact", 0,                 \
      "What happens to old records.")                                                              \
    X(ENUM, compression_type, "compression.type", "producer", 0, 0, "producer", 0,                 \
      "Batches are stored as the producer compressed them; recompression is not there yet.")       \
    X(ENUM, message_timestamp_type, "message.timestamp.type", "CreateTime", 0, 0,                  \
      "CreateTime|LogAppendTime", 0, "Whose clock a record's timestamp comes from.")               \
    X(SIZE, segment_bytes, "segment.bytes", "1GiB", CONFIG_MIB, INT32_MAX, "", 0,                  \
      "Size at which a segment is closed.")                                                        \
    X(INT, min_insync_replicas, "min.insync.replicas", "1", 1, 1, "", 0,                           \
      "Always 1: the store keeps the copies.")
/* clang-format on */

#endif
