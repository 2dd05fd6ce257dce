#define _GNU_SOURCE
#include "CLinuxConfinement.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// The raw calls, for those of the C library change the user of every thread, and the child shares its caller's memory.

int slipway_confine_files(const struct slipway_confinement *confinement, int *stage) {
    // Landlock and seccomp(2) ask for it of a process that may not do everything; both are inherited, and so is this.
    if (slipway_refuse_privileges() < 0) return -1;
    *stage = slipway_confinement_rules;
    if (confinement->rules >= 0 && slipway_rules_apply(confinement->rules) < 0) return -1;
    *stage = slipway_confinement_root;
    if (confinement->root >= 0 && (fchdir(confinement->root) < 0 || chroot(".") < 0)) return -1;
    return 0;
}

static int drop_from_bounding_set(uint64_t kept) {
    for (int number = 0; number < 64; number++) {
        int held = prctl(PR_CAPBSET_READ, number, 0, 0, 0);
        if (held < 0) return 0; // The kernel has no more.
        if (!held || kept >> number & 1 || prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0) continue;
        // Without CAP_SETPCAP nothing can be dropped, and without new privileges nothing be gained of it.
        return errno == EPERM ? 0 : -1;
    }
    return 0;
}

static int hold_capabilities(uint64_t held) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)held, .permitted = (uint32_t)held},
        {.effective = (uint32_t)(held >> 32), .permitted = (uint32_t)(held >> 32)},
    };
    return (int)syscall(SYS_capset, &header, data);
}

int slipway_confine_process(const struct slipway_confinement *confinement, int *stage, int *index) {
    *stage = slipway_confinement_limits;
    for (*index = 0; *index < confinement->limit_count; (*index)++) {
        const struct slipway_limit *limit = &confinement->limits[*index];
        struct rlimit64 value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};
        if (syscall(SYS_prlimit64, 0, limit->resource, &value, NULL) < 0) return -1;
    }
    umask(confinement->file_mode_mask);

    *stage = slipway_confinement_groups;
    if (syscall(SYS_setgroups, confinement->group_count, confinement->groups) < 0) return -1;
    if (syscall(SYS_setresgid, confinement->group, confinement->group, confinement->group) < 0) return -1;

    *stage = slipway_confinement_bounding;
    if (drop_from_bounding_set(confinement->bounding_capabilities) < 0) return -1;
    *stage = slipway_confinement_user;
    if (syscall(SYS_setresuid, confinement->user, confinement->user, confinement->user) < 0) return -1;
    *stage = slipway_confinement_capabilities;
    if (hold_capabilities(confinement->capabilities) < 0) return -1;

    *stage = slipway_confinement_filter;
    if (confinement->filter_length == 0) return 0;
    struct sock_fprog program = {
        .len = confinement->filter_length, .filter = (struct sock_filter *)confinement->filter};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int slipway_refuse_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

// <linux/landlock.h> is as old as the distribution; these are the fields of `struct landlock_ruleset_attr` of Linux 6.12, of which an
// older kernel takes those that it does not know if they are zero, and of `struct landlock_path_beneath_attr`.
struct rules_attributes {
    uint64_t file_access;
    uint64_t network_access;
    uint64_t scopes;
};
struct rules_path {
    uint64_t access;
    int32_t directory;
} __attribute__((packed));
enum { rules_version = 1, rule_path_beneath = 1 };

int slipway_rules_version(void) { return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, rules_version); }

int slipway_rules_create(uint64_t file_access, uint64_t scopes) {
    struct rules_attributes attributes = {.file_access = file_access, .scopes = scopes};
    return (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
}

int slipway_rules_allow(int rules, uint64_t access, int directory) {
    struct rules_path path = {.access = access, .directory = directory};
    return (int)syscall(SYS_landlock_add_rule, rules, rule_path_beneath, &path, 0);
}

int slipway_rules_apply(int rules) { return (int)syscall(SYS_landlock_restrict_self, rules, 0); }

int slipway_block_signals(int watched) {
    sigset_t signals;
    sigfillset(&signals);
    if (sigprocmask(SIG_SETMASK, &signals, NULL) < 0) return -1;
    sigemptyset(&signals);
    sigaddset(&signals, watched);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

int slipway_wait_any(int block, pid_t *process, int *code, int *status) {
    siginfo_t info;
    int result;
    do {
        memset(&info, 0, sizeof info);
        result = waitid(P_ALL, 0, &info, WEXITED | (block ? 0 : WNOHANG));
    } while (result < 0 && errno == EINTR);
    if (result < 0) return -1;
    if (info.si_pid == 0) return 0;
    *process = info.si_pid;
    *code = info.si_code;
    *status = info.si_status;
    return 1;
}
