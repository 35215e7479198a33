#include "net/address.h"

#include "base/span.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

enum { HOST_MAX = 256, PORT_MAX = 6 };

static enum sl_err
bad_address(const char *text, const char *why, struct sl_error *err)
{
    return sl_error_set(err, SL_EINVAL,
                        "address \"%.200s\": %s; write it as host:port or [ipv6]:port", text, why);
}

static bool
is_port(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n >= PORT_MAX || strspn(s, "0123456789") != n) {
        return false;
    }
    unsigned value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value * 10 + (unsigned)(s[i] - '0');
    }
    return value <= 65535;
}

/* Splits at the last colon and takes the brackets off. */
static enum sl_err
split(const char *text, char host[HOST_MAX], const char **ret_port, struct sl_error *err)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return bad_address(text, "the port is missing", err);
    }
    struct span name = span_of(text, (size_t)(colon - text));
    bool is_bracketed = name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']';
    if (is_bracketed) {
        name = span_of(name.ptr + 1, name.len - 2);
    } else if (memchr(name.ptr, ':', name.len) != NULL) {
        return bad_address(text, "an IPv6 address needs brackets", err);
    }
    if (name.len >= HOST_MAX) {
        return bad_address(text, "the host name is too long", err);
    }
    if (!is_port(colon + 1)) {
        return bad_address(text, "the port is not a number from 0 to 65535", err);
    }
    span_to_cstr(name, host, HOST_MAX);
    *ret_port = colon + 1;
    return SL_OK;
}

/* Of a name that has both, "localhost" above all: clients try 127.0.0.1. */
static const struct addrinfo *
prefer_ipv4(const struct addrinfo *found)
{
    for (const struct addrinfo *it = found; it != NULL; it = it->ai_next) {
        if (it->ai_family == AF_INET) {
            return it;
        }
    }
    return found;
}

enum sl_err
address_parse(const char *text, struct address *ret, struct sl_error *err)
{
    char host[HOST_MAX] = "";
    const char *port = NULL;
    enum sl_err rc = split(text, host, &port, err);
    if (rc != SL_OK) {
        return rc;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int why = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &found);
    if (why != 0) {
        return sl_error_set(err, SL_EINVAL, "address \"%.200s\": the host cannot be resolved: %s",
                            text, gai_strerror(why));
    }
    const struct addrinfo *best = prefer_ipv4(found);
    memset(ret, 0, sizeof(*ret));
    memcpy(&ret->sa, best->ai_addr, best->ai_addrlen);
    ret->len = best->ai_addrlen;
    freeaddrinfo(found);
    return SL_OK;
}

unsigned
address_port(const struct sockaddr_storage *sa)
{
    if (sa->ss_family == AF_INET) {
        return ntohs(((const struct sockaddr_in *)sa)->sin_port);
    }
    if (sa->ss_family == AF_INET6) {
        return ntohs(((const struct sockaddr_in6 *)sa)->sin6_port);
    }
    return 0;
}

void
address_format(const struct sockaddr_storage *sa, char *out, size_t cap)
{
    char host[INET6_ADDRSTRLEN] = "?";
    bool is_ipv6 = false;
    if (sa->ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, host, sizeof(host));
    } else if (sa->ss_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6)) {
            (void)inet_ntop(AF_INET, &in6->s6_addr[12], host, sizeof(host));
        } else {
            (void)inet_ntop(AF_INET6, in6, host, sizeof(host));
            is_ipv6 = true;
        }
    }
    (void)snprintf(out, cap, is_ipv6 ? "[%s]:%u" : "%s:%u", host, address_port(sa));
}
