/* Addresses of listeners: "host:port", "[ipv6]:port", ":port" (every IPv4 interface; "[::]:port" is
 * every interface of both kinds). A name with both kinds of addresses means its IPv4 one. Port 0
 * lets the system choose. Threads: pure, but host names may ask the resolver, so not on a loop. */
#ifndef SLUICE_NET_ADDRESS_H
#define SLUICE_NET_ADDRESS_H

#include "base/err.h"

#include <sys/socket.h>

struct address {
    struct sockaddr_storage sa;
    socklen_t len;
};

/* On failure *err repeats the text and says what is expected. */
MUST_CHECK enum sl_err address_parse(const char *text, struct address *ret, struct sl_error *err);
/* Writes "127.0.0.1:9092" or "[::1]:9092"; IPv4 in IPv6 comes as IPv4. */
void address_format(const struct sockaddr_storage *sa, char *out, size_t cap);
/* In host order; 0 when the family has none. */
unsigned address_port(const struct sockaddr_storage *sa);

#endif
