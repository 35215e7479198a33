/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice topic|group|config|quota` against brokers made of tables: which broker is asked what, in
 * which version; what is said when something is wrong. What real brokers answer is the end-to-end
 * tests' matter. */
#include "fake_cluster.h"
#include "run_cli.h"
#include "wire/errors.h"
#include "wire/messages/consumer_group_describe.h"
#include "wire/messages/create_topics.h"
#include "wire/messages/describe_configs.h"
#include "wire/messages/describe_groups.h"
#include "wire/messages/find_coordinator.h"
#include "wire/messages/list_groups.h"
#include "wire/messages/list_offsets.h"
#include "wire/messages/offset_fetch.h"

#include <stdlib.h>

static struct fake_cluster fake;

static struct {
    int32_t leaders[2], leaders_later[2]; /* later: from the second Metadata of a topic on */
    size_t metadata_asked;
    int32_t coordinator;
    int16_t coordinator_error; /* of the first FindCoordinator */
    size_t coordinator_asked;
    bool is_consumer;
    bool is_half; /* of the two partitions, the group committed the first only */
    const char *member_id;
    struct span assignment; /* of the classic member */
} world;

static int
setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof(world));
    world.leaders[0] = world.leaders_later[0] = 1;
    world.leaders[1] = world.leaders_later[1] = 2;
    world.coordinator = 2;
    world.member_id = "m";
    return 0;
}

static int
run(const char *line)
{
    static const struct cli_hooks hooks = {0};
    char text[400];
    bool has_broker = fake.broker_count > 0;
    (void)snprintf(text, sizeof(text), has_broker ? "%s --address 127.0.0.1:%u" : "%s", line,
                   has_broker ? fake.ports[0] : 0u);
    return run_with(&hooks, text);
}

/* ---- what the brokers answer ---- */

/* A client that was told nonsense asks nonsense; it is answered all the same. */
static void
answer_offsets(int32_t broker, const struct list_offsets_request *in,
               struct list_offsets_response *out, struct arena *arena)
{
    const int32_t *leaders = world.metadata_asked > 2 ? world.leaders_later : world.leaders;
    size_t count = in->topics.count == 0 ? 0 : in->topics.items[0].partitions.count;
    struct list_offsets_response_topic *t =
        (struct list_offsets_response_topic *)arena_array(arena, 1, sizeof(*t));
    struct list_offsets_response_partition *ps =
        (struct list_offsets_response_partition *)arena_array(arena, count, sizeof(*ps));
    t->name = count == 0 ? span_cstr("") : in->topics.items[0].name;
    t->partitions.items = ps;
    t->partitions.count = count;
    for (size_t i = 0; i < count; i++) {
        int32_t p = in->topics.items[0].partitions.items[i].partition_index;
        list_offsets_response_partition_init(&ps[i]);
        ps[i].partition_index = p;
        if (leaders[p & 1] == broker) {
            ps[i].offset = 100 * ((p & 1) + 1);
        } else {
            ps[i].error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
        }
    }
    out->topics.items = t;
    out->topics.count = 1;
}

static void
answer_coordinator(const struct fake_note *q, struct find_coordinator_response *out,
                   struct arena *arena)
{
    struct find_coordinator_response_coordinator *c =
        (struct find_coordinator_response_coordinator *)arena_array(arena, 1, sizeof(*c));
    int16_t error = world.coordinator_asked++ == 0 ? world.coordinator_error : (int16_t)0;
    *c = (struct find_coordinator_response_coordinator){.node_id = world.coordinator,
                                                        .error_code = error};
    out->coordinators.items = c;
    out->coordinators.count = q->version >= 4 ? 1 : 0;
    out->node_id = world.coordinator;
    out->error_code = error;
}

static void
answer_committed(const struct fake_note *q, struct offset_fetch_response *out, struct arena *arena)
{
    static struct offset_fetch_response_group_partition ps[2];
    static struct offset_fetch_response_group_topic topic;
    static struct offset_fetch_response_partition old_ps[2];
    static struct offset_fetch_response_topic old_topic;
    struct offset_fetch_response_group *g =
        (struct offset_fetch_response_group *)arena_array(arena, 1, sizeof(*g));
    for (int32_t p = 0; p < 2; p++) {
        offset_fetch_response_group_partition_init(&ps[p]);
        offset_fetch_response_partition_init(&old_ps[p]);
        ps[p].partition_index = old_ps[p].partition_index = p;
        ps[p].committed_offset = old_ps[p].committed_offset = world.is_half && p == 1 ? -1 : 60;
    }
    topic = (struct offset_fetch_response_group_topic){.name = span_cstr("orders"),
                                                       .partitions = {.items = ps, .count = 2}};
    old_topic = (struct offset_fetch_response_topic){.name = span_cstr("orders"),
                                                     .partitions = {.items = old_ps, .count = 2}};
    *g = (struct offset_fetch_response_group){.group_id = span_cstr("g"),
                                              .topics = {.items = &topic, .count = 1}};
    if (q->version >= 8) {
        out->groups.items = g;
        out->groups.count = 1;
    } else {
        out->topics.items = &old_topic;
        out->topics.count = 1;
    }
}

static void
answer_classic(struct describe_groups_response *out, struct arena *arena)
{
    struct describe_groups_response_group *g =
        (struct describe_groups_response_group *)arena_array(arena, 1, sizeof(*g));
    struct describe_groups_response_member *m =
        (struct describe_groups_response_member *)arena_array(arena, 1, sizeof(*m));
    describe_groups_response_group_init(g);
    *m = (struct describe_groups_response_member){.member_id = span_cstr(world.member_id),
                                                  .client_id = span_cstr("c"),
                                                  .client_host = span_cstr("/h"),
                                                  .member_assignment = world.assignment};
    g->group_id = span_cstr("g");
    g->group_state = span_cstr("Stable");
    g->protocol_type = span_cstr("consumer");
    g->protocol_data = span_cstr("range");
    g->members.items = m;
    g->members.count = 1;
    out->groups.items = g;
    out->groups.count = 1;
}

static struct consumer_group_describe_assignment
assignment_of(int32_t partition)
{
    static int32_t numbers[2][2] = {{1, 0}, {1, 0}};
    static struct consumer_group_describe_topic_partitions topics[2];
    size_t i = partition < 0 ? 0 : 1;
    topics[i] = (struct consumer_group_describe_topic_partitions){
        .topic_name = span_cstr("orders"),
        .partitions = {.items = numbers[i], .count = partition < 0 ? 2 : 1}};
    return (struct consumer_group_describe_assignment){
        .topic_partitions = {.items = &topics[i], .count = 1}};
}

/* Both partitions now, one of them soon. */
static void
answer_consumer(struct consumer_group_describe_response *out, struct arena *arena)
{
    struct consumer_group_describe_group *g =
        (struct consumer_group_describe_group *)arena_array(arena, 1, sizeof(*g));
    struct consumer_group_describe_member *m =
        (struct consumer_group_describe_member *)arena_array(arena, 1, sizeof(*m));
    consumer_group_describe_group_init(g);
    consumer_group_describe_member_init(m);
    g->error_code = world.is_consumer ? (int16_t)0 : (int16_t)KAFKA_GROUP_ID_NOT_FOUND;
    g->group_id = span_cstr("g");
    g->group_state = span_cstr("Reconciling");
    g->assignor_name = span_cstr("uniform");
    g->group_epoch = 7;
    m->member_id = span_cstr(world.member_id);
    m->instance_id = span_cstr("i-1");
    m->client_id = span_cstr("c");
    m->client_host = span_cstr("/h");
    m->member_epoch = 6;
    m->assignment = assignment_of(-1);
    m->target_assignment = assignment_of(1);
    g->members.items = m;
    g->members.count = world.is_consumer ? 1 : 0;
    out->groups.items = g;
    out->groups.count = 1;
}

/* Each broker has a group of its own, and all have the same one besides. */
static void
answer_groups(int32_t broker, struct list_groups_response *out, struct arena *arena)
{
    static const char *const own[] = {"", "zebra", "ape", "lion"};
    struct list_groups_response_group *gs =
        (struct list_groups_response_group *)arena_array(arena, 2, sizeof(*gs));
    gs[0] = (struct list_groups_response_group){.group_id = span_cstr(own[broker]),
                                                .protocol_type = span_cstr("consumer"),
                                                .group_state = span_cstr("Empty"),
                                                .group_type = span_cstr("classic")};
    gs[1] = gs[0];
    gs[1].group_id = span_cstr("both");
    out->groups.items = gs;
    out->groups.count = 2;
}

static void
answer_create(const struct create_topics_request *in, struct create_topics_response *out,
              struct arena *arena)
{
    struct create_topics_response_topic *t =
        (struct create_topics_response_topic *)arena_array(arena, 1, sizeof(*t));
    create_topics_response_topic_init(t);
    t->name = in->topics.items[0].name;
    t->num_partitions = in->topics.items[0].num_partitions;
    t->error_code = KAFKA_POLICY_VIOLATION;
    t->error_message = span_cstr("no\x1b[2J. ");
    out->topics.items = t;
    out->topics.count = 1;
}

static void
answer_configs(struct describe_configs_response *out, struct arena *arena)
{
    out->results.items = (struct describe_configs_response_resource *)arena_array(
        arena, 1, sizeof(*out->results.items));
    out->results.items[0].resource_name = span_cstr("orders");
    out->results.count = 1;
}

static void
answer(struct fake_cluster *f, const struct fake_note *q, const void *in, void *out,
       struct arena *arena)
{
    switch (q->key) {
    case API_METADATA:
        world.metadata_asked++;
        fake_metadata(f, "orders", world.metadata_asked > 2 ? world.leaders_later : world.leaders,
                      2, (struct metadata_response *)out, arena);
        break;
    case API_LIST_OFFSETS:
        answer_offsets(q->broker, (const struct list_offsets_request *)in,
                       (struct list_offsets_response *)out, arena);
        break;
    case API_FIND_COORDINATOR:
        answer_coordinator(q, (struct find_coordinator_response *)out, arena);
        break;
    case API_OFFSET_FETCH:
        answer_committed(q, (struct offset_fetch_response *)out, arena);
        break;
    case API_DESCRIBE_GROUPS:
        answer_classic((struct describe_groups_response *)out, arena);
        break;
    case API_CONSUMER_GROUP_DESCRIBE:
        answer_consumer((struct consumer_group_describe_response *)out, arena);
        break;
    case API_LIST_GROUPS:
        answer_groups(q->broker, (struct list_groups_response *)out, arena);
        break;
    case API_DESCRIBE_CONFIGS:
        answer_configs((struct describe_configs_response *)out, arena);
        break;
    case API_CREATE_TOPICS:
        answer_create((const struct create_topics_request *)in,
                      (struct create_topics_response *)out, arena);
        break;
    default:
        break; /* all at its default */
    }
}

static void
cluster_of(size_t brokers)
{
    fake_init(&fake, brokers, answer);
}

static int
teardown(void **state)
{
    (void)state;
    if (fake.broker_count > 0) {
        fake_stop(&fake);
    }
    memset(&fake, 0, sizeof(fake));
    return 0;
}

/* ---- who is asked ---- */

static void
lag__leaders_and_coordinator__are_asked_each_for_their_own(void **state)
{
    (void)state;
    cluster_of(2);
    fake_start(&fake);
    assert_int_equal(run("sluice group lag g"), 0);
    assert_string_equal(output, "TOPIC   PARTITION  COMMITTED  END  LAG\n"
                                "orders          0         60  100   40  #########\n"
                                "orders          1         60  200  140  "
                                "##############################\n"
                                "g: 180 behind, over 2 partitions\n");
    assert_int_equal(fake_asked(&fake, 1, API_OFFSET_FETCH), 0);
    assert_int_equal(fake_asked(&fake, 2, API_OFFSET_FETCH), 1);
    assert_int_equal(fake_asked(&fake, 1, API_LIST_OFFSETS), 1);
    assert_int_equal(fake_asked(&fake, 2, API_LIST_OFFSETS), 1);
}

static void
lag__assigned_but_never_committed__is_shown(void **state)
{
    (void)state;
    cluster_of(2);
    world.is_consumer = true;
    world.is_half = true;
    fake_start(&fake);
    assert_int_equal(run("sluice group lag g"), 0);
    assert_string_equal(output, "TOPIC   PARTITION  COMMITTED  END  LAG\n"
                                "orders          0         60  100   40  "
                                "##############################\n"
                                "orders          1          -  200    -\n"
                                "g: 40 behind, over 2 partitions; 1 without a commit\n");
}

static void
lag__a_leader_moves__the_new_one_is_asked(void **state)
{
    (void)state;
    cluster_of(2);
    world.leaders[0] = 2; /* says Metadata first; but broker 1 leads */
    world.leaders_later[0] = 1;
    fake_start(&fake);
    assert_int_equal(run("sluice group lag g --json"), 0);
    assert_says("\"lag\": 180");
}

static void
describe__a_partition_without_leader__is_shown_with_its_error(void **state)
{
    (void)state;
    cluster_of(2);
    world.leaders[1] = world.leaders_later[1] = -1;
    fake.versions[API_DESCRIBE_LOG_DIRS] = -1; /* sizes are not known there, either */
    fake_start(&fake);
    assert_int_equal(run("sluice topic describe orders"), 0);
    assert_says("        1       -                 -    -        -     -  LEADER_NOT_AVAILABLE\n");
    assert_int_equal(fake_asked(&fake, 2, API_LIST_OFFSETS), 0);
}

static void
one_broker__whatever_it_advertises__is_asked_where_it_was_found(void **state)
{
    (void)state;
    cluster_of(1);
    world.leaders[1] = world.leaders_later[1] = world.coordinator = 1;
    fake_start(&fake);
    assert_int_equal(run("sluice group lag g --json"), 0);
    assert_int_equal(fake_asked(&fake, 1, API_API_VERSIONS), 1); /* one connection */
}

static void
coordinator__is_loading__is_asked_again(void **state)
{
    (void)state;
    cluster_of(2);
    world.coordinator_error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    fake_start(&fake);
    assert_int_equal(run("sluice group lag g --json"), 0);
    assert_says("\"lag\": 180");
}

static void
coordinator__refuses__is_said(void **state)
{
    (void)state;
    cluster_of(2);
    world.coordinator_error = KAFKA_GROUP_AUTHORIZATION_FAILED;
    fake_start(&fake);
    assert_int_equal(run("sluice group lag g"), 1);
    assert_string_equal(output, "sluice group lag: the group's coordinator: not authorized for the "
                                "group (GROUP_AUTHORIZATION_FAILED, 30); the broker's authorizer "
                                "has to allow it\n");
}

static void
list__groups_of_all_brokers__once_each_in_order(void **state)
{
    (void)state;
    cluster_of(3);
    fake_start(&fake);
    assert_int_equal(run("sluice group list"), 0);
    assert_string_equal(output, "GROUP  STATE  TYPE     PROTOCOL\n"
                                "ape    Empty  classic  consumer\n"
                                "both   Empty  classic  consumer\n"
                                "lion   Empty  classic  consumer\n"
                                "zebra  Empty  classic  consumer\n");
}

/* ---- versions ---- */

static void
versions__the_highest_common_one_is_used(void **state)
{
    (void)state;
    cluster_of(2);
    fake.versions[API_OFFSET_FETCH] = 3;
    fake.versions[API_FIND_COORDINATOR] = 2;
    fake.versions[API_LIST_OFFSETS] = 1;
    fake.versions[API_METADATA] = 5;
    fake.versions[API_CONSUMER_GROUP_DESCRIBE] = -1;
    fake.versions[API_DESCRIBE_GROUPS] = 0;
    fake_start(&fake);
    assert_int_equal(run("sluice group lag g --json"), 0);
    assert_says("\"lag\": 180");
    assert_int_equal(fake_version(&fake, API_OFFSET_FETCH), 3);
    assert_int_equal(fake_version(&fake, API_FIND_COORDINATOR), 2);
    assert_int_equal(fake_version(&fake, API_LIST_OFFSETS), 1);
    assert_int_equal(fake_version(&fake, API_METADATA), 5);
    assert_int_equal(fake_version(&fake, API_DESCRIBE_GROUPS), 0);
}

static void
versions__the_broker_lacks_an_api__is_said(void **state)
{
    (void)state;
    cluster_of(1);
    fake.versions[API_DESCRIBE_CLIENT_QUOTAS] = -1;
    fake.versions[API_LIST_GROUPS] = 3;
    fake_start(&fake);
    assert_int_equal(run("sluice quota list"), 1);
    assert_says("does not know DescribeClientQuotas\n");
    assert_int_equal(run("sluice group list --state Empty"), 1);
    assert_says("cannot list by state; leave --state out\n");
    assert_int_equal(run("sluice group list"), 0); /* states and types are not known there */
    assert_says("zebra  -      -     consumer\n");
}

static void
versions__too_old_a_broker__is_said(void **state)
{
    (void)state;
    cluster_of(1);
    fake.versions[API_METADATA] = 3;
    fake_start(&fake);
    assert_int_equal(run("sluice topic list"), 1);
    assert_says("is too old");
}

static void
versions__before_defaults__one_partition_is_asked_for(void **state)
{
    (void)state;
    cluster_of(1);
    fake.versions[API_CREATE_TOPICS] = 3; /* KIP-464 came with 4 */
    fake_start(&fake);
    assert_int_equal(run("sluice topic create x"), 1);
    assert_int_equal(fake_version(&fake, API_CREATE_TOPICS), 3);
}

/* ---- answers ---- */

static void
refusal__of_the_broker__is_one_harmless_line(void **state)
{
    (void)state;
    cluster_of(1);
    fake_start(&fake);
    assert_int_equal(run("sluice topic create x"), 1);
    assert_string_equal(output, "sluice topic create: x: no\\x1b[2J (POLICY_VIOLATION, 44)\n");
}

static void
describe__a_group_of_the_consumer_protocol(void **state)
{
    (void)state;
    cluster_of(2);
    world.is_consumer = true;
    fake_start(&fake);
    assert_int_equal(run("sluice group describe g"), 0);
    assert_string_equal(output, "group g: consumer, Reconciling, assignor uniform, epoch 7, "
                                "coordinator 2, 1 member\n"
                                "MEMBER  INSTANCE  CLIENT  HOST  ASSIGNMENT\n"
                                "m       i-1       c       /h    orders 0-1 (moving)\n");
    assert_int_equal(fake_asked(&fake, 0, API_DESCRIBE_GROUPS), 0);
}

static void
describe__a_classic_assignment(void **state)
{
    /* version, 1 topic, "orders", partitions 1 and 0, no user data */
    static const uint8_t whole[] = {0, 1, 0, 0, 0, 1, 0, 6, 'o', 'r', 'd', 'e', 'r', 's', 0,
                                    0, 0, 2, 0, 0, 0, 1, 0, 0,   0,   0,   255, 255, 255, 255};
    (void)state;
    cluster_of(2);
    world.assignment = span_of(whole, sizeof(whole));
    fake_start(&fake);
    assert_int_equal(run("sluice group describe g"), 0);
    assert_says("group g: classic, Stable, assignor range, coordinator 2, 1 member\n");
    assert_says("m       -         c       /h    orders 0-1\n");
}

static void
describe__an_assignment_cut_anywhere__reads_as_none(void **state)
{
    static const uint8_t whole[] = {0,   1, 0, 0, 0, 1, 0, 6, 'o', 'r', 'd', 'e', 'r',
                                    's', 0, 0, 0, 2, 0, 0, 0, 1,   0,   0,   0,   0};
    (void)state;
    cluster_of(2);
    fake_start(&fake);
    for (size_t n = 0; n < sizeof(whole); n++) {
        world.assignment = span_of(whole, n);
        assert_int_equal(run("sluice group describe g"), 0);
        assert_says("m       -         c       /h    -\n");
    }
}

static void
answers_cut_anywhere__are_an_error(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 120; cut += 7) {
        cluster_of(1);
        fake.cut = cut;
        fake_start(&fake);
        assert_int_equal(run("sluice topic list"), 1);
        assert_true(strncmp(output, "sluice topic list: ", 19) == 0);
        assert_non_null(strstr(output, "127.0.0.1:"));
        fake_stop(&fake);
    }
    memset(&fake, 0, sizeof(fake));
}

/* What a byte becomes is not predictable; but a run ends as runs end, and (with sanitizers) reads
 * no memory that is not its own. */
static void
answers_garbled__a_run_ends_as_runs_end(void **state)
{
    static const char *const lines[] = {
        "sluice topic list",
        "sluice topic describe orders",
        "sluice topic delete orders",
        "sluice group list",
        "sluice group describe g --json",
        "sluice group lag g",
        "sluice group reset g --topic orders --to-latest --execute",
        "sluice config get topic orders",
        "sluice quota list --json",
    };
    static const uint8_t assignment[] = {0, 1, 0, 0, 0, 1, 0, 1, 'o', 0, 0, 0, 1, 0, 0, 0, 1};
    size_t done = 0;
    size_t failed = 0;
    for (size_t i = 0; i < 30 * sizeof(lines) / sizeof(lines[0]); i++) {
        (void)setup(state);
        world.leaders[1] = world.leaders_later[1] = world.coordinator = 1;
        world.is_consumer = i % 2 == 0;
        world.assignment = span_of(assignment, sizeof(assignment));
        cluster_of(1);
        fake.garble = i + 1;
        fake_start(&fake);
        int status = run(lines[i % (sizeof(lines) / sizeof(lines[0]))]);
        assert_in_range(status, 0, 1);
        done += status == 0;
        failed += status == 1;
        fake_stop(&fake);
    }
    memset(&fake, 0, sizeof(fake));
    assert_true(done > 0 && failed > 0); /* else nothing was garbled, or all of it */
}

static void
broker__not_reachable_where_it_says__is_named(void **state)
{
    (void)state;
    cluster_of(2);
    fake.hidden = 2;
    fake_start(&fake);
    assert_int_equal(run("sluice group list"), 1);
    assert_says("broker 2, at the address that it advertises: cannot connect to 127.0.0.1:1: ");
}

/* ---- arguments ---- */

static void
arguments__that_make_no_sense__are_refused_before_anybody_is_asked(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"sluice topic", "sluice topic describe NAME"},
        {"sluice topic lst", "no verb lst; did you mean list?"},
        {"sluice topic frobnicate", "`sluice help topic` lists them"},
        {"sluice topic list x", "sluice topic list: what is \"x\"?"},
        {"sluice topic list --partitions 3", "sluice topic list: no option --partitions"},
        {"sluice topic create", "NAME is missing"},
        {"sluice topic create x --partitions 0", "0 is no whole number from 1 on"},
        {"sluice topic create x --partitions 3000000000", "3000000000 is too large"},
        {"sluice topic create x --replication-factor 70000", "70000 is too large"},
        {"sluice topic create x --config retention.ms", "retention.ms is no KEY=VALUE"},
        {"sluice topic partitions x", "NAME N is missing something"},
        {"sluice topic partitions x many", "many is no whole number"},
        {"sluice topic delete-records x --partition 1", "--before OFFSET is missing"},
        {"sluice topic delete-records x --before 1", "--partition N is missing"},
        {"sluice topic delete-records x --partition 1 --before -1", "-1 is no whole number"},
        {"sluice group lag", "GROUP is missing"},
        {"sluice group reset g --to-latest", "--topic NAME is missing"},
        {"sluice group reset g --topic t", "to where?"},
        {"sluice group reset g --topic t --to-latest --to-offset 1", "to where?"},
        {"sluice group reset g --topic t --to-time yesterday", "yesterday is no time"},
        {"sluice config get topic", "NAME is missing"},
        {"sluice config get group g", "neither topic nor broker"},
        {"sluice config set topic t", "KEY=VALUE is missing"},
        {"sluice config set topic t =1", "=1 is no KEY=VALUE"},
        {"sluice config unset topic t", "KEY is missing"},
        {"sluice config set broker", "the broker's ID is missing"},
        {"sluice quota set producer_byte_rate=1", "whose?"},
        {"sluice quota set --user u producer_byte_rate=x", "is no number"},
        {"sluice quota set --user u --user-default a=1", "either --user or --user-default"},
        {"sluice quota unset --user u", "KEY... is missing"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = run(rows[i].line);
        if (status != 2) {
            fail_msg("%s: status %d: %s", rows[i].line, status, output);
        }
        assert_says(rows[i].says);
    }
}

static void
help__of_a_command_and_of_its_verbs(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"sluice help group", "sluice group lag GROUP"},
        {"sluice group --help", "sluice group lag GROUP"},
        {"sluice help group reset", "--to-earliest"},
        {"sluice group reset --help", "--to-earliest"},
        {"sluice group reset g -h", "--to-earliest"},
        {"sluice help", "sluice group"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(run(rows[i].line), 0);
        assert_says(rows[i].says);
    }
    assert_int_equal(run("sluice help group rset"), 2);
    assert_says("did you mean reset?");
}

int
main(void)
{
    (void)setenv("LC_ALL", "C", 1);
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(lag__leaders_and_coordinator__are_asked_each_for_their_own),
        TEST(lag__assigned_but_never_committed__is_shown),
        TEST(lag__a_leader_moves__the_new_one_is_asked),
        TEST(describe__a_partition_without_leader__is_shown_with_its_error),
        TEST(one_broker__whatever_it_advertises__is_asked_where_it_was_found),
        TEST(coordinator__is_loading__is_asked_again),
        TEST(coordinator__refuses__is_said),
        TEST(list__groups_of_all_brokers__once_each_in_order),
        TEST(versions__the_highest_common_one_is_used),
        TEST(versions__the_broker_lacks_an_api__is_said),
        TEST(versions__too_old_a_broker__is_said),
        TEST(versions__before_defaults__one_partition_is_asked_for),
        TEST(refusal__of_the_broker__is_one_harmless_line),
        TEST(describe__a_group_of_the_consumer_protocol),
        TEST(describe__a_classic_assignment),
        TEST(describe__an_assignment_cut_anywhere__reads_as_none),
        TEST(answers_cut_anywhere__are_an_error),
        TEST(answers_garbled__a_run_ends_as_runs_end),
        TEST(broker__not_reachable_where_it_says__is_named),
        TEST(arguments__that_make_no_sense__are_refused_before_anybody_is_asked),
        TEST(help__of_a_command_and_of_its_verbs),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
