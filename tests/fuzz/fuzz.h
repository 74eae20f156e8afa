/* What the fuzz targets share. A target is one file, FUZZ(name) { ... }: libFuzzer's entry point in a
 * build of its own (make fuzz), one of many in the program that runs the committed seeds (make test).
 * It has `data` and `size`, and returns 0.
 *
 * A finding is a crash, a sanitizer's report, time or memory without a bound, and what fuzz_check
 * refuses: a parser that fails without saying why, or takes back what it has just given out. */
#ifndef FUZZ_H
#define FUZZ_H

#include "auto.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FUZZ_SEEDS
typedef int (*fuzz_target)(const uint8_t *data, size_t size);
void fuzz_register(const char *name, fuzz_target target);
#define FUZZ(name)                                                                                 \
    static int fuzz_##name(const uint8_t *data, size_t size);                                      \
    __attribute__((constructor)) static void register_##name(void)                                 \
    {                                                                                              \
        fuzz_register(#name, fuzz_##name);                                                         \
    }                                                                                              \
    static int fuzz_##name(const uint8_t *data, size_t size)
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#define FUZZ(name) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#endif

/* Ends the process when it does not hold. */
void fuzz_check(bool holds, const char *what);

/* What every parser owes: 0, or -1 with a code and a message. Returns whether it was 0. */
bool fuzz_outcome(int rc, const struct moon_err *err);

/* The bytes with a zero byte behind them; owned. */
char *fuzz_text(const uint8_t *data, size_t size);

/* The path of a file that holds these bytes, until the next call. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* The first byte, taken off; 0 when there is none. */
uint8_t fuzz_byte(const uint8_t **data, size_t *size);

#endif
