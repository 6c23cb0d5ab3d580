/**
 * Makes every sync of a process slower by a fixed time, also those of native code: a library that is loaded before the others
 * replaces fsync, fdatasync and msync, and the writes to files that were opened for synchronous writing. So the competitors, whose
 * syncs are in C, are slowed as dcache is. Needs Linux and a C compiler.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import type { Folder } from '../harness/folder.js'

export const SLOW_MS = 2

const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char is_sync[65536];

static void slow(void) {
  struct timespec time = {0, ${SLOW_MS * 1e6}};
  nanosleep(&time, 0);
}
static void note(int fd, int flags) {
  if (fd >= 0 && fd < 65536) is_sync[fd] = (flags & O_DSYNC) != 0;
}
static void wrote(int fd) {
  if (fd >= 0 && fd < 65536 && is_sync[fd]) slow();
}
#define REAL(type, name, ...) \\
  static type (*real)(__VA_ARGS__); \\
  if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

int fsync(int fd) { REAL(int, "fsync", int); int result = real(fd); slow(); return result; }
int fdatasync(int fd) { REAL(int, "fdatasync", int); int result = real(fd); slow(); return result; }
int msync(void *at, size_t size, int flags) {
  REAL(int, "msync", void *, size_t, int);
  int result = real(at, size, flags);
  if (flags & MS_SYNC) slow();
  return result;
}
#define OPEN(name) \\
  int name(const char *path, int flags, ...) { \\
    REAL(int, #name, const char *, int, ...); \\
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \\
    int fd = real(path, flags, mode); note(fd, flags); return fd; \\
  }
OPEN(open)
OPEN(open64)
#define PWRITE(name, offset) \\
  ssize_t name(int fd, const void *bytes, size_t size, offset at) { \\
    REAL(ssize_t, #name, int, const void *, size_t, offset); \\
    ssize_t result = real(fd, bytes, size, at); wrote(fd); return result; \\
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
#define PWRITEV(name, offset) \\
  ssize_t name(int fd, const struct iovec *parts, int count, offset at) { \\
    REAL(ssize_t, #name, int, const struct iovec *, int, offset); \\
    ssize_t result = real(fd, parts, count, at); wrote(fd); return result; \\
  }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)
`

/** Builds the library. Returns the environment of a process that is to be slowed; undefined, and a line in `leftOut`, without it. */
export function slowEnvironment(folder: Folder, leftOut: string[]): NodeJS.ProcessEnv | undefined {
  if (process.platform !== 'linux') {
    leftOut.push('the slowed disk: the library that slows every fsync is for Linux')
    return undefined
  }
  const [source, library] = [folder.path('slow.c'), folder.path('slow.so')]
  writeFileSync(source, SOURCE)
  const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  })
  if (status !== 0) {
    const why = (stderr as string | null)?.split('\n')[0] ?? 'cc is not installed'
    leftOut.push(`the slowed disk: the library that slows every fsync cannot be built: ${why}`)
    return undefined
  }
  return { ...process.env, LD_PRELOAD: library }
}
