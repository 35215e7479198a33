/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to repair/: one repair under way. */
#ifndef SLUICE_REPAIR_REPAIR_INT_H
#define SLUICE_REPAIR_REPAIR_INT_H

#include "reader/audit.h"
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
    bool is_unreadable; /* a journal cannot be opened */
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
/* Tells of the holes above the partition's start, and writes them down. */
enum sl_err repair__losses(const struct patient *p, const struct salvage *s,
                           const struct loss_source *from, struct sl_error *err);

/* repair_segment.c. An error: the store or the journal does not answer. */
enum sl_err repair__segment(struct repair *rp, const struct damage *d, struct sl_error *err);
enum sl_err repair__index(struct repair *rp, const struct damage *d, struct sl_error *err);
/* repair_runs.c: everything that is damaged in live runs. */
enum sl_err repair__runs(struct repair *rp, struct sl_error *err);

#endif
