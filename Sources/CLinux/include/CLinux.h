// Kernel interfaces that Glibc's Swift module does not import: variadic functions, macros and raw system calls.
// No logic and no ownership lives here; every function is one call whose man page the Swift wrapper names.
#ifndef SLIPWAY_CLINUX_H
#define SLIPWAY_CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "CLinuxCalls.h"
#include "CLinuxConfinement.h"
#include "CLinuxCopying.h"
#include "CLinuxMounts.h"
#include "CLinuxNamespaces.h"
#include "CLinuxNetwork.h"
#include "CLinuxProcesses.h"
#include "CLinuxTerminal.h"

/// openat2(2) with the fields of `struct open_how` spelled out. Returns a descriptor or -1 with errno.
int slipway_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

/// Flags that Glibc declares under `_GNU_SOURCE` only, so that Swift does not import them.
extern const int slipway_O_PATH;
extern const int slipway_O_TMPFILE;
extern const int slipway_AT_EMPTY_PATH;

extern const uint64_t slipway_RESOLVE_IN_ROOT;
extern const uint64_t slipway_RESOLVE_NO_MAGICLINKS;
extern const uint64_t slipway_RESOLVE_NO_SYMLINKS;
extern const uint64_t slipway_RESOLVE_BENEATH;

/// memfd_create(2), closed on exec.
int slipway_memfd(const char *name);

/// unshare(2).
int slipway_unshare(int flags);
extern const int slipway_CLONE_NEWNS;
extern const int slipway_CLONE_FS;
extern const int slipway_CLONE_NEWNET;

/// ioctl(fd, FICLONE, source): share the extents of `source`. See ioctl_ficlone(2).
int slipway_ficlone(int destination, int source);

/// Sets FS_TOPDIR_FL of a directory. See ioctl_iflags(2).
int slipway_mark_top_directory(int fd);

/// makedev(3), major(3) and minor(3).
uint64_t slipway_makedev(uint32_t major, uint32_t minor);
uint32_t slipway_major(uint64_t device);
uint32_t slipway_minor(uint64_t device);

/// statx(2): when the file was created. Returns 0, or -1 with errno; ENODATA where the file system does not know.
int slipway_birth_time(int fd, int64_t *seconds, uint32_t *nanoseconds);

/// syncfs(2).
int slipway_syncfs(int fd);

/// sync_file_range(2): begins to write the pages of a file, and waits until they are written. What else the file needs is not flushed.
int slipway_start_writing(int fd);
int slipway_await_writing(int fd);

/// readlinkat(2) of an `O_PATH` descriptor of a symbolic link.
ssize_t slipway_readlinkat(int link, void *buffer, size_t size);

/// getxattr(2), setxattr(2), removexattr(2) and listxattr(2).
ssize_t slipway_getxattr(const char *path, const char *name, void *value, size_t size);
int slipway_setxattr(const char *path, const char *name, const void *value, size_t size, int flags);
int slipway_removexattr(const char *path, const char *name);
ssize_t slipway_flistxattr(int descriptor, char *list, size_t size);
ssize_t slipway_listxattr(const char *path, char *list, size_t size);

/// The text of an errno value; thread safe. See strerror_r(3).
void slipway_strerror(int code, char *buffer, size_t size);

#endif
