// SPDX-License-Identifier: MIT
//
// Names of addresses: see symbols.h. A module is a mapping with code in it; its file is mapped when
// one of its names is first asked for, and read with every offset checked, for it may be anything.

#include "insight/symbols.h"

#include <fcntl.h>
#include <link.h>
#include <rouse/allocator.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"

enum { MODULES_MAX = 256, NAMES_SIZE = 32 << 10, KNOWN = 512, MAPS_BUFFER = 1024, PAGE = 4096 };

struct module {
    uintptr_t begin;
    uintptr_t end;
    uintptr_t offset;  // of the mapping, in the file
    const char *path;
    bool opened;
    const char *file;  // the whole of it, once opened; NULL: it cannot be
    size_t size;
};

// An address that was looked up.
struct known {
    uintptr_t pc;
    const char *name;
    uintptr_t offset;
};

struct rs_symbols {
    size_t module_count;
    size_t names_used;
    struct module modules[MODULES_MAX];
    struct known known[KNOWN];
    char names[NAMES_SIZE];
};

static size_t symbols_size(void)
{
    return (sizeof(struct rs_symbols) + PAGE - 1) / PAGE * PAGE;
}

// ---- The mappings ----

// A line of the maps: "begin-end perms offset device inode   path".
static void module_add(struct rs_symbols *s, const char *line)
{
    char *at;
    uintptr_t begin = (uintptr_t)strtoull(line, &at, 16);
    uintptr_t end = *at == '-' ? (uintptr_t)strtoull(at + 1, &at, 16) : 0;

    if (end == 0 || strlen(at) < 6 || at[3] != 'x') return;
    uintptr_t offset = (uintptr_t)strtoull(at + 6, &at, 16);
    const char *path = strpbrk(at, "/[");
    size_t length = path != NULL ? strlen(path) + 1 : 0;

    if (s->module_count == MODULES_MAX) return;
    if (length == 0 || NAMES_SIZE - s->names_used < length) return;
    char *name = s->names + s->names_used;

    memcpy(name, path, length);
    s->names_used += length;
    s->modules[s->module_count++] =
        (struct module){.begin = begin, .end = end, .offset = offset, .path = name};
}

// Takes the whole lines out of what was read, and moves the rest to the front.
static size_t take_lines(struct rs_symbols *s, char *buf, size_t used)
{
    char *line = buf;
    char *end;

    while ((end = memchr(line, '\n', used - (size_t)(line - buf))) != NULL) {
        *end = '\0';
        module_add(s, line);
        line = end + 1;
    }
    size_t left = used - (size_t)(line - buf);

    memmove(buf, line, left);
    return left;
}

static void modules_read(struct rs_symbols *s)
{
    char buf[MAPS_BUFFER];
    size_t used = 0;
    ssize_t n;
    int fd = rs_sys.openat(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0) return;
    while ((n = rs_sys.read(fd, buf + used, sizeof buf - used)) > 0) {
        used = take_lines(s, buf, used + (size_t)n);
        if (used == sizeof buf) used = 0;  // a line without an end: no module
    }
    (void)rs_sys.close(fd);
}

struct rs_symbols *rs_symbols_new(void)
{
    struct rs_symbols *s = rs_pages_reserve(rouse_allocator_default(), symbols_size(), PAGE);

    if (s == NULL) return NULL;
    modules_read(s);
    return s;
}

void rs_symbols_free(struct rs_symbols *s)
{
    if (s == NULL) return;
    for (size_t i = 0; i < s->module_count; i++) {
        if (s->modules[i].file == NULL) continue;
        (void)rs_sys.munmap((void *)(uintptr_t)s->modules[i].file, s->modules[i].size);
    }
    rs_pages_unreserve(rouse_allocator_default(), s, symbols_size());
}

static struct module *module_of(struct rs_symbols *s, uintptr_t pc)
{
    for (size_t i = 0; s != NULL && i < s->module_count; i++) {
        if (pc >= s->modules[i].begin && pc < s->modules[i].end) return &s->modules[i];
    }
    return NULL;
}

bool rs_symbols_is_code(const struct rs_symbols *symbols, uintptr_t pc)
{
    return module_of((struct rs_symbols *)(uintptr_t)symbols, pc) != NULL;
}

// ---- A file ----

static void module_open(struct module *m)
{
    struct stat status;
    void *file;

    m->opened = true;
    if (m->path[0] != '/') return;
    int fd = rs_sys.openat(AT_FDCWD, m->path, O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0) return;
    if (rs_sys.fstat(fd, &status) == 0 && status.st_size > 0 &&
        rs_sys.mmap_file(&file, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0) == 0) {
        m->file = file;
        m->size = (size_t)status.st_size;
    }
    (void)rs_sys.close(fd);
}

// `size` bytes of the file; NULL if it is too short, or they are not aligned as a record is.
static const void *file_at(const struct module *m, size_t offset, size_t size)
{
    if (offset > m->size || m->size - offset < size || offset % 4 != 0) return NULL;
    return m->file + offset;
}

static const ElfW(Ehdr) * header_of(const struct module *m)
{
    const ElfW(Ehdr) *header = m->file != NULL ? file_at(m, 0, sizeof *header) : NULL;
    int class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

    if (header == NULL || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return NULL;
    return header->e_ident[EI_CLASS] == class ? header : NULL;
}

// The address, in the terms of the file, of what the file holds at `offset`; 0 if it holds nothing
// there that is loaded.
static uintptr_t address_of(const struct module *m, const ElfW(Ehdr) * header, uintptr_t offset)
{
    const ElfW(Phdr) *segments = file_at(m, header->e_phoff, header->e_phnum * sizeof(ElfW(Phdr)));

    for (size_t i = 0; segments != NULL && i < header->e_phnum; i++) {
        const ElfW(Phdr) *p = &segments[i];

        if (p->p_type != PT_LOAD || offset < p->p_offset || offset - p->p_offset >= p->p_filesz) {
            continue;
        }
        return p->p_vaddr + (offset - p->p_offset);
    }
    return 0;
}

// The table of all names; of a file that was stripped, that of those it exports.
static const ElfW(Shdr) * table_of(const ElfW(Shdr) * sections, size_t count)
{
    const ElfW(Shdr) *exported = NULL;

    for (size_t i = 0; i < count; i++) {
        if (sections[i].sh_type == SHT_SYMTAB) return &sections[i];
        if (sections[i].sh_type == SHT_DYNSYM) exported = &sections[i];
    }
    return exported;
}

static bool is_function_at(const ElfW(Sym) * symbol, uintptr_t address)
{
    unsigned type = symbol->st_info & 0xf;

    if (type != STT_FUNC && type != STT_GNU_IFUNC) return false;
    return symbol->st_shndx != SHN_UNDEF && address - symbol->st_value < symbol->st_size;
}

static const char *name_in(const struct module *m, const ElfW(Shdr) * strings, size_t offset)
{
    if (offset >= strings->sh_size || strings->sh_offset > m->size ||
        strings->sh_size > m->size - strings->sh_offset) {
        return NULL;
    }
    const char *name = m->file + strings->sh_offset + offset;

    return memchr(name, '\0', strings->sh_size - offset) != NULL ? name : NULL;
}

static const char *find(const struct module *m, uintptr_t file_offset, uintptr_t *offset)
{
    const ElfW(Ehdr) *header = header_of(m);

    if (header == NULL) return NULL;
    const ElfW(Shdr) *sections = file_at(m, header->e_shoff, header->e_shnum * sizeof(ElfW(Shdr)));
    uintptr_t address = address_of(m, header, file_offset);
    const ElfW(Shdr) *table = sections != NULL ? table_of(sections, header->e_shnum) : NULL;

    if (address == 0 || table == NULL || table->sh_link >= header->e_shnum) return NULL;
    const ElfW(Sym) *symbols = file_at(m, table->sh_offset, table->sh_size);

    for (size_t i = 0; symbols != NULL && i < table->sh_size / sizeof *symbols; i++) {
        if (!is_function_at(&symbols[i], address)) continue;
        *offset = address - symbols[i].st_value;
        return name_in(m, &sections[table->sh_link], symbols[i].st_name);
    }
    return NULL;
}

// ---- Asked ----

static const struct known *look_up(struct rs_symbols *s, struct module *m, uintptr_t pc)
{
    struct known *known = &s->known[(pc >> 2 ^ pc >> 12) % KNOWN];

    if (known->pc == pc) return known;
    if (!m->opened) module_open(m);
    *known = (struct known){.pc = pc};
    known->name = find(m, pc - m->begin + m->offset, &known->offset);
    if (known->name == NULL) known->offset = pc - m->begin + m->offset;
    return known;
}

int rs_symbols_describe(struct rs_symbols *s, uintptr_t pc, char *buf, size_t size)
{
    struct module *m = module_of(s, pc);

    if (m == NULL) return snprintf(buf, size, "0x%llx", (unsigned long long)pc);
    const struct known *known = look_up(s, m, pc);
    const char *slash = strrchr(m->path, '/');
    const char *file = slash != NULL ? slash + 1 : m->path;

    if (known->name == NULL) {
        return snprintf(buf, size, "%s+0x%llx", file, (unsigned long long)known->offset);
    }
    return snprintf(buf, size, "%s+0x%llx (%s)", known->name, (unsigned long long)known->offset,
                    file);
}
