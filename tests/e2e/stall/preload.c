/* A disk that is slow, or hangs, under a whole, unmodified broker: LD_PRELOAD=libstall_preload.so.
 *
 *   SLUICE_STALL   a file. While it is not there: nothing happens. A number in it: each write takes
 *                  that many milliseconds longer. The number 0: writes hang until it is gone, or
 *                  says something else.
 *
 * Only pwritev, which is how the file store writes records: reads go on. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

enum { NOT_THERE = -1, LOOK_AGAIN_MS = 5 };

static int
setting(void)
{
    char text[16] = {0};
    const char *path = getenv("SLUICE_STALL");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NOT_THERE;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    return n <= 0 ? 0 : (int)strtol(text, NULL, 10);
}

static void
nap_ms(int ms)
{
    const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&ts, NULL);
}

static void
wait_for_the_disk(void)
{
    int ms = setting();
    while (ms == 0) {
        nap_ms(LOOK_AGAIN_MS);
        ms = setting();
    }
    if (ms > 0) {
        nap_ms(ms);
    }
}

HOOK ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    ssize_t (*real)(int, const struct iovec *, int, off_t) = dlsym(RTLD_NEXT, "pwritev");
    wait_for_the_disk();
    return real(fd, iov, count, at);
}
