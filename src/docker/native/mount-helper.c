/*
 * The mount helper: the one part of Hearth that needs root on the host. It builds an overlay in the host's mount
 * namespace and moves it into a slot's container at /work, so that the container needs no privilege and sees neither
 * layers nor scratch. protocol.md beside this file has the requests.
 *
 * Nothing is ever executed inside a container's namespace: a job may have replaced any program there. Each request runs
 * in a forked child, because setns(2) changes the caller for good.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORK "/work"
#define CONTROL "/.hearth/control"
#define MAX_FIELDS 512
#define MAX_LINE (1 << 20)

/* From the kernel's uapi headers; older C libraries lack some of them. Equal on every architecture. */
#ifndef SYS_move_mount
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
enum { SET_FLAG = 0, SET_STRING = 1, CREATE = 6, FSOPEN_CLOSE_ON_EXEC = 1, FSMOUNT_CLOSE_ON_EXEC = 1, FROM_EMPTY_PATH = 4, TO_EMPTY_PATH = 0x40 };

static const char *request_id = "-";

static void answer_error(const char *step, int error) {
  printf("%s\terror\t%s\t%d\t%s\n", request_id, step, error, strerror(error));
  fflush(stdout);
  _exit(1);
}

/* The pid alone may have been given to another process since: its start time must fit too. Returns its namespace. */
static int namespace_of(const char *pid, const char *start_time) {
  char path[64], stat_text[1024];
  snprintf(path, sizeof path, "/proc/%d", atoi(pid));
  int process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (process < 0) answer_error("process", errno);
  int stat_fd = openat(process, "stat", O_RDONLY | O_CLOEXEC);
  ssize_t n = stat_fd < 0 ? -1 : read(stat_fd, stat_text, sizeof stat_text - 1);
  if (n <= 0) answer_error("process", errno ? errno : ESRCH);
  close(stat_fd);
  stat_text[n] = '\0';
  /* Field 22, counted after the command name, which is in parentheses and may itself hold any character. */
  char *at = strrchr(stat_text, ')');
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  if (!at || strncmp(at + 1, start_time, strlen(start_time)) != 0 || at[1 + strlen(start_time)] != ' ')
    answer_error("identity", ESTALE);
  int space = openat(process, "ns/mnt", O_RDONLY | O_CLOEXEC);
  if (space < 0) answer_error("namespace", errno);
  struct stat theirs, ours;
  if (fstat(space, &theirs) < 0 || stat("/proc/self/ns/mnt", &ours) < 0) answer_error("namespace", errno);
  if (theirs.st_ino == ours.st_ino) answer_error("namespace", EPERM); /* never mount over the host's own tree */
  close(process);
  return space;
}

static void option(int fs, int kind, const char *key, const char *value) {
  if (syscall(SYS_fsconfig, fs, kind, key, value, 0) < 0) answer_error(key, errno);
}

/* Kernels before 6.8 know only one joined value, at most 256 bytes: there short names through /proc/self/fd serve. */
static void lower_directories(int fs, char **lowers, int count) {
  if (syscall(SYS_fsconfig, fs, SET_STRING, "lowerdir+", lowers[0], 0) == 0) {
    for (int i = 1; i < count; i++) option(fs, SET_STRING, "lowerdir+", lowers[i]);
    return;
  }
  char joined[256];
  size_t length = 0;
  for (int i = 0; i < count; i++) {
    int fd = open(lowers[i], O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) answer_error("lowerdir", errno);
    int n = snprintf(joined + length, sizeof joined - length, "%s/proc/self/fd/%d", i ? ":" : "", fd);
    if (n < 0 || (size_t)n >= sizeof joined - length) answer_error("lowerdir", E2BIG);
    length += (size_t)n;
  }
  option(fs, SET_STRING, "lowerdir", joined);
}

/* docs/adr/0002 gives the reason for each option. */
static int build_overlay(const char *upper, const char *work, char **lowers, int count) {
  int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOSE_ON_EXEC);
  if (fs < 0) answer_error("fsopen", errno);
  option(fs, SET_STRING, "source", "hearth");
  lower_directories(fs, lowers, count);
  option(fs, SET_STRING, "upperdir", upper);
  option(fs, SET_STRING, "workdir", work);
  option(fs, SET_STRING, "redirect_dir", "on");
  option(fs, SET_STRING, "index", "on");
  option(fs, SET_STRING, "metacopy", "off");
  option(fs, SET_FLAG, "volatile", NULL);
  if (syscall(SYS_fsconfig, fs, CREATE, NULL, NULL, 0) < 0) answer_error("overlay", errno);
  int tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOSE_ON_EXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (tree < 0) answer_error("fsmount", errno);
  return tree;
}

static void enter(int space) {
  if (setns(space, CLONE_NEWNS) < 0) answer_error("setns", errno);
}

static void mount_work(char **field, int count) {
  int space = namespace_of(field[2], field[3]);
  int tree = build_overlay(field[4], field[5], field + 6, count - 6);
  enter(space);
  int target = open(WORK, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (target < 0) answer_error("target", errno);
  if (syscall(SYS_move_mount, tree, "", target, "", FROM_EMPTY_PATH | TO_EMPTY_PATH) < 0) answer_error("move_mount", errno);
}

static void unmount(char **field, const char *path, int flags) {
  enter(namespace_of(field[2], field[3]));
  if (umount2(path, UMOUNT_NOFOLLOW | flags) < 0) answer_error("umount", errno);
}

static void serve(char **field, int count) {
  const char *verb = count > 1 ? field[1] : "";
  if (strcmp(verb, "mount") == 0 && count >= 7) mount_work(field, count);
  else if (strcmp(verb, "umount") == 0 && count == 4) unmount(field, WORK, 0);
  else if (strcmp(verb, "seal") == 0 && count == 4) unmount(field, CONTROL, MNT_DETACH);
  else if (strcmp(verb, "probe") == 0 && count == 5) build_overlay(field[2], field[3], field + 4, 1);
  else answer_error("request", EINVAL);
  printf("%s\tok\n", request_id);
  fflush(stdout);
  _exit(0);
}

int main(void) {
  static char line[MAX_LINE];
  while (fgets(line, sizeof line, stdin)) {
    size_t length = strlen(line);
    if (length == 0 || line[length - 1] != '\n') return 64;
    line[length - 1] = '\0';
    char *field[MAX_FIELDS], *rest = line;
    int count = 0;
    while (rest && count < MAX_FIELDS) field[count++] = strsep(&rest, "\t");
    request_id = field[0];
    pid_t child = fork();
    if (child == 0) serve(field, rest ? 0 : count);
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0 || WIFSIGNALED(status)) {
      printf("%s\terror\thelper\t%d\tthe helper's child died\n", request_id, EIO);
      fflush(stdout);
    }
  }
  return 0;
}
