// Copying the content of files; included by CLinux.h.
#ifndef SLIPWAY_CLINUX_COPYING_H
#define SLIPWAY_CLINUX_COPYING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// copy_file_range(2) between the same offsets of two files.
ssize_t slipway_copy_file_range(int source, int destination, int64_t offset, size_t count);

/// lseek(2) with SEEK_DATA and SEEK_HOLE. Return an offset or -1 with errno; ENXIO: nothing but a hole until the end.
int64_t slipway_seek_data(int file, int64_t offset);
int64_t slipway_seek_hole(int file, int64_t offset);

#endif
