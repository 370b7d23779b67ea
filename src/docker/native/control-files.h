/* The supervisor's files in the control directory; part of supervisor.c. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the control directory, as the container sees it. */
static struct stat control_owner;

static void die(const char *what) {
  fprintf(stderr, "hearth supervisor: %s: %s\n", what, strerror(errno));
  exit(70);
}

static const char *path_of(const char *format, ...) {
  static char path[PATH_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(path, sizeof path, format, args);
  va_end(args);
  return path;
}

static int write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    bytes += n;
    length -= (size_t)n;
  }
  return 0;
}

/*
 * A daemon without root must be able to read what this PID 1 of uid 0 writes into its folder, from the first moment on:
 * the file is created as the folder's owner, not given to it afterwards.
 */
static int open_as_owner(const char *path, int flags) {
  setfsgid(control_owner.st_gid);
  setfsuid(control_owner.st_uid);
  int fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
  int why = errno;
  setfsuid(0);
  setfsgid(0);
  errno = why;
  return fd;
}

/* Whole or not at all: what stands under its final name is complete. */
static void publish(const char *name, const char *text) {
  char temporary[PATH_MAX];
  snprintf(temporary, sizeof temporary, "%s.tmp", name);
  int fd = open_as_owner(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (fd < 0) die(temporary);
  if (write_all(fd, text, strlen(text)) < 0) die(temporary);
  close(fd);
  if (rename(temporary, name) < 0) die(name);
}
