/* What programs that speak the protocol without a client library share: integers and strings of
 * frames, and a connection. What goes wrong ends the program with a sentence.
 *
 * Threads: any; nothing is shared. */
#ifndef SLUICE_TESTS_BENCH_RAWWIRE_H
#define SLUICE_TESTS_BENCH_RAWWIRE_H

#include <stddef.h>
#include <stdint.h>

_Noreturn void raw_fail(const char *text);
_Noreturn void raw_fail_errno(const char *what);

/* Big endian, `bytes` long; the strings are classic ones (a length of two bytes). Each returns the
 * place behind what it wrote; the caller knows that there is room. */
uint8_t *raw_put(uint8_t *p, int64_t value, int bytes);
uint8_t *raw_put_string(uint8_t *p, const char *s);
int64_t raw_get(const uint8_t *p, int bytes);

/* A request header v1 behind room for the frame size, which raw_put_size fills: with what lies
 * between start and end, and `more` that is sent behind it. */
uint8_t *raw_put_header(uint8_t *p, int key, int version);
void raw_put_size(uint8_t *start, const uint8_t *end, size_t more);

/* A reply that is being read. A read beyond its end ends the program. */
struct raw_in {
    const uint8_t *p, *end;
};

int64_t raw_take(struct raw_in *in, int bytes);
const uint8_t *raw_take_bytes(struct raw_in *in, size_t n);
/* A string with a length of two bytes; NULL and 0 when it is null. Borrowed from the reply. */
const uint8_t *raw_take_string(struct raw_in *in, size_t *ret_len);

/* "HOST:PORT", taken apart in place. */
struct raw_address {
    const char *host, *port;
};

struct raw_address raw_address_of(char *text);
/* Blocking, without delay. */
int raw_dial(const struct raw_address *a);
void raw_write_all(int fd, const uint8_t *p, size_t n);
void raw_read_all(int fd, uint8_t *p, size_t n);

#endif
