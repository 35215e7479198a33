/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to a Kafka broker, for commands: requests and answers by the schema tables, one
 * after the other, over a blocking socket. Blocking is right here: there is nothing else to do.
 *
 * Bounds: connecting takes at most CLIENT_CONNECT_MS, an answer at most CLIENT_ANSWER_MS and
 * CLIENT_ANSWER_MAX bytes; all that is decoded together at most CLIENT_MEMORY_MAX.
 *
 * Threads: belongs to one. Lifetime: whatever an answer borrows lives until client_close. After a
 * failure the connection is of no more use than to be closed. */
#ifndef SLUICE_CLI_CLIENT_H
#define SLUICE_CLI_CLIENT_H

#include "wire/frame.h"

enum {
    CLIENT_ADDRESS_MAX = 300, /* HOST:PORT and NUL */
    CLIENT_CONNECT_MS = 10000,
    CLIENT_ANSWER_MS = 30000,
    CLIENT_ANSWER_MAX = 64 << 20,
    CLIENT_REQUEST_MAX = 16 << 20,
    CLIENT_MEMORY_MAX = 512 << 20,
    CLIENT_BEST = -1 /* as a question's version: the highest that both sides speak */
};

struct client; /* opaque */

/* Is it HOST:PORT, with a port from 1 to 65535 or the name of one? */
bool client_address_is_valid(const char *address);
/* Gives a connection. *err names the address that was tried. */
MUST_CHECK enum sl_err client_open(const char *address, struct client **ret, struct sl_error *err);
/* NULL-safe; sets *c to NULL. */
void client_close(struct client **c);
const char *client_address(const struct client *c);

/* Asks which versions the broker speaks (ApiVersions v0, which every broker since 0.10 answers). */
MUST_CHECK enum sl_err client_negotiate(struct client *c, struct sl_error *err);
/* The highest version that both sides speak; -1: there is none, or nothing was negotiated. */
int16_t client_version(const struct client *c, int16_t key);

/* A request's C struct, and where its answer goes. */
struct client_question {
    int16_t key;
    int16_t version; /* CLIENT_BEST, or this one, whatever was negotiated */
    const void *in;
    void *out;
};
/* SL_ENOTSUP: the broker does not know that API. Else see above. */
MUST_CHECK enum sl_err client_ask(struct client *c, const struct client_question *q,
                                  struct sl_error *err);

#endif
