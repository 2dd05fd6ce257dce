#define _GNU_SOURCE
#include "CLinuxCopying.h"

#include <unistd.h>

ssize_t slipway_copy_file_range(int source, int destination, int64_t offset, size_t count) {
    off64_t from = offset, to = offset;
    return copy_file_range(source, &from, destination, &to, count, 0);
}

int64_t slipway_seek_data(int file, int64_t offset) { return lseek(file, offset, SEEK_DATA); }
int64_t slipway_seek_hole(int file, int64_t offset) { return lseek(file, offset, SEEK_HOLE); }
