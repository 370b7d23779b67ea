/* What PID 1 of a service does before it becomes the image's program; part of supervisor.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * `supervisor hold PROGRAM …`, PID 1 of a service: the image's program starts when the host has put the network rules in
 * force and says so. The name tells the host that the signal will not get lost.
 */
static void hold(char **command) {
  sigset_t go;
  sigemptyset(&go);
  sigaddset(&go, SIGUSR1);
  sigprocmask(SIG_BLOCK, &go, NULL);
  prctl(PR_SET_NAME, "hearth-hold", 0, 0, 0);
  int signal_number;
  while (sigwait(&go, &signal_number) != 0) continue;
  sigprocmask(SIG_UNBLOCK, &go, NULL);
  execvp(command[0], command);
  dprintf(2, "hearth: starting %s: %s\n", command[0], strerror(errno));
  _exit(errno == ENOENT ? 127 : 126);
}
