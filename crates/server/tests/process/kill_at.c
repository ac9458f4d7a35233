/* Ends a process at one of its steps, as `kill -9` or a power cut would: loaded before the C library, it
 * counts what the process tells the outside world (files and sockets), and kills it at the step whose
 * number stands in KILL_AT, before that step is done. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static void step(void) {
    static atomic_long steps;
    const char *at = getenv("KILL_AT");
    if (at != NULL && atomic_fetch_add(&steps, 1) + 1 == atol(at))
        kill(getpid(), SIGKILL);
}

#define STEP(result, name, parameters, arguments)                                  \
    result name parameters {                                                       \
        static result(*real) parameters;                                           \
        if (real == NULL)                                                          \
            real = (result(*) parameters)dlsym(RTLD_NEXT, #name);                  \
        step();                                                                    \
        return real arguments;                                                     \
    }

STEP(int, fsync, (int fd), (fd))
STEP(int, fdatasync, (int fd), (fd))
STEP(int, rename, (const char *from, const char *to), (from, to))
STEP(int, unlink, (const char *path), (path))
STEP(ssize_t, pwrite, (int fd, const void *bytes, size_t count, off_t at), (fd, bytes, count, at))
STEP(ssize_t, pwrite64, (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at))
STEP(ssize_t, send, (int fd, const void *bytes, size_t count, int flags), (fd, bytes, count, flags))
STEP(ssize_t, sendto,
     (int fd, const void *bytes, size_t count, int flags, const struct sockaddr *to, socklen_t length),
     (fd, bytes, count, flags, to, length))
STEP(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))

/* Eight bytes are how a thread wakes another up, which the outside world does not see. */
ssize_t write(int fd, const void *bytes, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL)
        real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (count != 8)
        step();
    return real(fd, bytes, count);
}
