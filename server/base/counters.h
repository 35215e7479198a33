/* Every counter of the server, in one table; per thread, summed when somebody looks.
 *
 * Threads: counter_add touches only the calling thread's block. counters_sum may run on any thread.
 * Kinds: COUNTER only grows; GAUGE is the sum of signed changes. */
#ifndef SLUICE_BASE_COUNTERS_H
#define SLUICE_BASE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

enum counter_kind { COUNTER, GAUGE };

/* id, kind, unit, help. Keep sorted by folder. */
#define COUNTERS(X)                                                                                \
    X(net_connections_open, GAUGE, "connections", "Client connections open now")                   \
    X(net_connections_total, COUNTER, "connections", "Client connections accepted")                \
    X(net_connections_refused, COUNTER, "connections", "Connections refused or closed by a limit") \
    X(net_bytes_in, COUNTER, "bytes", "Bytes read from clients")                                   \
    X(net_bytes_out, COUNTER, "bytes", "Bytes written to clients")                                 \
    X(net_frames_bad, COUNTER, "frames", "Frames that could not be decoded")                       \
    X(net_read_paused, COUNTER, "times", "Reading a socket was stopped by a byte budget")          \
    X(net_throttled, COUNTER, "replies",                                                           \
      "Replies after which a connection was not read (KIP-219)")                                   \
    X(api_requests, COUNTER, "requests", "Requests dispatched")                                    \
    X(api_errors, COUNTER, "responses", "Responses that carried an error")                         \
    X(produce_batches, COUNTER, "batches", "Record batches accepted for commit")                   \
    X(produce_records, COUNTER, "records", "Records accepted for commit")                          \
    X(produce_bytes, COUNTER, "bytes", "Bytes of record batches accepted for commit")              \
    X(produce_duplicates, COUNTER, "batches", "Retries answered with their original offset")       \
    X(produce_rejected, COUNTER, "batches", "Batches refused")                                     \
    X(produce_throttled, COUNTER, "requests", "Produce requests answered with a throttle time")    \
    X(produce_overload, COUNTER, "batches", "Batches refused because the store does not keep up")  \
    X(fetch_bytes, COUNTER, "bytes", "Bytes of record batches sent to consumers")                  \
    X(fetch_waits, COUNTER, "requests", "Fetches that slept until data or a deadline came")        \
    X(read_cold_waits, COUNTER, "times",                                                           \
      "Reads from the store held back because producers waited")                                   \
    X(journal_entries_won, COUNTER, "entries", "Journal entries this broker committed")            \
    X(journal_entries_lost, COUNTER, "entries", "Journal entries lost to another broker")          \
    X(journal_entries_applied, COUNTER, "entries", "Valid journal entries applied")                \
    X(journal_entries_void, COUNTER, "entries", "Void journal entries met")                        \
    X(journal_unknown, COUNTER, "entries", "PUTs whose outcome had to be resolved")                \
    X(journal_checks, COUNTER, "checks", "Verification checks (journal R4)")                       \
    X(journal_reopens, COUNTER, "times", "Journals that discarded their state and reopened")       \
    X(journal_snapshots, COUNTER, "snapshots", "Snapshots written")                                \
    X(journal_bytes, COUNTER, "bytes", "Bytes of journal entries committed")                       \
    X(roll_segments, COUNTER, "segments", "Segments registered by this broker's roller")           \
    X(roll_bytes, COUNTER, "bytes", "Bytes of those segments")                                     \
    X(roll_read_bytes, COUNTER, "bytes", "Bytes of entries read from the store to roll them")      \
    X(roll_adopted, COUNTER, "segments", "Segments that were there already and were taken over")   \
    X(roll_foreign, COUNTER, "segments",                                                           \
      "Times an object that does not fit was found under a segment's name")                        \
    X(roll_orphans, COUNTER, "segments", "Segments deleted because their place was trimmed away")  \
    X(roll_retries, COUNTER, "times", "Requests of the roller that had to be repeated")            \
    X(garbage_deleted, COUNTER, "segments", "Segments deleted that nobody referred to any more")   \
    X(retention_trims, COUNTER, "partitions", "Partitions whose log start was moved by retention") \
    X(compact_jobs, COUNTER, "times", "Compactions of a partition begun")                          \
    X(compact_segments, COUNTER, "segments", "Segments put in place by compaction")                \
    X(compact_bytes, COUNTER, "bytes", "Bytes of those segments")                                  \
    X(compact_records, COUNTER, "records", "Records that compaction took out")                     \
    X(compact_lost, COUNTER, "segments",                                                           \
      "Compacted segments thrown away because what they were made of is gone")                     \
    X(compact_unreadable, COUNTER, "batches", "Batches that compaction could not look into")       \
    X(store_puts, COUNTER, "requests", "PUT requests to the store")                                \
    X(store_gets, COUNTER, "requests", "GET requests to the store")                                \
    X(store_lists, COUNTER, "requests", "LIST requests to the store")                              \
    X(store_dels, COUNTER, "requests", "DELETE requests to the store")                             \
    X(store_errors, COUNTER, "requests", "Requests to the store that failed")                      \
    X(store_unknown, COUNTER, "requests", "PUTs with unknown outcome")                             \
    X(store_cache_hits, COUNTER, "blocks", "Blocks served from the block cache")                   \
    X(store_cache_misses, COUNTER, "blocks", "Blocks read from the store")                         \
    X(store_cache_ahead, COUNTER, "blocks", "Blocks read before somebody asked for them")          \
    X(store_cache_bytes, GAUGE, "bytes", "Bytes held by the block cache")                          \
    X(budget_bytes, GAUGE, "bytes", "Bytes charged to byte budgets")

enum counter_id {
#define COUNTER_ENUM(id, kind, unit, help) C_##id,
    COUNTERS(COUNTER_ENUM)
#undef COUNTER_ENUM
        COUNTER_COUNT
};

struct counter_info {
    const char *name;
    enum counter_kind kind;
    const char *unit, *help;
};
extern const struct counter_info counter_table[COUNTER_COUNT];

void counter_add(enum counter_id id, int64_t delta);
/* Fills out[COUNTER_COUNT] with the sums over all threads, ended ones included. */
void counters_sum(int64_t out[COUNTER_COUNT]);
/* The debug dump: a line `counter name=... value=... unit=...` for each that is not 0. [any] */
void counters_log(void);

#endif
