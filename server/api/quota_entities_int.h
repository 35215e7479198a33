/* Private to api/: entities of client quotas as the two APIs write them. */
#ifndef SLUICE_API_QUOTA_ENTITIES_INT_H
#define SLUICE_API_QUOTA_ENTITIES_INT_H

#include "admin/quotas.h"
#include "api/api_int.h"

enum quota_entity_kind { ENTITY_USER, ENTITY_CLIENT_ID, ENTITY_IP, ENTITY_KINDS };
/* ENTITY_KINDS for a word that nobody knows. */
enum quota_entity_kind api__entity_kind(struct span word);
struct span api__entity_word(enum quota_entity_kind kind);

/* One part of an entity, by kind. */
enum quota_part *api__entity_part(struct quota_entity *e, enum quota_entity_kind kind);
struct span *api__entity_name(struct quota_entity *e, enum quota_entity_kind kind);

#endif
