// What a child gives up between clone(2) and execve(2), and Landlock's calls, which the C library does not have.
#ifndef SLIPWAY_CONFINEMENT_H
#define SLIPWAY_CONFINEMENT_H

#include <stdint.h>
#include <sys/types.h>

/// A limit of setrlimit(2), by the kernel's number.
struct slipway_limit {
    int resource;
    uint64_t soft;
    uint64_t hard;
};

/// What a child takes from itself. Every pointer is borrowed for the duration of the start.
struct slipway_confinement {
    /// The directory that becomes `/`, or -1.
    int root;
    /// A set of Landlock's rules, or -1. See landlock_restrict_self(2).
    int rules;
    uint32_t user;
    uint32_t group;
    const uint32_t *groups;
    int group_count;
    /// Bit masks by the numbers of linux/capability.h: what the process holds, and what it and its programs may ever hold.
    uint64_t capabilities;
    uint64_t bounding_capabilities;
    uint32_t file_mode_mask;
    const struct slipway_limit *limits;
    int limit_count;
    /// `struct sock_filter`, one after the other. See seccomp(2).
    const void *filter;
    uint16_t filter_length;
};

/// Which step of the confinement failed.
enum slipway_confinement_stage {
    slipway_confinement_root = 100,
    slipway_confinement_rules,
    slipway_confinement_limits,
    slipway_confinement_groups,
    slipway_confinement_user,
    slipway_confinement_bounding,
    slipway_confinement_capabilities,
    slipway_confinement_filter,
};

/// The part that needs descriptors: 0, or -1 with errno, the stage, and for limits the index.
int slipway_confine_files(const struct slipway_confinement *confinement, int *stage);
/// The rest, right before execve(2).
int slipway_confine_process(const struct slipway_confinement *confinement, int *stage, int *index);

/// prctl(2) PR_SET_NO_NEW_PRIVS.
int slipway_refuse_privileges(void);

/// landlock_create_ruleset(2) with LANDLOCK_CREATE_RULESET_VERSION: the version, or -1 with errno.
int slipway_rules_version(void);
/// landlock_create_ruleset(2), landlock_add_rule(2) and landlock_restrict_self(2). -1 with errno.
int slipway_rules_create(uint64_t file_access, uint64_t scopes);
int slipway_rules_allow(int rules, uint64_t access, int directory);
int slipway_rules_apply(int rules);

/// sigprocmask(2) of all signals, and signalfd(2) of one.
int slipway_block_signals(int watched);
/// waitid(2) of any child with WEXITED. Returns 1 for one that has ended, 0 if none has (`block` 0), or -1 with errno.
int slipway_wait_any(int block, pid_t *process, int *code, int *status);

#endif
