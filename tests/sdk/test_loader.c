/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared objects that must not be loaded, each with the sentence that says why and what to do. */
#include "../unit/unit.h"
#include "base/buf.h"
#include "plugin/elf.h"
#include "plugin/instance.h"
#include "plugin/loader.h"
#include "plugin/sha256.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static int
dir_make(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/sluice-loader-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
dir_remove(void **state)
{
    char command[128];
    (void)state;
    (void)chmod(dir, 0700);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command); /* NOLINT(cert-env33-c): a path of ours */
}

/* Gives the bytes of a file; the caller frees. */
static uint8_t *
file_read(const char *path, size_t *ret_len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *bytes = (uint8_t *)malloc((size_t)st.st_size + 1);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
    assert_int_equal(close(fd), 0);
    *ret_len = (size_t)st.st_size;
    return bytes;
}

/* Writes dir/name and gives its path, in a static buffer. */
static const char *
file_write(const char *name, const void *bytes, size_t len)
{
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(close(fd), 0);
    return path;
}

/* A copy of the good plugin with one byte changed. */
static const char *
copy_with(const char *name, size_t at, uint8_t byte)
{
    size_t len;
    uint8_t *bytes = file_read(PLUGIN_GOOD, &len);
    bytes[at] = byte;
    const char *path = file_write(name, bytes, len);
    free(bytes);
    return path;
}

static const char *
copy_of(const char *name)
{
    return copy_with(name, 0, 0x7f);
}

static void
assert_refused(const char *path, const char *sha256, enum sl_err code, const char *says)
{
    struct sl_error err = SL_ERROR_INIT;
    plugin_open_fn open_fn = NULL;
    assert_int_equal(plugin_load(path, sha256, &open_fn, &err), code);
    assert_null(open_fn);
    if (strstr(err.msg, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    }
}

static void
load__good_one_twice__same_function(void **state)
{
    (void)state;
    struct sl_error err = SL_ERROR_INIT;
    plugin_open_fn a = NULL;
    plugin_open_fn b = NULL;
    assert_int_equal(plugin_load(PLUGIN_GOOD, NULL, &a, &err), SL_OK);
    assert_int_equal(plugin_load(PLUGIN_GOOD, "", &b, &err), SL_OK);
    assert_true(a != NULL && a == b);
}

static void
load__replaced_file__is_loaded_anew(void **state)
{
    (void)state;
    struct sl_error err = SL_ERROR_INIT;
    plugin_open_fn a = NULL;
    plugin_open_fn b = NULL;
    const char *path = copy_of("x.so");
    assert_int_equal(plugin_load(path, NULL, &a, &err), SL_OK);
    assert_int_equal(unlink(path), 0);
    path = copy_of("x.so");
    assert_int_equal(plugin_load(path, NULL, &b, &err), SL_OK);
    assert_true(a != b);
}

static void
load__no_file_there__says_so(void **state)
{
    (void)state;
    assert_refused("relative.so", NULL, SL_EINVAL, "must be absolute");
    assert_refused("", NULL, SL_EINVAL, "must be absolute");
    assert_refused("/nowhere/x.so", NULL, SL_ENOENT, "/nowhere/x.so is not there; check the path");
    assert_refused(dir, NULL, SL_EINVAL, "is no file");
}

static void
load__no_shared_object__says_what_it_is(void **state)
{
    (void)state;
    assert_refused(file_write("text", "#!/bin/sh\n", 10), NULL, SL_EINVAL,
                   "is not a shared object; name the .so");
    assert_refused(file_write("empty", "", 0), NULL, SL_EINVAL, "is not a shared object");
    assert_refused(file_write("short", "\177ELF", 4), NULL, SL_EINVAL, "is not a shared object");
    assert_refused(copy_with("exec", offsetof(Elf64_Ehdr, e_type), ET_EXEC), NULL, SL_EINVAL,
                   "is an executable, not a shared object; link it with -shared");
    assert_refused(copy_with("object", offsetof(Elf64_Ehdr, e_type), ET_REL), NULL, SL_EINVAL,
                   "is an object file");
}

static void
load__other_architecture__names_both(void **state)
{
    (void)state;
    assert_refused(copy_with("sparc", offsetof(Elf64_Ehdr, e_machine), EM_MIPS), NULL, SL_EINVAL,
                   "is made for mips, this server runs on ");
    assert_refused(copy_with("odd", offsetof(Elf64_Ehdr, e_machine), 249), NULL, SL_EINVAL,
                   "is made for machine number 249");
    assert_refused(copy_with("narrow", EI_CLASS, ELFCLASS32), NULL, SL_EINVAL, "(32 bits)");
}

static void
load__cut_off_file__is_refused(void **state)
{
    (void)state;
    size_t len;
    uint8_t *bytes = file_read(PLUGIN_GOOD, &len);
    const size_t cuts[] = {64, 200, 3000, len / 2, len - 1};
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        assert_refused(file_write("cut", bytes, cuts[i]), NULL, SL_EINVAL, "is cut off");
    }
    free(bytes);
}

static void
load__everybody_may_write__is_refused(void **state)
{
    (void)state;
    const char *path = copy_of("open.so");
    assert_int_equal(chmod(path, 0646), 0);
    assert_refused(path, NULL, SL_EDENIED, "everybody may write this file; chmod o-w it");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chmod(dir, 0777), 0);
    assert_refused(path, NULL, SL_EDENIED, "everybody may write to its directory");
    assert_int_equal(chmod(dir, 01777), 0); /* as /tmp: only the owner replaces files */
    struct sl_error err = SL_ERROR_INIT;
    plugin_open_fn fn = NULL;
    assert_int_equal(plugin_load(path, NULL, &fn, &err), SL_OK);
}

static void
load__symlink__the_real_directory_counts(void **state)
{
    (void)state;
    char link_path[128];
    (void)copy_of("real.so");
    (void)snprintf(link_path, sizeof(link_path), "%s/link.so", dir);
    assert_int_equal(symlink("real.so", link_path), 0);
    struct sl_error err = SL_ERROR_INIT;
    plugin_open_fn fn = NULL;
    assert_int_equal(plugin_load(link_path, NULL, &fn, &err), SL_OK);
    assert_int_equal(chmod(dir, 0777), 0);
    assert_refused(link_path, NULL, SL_EDENIED, "everybody may write to its directory");
}

static void
load__sha256__must_be_the_files(void **state)
{
    (void)state;
    struct sl_error err = SL_ERROR_INIT;
    plugin_open_fn fn = NULL;
    struct sha256 hash;
    char hex[SHA256_HEX_BYTES];
    size_t len;
    uint8_t *bytes = file_read(PLUGIN_GOOD, &len);
    sha256_init(&hash);
    sha256_add(&hash, span_of(bytes, len));
    sha256_end(&hash, hex);
    const char *path = file_write("hashed.so", bytes, len);
    free(bytes);
    assert_refused(path, "00", SL_EDENIED, hex);
    assert_refused(path, "00", SL_EDENIED, "not the one that is configured");
    assert_int_equal(plugin_load(path, hex, &fn, &err), SL_OK);
    assert_refused(path, "00", SL_EDENIED, hex); /* also when it is loaded already */
}

/* FIPS 180-4's examples, and lengths around the padding, against openssl's answers. */
static void
sha256__published_vectors__agree(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sha256 hash;
        char hex[SHA256_HEX_BYTES];
        sha256_init(&hash);
        for (const char *p = rows[i].text; *p != '\0'; p++) {
            sha256_add(&hash, span_of(p, 1));
        }
        sha256_end(&hash, hex);
        assert_string_equal(hex, rows[i].hex);
    }
    uint8_t million[1000];
    struct sha256 hash;
    char hex[SHA256_HEX_BYTES];
    memset(million, 'a', sizeof(million));
    sha256_init(&hash);
    for (int i = 0; i < 1000; i++) {
        sha256_add(&hash, span_of(million, sizeof(million)));
    }
    sha256_end(&hash, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void
load__no_symbol__asks_whether_it_is_a_plugin(void **state)
{
    (void)state;
    assert_refused(PLUGIN_NO_SYMBOL, NULL, SL_EINVAL, "exports no sluice_plugin_open");
}

static void
load__undefined_symbol__is_named(void **state)
{
    (void)state;
    assert_refused(PLUGIN_UNDEFINED, NULL, SL_EINVAL, "undefined symbol: sluice_secret_function");
}

/* ---- past loading: the handshake and the keys ---- */

static void
assert_not_opened(const char *path, const struct plugin_conf_pair *pairs, size_t count,
                  const char *says)
{
    const struct plugin_source src = {.path = path};
    const struct plugin_conf conf = {.pairs = pairs, .count = count, .section = "plugin odd"};
    struct plugin_instance *p = NULL;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_not_equal(plugin_instance_open(&src, "odd", &conf, &p, &err), SL_OK);
    assert_null(p);
    if (strstr(err.msg, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    }
}

static void
open__other_abi__says_both_versions_and_what_to_do(void **state)
{
    (void)state;
    char needs[64];
    (void)snprintf(needs, sizeof(needs), "needs ABI %d.%d, this server has %d.%d; build it",
                   SLUICE_ABI_MAJOR + 1, SLUICE_ABI_MINOR, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR);
    assert_not_opened(PLUGIN_MAJOR, NULL, 0, needs);
    (void)snprintf(needs, sizeof(needs), "needs ABI %d.%d, this server has %d.%d; build it",
                   SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR + 1, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR);
    assert_not_opened(PLUGIN_MINOR, NULL, 0, needs);
}

static void
open__it_refuses__its_own_sentence_is_told(void **state)
{
    (void)state;
    assert_not_opened(PLUGIN_REFUSES, NULL, 0, "the licence has run out; buy another");
}

static void
open__bad_key__is_named_with_the_nearest(void **state)
{
    (void)state;
    const struct plugin_conf_pair bad[] = {{"token", "x"}, {"retris", "1"}};
    assert_not_opened(PLUGIN_TWO_SYMBOLS, bad, 2,
                      "[plugin odd] unknown key retris; did you mean retries?");
}

static void
open__missing_secret__says_what_it_is_for(void **state)
{
    (void)state;
    assert_not_opened(PLUGIN_TWO_SYMBOLS, NULL, 0,
                      "[plugin odd] token is required: what the service knows you by");
}

static void
open__two_instances_of_one_file__are_two(void **state)
{
    (void)state;
    const struct plugin_source src = {.path = PLUGIN_GOOD};
    const struct plugin_conf_pair pairs[] = {{"how", "nothing"}};
    const struct plugin_conf conf = {.pairs = pairs, .count = 1, .section = "plugin x"};
    struct plugin_instance *a = NULL;
    struct plugin_instance *b = NULL;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(plugin_instance_open(&src, "a", &conf, &a, &err), SL_OK);
    assert_int_equal(plugin_instance_open(&src, "b", &conf, &b, &err), SL_OK);
    assert_ptr_not_equal(plugin_instance_self(a), plugin_instance_self(b));
    plugin_instance_close(&a);
    plugin_instance_close(&b);
}

/* ---- ELF ---- */

static void
exports__of_two_objects__are_counted_and_named(void **state)
{
    (void)state;
    struct plugin_elf_exports e;
    size_t len;
    uint8_t *bytes = file_read(PLUGIN_GOOD, &len);
    assert_int_equal(plugin_elf_exports(span_of(bytes, len), &e), SL_OK);
    assert_int_equal(e.count, 1);
    assert_string_equal(e.names, "sluice_plugin_open");
    free(bytes);
    bytes = file_read(PLUGIN_TWO_SYMBOLS, &len);
    assert_int_equal(plugin_elf_exports(span_of(bytes, len), &e), SL_OK);
    assert_int_equal(e.count, 2);
    assert_non_null(strstr(e.names, "zstd_version_of_mine"));
    free(bytes);
}

/* Whatever is cut or overwritten, the reader stays inside. ASan looks. */
static void
exports__damaged_files__never_read_outside(void **state)
{
    (void)state;
    struct plugin_elf_exports e;
    size_t len;
    uint8_t *bytes = file_read(PLUGIN_GOOD, &len);
    for (size_t cut = 0; cut < len; cut += 61) {
        uint8_t *part = (uint8_t *)malloc(cut + 1);
        memcpy(part, bytes, cut);
        assert_true(plugin_elf_exports(span_of(part, cut), &e) == SL_EMALFORMED || e.count <= 1);
        free(part);
    }
    uint64_t random = 1;
    for (int i = 0; i < 2000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        size_t headers = len - (random >> 20) % 3000; /* section headers stand at the end */
        size_t at = i % 2 == 0 ? (random >> 33) % 64 : headers >= len ? len - 1 : headers;
        uint8_t before = bytes[at];
        bytes[at] = (uint8_t)(random >> 40);
        (void)!plugin_elf_exports(span_of(bytes, len), &e);
        bytes[at] = before;
    }
    free(bytes);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, dir_make, dir_remove)
    const struct CMUnitTest tests[] = {
        T(load__good_one_twice__same_function),
        T(load__replaced_file__is_loaded_anew),
        T(load__no_file_there__says_so),
        T(load__no_shared_object__says_what_it_is),
        T(load__other_architecture__names_both),
        T(load__cut_off_file__is_refused),
        T(load__everybody_may_write__is_refused),
        T(load__symlink__the_real_directory_counts),
        T(load__sha256__must_be_the_files),
        T(sha256__published_vectors__agree),
        T(load__no_symbol__asks_whether_it_is_a_plugin),
        T(load__undefined_symbol__is_named),
        T(open__other_abi__says_both_versions_and_what_to_do),
        T(open__it_refuses__its_own_sentence_is_told),
        T(open__bad_key__is_named_with_the_nearest),
        T(open__missing_secret__says_what_it_is_for),
        T(open__two_instances_of_one_file__are_two),
        T(exports__of_two_objects__are_counted_and_named),
        T(exports__damaged_files__never_read_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
