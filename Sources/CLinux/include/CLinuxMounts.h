// The mount interfaces, old and new: raw system calls, because the C library may be older than the kernel.
#ifndef SLIPWAY_CLINUX_MOUNTS_H
#define SLIPWAY_CLINUX_MOUNTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// fsopen(2), always with FSOPEN_CLOEXEC.
int slipway_fsopen(const char *filesystem);
/// fsconfig(2) with FSCONFIG_SET_STRING and FSCONFIG_CMD_CREATE.
int slipway_fsconfig_string(int context, const char *key, const char *value);
int slipway_fsconfig_create(int context);
/// fsmount(2), always with FSMOUNT_CLOEXEC.
int slipway_fsmount(int context, uint32_t attributes);
/// move_mount(2) of a mount held by descriptor to a path, or to a directory held by descriptor when `path` is empty.
int slipway_move_mount(int mount, int directory, const char *path);
/// open_tree(2) with OPEN_TREE_CLONE; `recursive` adds AT_RECURSIVE. An empty path clones at `directory` itself.
int slipway_open_tree_clone(int directory, const char *path, int recursive);
/// mount_setattr(2) on a mount held by descriptor.
int slipway_mount_setattr(int mount, uint64_t set, uint64_t clear, uint64_t propagation, int recursive);
/// umount2(2) with UMOUNT_NOFOLLOW; `lazy` adds MNT_DETACH.
int slipway_umount(const char *path, int lazy);
/// mount(2) of a file system that needs no device.
int slipway_mount(const char *filesystem, const char *target, int read_only, const char *options);
/// mount(2) that changes only the propagation of `/` and everything below it to MS_SLAVE.
int slipway_make_root_slave(void);

/// readlinkat(2) of an entry of a directory.
ssize_t slipway_readlink_entry(int directory, const char *name, void *buffer, size_t size);

extern const uint32_t slipway_MOUNT_ATTR_RDONLY;
extern const uint32_t slipway_MOUNT_ATTR_NOSUID;
extern const uint32_t slipway_MOUNT_ATTR_NODEV;
extern const uint32_t slipway_MOUNT_ATTR_NOEXEC;
extern const uint32_t slipway_MOUNT_ATTR_NOATIME;

#endif
