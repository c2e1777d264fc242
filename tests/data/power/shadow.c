/* Loaded before the C library (LD_PRELOAD): keeps beside a directory what a loss of power would
 * leave of it. SHADOW_OF is the directory, SHADOW_AT where to keep it.
 *
 * After a successful fsync or fdatasync of a file in it, what the file had when the call began is
 * copied to `data/<id>`; after one of the directory itself, `names` says which file had which
 * name. An id is an inode and its birth: inodes are used again. The lock `lock` is held meanwhile, so that who takes it sees one moment. The copy is done
 * before the call returns: before anybody can be told that something is on the disk. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int enter(const char *at) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", at);
    int lock = open(path, O_RDWR | O_CREAT, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) abort();
    return lock;
}

static void name_of(char *id, size_t room, int directory, const char *path) {
    struct statx is;
    if (statx(directory, path, AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &is) != 0) {
        snprintf(id, room, "gone");
        return;
    }
    snprintf(id, room, "%llu-%lld.%u", (unsigned long long)is.stx_ino,
             (long long)is.stx_btime.tv_sec, is.stx_btime.tv_nsec);
}

static void keep_file(const char *at, int from, const struct stat *was) {
    char path[PATH_MAX], buffer[65536], id[96];
    name_of(id, sizeof id, from, "");
    snprintf(path, sizeof path, "%s/data/%s", at, id);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0) abort();
    /* The descriptor that is synced may be open for writing alone. */
    snprintf(path, sizeof path, "/proc/self/fd/%d", from);
    int again = open(path, O_RDONLY);
    for (off_t done = 0; done < was->st_size;) {
        size_t part = sizeof buffer;
        if ((off_t)part > was->st_size - done) part = was->st_size - done;
        ssize_t count = pread(again, buffer, part, done);
        if (count <= 0 || write(to, buffer, count) != count) abort();
        done += count;
    }
    close(again);
    close(to);
}

static void keep_names(const char *at, const char *of) {
    char path[PATH_MAX], id[96];
    snprintf(path, sizeof path, "%s/names", at);
    FILE *names = fopen(path, "w");
    DIR *directory = opendir(of);
    if (!names || !directory) abort();
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_type == DT_REG) {
            name_of(id, sizeof id, dirfd(directory), entry->d_name);
            fprintf(names, "%s %s\n", id, entry->d_name);
        }
    closedir(directory);
    fclose(names);
}

static int keep(int fd, const char *call) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, call);
    const char *of = getenv("SHADOW_OF"), *at = getenv("SHADOW_AT");
    char link[64], path[PATH_MAX];
    struct stat was;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!of || !at || length < 0 || strncmp(path, of, strlen(of)) != 0) return real(fd);
    path[length] = 0;
    const char *rest = path + strlen(of);
    if (fstat(fd, &was) != 0) abort();
    int inside = rest[0] == '/' && !strchr(rest + 1, '/');
    if (!inside && rest[0] != 0) return real(fd);
    int done = real(fd);
    if (done == 0) {
        int lock = enter(at);
        if (S_ISDIR(was.st_mode)) keep_names(at, of);
        else keep_file(at, fd, &was);
        close(lock);
    }
    return done;
}

int fsync(int fd) { return keep(fd, "fsync"); }
int fdatasync(int fd) { return keep(fd, "fdatasync"); }
