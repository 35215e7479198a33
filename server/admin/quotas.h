/* Client quotas as every request meets them: which limit applies to a user and a client id, and how
 * much of it is used up.
 *
 * Limits are what S says (QUOTA ops), told by the events of journal 0. Which one applies is Kafka's
 * order, for each kind of quota apart, the first that is there:
 *
 *     user + client id       user + default client       user
 *     default user + client id   default user + default client   default user
 *     client id              default client
 *
 * Who is measured together follows from it, too: a limit of a user counts all of that user's client
 * ids, a limit of a client id counts all users.
 *
 * Each is a bucket that fills at the limit's rate and holds QUOTA_BURST_S seconds of it, which is
 * as much as Kafka's average over ten windows lets pass at once. What is taken beyond is a debt,
 * and the time until it is paid is the throttle time (KIP-219). A debt is at most QUOTA_DEBT_S
 * seconds, so whoever waited as long as he was told can go on.
 *
 * Limits and buckets are each broker's own, as in Kafka: a quota is per broker.
 *
 * Threads:  any. A lock, because a client's connections lie on several loops and share a bucket; it
 *           is not touched while there are no quotas, which is the common case.
 * Lifetime: new -> ... -> destroy when no loop serves requests. */
#ifndef SLUICE_ADMIN_QUOTAS_H
#define SLUICE_ADMIN_QUOTAS_H

#include "state/state.h"

enum { QUOTA_BURST_S = 10, QUOTA_DEBT_S = 30, QUOTA_BUCKETS_MAX = 10000 };
enum quota_kind {
    QUOTA_PRODUCE, /* bytes */
    QUOTA_FETCH,   /* bytes */
    QUOTA_REQUEST, /* seconds of an event loop; the limit is in percent of one */
    QUOTA_KINDS
};
struct quota_client {
    struct span user, client_id; /* "ANONYMOUS", without "User:" */
};

struct quotas;
struct quotas *quotas_new(void);
void quotas_destroy(struct quotas **q);
/* The event of the state: [journal 0's loop] */
void quotas_changed(struct quotas *q, const struct quota_state *s, bool is_removed);

/* False while there are none at all (or q is NULL): what the hot path asks first. */
bool quotas_are_set(const struct quotas *q);
/* Takes amount, which may be 0, and gives how many milliseconds the client has to wait; 0 also when
 * nothing limits it, or q is NULL. */
int64_t quotas_take(struct quotas *q, enum quota_kind kind, const struct quota_client *c,
                    double amount, int64_t now_ns);
/* The most that may be taken at once: what a full bucket holds. INFINITY when nothing limits it. */
double quotas_most(struct quotas *q, enum quota_kind kind, const struct quota_client *c);

/* For what is only known when the client is not at hand any more. NULL when nothing limits it. */
struct quota_bucket;
struct quota_bucket *quotas_hold(struct quotas *q, enum quota_kind kind,
                                 const struct quota_client *c, int64_t now_ns);
/* Takes amount and lets go. */
void quotas_release(struct quotas *q, struct quota_bucket **b, double amount, int64_t now_ns);

/* "producer_byte_rate", ...; NULL for a key that is kept and not carried out. */
bool quota_key_is_known(struct span key);

#endif
