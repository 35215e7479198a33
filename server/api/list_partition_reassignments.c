/* ListPartitionReassignments: there are none, because partitions have no replicas to be moved. */
#include "wire/messages/list_partition_reassignments.h"

#include "api/api_int.h"

void
list_partition_reassignments_handle(struct request *req, const struct request_header *h)
{
    struct list_partition_reassignments_request in;
    struct list_partition_reassignments_response resp = {0};
    if (!api_decode(req, h, &in)) {
        return;
    }
    if (!authorize(req, ACL_DESCRIBE, ACL_CLUSTER, span_cstr("kafka-cluster"))) {
        resp.error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        resp.error_message = span_cstr(kafka_error_text(resp.error_code));
    }
    api_reply(req, h, &resp);
}
