/* SPDX-License-Identifier: Apache-2.0
 *
 * The file comes from outside: every offset is checked against its size before it is followed. */
#include "plugin/elf.h"

#include <elf.h>
#include <stdio.h>

#if defined(__x86_64__)
enum { HOST_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { HOST_MACHINE = EM_AARCH64 };
#elif defined(__riscv)
enum { HOST_MACHINE = EM_RISCV };
#elif defined(__powerpc64__)
enum { HOST_MACHINE = EM_PPC64 };
#elif defined(__s390x__)
enum { HOST_MACHINE = EM_S390 };
#else
#error "add this machine's ELF number"
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { HOST_DATA = ELFDATA2LSB };
#else
enum { HOST_DATA = ELFDATA2MSB };
#endif

static const char *
machine_name(unsigned machine, char out[32])
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {{EM_X86_64, "x86-64"},  {EM_AARCH64, "aarch64"}, {EM_386, "i386"},
                 {EM_ARM, "32-bit arm"}, {EM_RISCV, "riscv"},     {EM_PPC64, "ppc64"},
                 {EM_S390, "s390x"},     {EM_MIPS, "mips"},       {EM_LOONGARCH, "loongarch"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].machine == machine) {
            return names[i].name;
        }
    }
    (void)snprintf(out, 32, "machine number %u", machine);
    return out;
}

/* e_type and e_machine stand at the same place in every class, in the file's byte order. */
static unsigned
half_at(struct span head, size_t at)
{
    bool is_little = head.ptr[EI_DATA] == ELFDATA2LSB;
    unsigned a = head.ptr[at];
    unsigned b = head.ptr[at + 1];
    return is_little ? b << 8 | a : a << 8 | b;
}

/* The table of sections is what linkers write last. A file without its end would be mapped beyond
 * it, and whoever touches that gets SIGBUS. */
static enum sl_err
whole_check(const char *path, struct span head, uint64_t size_bytes, struct sl_error *err)
{
    Elf64_Ehdr h;
    memcpy(&h, head.ptr, sizeof(h));
    uint64_t table = (uint64_t)h.e_shnum * h.e_shentsize;
    if (h.e_shoff > size_bytes || table > size_bytes - h.e_shoff) {
        return sl_error_set(err, SL_EINVAL,
                            "%.200s is cut off: it has %llu bytes, and more belong to it; copy or "
                            "build it anew",
                            path, (unsigned long long)size_bytes);
    }
    return SL_OK;
}

_Static_assert((int)PLUGIN_ELF_HEAD_BYTES >= (int)sizeof(Elf64_Ehdr), "the header is in head");

enum sl_err
plugin_elf_check(const char *path, struct span head, uint64_t size_bytes, struct sl_error *err)
{
    char theirs[32];
    char ours[32];
    if (head.len < PLUGIN_ELF_HEAD_BYTES || memcmp(head.ptr, ELFMAG, SELFMAG) != 0) {
        return sl_error_set(err, SL_EINVAL,
                            "%.200s is not a shared object; name the .so file of a plugin", path);
    }
    unsigned machine = half_at(head, offsetof(Elf64_Ehdr, e_machine));
    if (machine != HOST_MACHINE || head.ptr[EI_CLASS] != ELFCLASS64 ||
        head.ptr[EI_DATA] != HOST_DATA) {
        return sl_error_set(err, SL_EINVAL,
                            "%.200s is made for %s%s, this server runs on %s; install the one for "
                            "%s",
                            path, machine_name(machine, theirs),
                            head.ptr[EI_CLASS] == ELFCLASS64 ? "" : " (32 bits)",
                            machine_name(HOST_MACHINE, ours), machine_name(HOST_MACHINE, ours));
    }
    unsigned type = half_at(head, offsetof(Elf64_Ehdr, e_type));
    if (type != ET_DYN) {
        return sl_error_set(err, SL_EINVAL,
                            "%.200s is %s, not a shared object; link it with -shared", path,
                            type == ET_EXEC  ? "an executable"
                            : type == ET_REL ? "an object file"
                                             : "an ELF file of another kind");
    }
    return whole_check(path, head, size_bytes, err);
}

/* Gives where count elements of size bytes lie at offset; NULL when the file does not hold them. */
static const uint8_t *
range(struct span file, uint64_t offset, uint64_t count, uint64_t size)
{
    if (offset > file.len || count > (file.len - offset) / size) {
        return NULL;
    }
    return file.ptr + offset;
}

static bool
section_at(struct span file, const Elf64_Ehdr *head, size_t index, Elf64_Shdr *ret)
{
    const uint8_t *at = range(file, head->e_shoff, head->e_shnum, sizeof(*ret));
    if (at == NULL || index >= head->e_shnum) {
        return false;
    }
    memcpy(ret, at + index * sizeof(*ret), sizeof(*ret));
    return true;
}

static void
export_add(struct plugin_elf_exports *ret, const char *name, size_t len)
{
    size_t at = strlen(ret->names);
    (void)snprintf(ret->names + at, sizeof(ret->names) - at, "%s%.*s", ret->count == 0 ? "" : ", ",
                   (int)len, name);
    ret->count++;
}

static bool
is_export(const Elf64_Sym *sym)
{
    unsigned bind = ELF64_ST_BIND(sym->st_info);
    unsigned seen = ELF64_ST_VISIBILITY(sym->st_other);
    bool is_bound = bind == STB_GLOBAL || bind == STB_WEAK || bind == STB_GNU_UNIQUE;
    bool is_seen = seen == STV_DEFAULT || seen == STV_PROTECTED;
    /* The absolute ones are the names of the version script's nodes. */
    return is_bound && is_seen && sym->st_shndx != SHN_UNDEF && sym->st_shndx != SHN_ABS;
}

static enum sl_err
symbols_read(struct span file, const Elf64_Shdr *syms, const Elf64_Shdr *names,
             struct plugin_elf_exports *ret)
{
    size_t count = syms->sh_size / sizeof(Elf64_Sym);
    const uint8_t *at = range(file, syms->sh_offset, count, sizeof(Elf64_Sym));
    const uint8_t *text = range(file, names->sh_offset, names->sh_size, 1);
    if (at == NULL || text == NULL) {
        return SL_EMALFORMED;
    }
    for (size_t i = 0; i < count; i++) {
        Elf64_Sym sym;
        memcpy(&sym, at + i * sizeof(sym), sizeof(sym));
        if (is_export(&sym) && sym.st_name < names->sh_size) {
            const char *name = (const char *)text + sym.st_name;
            export_add(ret, name, strnlen(name, names->sh_size - sym.st_name));
        }
    }
    return SL_OK;
}

enum sl_err
plugin_elf_exports(struct span file, struct plugin_elf_exports *ret)
{
    Elf64_Ehdr head;
    Elf64_Shdr syms;
    Elf64_Shdr names;
    *ret = (struct plugin_elf_exports){0};
    if (file.len < sizeof(head)) {
        return SL_EMALFORMED;
    }
    memcpy(&head, file.ptr, sizeof(head));
    for (size_t i = 0; i < head.e_shnum && section_at(file, &head, i, &syms); i++) {
        if (syms.sh_type == SHT_DYNSYM && section_at(file, &head, syms.sh_link, &names)) {
            return symbols_read(file, &syms, &names, ret);
        }
    }
    return SL_EMALFORMED;
}
