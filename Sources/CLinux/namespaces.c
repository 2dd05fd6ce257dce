#define _GNU_SOURCE
#include "CLinuxNamespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

const int slipway_CLONE_NEWUSER = CLONE_NEWUSER;
const int slipway_CLONE_NEWCGROUP = CLONE_NEWCGROUP;

static int write_map(const struct slipway_id_mapping *mapping) {
    int file = open(mapping->file, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    size_t size = strlen(mapping->map);
    int result = write(file, mapping->map, size) == (ssize_t)size ? 0 : -1;
    close(file);
    return result;
}

// Starts the program of a mapping, if it has one: both run at the same time.
static pid_t start_mapping(const struct slipway_id_mapping *mapping) {
    if (!mapping->program) return 0;
    char *const environment[] = {NULL};
    pid_t child = vfork();
    if (child == 0) {
        execve(mapping->program, mapping->arguments, environment);
        _exit(127);
    }
    return child;
}

static int finish_mapping(const struct slipway_id_mapping *mapping, pid_t child) {
    if (!mapping->program) return write_map(mapping);
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

// Only calls that are safe after fork(2): it never executes anything of the caller again.
static void map_ids(const struct slipway_user_namespace *request, int gate) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char token;
    // Without the token the caller has no namespace, or is dead.
    if (read(gate, &token, 1) != 1) _exit(0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) dup2(null, 0);
    dup2(request->messages, 1);
    dup2(request->messages, 2);
    pid_t users = start_mapping(&request->users);
    pid_t groups = start_mapping(&request->groups);
    int failures = 0;
    if (users < 0 || finish_mapping(&request->users, users) < 0) failures |= 1;
    if (groups < 0 || finish_mapping(&request->groups, groups) < 0) failures |= 2;
    _exit(failures);
}

int slipway_enter_user_namespace(const struct slipway_user_namespace *request, int *failures) {
    int gate[2];
    if (pipe2(gate, O_CLOEXEC) < 0) return -1;
    pid_t helper = fork();
    if (helper == 0) {
        close(gate[1]);
        map_ids(request, gate[0]);
    }
    close(gate[0]);
    int result = helper < 0 ? -1 : unshare(CLONE_NEWUSER);
    int error = errno;
    if (result == 0 && write(gate[1], "x", 1) != 1) result = -1;
    close(gate[1]);
    int status = -1;
    while (helper > 0 && waitpid(helper, &status, 0) < 0 && errno == EINTR) continue;
    *failures = status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : ~0;
    errno = error;
    return result;
}

int slipway_namespace_owner(int descriptor, uint32_t *user) {
    uid_t owner;
    if (ioctl(descriptor, NS_GET_OWNER_UID, &owner) < 0) return -1;
    *user = owner;
    return 0;
}

int slipway_namespace_parent(int descriptor) { return ioctl(descriptor, NS_GET_PARENT); }

int slipway_mount_flags(const char *path, unsigned long *flags) {
    struct statvfs status;
    if (statvfs(path, &status) < 0) return -1;
    *flags = 0;
    if (status.f_flag & ST_RDONLY) *flags |= MS_RDONLY;
    if (status.f_flag & ST_NOSUID) *flags |= MS_NOSUID;
    if (status.f_flag & ST_NODEV) *flags |= MS_NODEV;
    if (status.f_flag & ST_NOEXEC) *flags |= MS_NOEXEC;
    if (status.f_flag & ST_NOATIME) *flags |= MS_NOATIME;
    if (status.f_flag & ST_NODIRATIME) *flags |= MS_NODIRATIME;
    if (status.f_flag & ST_RELATIME) *flags |= MS_RELATIME;
    return 0;
}
