/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to the simulated store: its objects (sim_object.c), requests (sim_store.c), and what is
 * done to both from outside (sim_store_fault.c). */
#ifndef SLUICE_TESTS_SIM_STORE_H
#define SLUICE_TESTS_SIM_STORE_H

#include "sim.h"

struct object {
    char *key;
    uint8_t *bytes;
    size_t len;
    int64_t modified_ms, durable_at;
    bool is_ghost;
};

struct sim_req {
    struct store_call *call;
    struct sim_sched *home;
    enum store_kind kind;
    char key[STORE_KEY_MAX], after[STORE_KEY_MAX];
    uint32_t max_keys;
    uint64_t offset, length, power;
    bool if_absent, is_unknown, is_error, is_answered, is_applied, is_dropped_with_home, made_ghost;
    uint8_t *bytes;
    size_t len;
    int refs; /* events to come */
    struct sim_req *next, *prev;
    /* the answer */
    enum store_outcome outcome;
    enum sl_err rc;
    struct buf *body;
    struct store_listing *listing;
    uint64_t object_size;
    int64_t ended_ns, submitted_at;
    int64_t not_before, answer_not_before; /* postponed */
    bool is_forgotten;                     /* its key was removed by the script: see there */
    bool is_held;                          /* the answer waits for a word */
};

enum { DOUBTS = 64 };
struct doubt { /* a PUT whose writer has to look */
    int broker;
    char key[STORE_KEY_MAX];
    struct uuid id;
};

struct sim_store {
    struct store base;
    struct object *objects;
    size_t count, cap;
    struct sim_req *reqs;
    uint64_t power;
    struct doubt doubts[DOUBTS];
    size_t doubt_next;
    uint64_t requests[STORE_KINDS];
};
extern struct sim_store sim_st;

/* sim_object.c: objects, sorted by key */
size_t object_lower_bound(const char *key);
/* NULL: there is none. */
struct object *object_find(const char *key);
struct object *object_insert(const char *key, const uint8_t *bytes, size_t len);
void object_delete_at(size_t i);
/* What a key is. */
bool object_is_entry(const char *key, uint32_t *ret_journal, uint64_t *ret_n);
bool object_has_suffix(const char *key, const char *suffix);
/* A LIST of manifests. */
bool req_is_check(const struct sim_req *r);

#endif
