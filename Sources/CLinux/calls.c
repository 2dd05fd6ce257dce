#define _GNU_SOURCE
#include "CLinuxCalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

int slipway_receive_call(int listener, struct slipway_call *call) {
    struct seccomp_notif received;
    for (;;) {
        struct pollfd wait = {.fd = listener, .events = POLLIN};
        if (poll(&wait, 1, -1) < 0) {
            if (errno == EINTR) continue;
            return -1;
        }
        if (!(wait.revents & POLLIN)) return 0;
        memset(&received, 0, sizeof received);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &received) == 0) break;
        // ENOENT: the thread was killed meanwhile.
        if (errno != EINTR && errno != ENOENT) return -1;
    }
    call->id = received.id;
    call->thread = (pid_t)received.pid;
    call->number = received.data.nr;
    for (int i = 0; i < 6; i++) call->arguments[i] = received.data.args[i];
    return 1;
}

int slipway_answer_call(int listener, uint64_t id, int64_t value, int error, int continues) {
    struct seccomp_notif_resp answer = {
        .id = id, .val = value, .error = -error, .flags = continues ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0};
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

int slipway_answer_call_with_file(int listener, uint64_t id, int file, int close_on_exec) {
    struct seccomp_notif_addfd answer = {
        .id = id,
        .flags = SECCOMP_ADDFD_FLAG_SEND,
        .srcfd = (uint32_t)file,
        .newfd_flags = close_on_exec ? O_CLOEXEC : 0};
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &answer) < 0 ? -1 : 0;
}

int slipway_call_waits(int listener, uint64_t id) {
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

ssize_t slipway_read_memory(pid_t process, uint64_t address, void *buffer, size_t size) {
    struct iovec local = {.iov_base = buffer, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    return process_vm_readv(process, &local, 1, &remote, 1, 0);
}

ssize_t slipway_write_call_memory(
    int listener, uint64_t id, pid_t thread, uint64_t address, const void *buffer, size_t size) {
    // The file stays that of this thread's memory, whatever the number means when it is written to.
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/mem", thread);
    int memory = open(path, O_WRONLY | O_CLOEXEC);
    if (memory < 0) return -1;
    ssize_t count = slipway_call_waits(listener, id) ? pwrite(memory, buffer, size, (off_t)address) : -1;
    close(memory);
    return count;
}

ssize_t slipway_claimed_status_bytes(
    int file, const struct slipway_claimed_status *claimed, int extended, uint32_t mask, void *buffer) {
    if (extended) {
        struct statx status;
        if (statx(file, "", AT_EMPTY_PATH, mask, &status) != 0) return -1;
        status.stx_uid = claimed->user;
        status.stx_gid = claimed->group;
        if (claimed->type) {
            status.stx_mode = (uint16_t)((status.stx_mode & ~S_IFMT) | claimed->type);
            status.stx_rdev_major = claimed->major;
            status.stx_rdev_minor = claimed->minor;
        }
        memcpy(buffer, &status, sizeof status);
        return sizeof status;
    }
    struct stat status;
    if (fstat(file, &status) != 0) return -1;
    status.st_uid = claimed->user;
    status.st_gid = claimed->group;
    if (claimed->type) {
        status.st_mode = (status.st_mode & ~S_IFMT) | claimed->type;
        status.st_rdev = makedev(claimed->major, claimed->minor);
    }
    memcpy(buffer, &status, sizeof status);
    return sizeof status;
}
