/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to repair/: one repair under way. */
#ifndef SLUICE_REPAIR_REPAIR_INT_H
#define SLUICE_REPAIR_REPAIR_INT_H

#include "journal/manifest.h"
#include "reader/audit.h"
#include "repair/chain.h"
#include "repair/rebuild.h"
#include "repair/repair.h"
#include "repair/salvage.h"
#include "repair/writer.h"

/* A finding that can be acted on, copied. */
struct damage {
    enum audit_what what; /* AUDIT_ENTRY, _RUN, _SEGMENT, _INDEX */
    uint32_t journal;
    struct uuid topic_id;
    int32_t partition;
    int64_t base, last;
    uint32_t gen;
    uint64_t n;
    char *key;
    bool is_hit; /* repair_runs.c: S has a live run that it is about */
};

struct repair {
    struct log_repair *r;
    struct log_writer *w;
    struct damage *damages;
    size_t count;
    uint32_t *unreadable; /* journals that cannot be opened */
    uint32_t unreadable_count;
};

/* The partition that is being repaired, as S has it. */
struct patient {
    struct repair *rp;
    uint32_t journal;
    struct uuid topic_id;
    int32_t partition;
    /* repair__look */
    char topic[TOPIC_DIR_MAX]; /* its name; of an unknown topic, its id */
    char dir[TOPIC_DIR_MAX];   /* "": not known, nothing can be written */
    bool is_there;
    int64_t start, end;
};
void repair__look(struct patient *p);

void repair__tell(const struct patient *p, struct repair_line *line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Something could not be repaired. */
void repair__failed(const struct patient *p, const char *key, const char *why);

/* Where a segment of p is. False: the key would be too long. */
bool repair__key(const struct patient *p, int64_t base, uint32_t gen, enum segment_file file,
                 char key[SEGMENT_KEY_MAX]);
/* Finishes s, and puts both objects under the first free generation from gen on; fills *ret (slices
 * are the caller's). A dry run puts nothing. Where nothing is left and something follows, there is
 * no object. */
enum sl_err repair__put(const struct patient *p, struct salvage *s, int64_t last, uint32_t gen,
                        struct segment_ref *ret, struct sl_error *err);

struct loss_source {
    const char *key;    /* of the damaged object */
    const char *reason; /* for the log */
    uint64_t records;   /* in all holes together, at most */
};
/* Tells of a hole, which is cut at the partition's start. Gives its offsets; 0: it lies below. */
uint64_t repair__tell_loss(const struct patient *p, struct hole *h, const struct loss_source *from);
/* Tells of the holes above the partition's start, and writes them down. */
enum sl_err repair__losses(const struct patient *p, const struct salvage *s,
                           const struct loss_source *from, struct sl_error *err);

/* repair_segment.c. An error: the store or the journal does not answer. */
enum sl_err repair__segment(struct repair *rp, const struct damage *d, struct sl_error *err);
enum sl_err repair__index(struct repair *rp, const struct damage *d, struct sl_error *err);
/* repair_runs.c: everything that is damaged in live runs. */
enum sl_err repair__runs(struct repair *rp, struct sl_error *err);

/* repair_runs.c: adds to s what is left of a run. */
MUST_CHECK enum sl_err repair__read_run(const struct patient *p, const struct run_ref *r,
                                        struct salvage *s, struct sl_error *err);
/* Gives the end of the runs from `from` on that make one segment. */
size_t repair__segment_end(const struct run_ref *runs, size_t count, size_t from,
                           size_t *ret_bytes);

/* About the whole journal, or an object of it. */
void repair__note(struct repair *rp, enum repair_kind kind, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Copies an object to {prefix}/damaged/, if it is there and can be read. */
enum sl_err repair__copy(struct repair *rp, const char *key, struct sl_error *err);
enum sl_err repair__copy_bytes(struct repair *rp, const char *key, const struct buf *object,
                               struct sl_error *err);
int64_t repair__now_ms(const struct repair *rp);

/* --- journals that do not open --- */

#define REPAIR_SUFFIX "-repair" /* of a snapshot's key */

/* What lies in a journal, and what can be made of it. */
struct broken {
    struct repair *rp;
    uint32_t journal;
    /* the listing */
    struct {
        uint64_t *entries; /* ascending */
        size_t entry_count;
        uint64_t *manifests; /* ascending */
        size_t manifest_count;
        char **snapshots; /* ascending */
        size_t snapshot_count;
    } list;
    char **damaged; /* objects to be copied: of any kind */
    size_t damaged_count;
    bool is_lossy, is_sound; /* something is given up; nothing is wrong */
    /* manifests */
    struct manifest manifest; /* the newest that can be read, but for fences */
    struct manifest fence;    /* version 0: there is none */
    /* the state */
    struct state *st;
    const char *base_key;  /* the snapshot that it began with, of the listing; NULL: none */
    uint64_t base, last_n; /* S stood after this entry; stands after this one now */
    struct uuid last_id;
    struct chain chain;
    struct buf **heads; /* of chain.entries, where memory allows */
    size_t held;
    struct rebuild rb;
    struct loss_ref *losses;
    size_t loss_count;
};

/* repair_objects.c: lists, reads manifests, takes the newest sound snapshot, and the headers of the
 * entries behind it. SL_EPARTITION_FAILED: it cannot be repaired; that was told. Another error: the
 * store does not answer, or a newer program wrote it. */
MUST_CHECK enum sl_err repair__load(struct broken *b, struct sl_error *err);
void repair__unload(struct broken *b);
/* The head of an entry, from memory or from the store. SL_ECORRUPT and SL_ENOENT: so it is. */
MUST_CHECK enum sl_err repair__head(struct broken *b, uint64_t n, struct entry_view *ret,
                                    struct buf **ret_buf, struct sl_error *err);
/* This object will be copied. */
void repair__damaged(struct broken *b, const char *key);

/* repair_roll.c: the partition as b->st has it. dir: of its topic; NULL: none yet. names: of
 * journal 0. */
struct patient repair__patient(struct broken *b, const struct part_state *part, const char *dir,
                               const struct state *names);
/* repair_runs.c: tells what repair__runs will give up once the journal can be opened. */
MUST_CHECK enum sl_err repair__foresee_runs(struct broken *b, const struct state *names,
                                            struct sl_error *err);
/* repair_roll.c: everything live in b->st becomes segments, with gaps; the gaps are told, and noted
 * in b->losses. names: of journal 0. */
MUST_CHECK enum sl_err repair__roll(struct broken *b, const struct state *names,
                                    struct sl_error *err);

/* repair_donors.c: segments at or above an offset that may hold what lost entries held. */
struct donor {
    char *key;
    uint64_t bytes;
    int64_t base;
    uint32_t gen;
};
struct donors {
    struct donor *all; /* by base, then generation */
    size_t count;
};
MUST_CHECK enum sl_err repair__donors_find(const struct patient *p, int64_t from,
                                           struct donors *ret, struct sl_error *err);
void repair__donors_free(struct donors *d);
/* What those that begin at or below `last` may give, at most; 0: too much. */
size_t repair__donors_bytes(const struct donors *d, int64_t last);
/* Adds to s what they have within the hole. */
MUST_CHECK enum sl_err repair__donate(const struct patient *p, const struct donors *d,
                                      const struct hole *h, struct salvage *s,
                                      struct sl_error *err);

/* repair_fence.c */
/* Is somebody writing there? */
MUST_CHECK enum sl_err repair__is_alive(struct broken *b, bool *ret, struct sl_error *err);
MUST_CHECK enum sl_err repair__fence(struct broken *b, struct sl_error *err);
/* Puts b->st where readers begin. */
MUST_CHECK enum sl_err repair__publish(struct broken *b, struct sl_error *err);

/* repair_topics.c: topics that only partitions know get a name in zero->st, which is journal 0's.
 * states: of every journal. */
void repair__recover_topics(struct broken *zero, struct state *const *states, uint32_t count);

/* repair_journal.c: all of rp->unreadable. */
MUST_CHECK enum sl_err repair__journals(struct repair *rp, struct sl_error *err);

#endif
