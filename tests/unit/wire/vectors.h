/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads vectors/messages.txt (made by tests/tools/make_wire_vectors.py) line by line. The path
 * comes from __FILE__, so the tests run from anywhere. */
#ifndef SLUICE_TESTS_WIRE_VECTORS_H
#define SLUICE_TESTS_WIRE_VECTORS_H

#include "base/buf.h"
#include "wire/frame.h"

#include <stdio.h>
#include <stdlib.h>

struct vector {
    const struct api_info *api;
    const struct wire_message *msg;
    int16_t key, version;
    bool is_response;
    char variant[16];
    struct bytes body;
    size_t lengths[512]; /* where lengths begin in body */
    size_t nlengths;
};

struct vectors {
    FILE *file;
    char *line;
    size_t cap;
};

static inline FILE *
vectors_file(const char *name)
{
    char path[1024];
    const char *here = __FILE__;
    const char *slash = strrchr(here, '/');
    snprintf(path, sizeof(path), "%.*s/vectors/%s", (int)(slash - here), here, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        abort();
    }
    return file;
}

static inline void
vectors_open(struct vectors *v, const char *name)
{
    *v = (struct vectors){.file = vectors_file(name)};
}

static inline void
vectors_close(struct vectors *v)
{
    fclose(v->file);
    free(v->line);
}

static inline void
hex_parse(const char *hex, struct bytes *ret)
{
    bytes_clear(ret);
    for (; hex[0] != '\0' && hex[0] != '-' && hex[0] != '\n'; hex += 2) {
        char pair[3] = {hex[0], hex[1], '\0'};
        bytes_u8(ret, (uint8_t)strtoul(pair, NULL, 16));
    }
}

/* body must be initialised once by the caller; it is reused from line to line. */
static inline bool
vectors_next(struct vectors *v, struct vector *ret)
{
    if (getline(&v->line, &v->cap, v->file) < 0) {
        return false;
    }
    char *save = NULL;
    ret->key = (int16_t)strtol(strtok_r(v->line, " \n", &save), NULL, 10);
    ret->is_response = strcmp(strtok_r(NULL, " \n", &save), "response") == 0;
    ret->version = (int16_t)strtol(strtok_r(NULL, " \n", &save), NULL, 10);
    snprintf(ret->variant, sizeof(ret->variant), "%s", strtok_r(NULL, " \n", &save));
    hex_parse(strtok_r(NULL, " \n", &save), &ret->body);
    ret->nlengths = 0;
    char *offsets = strtok_r(NULL, " \n", &save);
    while (offsets != NULL && *offsets != '\0' && *offsets != '-' && ret->nlengths < 512) {
        ret->lengths[ret->nlengths++] = strtoul(offsets, &offsets, 10);
        offsets += *offsets == ',';
    }
    ret->api = api_info_find(ret->key);
    ret->msg = ret->api == NULL ? NULL : ret->is_response ? ret->api->response : ret->api->request;
    return true;
}

#endif
