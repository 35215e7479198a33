/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to partition/: the roller of one shard and its jobs. The essay stands atop roller.c. */
#ifndef SLUICE_PARTITION_ROLLER_INT_H
#define SLUICE_PARTITION_ROLLER_INT_H

#include "partition/shard_int.h"
#include "segment/segment.h"

enum { ROLL_THEIRS_BYTES = SEGMENT_HEADER_BYTES + SEGMENT_FOOTER_BYTES };

/* One segment on its way: read, build, put, register. Lives from roll__job_start to its end. */
struct roll_job {
    struct list node; /* on shard.roll.jobs */
    struct shard *sh;
    struct uuid topic_id;
    int32_t partition;
    char dir[TOPIC_DIR_MAX];

    /* the extent: whole runs */
    int64_t base, last;
    size_t body_bytes;
    struct segment_slice slices[SEGMENT_SLICES_MAX];
    uint32_t slice_count;

    /* reading and building */
    int64_t ask;           /* the offset that the scan asks for next */
    uint64_t at_n;         /* the entry it is in; UINT64_MAX: nothing more to ask for */
    bool is_scanning;      /* fed by roll_scan.c */
    struct part_read read; /* a run by itself */
    struct segment_builder builder;
    struct segment_files files; /* once built */
    bool is_waiting;            /* built, until it may be stored */
    bool is_storing;
    uint32_t body_crc;

    /* the store */
    struct store_call call;
    bool has_put;    /* something was sent to the store */
    bool had_index;  /* an index was there before ours: not to be trusted */
    bool is_unknown; /* some attempt of ours may have stored the .kfs */
    bool is_adopting, is_adopted;
    uint8_t theirs[ROLL_THEIRS_BYTES]; /* header and footer of the segment that is there */
    uint64_t their_bytes, compared;
    int64_t their_last;
    struct journal_waiter waiter;

    struct op_proposal op;
    struct sched_task task;
    struct sched_timer retry;
    void (*again)(struct roll_job *j); /* what the timer runs */
    unsigned tries;
    int64_t reserved_bytes;
};

/* roll_job.c. False: no permit; nothing was begun. */
bool roll__job_start(struct shard *sh, struct partition *part, const char *dir, int64_t limit);
/* Its next callback ends it; at once when it waits for nothing but time. */
void roll__job_stop(struct roll_job *j);
/* Ends it. The partition is not looked at again before now + pause_ns. */
void roll__job_end(struct roll_job *j, int64_t pause_ns);
/* roll_plan.c. Takes runs up to limit bytes, or, when last >= 0, exactly those up to it. False:
 * there is no such extent in S. */
bool roll__plan(struct roll_job *j, const struct part_state *p, int64_t limit, int64_t last);
/* Built: puts what the builder holds, or compares it with what is there. */
void roll__built(struct roll_job *j);
/* roll_scan.c: feeds the job's builder from its next offset to j->last, then says roll__built. */
void roll__scan_join(struct roll_job *j);
/* Nothing of what is on its way will reach it. */
void roll__scan_leave(struct roll_job *j);
/* Builds anew what ends at last. False: no committed batch ends there. */
bool roll__rebuild(struct roll_job *j, const struct part_state *p, int64_t last);
void roll__put_kfs_again(struct roll_job *j);
/* Ends the job and gives NULL when it is to stop, or S has nothing more to roll at its base. */
struct part_state *roll__part(struct roll_job *j);
/* Waits, longer each time, and runs again(); after too many tries the job ends. */
void roll__retry(struct roll_job *j, void (*again)(struct roll_job *j), const char *why);
void roll__call(struct roll_job *j, enum store_kind kind, enum segment_file file,
                void (*done)(struct store_call *call));
static inline struct roll_job *
roll__job_of(struct store_call *call)
{
    return SL_CONTAINER_OF(call, struct roll_job, call);
}
/* The .kfs is there and holds what S says: the right index, then REGISTER. */
void roll__settled(struct roll_job *j);
/* adopt.c: the key of the .kfs is taken. */
void roll__adopt(struct roll_job *j);
/* adopt.c: built with the extent of what is there. */
void roll__compare(struct roll_job *j);
/* register.c */
void roll__register(struct roll_job *j);
/* register.c: nothing will ever refer to the objects under this base again, if that is so. */
void roll__drop_orphan(struct roll_job *j);

/* roller.c */
void roll__kick(struct shard *sh);
/* Another broker writes this journal, and this one does not. */
bool roll__is_backup(const struct shard *sh);
/* Rolls what the partition holds, if nothing stands against it; no matter if something does. */
void roll__now(struct shard *sh, struct partition *part, const struct part_policy *policy);

#endif
