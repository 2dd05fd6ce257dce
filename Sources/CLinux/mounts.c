#define _GNU_SOURCE
#include "CLinuxMounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

// <sys/mount.h> and <linux/mount.h> cannot both be included with every C library; these two come from the former.
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
enum { readonly = 1, slave = 1 << 19, recursively = 1 << 14, detach = 2, nofollow = 8 };

const uint32_t slipway_MOUNT_ATTR_RDONLY = MOUNT_ATTR_RDONLY;
const uint32_t slipway_MOUNT_ATTR_NOSUID = MOUNT_ATTR_NOSUID;
const uint32_t slipway_MOUNT_ATTR_NODEV = MOUNT_ATTR_NODEV;
const uint32_t slipway_MOUNT_ATTR_NOEXEC = MOUNT_ATTR_NOEXEC;
const uint32_t slipway_MOUNT_ATTR_NOATIME = MOUNT_ATTR_NOATIME;

int slipway_fsopen(const char *filesystem) { return (int)syscall(SYS_fsopen, filesystem, FSOPEN_CLOEXEC); }

int slipway_fsconfig_string(int context, const char *key, const char *value) {
    return (int)syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0);
}

int slipway_fsconfig_create(int context) {
    return (int)syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

int slipway_fsmount(int context, uint32_t attributes) {
    return (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
}

int slipway_move_mount(int mount, int directory, const char *path) {
    return (int)syscall(SYS_move_mount, mount, "", directory, path,
                        MOVE_MOUNT_F_EMPTY_PATH | (path[0] == 0 ? MOVE_MOUNT_T_EMPTY_PATH : 0));
}

int slipway_open_tree_clone(int directory, const char *path, int recursive) {
    return (int)syscall(SYS_open_tree, directory, path,
                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) |
                            (path[0] == 0 ? AT_EMPTY_PATH : 0));
}

int slipway_mount_setattr(int mount, uint64_t set, uint64_t clear, uint64_t propagation, int recursive) {
    struct mount_attr attributes = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
    return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes,
                        sizeof attributes);
}

int slipway_umount(const char *path, int lazy) { return umount2(path, nofollow | (lazy ? detach : 0)); }
ssize_t slipway_readlink_entry(int directory, const char *name, void *buffer, size_t size) {
    return readlinkat(directory, name, buffer, size);
}

int slipway_mount(const char *filesystem, const char *target, int read_only, const char *options) {
    return mount(filesystem, target, filesystem, read_only ? readonly : 0, options);
}

int slipway_make_root_slave(void) { return mount(NULL, "/", NULL, slave | recursively, NULL); }
