// SPDX-License-Identifier: Apache-2.0
//
// An object store in a std::map: a plugin in C++, with versions (conditional replace) and a key of
// its own. No exception may leave a plugin: each call ends in guarded().
#include <map>
#include <memory>
#include <mutex>
#include <sluice/helpers.h>
#include <sluice/storage.h>
#include <string>

namespace
{
struct object {
    std::shared_ptr<const std::string> body; // a reader keeps it while the map goes on
    uint64_t version;
};
} // namespace

struct sluice_instance {
    const sluice_host *host;
    std::mutex lock; // everything below
    std::map<std::string, object> objects;
    uint64_t last_version = 0;
    size_t objects_max = 0;
};

namespace
{
std::string
text(sluice_slice s)
{
    return s.len == 0 ? std::string() : std::string(reinterpret_cast<const char *>(s.ptr), s.len);
}

void
version_write(char out[64], uint64_t version)
{
    (void)snprintf(out, 64, "%llu", static_cast<unsigned long long>(version));
}

// Runs a call's body; what it throws becomes a status with a sentence.
template <typename body>
sluice_status
guarded(sluice_instance *me, body run) noexcept
{
    try {
        return run();
    } catch (const std::exception &e) {
        return sluice_failf(me->host, nullptr, SLUICE_ENOMEM, "%s", e.what());
    }
}

bool
condition_holds(const object *there, const sluice_put_opts *opts)
{
    if ((opts->flags & SLUICE_PUT_IF_ABSENT) != 0 && there != nullptr) {
        return false;
    }
    return (opts->flags & SLUICE_PUT_IF_VERSION) == 0 ||
           (there != nullptr && text(opts->version) == std::to_string(there->version));
}

sluice_status
map_put(sluice_instance *me, sluice_slice key, const sluice_slice *parts, size_t count,
        const sluice_put_opts *opts, sluice_put_result *result, sluice_op *)
{
    constexpr uint32_t known =
        SLUICE_PUT_IF_ABSENT | SLUICE_PUT_IF_VERSION | SLUICE_PUT_CRC32C | SLUICE_PUT_SEQUENCE;
    if (!sluice_opts_tail_is_zero(opts, sizeof(*opts)) || (opts->flags & ~known) != 0) {
        return sluice_failf(me->host, nullptr, SLUICE_ENOTSUP,
                            "an option this store does not know");
    }
    return guarded(me, [&] {
        auto body = std::make_shared<std::string>();
        for (size_t i = 0; i < count; i++) {
            *body += text(parts[i]);
        }
        std::lock_guard<std::mutex> hold(me->lock);
        auto at = me->objects.find(text(key));
        bool is_new = at == me->objects.end();
        if (!condition_holds(is_new ? nullptr : &at->second, opts)) {
            return SLUICE_EEXIST;
        }
        if (is_new && me->objects.size() >= me->objects_max) {
            return sluice_failf(me->host, nullptr, SLUICE_ENOSPC,
                                "objects.max (%zu) is reached; raise it", me->objects_max);
        }
        me->objects[text(key)] = object{std::move(body), ++me->last_version};
        version_write(result->version, me->last_version);
        return SLUICE_OK;
    });
}

// Gives the body, or nothing when there is no such object.
std::shared_ptr<const std::string>
look_up(sluice_instance *me, sluice_slice key, sluice_get_result *result)
{
    std::lock_guard<std::mutex> hold(me->lock);
    auto at = me->objects.find(text(key));
    if (at == me->objects.end()) {
        return nullptr;
    }
    result->object_size = at->second.body->size();
    version_write(result->version, at->second.version);
    return at->second.body;
}

sluice_status
map_get(sluice_instance *me, sluice_slice key, uint64_t offset, uint64_t length,
        sluice_get_result *result, sluice_op *)
{
    return guarded(me, [&] {
        auto body = look_up(me, key, result);
        if (body == nullptr) {
            return SLUICE_ENOENT;
        }
        uint64_t left = offset < body->size() ? body->size() - offset : 0;
        size_t want = static_cast<size_t>(length == 0 || length > left ? left : length);
        uint8_t *out = nullptr;
        result->body = me->host->buf_new(me->host, want, &out);
        if (result->body == nullptr) {
            return sluice_failf(me->host, nullptr, SLUICE_ENOMEM, "no memory for %zu bytes", want);
        }
        if (want > 0) {
            memcpy(out, body->data() + offset, want);
        }
        return SLUICE_OK;
    });
}

sluice_status
map_head(sluice_instance *me, sluice_slice key, sluice_get_result *result, sluice_op *)
{
    return guarded(me,
                   [&] { return look_up(me, key, result) == nullptr ? SLUICE_ENOENT : SLUICE_OK; });
}

sluice_status
map_del(sluice_instance *me, sluice_slice key, sluice_op *)
{
    return guarded(me, [&] {
        std::lock_guard<std::mutex> hold(me->lock);
        me->objects.erase(text(key));
        return SLUICE_OK;
    });
}

sluice_status
map_list(sluice_instance *me, sluice_slice prefix, sluice_slice after, uint32_t max,
         sluice_list_sink *sink, sluice_op *)
{
    return guarded(me, [&] {
        sluice_status rc = SLUICE_OK;
        const std::string begin = text(prefix);
        const std::string from = text(after);
        std::lock_guard<std::mutex> hold(me->lock);
        auto at = from < begin ? me->objects.lower_bound(begin) : me->objects.upper_bound(from);
        for (; at != me->objects.end() && max > 0 && rc == SLUICE_OK; ++at, max--) {
            if (at->first.compare(0, begin.size(), begin) != 0) {
                break;
            }
            const sluice_list_entry e = {sluice_cstr(at->first.c_str()), at->second.body->size(),
                                         0};
            rc = sink->add(sink, &e);
        }
        return rc;
    });
}

sluice_status
map_create(const sluice_host *host, sluice_instance **out)
{
    *out = new (std::nothrow) sluice_instance{};
    if (*out == nullptr) {
        return SLUICE_ENOMEM;
    }
    (*out)->host = host;
    return SLUICE_OK;
}

sluice_status
map_configure(sluice_instance *me, const sluice_conf *conf)
{
    me->objects_max = static_cast<size_t>(me->host->conf_int(conf, "objects.max"));
    return SLUICE_OK;
}

void
map_destroy(sluice_instance *me)
{
    delete me;
}

const void *
map_extension(sluice_instance *, const char *id)
{
    static const sluice_storage storage = {
        .size = sizeof(storage),
        .reserved = 0,
        .capabilities = SLUICE_STORE_IF_ABSENT | SLUICE_STORE_IF_VERSION | SLUICE_STORE_LOCAL |
                        SLUICE_STORE_VOLATILE,
        .max_object_size = 0,
        .put = map_put,
        .get = map_get,
        .head = map_head,
        .del = map_del,
        .list = map_list,
    };
    return strcmp(id, SLUICE_STORAGE_V1) == 0 ? &storage : nullptr;
}

const sluice_conf_key conf_keys[] = {{"objects.max", SLUICE_CONF_INT, 0, "1000000", nullptr,
                                      "Puts of new keys fail above this", 1, 1000000000},
                                     {nullptr, 0, 0, nullptr, nullptr, nullptr, 0, 0}};

const sluice_plugin plugin = {
    .size = sizeof(plugin),
    .abi_major = SLUICE_ABI_MAJOR,
    .needs_minor = SLUICE_ABI_MINOR,
    .id = "org.example.map-store",
    .version = "1.0",
    .license = "Apache-2.0",
    .summary = "Objects in a std::map, as an example in C++",
    .flags = SLUICE_F_CONCURRENT,
    .conf_keys = conf_keys,
    .create = map_create,
    .configure = map_configure,
    .start = nullptr,
    .quiesce = nullptr,
    .stop = nullptr,
    .destroy = map_destroy,
    .extension = map_extension,
};
} // namespace

sluice_status
sluice_plugin_open(const sluice_host *, const sluice_plugin **out)
{
    *out = &plugin;
    return SLUICE_OK;
}
