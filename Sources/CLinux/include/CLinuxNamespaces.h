// Entering a user namespace, which takes a process that stays outside of it.
#ifndef SLIPWAY_CLINUX_NAMESPACES_H
#define SLIPWAY_CLINUX_NAMESPACES_H

#include <stdint.h>
#include <sys/types.h>

extern const int slipway_CLONE_NEWUSER;
extern const int slipway_CLONE_NEWCGROUP;

/// How the ids of one kind are mapped: by a program (newuidmap, newgidmap), or by writing the map to a file.
struct slipway_id_mapping {
    /// NULL writes `map` to `file`.
    const char *program;
    char *const *arguments;
    const char *file;
    const char *map;
};

/// What to map and where to say what went wrong. Every pointer is borrowed for the duration of the call.
struct slipway_user_namespace {
    struct slipway_id_mapping users;
    struct slipway_id_mapping groups;
    /// Takes what the programs print.
    int messages;
};

/// unshare(2) with CLONE_NEWUSER, while a child of fork(2) that stays in the caller's namespace maps the ids.
///
/// The caller has one thread. Returns 0, or -1 with errno where there is no new namespace. In `failures`, bit 0 says that the
/// users were not mapped, bit 1 that the groups were not; all bits that the child was lost.
int slipway_enter_user_namespace(const struct slipway_user_namespace *request, int *failures);

/// ioctl(2) NS_GET_OWNER_UID: the user whose namespace it is. Returns 0, or -1 with errno.
int slipway_namespace_owner(int descriptor, uint32_t *user);

/// ioctl(2) NS_GET_PARENT: the namespace around a user namespace. Returns a descriptor, or -1 with errno.
int slipway_namespace_parent(int descriptor);

/// The options that a file's mount has, of statvfs(3), as flags of mount(2). Returns 0, or -1 with errno.
int slipway_mount_flags(const char *path, unsigned long *flags);

#endif
