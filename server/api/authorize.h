/* The one question that every handler asks before it touches something. Until an authorizer is
 * loaded everything is allowed, through this same call.
 *
 * Threads: any. */
#ifndef SLUICE_API_AUTHORIZE_H
#define SLUICE_API_AUTHORIZE_H

#include "api/request.h"

enum acl_operation {
    ACL_ANY, /* nothing to ask */
    ACL_READ,
    ACL_WRITE,
    ACL_CREATE,
    ACL_DELETE,
    ACL_ALTER,
    ACL_DESCRIBE,
    ACL_CLUSTER_ACTION,
    ACL_DESCRIBE_CONFIGS,
    ACL_ALTER_CONFIGS,
    ACL_IDEMPOTENT_WRITE
};
enum acl_resource { ACL_NONE, ACL_TOPIC, ACL_GROUP, ACL_CLUSTER };

bool authorize(const struct request *req, enum acl_operation op, enum acl_resource resource,
               struct span name);

#endif
