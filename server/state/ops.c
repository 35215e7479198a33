/* Encoders of ops; the decoders stand in apply.c. Formats in docs/formats.md. */
#include "state/state_int.h"

static void
put_text16(struct bytes *out, const char *s, size_t len)
{
    bytes_u16(out, (uint16_t)len);
    bytes_append(out, s, len);
}

static char *
take_text(struct cursor *c, size_t len)
{
    struct span s = cursor_span(c, len);
    if (c->is_bad || memchr(s.ptr, '\0', s.len) != NULL) {
        c->is_bad = true;
        return NULL;
    }
    char *text = (char *)sl_alloc(s.len + 1);
    memcpy(text, s.ptr, s.len);
    return text;
}

void
state__topic_encode(struct bytes *out, const struct topic_state *t)
{
    bytes_append(out, t->id.b, sizeof(t->id.b));
    put_text16(out, t->name, strlen(t->name));
    bytes_u32(out, t->incarnation);
    bytes_u32(out, (uint32_t)t->partition_count);
    for (int32_t i = 0; i < t->partition_count; i++) {
        bytes_u32(out, t->journals[i]);
    }
    bytes_u32(out, (uint32_t)t->config_count);
    for (size_t i = 0; i < t->config_count; i++) {
        put_text16(out, t->configs[i].name, strlen(t->configs[i].name));
        bytes_u32(out, (uint32_t)strlen(t->configs[i].value));
        bytes_append(out, t->configs[i].value, strlen(t->configs[i].value));
    }
}

static void
decode_configs(struct cursor *c, struct topic_state *t)
{
    uint32_t count = cursor_count(c, 6);
    t->configs = (struct topic_config *)sl_alloc(count * sizeof(struct topic_config));
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        t->configs[i].name = take_text(c, cursor_u16(c));
        t->configs[i].value = c->is_bad ? NULL : take_text(c, cursor_u32(c));
        t->config_count++;
    }
}

struct topic_state *
state__topic_decode(struct cursor *c)
{
    struct topic_state *t = (struct topic_state *)sl_alloc(sizeof(*t));
    t->id = cursor_uuid(c);
    t->name = take_text(c, cursor_u16(c));
    t->incarnation = cursor_u32(c);
    uint32_t partitions = cursor_count(c, 4);
    t->partition_count = (int32_t)partitions;
    t->journals = (uint32_t *)sl_alloc((size_t)partitions * sizeof(uint32_t));
    for (uint32_t i = 0; i < partitions; i++) {
        t->journals[i] = cursor_u32(c);
    }
    decode_configs(c, t);
    if (c->is_bad || !topic_name_is_valid(span_cstr(t->name))) {
        c->is_bad = true;
        state__topic_free(t);
        return NULL;
    }
    return t;
}

void
op_encode_topics_create(struct bytes *out, const struct topic_spec *topics, size_t count)
{
    bytes_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        char name[256];
        span_to_cstr(topics[i].name, name, sizeof(name));
        const struct topic_state t = {.id = topics[i].id,
                                      .name = name,
                                      .incarnation = topics[i].incarnation,
                                      .partition_count = topics[i].partition_count,
                                      .journals = topics[i].journals,
                                      .configs = topics[i].configs,
                                      .config_count = topics[i].config_count};
        state__topic_encode(out, &t);
    }
}

void
op_encode_topics_opened(struct bytes *out, const struct uuid *ids, const int32_t *opened,
                        size_t count)
{
    bytes_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        bytes_append(out, ids[i].b, sizeof(ids[i].b));
        bytes_u32(out, (uint32_t)opened[i]);
    }
}

void
op_encode_partitions_add(struct bytes *out, const struct uuid *id, int32_t old_count,
                         int32_t new_count, const uint32_t *journals)
{
    bytes_append(out, id->b, sizeof(id->b));
    bytes_u32(out, (uint32_t)old_count);
    bytes_u32(out, (uint32_t)(new_count - old_count));
    for (int32_t i = 0; i < new_count - old_count; i++) {
        bytes_u32(out, journals[i]);
    }
}

void
op_encode_producer_ids(struct bytes *out, int64_t first, int32_t count)
{
    bytes_u64(out, (uint64_t)first);
    bytes_u32(out, (uint32_t)count);
}

void
op_encode_open(struct bytes *out, const struct uuid *topic_id, const int32_t *indexes, size_t count)
{
    bytes_append(out, topic_id->b, sizeof(topic_id->b));
    bytes_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        bytes_u32(out, (uint32_t)indexes[i]);
    }
}

void
op_encode_retire(struct bytes *out, const struct uuid *topic_id)
{
    bytes_append(out, topic_id->b, sizeof(topic_id->b));
}

void
op_encode_trim(struct bytes *out, const struct uuid *topic_id, int32_t partition, int64_t start)
{
    bytes_append(out, topic_id->b, sizeof(topic_id->b));
    bytes_u32(out, (uint32_t)partition);
    bytes_u64(out, (uint64_t)start);
}

void
op_encode_producers_expire(struct bytes *out, int64_t before_ms)
{
    bytes_u64(out, (uint64_t)before_ms);
}
