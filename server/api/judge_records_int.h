/* Private to api/: what a topic's configuration demands of the records inside a batch. */
#ifndef SLUICE_API_JUDGE_RECORDS_INT_H
#define SLUICE_API_JUDGE_RECORDS_INT_H

#include "api/api_int.h"
#include "wire/messages/produce.h"
#include "wire/records.h"

/* The batch was checked (batch_check). SL_EINVALID_RECORD: a record without a key in a compacted
 * topic, or the batch cannot be looked into; SL_EINVALID_TIMESTAMP: a record's time is too far from
 * the broker's. Then *ret_why (it lives as long as req) is what to tell, and resp lists the records
 * that are at fault, at most RECORD_ERRORS_MAX of them. */
enum { RECORD_ERRORS_MAX = 1000 };
MUST_CHECK enum sl_err api__judge_records(struct request *req, const struct topic *t,
                                          const struct produce_request_partition *in,
                                          const struct batch_info *info,
                                          struct produce_response_partition *resp,
                                          const char **ret_why);

#endif
