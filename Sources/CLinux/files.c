#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <string.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

const int slipway_O_PATH = O_PATH;
const int slipway_O_TMPFILE = O_TMPFILE;
const int slipway_AT_EMPTY_PATH = AT_EMPTY_PATH;

const uint64_t slipway_RESOLVE_IN_ROOT = RESOLVE_IN_ROOT;
const uint64_t slipway_RESOLVE_NO_MAGICLINKS = RESOLVE_NO_MAGICLINKS;
const uint64_t slipway_RESOLVE_NO_SYMLINKS = RESOLVE_NO_SYMLINKS;
const uint64_t slipway_RESOLVE_BENEATH = RESOLVE_BENEATH;
const int slipway_CLONE_NEWNS = CLONE_NEWNS;
const int slipway_CLONE_FS = CLONE_FS;
const int slipway_CLONE_NEWNET = CLONE_NEWNET;

int slipway_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int slipway_memfd(const char *name) { return memfd_create(name, MFD_CLOEXEC); }
int slipway_unshare(int flags) { return unshare(flags); }
int slipway_ficlone(int destination, int source) { return ioctl(destination, FICLONE, source); }
int slipway_mark_top_directory(int fd) {
    int flags;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return -1;
    if (flags & FS_TOPDIR_FL) return 0;
    flags |= FS_TOPDIR_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}
uint64_t slipway_makedev(uint32_t major_, uint32_t minor_) { return makedev(major_, minor_); }
uint32_t slipway_major(uint64_t device) { return major(device); }
uint32_t slipway_minor(uint64_t device) { return minor(device); }
int slipway_syncfs(int fd) { return syncfs(fd); }

int slipway_start_writing(int fd) { return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); }

int slipway_await_writing(int fd) {
    return sync_file_range(fd, 0, 0,
                           SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

ssize_t slipway_readlinkat(int link, void *buffer, size_t size) { return readlinkat(link, "", buffer, size); }

ssize_t slipway_getxattr(const char *path, const char *name, void *value, size_t size) {
    return getxattr(path, name, value, size);
}

int slipway_removexattr(const char *path, const char *name) { return removexattr(path, name); }

int slipway_setxattr(const char *path, const char *name, const void *value, size_t size, int flags) {
    return setxattr(path, name, value, size, flags);
}

ssize_t slipway_flistxattr(int descriptor, char *list, size_t size) { return flistxattr(descriptor, list, size); }

ssize_t slipway_listxattr(const char *path, char *list, size_t size) { return listxattr(path, list, size); }

void slipway_strerror(int code, char *buffer, size_t size) {
    const char *text = strerror_r(code, buffer, size);
    if (text != buffer) snprintf(buffer, size, "%s", text);
}

int slipway_birth_time(int fd, int64_t *seconds, uint32_t *nanoseconds) {
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &status) != 0) return -1;
    *seconds = status.stx_btime.tv_sec;
    *nanoseconds = status.stx_btime.tv_nsec;
    if (status.stx_mask & STATX_BTIME) return 0;
    errno = ENODATA;
    return -1;
}
