/* What the process of a step does before it becomes the job; part of supervisor.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A supervisor that is not made to wait by its own job carries its output and ends it in time. */
#define JOB_NICE 5

/* The host puts it under its limits first. At end of file the step is over before it began. */
static void wait_at(const int gate[2]) {
  char go;
  ssize_t n;
  close(gate[1]);
  while ((n = read(gate[0], &go, 1)) < 0 && errno == EINTR) continue;
  if (n != 1) _exit(126);
}

static void be_nice(void) {
  errno = 0;
  int nice = getpriority(PRIO_PROCESS, 0);
  if (errno == 0 && nice >= JOB_NICE) return;
  if (setpriority(PRIO_PROCESS, 0, JOB_NICE) < 0) dprintf(2, "hearth: nice %d: %s\n", JOB_NICE, strerror(errno));
}
