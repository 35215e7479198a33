/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin runs with all our rights, so whoever may write its file owns the server. The order of
 * the steps keeps what is checked and what is run the same bytes:
 *
 *   resolve the path; refuse it when everybody may write the file or a directory above it
 *   open it once; copy from that descriptor into a memfd, hashing on the way; seal the copy
 *   look at the copy's ELF header; dlopen the copy
 *
 * A memfd and not a temporary file: /tmp may be mounted noexec, nobody else can open it by name,
 * and it is gone with the process. The descriptor stays open, because the dynamic linker knows an
 * object by its name, and ours is /proc/PID/fd/N; so the number must not be used again. An object
 * cannot find libraries beside itself through $ORIGIN, the price of the copy. */
#include "plugin/loader.h"

#include "base/buf.h"
#include "plugin/crash.h"
#include "plugin/elf.h"
#include "plugin/sha256.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_SYMBOL "sluice_plugin_open"

enum { MODULES_MAX = 64, COPY_BYTES = 64 * 1024, FILE_MAX = 512 << 20 };

/* One shared object that was loaded. */
struct module {
    char *path; /* as it was resolved */
    struct stat file;
    char sha256[SHA256_HEX_BYTES];
    bool is_linked; /* for ever: its descriptor stays open */
    plugin_open_fn open;
};
static struct module modules[MODULES_MAX];
static size_t module_count;

static bool
is_open_to_all(const struct stat *st)
{
    return (st->st_mode & S_IWOTH) != 0 && !(S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0);
}

/* Everybody who may write a directory may put another file there, unless the sticky bit is set. */
static enum sl_err
directories_check(const char *path, struct sl_error *err)
{
    char dir[PATH_MAX];
    (void)snprintf(dir, sizeof(dir), "%s", path);
    char *slash;
    while ((slash = strrchr(dir, '/')) != NULL) {
        struct stat st;
        slash[slash == dir ? 1 : 0] = '\0';
        if (stat(dir, &st) != 0) {
            return sl_error_sys(err, errno, "plugin %.120s: cannot look at %.80s", path, dir);
        }
        if (is_open_to_all(&st)) {
            return sl_error_set(err, SL_EDENIED,
                                "plugin %.120s: everybody may write to its directory %.100s; chmod "
                                "o-w it, or move the plugin",
                                path, dir);
        }
        if (slash == dir) {
            break;
        }
    }
    return SL_OK;
}

static enum sl_err
path_resolve(const char *path, char real[PATH_MAX], struct sl_error *err)
{
    if (path[0] != '/') {
        return sl_error_set(err, SL_EINVAL,
                            "plugin %.200s: the path of a plugin must be absolute, so that it "
                            "begins with /",
                            path);
    }
    if (realpath(path, real) != NULL) {
        return SL_OK;
    }
    if (errno == ENOENT) {
        return sl_error_set(err, SL_ENOENT, "plugin %.200s is not there; check the path", path);
    }
    return sl_error_sys(err, errno, "plugin %.200s cannot be reached", path);
}

/* Opens the file and checks what it is and who may write it. */
static enum sl_err
file_open(const char *real, int *ret_fd, struct stat *st, struct sl_error *err)
{
    int fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, st) != 0) {
        int why = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return sl_error_sys(err, why, "plugin %.200s cannot be read", real);
    }
    enum sl_err rc = SL_OK;
    if (!S_ISREG(st->st_mode)) {
        rc = sl_error_set(err, SL_EINVAL, "plugin %.200s is no file; name the .so file", real);
    } else if (is_open_to_all(st)) {
        rc = sl_error_set(err, SL_EDENIED,
                          "plugin %.200s: everybody may write this file; chmod o-w it", real);
    } else if (st->st_size > FILE_MAX) {
        rc =
            sl_error_set(err, SL_EINVAL, "plugin %.200s: larger than %d MiB", real, FILE_MAX >> 20);
    } else {
        rc = directories_check(real, err);
    }
    if (rc != SL_OK) {
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    return SL_OK;
}

static bool
write_all(int fd, const uint8_t *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, data, n);
        if (done < 0) {
            return false;
        }
        data += done;
        n -= (size_t)done;
    }
    return true;
}

/* Copies from `from` to `to`; gives the hash and the first bytes. False: errno says why. */
static bool
copy_all(int from, int to, char sha256[SHA256_HEX_BYTES], uint8_t head[PLUGIN_ELF_HEAD_BYTES],
         size_t *ret_head)
{
    struct sha256 hash;
    uint8_t *chunk = (uint8_t *)sl_alloc(COPY_BYTES);
    ssize_t n;
    sha256_init(&hash);
    *ret_head = 0;
    while ((n = read(from, chunk, COPY_BYTES)) > 0 && write_all(to, chunk, (size_t)n)) {
        size_t take = PLUGIN_ELF_HEAD_BYTES - *ret_head;
        take = take < (size_t)n ? take : (size_t)n;
        memcpy(head + *ret_head, chunk, take);
        *ret_head += take;
        sha256_add(&hash, span_of(chunk, (size_t)n));
    }
    sha256_end(&hash, sha256);
    sl_free(chunk);
    return n == 0;
}

static enum sl_err
sha256_check(const char *path, const char *want, const char *got, struct sl_error *err)
{
    if (want == NULL || want[0] == '\0' || strcasecmp(want, got) == 0) {
        return SL_OK;
    }
    return sl_error_set(err, SL_EDENIED,
                        "plugin %.100s: its sha256 is %s, not the one that is configured; it was "
                        "replaced, or the key is out of date",
                        path, got);
}

static enum sl_err
private_copy(const char *path, int from, struct module *m, int *ret_fd, struct sl_error *err)
{
    uint8_t head[PLUGIN_ELF_HEAD_BYTES];
    size_t head_len = 0;
    struct stat copy = {0};
    int fd = memfd_create("sluice-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || !copy_all(from, fd, m->sha256, head, &head_len) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
        fstat(fd, &copy) != 0) {
        int why = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return sl_error_sys(err, why, "plugin %.200s cannot be copied to memory", path);
    }
    enum sl_err rc = plugin_elf_check(path, span_of(head, head_len), (uint64_t)copy.st_size, err);
    if (rc != SL_OK) {
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    return SL_OK;
}

static const char *
link_remedy(const char *said)
{
    static const struct {
        const char *said, *remedy;
    } rows[] = {
        {"undefined symbol", "a plugin may call only what stands in the host's table and in the "
                             "libraries it is linked with"},
        {"cannot open shared object file", "install the library that it needs"},
        {"position-independent executable", "that is a program; name the .so file of a plugin"},
        {"version `", "it was built on a newer system; build it on this one"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strstr(said, rows[i].said) != NULL) {
            return rows[i].remedy;
        }
    }
    return "copy or build it anew";
}

/* What the dynamic linker said, with what to do about it. */
static enum sl_err
link_failed(const char *path, const char *name, struct sl_error *err)
{
    const char *said = dlerror(); /* NOLINT(concurrency-mt-unsafe): per thread in glibc */
    said = said == NULL ? "no reason given" : said;
    size_t n = strlen(name);
    if (strncmp(said, name, n) == 0 && said[n] == ':') {
        said += n + 1 + strspn(said + n + 1, " ");
    }
    return sl_error_set(err, SL_EINVAL, "plugin %.100s cannot be loaded: %.100s; %s", path, said,
                        link_remedy(said));
}

static enum sl_err
link_in(int fd, struct module *m, struct sl_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)getpid(), fd);
    void *so = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (so == NULL) {
        return link_failed(m->path, name, err);
    }
    m->is_linked = true;
    void *symbol = dlsym(so, OPEN_SYMBOL);
    if (symbol == NULL) {
        return sl_error_set(err, SL_EINVAL,
                            "plugin %.180s exports no " OPEN_SYMBOL
                            "; is it a Sluice plugin, built with sluice_add_plugin()?",
                            m->path);
    }
    memcpy(&m->open, &symbol, sizeof(symbol)); /* ISO C has no cast for this */
    return SL_OK;
}

static const struct module *
module_find(const char *real, const struct stat *st)
{
    for (size_t i = 0; i < module_count; i++) {
        const struct stat *file = &modules[i].file;
        if (strcmp(modules[i].path, real) == 0 && file->st_dev == st->st_dev &&
            file->st_ino == st->st_ino && file->st_size == st->st_size &&
            file->st_mtim.tv_sec == st->st_mtim.tv_sec &&
            file->st_mtim.tv_nsec == st->st_mtim.tv_nsec) {
            return &modules[i];
        }
    }
    return NULL;
}

static enum sl_err
module_load(int from, const char *sha256, struct module *m, struct sl_error *err)
{
    int fd = -1;
    enum sl_err rc = private_copy(m->path, from, m, &fd, err);
    if (rc != SL_OK) {
        return rc;
    }
    rc = sha256_check(m->path, sha256, m->sha256, err);
    if (rc == SL_OK && module_count == MODULES_MAX) {
        rc = sl_error_set(err, SL_ENOMEM, "plugin %.200s: more than %d plugins", m->path,
                          MODULES_MAX);
    }
    if (rc == SL_OK) {
        rc = link_in(fd, m, err);
    }
    if (!m->is_linked) {
        (void)close(fd);
    }
    return rc;
}

enum sl_err
plugin_load(const char *path, const char *sha256, plugin_open_fn *ret, struct sl_error *err)
{
    char real[PATH_MAX] = "";
    int fd = -1;
    struct module m = {0};
    enum sl_err rc = path_resolve(path, real, err);
    if (rc == SL_OK) {
        rc = file_open(real, &fd, &m.file, err);
    }
    if (rc != SL_OK) {
        return rc;
    }
    const struct module *known = module_find(real, &m.file);
    if (known != NULL) {
        rc = sha256_check(real, sha256, known->sha256, err);
    } else {
        m.path = sl_strdup(real);
        rc = module_load(fd, sha256, &m, err);
    }
    (void)close(fd);
    if (rc != SL_OK) {
        sl_free(m.path);
        return rc;
    }
    if (known == NULL) {
        modules[module_count] = m;
        known = &modules[module_count++];
    }
    *ret = known->open;
    return SL_OK;
}
