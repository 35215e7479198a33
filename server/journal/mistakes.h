/* Deliberate mistakes of docs/journal.md section 7, so that the simulator can prove that it would
 * notice them. In an ordinary build MISTAKE(x) is the constant false and the branch disappears;
 * with SLUICE_MISTAKES defined (tests/sim only) one of them can be switched on. */
#ifndef SLUICE_JOURNAL_MISTAKES_H
#define SLUICE_JOURNAL_MISTAKES_H

#define MISTAKES(X)                                                                                \
    X(no_prev_id_check, "1 an entry is applied without looking at prev_id")                        \
    X(repropose_only_lost, "2 after a lost race only the lost entry is proposed again")            \
    X(no_resolve, "3 a time-out is taken as a failure, and the batch proposed again elsewhere")    \
    X(ack_out_of_order, "4 entry n is acknowledged before n-1 is known")                           \
    X(no_verify, "5 no R4 at all: what was applied is trusted")                                    \
    X(verify_own_only, "6 R4 only for keys this broker created")                                   \
    X(window_from_end, "7 the window counts from the end of the manifest read")                    \
    X(sample_after_read, "8 u is sampled after the manifest read")                                 \
    X(apply_above_safe,                                                                            \
      "9a 9c 9d state is applied, hence served, rolled, snapshotted, above safe")                  \
    X(dup_above_safe, "9b a duplicate is answered from state above safe")                          \
    X(every_412_lost, "10 every 412 counts as lost")                                               \
    X(void_keeps_number, "11 a void entry does not use up its number")                             \
    X(snapshot_without_id, "12 the snapshot does not record the last valid id")                    \
    X(no_grace, "13 entries are deleted without grace")                                            \
    X(register_anywhere, "14 a segment is registered without the contiguity check")                \
    X(adopt_blindly, "15 a segment is adopted without reading its extent")                         \
    X(one_directory, "16 a topic made again has the directory of the one before")                  \
    X(first_sequence_any, "17 a non-zero first sequence is accepted from an unknown producer")     \
    X(commit_any_generation, "18 a commit of an older generation is accepted")                     \
    X(absent_is_tail, "19 a removed middle entry is taken as the tail")                            \
    X(visible_before_durable, "20 the store shows what power loss takes back")                     \
    X(group_sync_early, "21 an assignment is told before it is verified")                          \
    X(group_other_ignored, "22 a coordinator goes on although another one moved the group")        \
    X(consumer_grant_early, "23 a partition is granted before its owner has given it up")          \
    X(consumer_tell_early, "24 a heartbeat is answered before its op is verified")                 \
    X(consumer_silence_frees, "25 a heartbeat that says nothing frees what is being revoked")      \
    X(clean_drops_latest, "26 compaction takes out the latest record of a key")                    \
    X(clean_drops_young, "27 compaction takes out a tombstone before its time")                    \
    X(clean_counts_from_build, "28 tombstones count from their segment, not from its replace")     \
    X(clean_without_all_keys, "29 a segment is called clean though not all keys fitted")           \
    X(clean_takes_any_object, "30 an object under the name of ours is taken for ours")             \
    X(clean_drops_unknown, "31 objects of a replace whose outcome is unknown are deleted")         \
    X(clean_silent_end, "32 of the log's end nothing is left that says how far it reaches")        \
    X(replace_anything, "33 a replace is proposed without looking for its sources")                \
    X(garbage_at_once, "34 replaced and trimmed objects are deleted without grace")                \
    X(orphan_blindly, "35 a roller that came too late deletes the segment of the one before")      \
    X(retention_of_live, "36 retention takes what is not rolled along")                            \
    X(retention_of_all, "37 retention takes from topics that are only compacted")                  \
    X(trim_in_flight, "38 retention trims while a replace is in flight")                           \
    X(clean_frees_name, "39 a compacted object is deleted though its name may be used again")      \
    X(repair_fence_last, "40 a repair puts its fence after the snapshot")                          \
    X(repair_no_wait, "41 it does not wait until nobody can answer by an older check")             \
    X(repair_looks_once, "42 it goes on with what it read before the fence")                       \
    X(repair_gives_again, "43 offsets of lost entries are given again")                            \
    X(repair_silent, "44 what is given up by a rebuilt snapshot has no LOSS")                      \
    X(repair_loss_last, "45 a LOSS is proposed after the op that follows from it")                 \
    X(repair_entry_last, "46 the snapshot is put before the entry at the fence")                   \
    X(repair_second_fence, "47 a repair does not look for the fence of one that was cut off")      \
    X(repair_any_branch, "48 the first branch behind a hole is taken, whoever vouches for it")     \
    X(repair_donor_ends, "49 an empty batch of a segment of nobody's fills a hole")                \
    X(repair_error_is_loss, "50 an entry that the store does not give is taken for damaged")       \
    X(repair_same_version, "51 the version of a fence is only above those that are listed")

enum mistake {
    MISTAKE_NONE = 0,
#define MISTAKE_ENUM(id, text) MISTAKE_##id,
    MISTAKES(MISTAKE_ENUM)
#undef MISTAKE_ENUM
        MISTAKE_COUNT
};

#ifdef SLUICE_MISTAKES
extern enum mistake mistake_on;
#define MISTAKE(id) (mistake_on == MISTAKE_##id)
#else
#define MISTAKE(id) false
#endif

#endif
