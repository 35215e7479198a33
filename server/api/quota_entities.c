#include "api/quota_entities_int.h"

static const char *const words[ENTITY_KINDS] = {"user", "client-id", "ip"};

enum quota_entity_kind
api__entity_kind(struct span word)
{
    int kind = 0;
    while (kind < ENTITY_KINDS && !span_eq(word, span_cstr(words[kind]))) {
        kind++;
    }
    return (enum quota_entity_kind)kind;
}

struct span
api__entity_word(enum quota_entity_kind kind)
{
    return span_cstr(words[kind]);
}

enum quota_part *
api__entity_part(struct quota_entity *e, enum quota_entity_kind kind)
{
    return kind == ENTITY_USER        ? &e->user_part
           : kind == ENTITY_CLIENT_ID ? &e->client_part
                                      : &e->ip_part;
}

struct span *
api__entity_name(struct quota_entity *e, enum quota_entity_kind kind)
{
    return kind == ENTITY_USER ? &e->user : kind == ENTITY_CLIENT_ID ? &e->client_id : &e->ip;
}
