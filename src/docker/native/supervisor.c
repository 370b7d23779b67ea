/*
 * The slot supervisor: PID 1 of a slot's container. It starts the steps of one job at a time, carries their output to
 * a private log, and at the end of a job proves that nothing of it is left. protocol.md beside this file says what it
 * reads and writes; docs/adr/0001 says why it is a static C program.
 *
 * It trusts nothing that a job can touch. Its files live in the control directory, which it enters at start and which
 * the host unmounts before the first job; what it reads of a job's own files it opens without following links.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "hold.h"
#include "step-process.h"
#include "step-request.h"
#include "leftovers.h"

#define CONTROL "/.hearth/control"
#define JOB_DIR "/.hearth/job"
#define WORK "/work"
#define CAP_SETPCAP_NUMBER 8
#define COMMAND_FILE_LIMIT (1 << 20)
#define LOG_NOTICE_MS 25
#define CHUNK (256 * 1024)
#define MAX_WORDS 64

/* Files that a job writes for its later steps and for its dependants; each is copied out after every step. */
static const char *const command_files[] = {"env", "path", "output", "summary"};
#define COMMAND_FILES (sizeof command_files / sizeof *command_files)

enum phase { IDLE, BETWEEN_STEPS, IN_STEP, ENDING };

static struct {
  enum phase phase;
  long job, step;
  pid_t main_pid;
  const char *stop_reason;           /* "timeout" or "stopped", once a step is being ended early; first cause wins */
  int64_t stop_at, kill_at;          /* monotonic ms; 0 = never */
  int64_t grace_ms;
  int log_fd, pipe_read, pipe_write;
  int gate;                          /* the step's process waits for a byte from here; -1 = it waits no longer */
  uint64_t total, kept, cap, reported;
  int log_failed;                    /* errno of the first failed write to the log, else 0 */
  int give_back;                     /* the workspace is the host's own folder and must be given back to its owner */
} job = {.log_fd = -1, .pipe_read = -1, .pipe_write = -1, .gate = -1};

static int ctl_fd, done_fd, signal_fd;
static int64_t last_notice;
static struct rlimit limits_at_start[RLIM_NLIMITS];
static char chunk[CHUNK];

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A lost notice is harmless: the host also looks at the files. So a full pipe is not waited for. */
static void notify(const char *format, ...) {
  char line[128];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (length > 0 && write(done_fd, line, (size_t)length) < 0 && errno != EAGAIN) die("done");
}

/* ---- output ------------------------------------------------------------------------------------------------- */

static void keep(const char *bytes, size_t length) {
  job.total += length;
  size_t room = job.cap > job.kept ? (size_t)(job.cap - job.kept) : 0;
  size_t take = length < room ? length : room;
  if (take == 0 || job.log_failed) return;
  if (write_all(job.log_fd, bytes, take) < 0) job.log_failed = errno;
  else job.kept += take;
}

/* Reads what is in the pipe now. Returns 1 at end of file: then no process holds it any more. */
static int drain(void) {
  for (int rounds = 0; rounds < 8; rounds++) {
    ssize_t n = read(job.pipe_read, chunk, sizeof chunk);
    if (n == 0) return 1;
    if (n < 0) return 0;
    keep(chunk, (size_t)n);
  }
  return 0;
}

static void notice_log(int64_t now) {
  if (job.kept == job.reported || now - last_notice < LOG_NOTICE_MS) return;
  job.reported = job.kept;
  last_notice = now;
  notify("log %ld\n", job.job);
}

/* ---- files of a job ----------------------------------------------------------------------------------------- */

static uid_t give_uid;
static gid_t give_gid;

static int give_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  (void)ftw;
  if (kind == FTW_D || kind == FTW_DNR) chmod(path, (st->st_mode | 0700) & 07777);
  return lchown(path, give_uid, give_gid);
}

/* Only where the workspace is a folder of the host (strategy `copy`); an overlay is thrown away instead. */
static void give_workspace(uid_t uid, gid_t gid) {
  give_uid = uid;
  give_gid = gid;
  nftw(WORK, give_entry, 64, FTW_PHYS | FTW_MOUNT);
}

static void make_command_files(uid_t uid, gid_t gid) {
  empty(JOB_DIR);
  if (chown(JOB_DIR, uid, gid) < 0 && errno != EPERM) die(JOB_DIR);
  for (size_t i = 0; i < COMMAND_FILES; i++) {
    int fd = open(path_of(JOB_DIR "/%s", command_files[i]), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) die(JOB_DIR);
    if (fchown(fd, uid, gid) < 0 && errno != EPERM) die(JOB_DIR);
    close(fd);
  }
}

/* A job may have put a link, a device or a pipe in the place of one of its files: such a file is left out. */
static void copy_command_file(const char *name) {
  int from = open(path_of(JOB_DIR "/%s", name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (from < 0) return;
  struct stat st;
  if (fstat(from, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_size > 0 && st.st_size <= COMMAND_FILE_LIMIT) {
    int to = open_as_owner(path_of("jobs/%ld/%ld/%s", job.job, job.step, name), O_WRONLY | O_CREAT | O_TRUNC);
    if (to >= 0) {
      off_t left = COMMAND_FILE_LIMIT;
      ssize_t n;
      while (left > 0 && (n = read(from, chunk, sizeof chunk)) > 0) {
        size_t take = n < left ? (size_t)n : (size_t)left;
        if (write_all(to, chunk, take) < 0) break;
        left -= (off_t)take;
      }
      close(to);
    }
  }
  close(from);
}

/* ---- starting a step ---------------------------------------------------------------------------------------- */

static void refuse_exec(const char *what, const char *name) {
  dprintf(2, "hearth: %s %s: %s\n", what, name, strerror(errno));
  _exit(errno == ENOENT ? 127 : 126);
}

/* The words are found along the job's own PATH. Does not return. */
static void become_command(const struct request *request) {
  char *words[MAX_WORDS + 1], *rest = request->command;
  size_t count = 0;
  while (rest && count < MAX_WORDS) words[count++] = strsep(&rest, "\x1f");
  words[count] = NULL;
  environ = (char **)request->env;
  execvp(words[0], words);
  refuse_exec("starting", words[0]);
}

static void close_gate(void) {
  if (job.gate >= 0) close(job.gate);
  job.gate = -1;
}

/* Runs in the child: one capability fewer than PID 1, so that even a root job may not look into /proc/1. */
static void become_job(const struct request *request, const char *script_path) {
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  int null_fd = open("/dev/null", O_RDONLY);
  if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(job.pipe_write, 1) < 0 || dup2(job.pipe_write, 2) < 0) _exit(126);
  int adj = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (adj >= 0) {
    if (write(adj, "300", 3) < 0) dprintf(2, "hearth: oom_score_adj: %s\n", strerror(errno));
    close(adj);
  }
  be_nice();
  if (prctl(PR_CAPBSET_READ, CAP_SETPCAP_NUMBER, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, CAP_SETPCAP_NUMBER, 0, 0, 0) < 0)
    refuse_exec("dropping", "a capability");
  if (request->uid != 0 &&
      (setgroups(0, NULL) < 0 || setresgid(request->gid, request->gid, request->gid) < 0 ||
       setresuid(request->uid, request->uid, request->uid) < 0))
    refuse_exec("changing to", "the job's user");
  if (chdir(request->cwd) < 0) refuse_exec("working directory", request->cwd);
  if (request->command[0]) become_command(request);
  char *bash[] = {"bash", "-e", (char *)script_path, NULL}, *sh[] = {"sh", "-e", (char *)script_path, NULL};
  execve("/bin/bash", bash, request->env);
  execve("/bin/sh", sh, request->env);
  refuse_exec("starting", "/bin/sh");
}

static void open_job(long n, const struct request *request) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) die("pipe");
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
  if (fchown(ends[1], request->uid, request->gid) < 0 && errno != EPERM) die("pipe");
  job.job = n;
  job.pipe_read = ends[0];
  job.pipe_write = ends[1];
  job.total = job.kept = job.reported = 0;
  job.cap = request->cap;
  job.log_failed = 0;
  job.stop_reason = NULL;
  job.kill_at = 0;
  job.give_back = request->give;
  job.log_fd = open_as_owner(path_of("jobs/%ld/log", n), O_WRONLY | O_CREAT | O_EXCL);
  if (job.log_fd < 0) die("log");
  if (request->give) give_workspace(request->uid, request->gid);
}

static void finish_step(const char *rc) {
  drain();
  close_gate();
  for (size_t i = 0; i < COMMAND_FILES; i++) copy_command_file(command_files[i]);
  publish(path_of("jobs/%ld/%ld/rc", job.job, job.step), rc);
  job.phase = BETWEEN_STEPS;
  job.main_pid = 0;
  /* Only this step's time was up: what is left of it must not go on, and a later step may run. */
  if (job.stop_reason && strcmp(job.stop_reason, "timeout") == 0) {
    kill(-1, SIGKILL);
    job.stop_reason = NULL;
  }
  job.stop_at = job.kill_at = 0;
  notify("rc %ld %ld\n", job.job, job.step);
}

/* Beside the script, in memory, for the job's user alone. Anew for every step: an earlier one may have changed them. */
static int write_secret_files(const struct request *request) {
  if (request->file_count == 0) return 1;
  if (mkdir(JOB_DIR "/secrets", 0700) < 0 && errno != EEXIST) return 0;
  int folder = open(JOB_DIR "/secrets", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return 0;
  for (size_t i = 0; i < request->file_count; i++) {
    const char *name = request->files[2 * i], *text = request->files[2 * i + 1];
    if (strchr(name, '/')) return close(folder), 0;
    unlinkat(folder, name, 0);
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
    int is_written = fd >= 0 && write_all(fd, text, strlen(text)) >= 0 && fchown(fd, request->uid, request->gid) == 0;
    if (fd >= 0) close(fd);
    if (!is_written) return close(folder), 0;
  }
  int is_given = fchown(folder, request->uid, request->gid) == 0;
  close(folder);
  return is_given;
}

/* A held step waits, once it is forked, for the order `go`. */
static void run_step(long n, long k, int held) {
  if (job.phase == IN_STEP || job.phase == ENDING || (job.phase == BETWEEN_STEPS && n != job.job)) return;
  /* Before the marker: the daemon removes the request once it sees that. */
  struct request request;
  int valid = read_request(n, k, &request);
  /* The marker makes a resent id harmless: a step starts at most once. */
  int marker = open_as_owner(path_of("jobs/%ld/%ld/started", n, k), O_WRONLY | O_CREAT | O_EXCL);
  if (marker < 0) return;
  close(marker);
  if (!valid) request = (struct request){.cap = 1 << 20, .grace_ms = 0};
  if (job.phase == IDLE) open_job(n, &request);
  job.step = k;
  job.grace_ms = request.grace_ms;
  if (!valid) return finish_step("bad\n");
  if (job.stop_reason) return finish_step("stopped\n");
  drain();
  keep(request.banner, strlen(request.banner));
  char script_path[64];
  snprintf(script_path, sizeof script_path, JOB_DIR "/step-%ld", k);
  make_command_files(request.uid, request.gid);
  int script = open(script_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);
  if (script < 0 || write_all(script, request.script, strlen(request.script)) < 0) {
    if (script >= 0) close(script);
    return finish_step("bad\n");
  }
  close(script);
  if (!write_secret_files(&request)) return finish_step("bad\n");
  int gate[2] = {-1, -1};
  if (held && pipe2(gate, O_CLOEXEC) < 0) return finish_step("nofork\n");
  job.gate = gate[1];
  pid_t child = fork();
  if (child == 0 && held) wait_at(gate);
  if (child == 0) become_job(&request, script_path);
  if (held) close(gate[0]);
  if (child < 0) return finish_step("nofork\n");
  job.phase = IN_STEP;
  job.main_pid = child;
  job.stop_at = request.timeout_ms > 0 ? now_ms() + request.timeout_ms : 0;
  notify("started %ld %ld\n", n, k);
  if (!held) return;
  char text[32];
  snprintf(text, sizeof text, "%d\n", (int)child);
  publish(path_of("jobs/%ld/%ld/held", n, k), text);
  notify("held %ld %ld\n", n, k);
}

static void let_go(long n, long k) {
  if (job.phase != IN_STEP || n != job.job || k != job.step || job.gate < 0) return;
  if (write(job.gate, "1", 1) < 0 && errno != EPIPE) die("gate");
  close_gate();
}

/* ---- ending ------------------------------------------------------------------------------------------------- */

/* As PID 1 of the namespace, -1 reaches every other process in it, also those that changed session, user or parent. */
static void stop(const char *reason, int64_t grace_ms) {
  if (job.stop_reason) return;
  job.stop_reason = reason;
  job.stop_at = 0;
  kill(-1, grace_ms > 0 ? SIGTERM : SIGKILL);
  kill(-1, SIGCONT);
  job.kill_at = now_ms() + grace_ms;
}

static int limits_changed(void) {
  for (int i = 0; i < RLIM_NLIMITS; i++) {
    struct rlimit limit;
    if (getrlimit(i, &limit) == 0 && memcmp(&limit, &limits_at_start[i], sizeof limit) != 0) return 1;
  }
  return 0;
}

static void begin_end(long n) {
  if (job.phase == IDLE || n != job.job) return;
  if (job.phase == IN_STEP && !job.stop_reason) job.stop_reason = "stopped";
  if (job.phase != ENDING) {
    kill(-1, SIGKILL);
    close(job.pipe_write);
    job.pipe_write = -1;
  }
  job.phase = ENDING;
}

/* The job is over only when the kernel says that this namespace has no other process and the pipe no writer. */
static void finish_end(void) {
  char text[128];
  snprintf(text, sizeof text, "%llu %llu %d %d\n", (unsigned long long)job.total, (unsigned long long)job.kept,
           job.log_failed, limits_changed());
  close(job.pipe_read);
  close(job.log_fd);
  job.pipe_read = job.log_fd = -1;
  close_gate();
  if (job.give_back) give_workspace(control_owner.st_uid, control_owner.st_gid);
  empty(JOB_DIR);
  empty("/tmp");
  empty("/dev/shm");
  empty("/dev/mqueue");
  remove_ipc();
  publish(path_of("jobs/%ld/end", job.job), text);
  job.phase = IDLE;
  notify("end %ld\n", job.job);
}

/* Returns 1 when there is no child left, that is: no other process in the namespace at all. */
static int reap(void) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid == 0) return 0;
    if (pid < 0) return errno == ECHILD;
    if (pid != job.main_pid || job.phase == IDLE) continue;
    char rc[32];
    if (job.stop_reason) snprintf(rc, sizeof rc, "%s\n", job.stop_reason);
    else if (WIFSIGNALED(status)) snprintf(rc, sizeof rc, "signal %d\n", WTERMSIG(status));
    else snprintf(rc, sizeof rc, "exit %d\n", WEXITSTATUS(status));
    if (job.phase == ENDING) {
      drain();
      publish(path_of("jobs/%ld/%ld/rc", job.job, job.step), rc);
      job.main_pid = 0;
    } else {
      finish_step(rc);
    }
  }
}

/* ---- loop --------------------------------------------------------------------------------------------------- */

static void obey(const char *line) {
  long n, k;
  if (sscanf(line, "run %ld %ld", &n, &k) == 2) run_step(n, k, 0);
  else if (sscanf(line, "hold %ld %ld", &n, &k) == 2) run_step(n, k, 1);
  else if (sscanf(line, "go %ld %ld", &n, &k) == 2) let_go(n, k);
  else if (sscanf(line, "stop %ld %ld", &n, &k) == 2 && n == job.job && job.phase != IDLE) stop("stopped", k);
  else if (sscanf(line, "end %ld", &n) == 1) begin_end(n);
}

static void read_control(void) {
  static char line[256];
  static size_t length;
  char bytes[4096];
  ssize_t n = read(ctl_fd, bytes, sizeof bytes);
  for (ssize_t i = 0; i < n; i++) {
    if (bytes[i] == '\n') {
      line[length] = '\0';
      length = 0;
      obey(line);
    } else if (length < sizeof line - 1) {
      line[length++] = bytes[i];
    }
  }
}

static int next_timeout(int64_t now) {
  int64_t at = job.kill_at && (!job.stop_at || job.kill_at < job.stop_at) ? job.kill_at : job.stop_at;
  int wait = job.phase == ENDING ? 10 : -1;
  if (job.phase != IDLE && at) wait = at <= now ? 0 : at - now > INT_MAX ? INT_MAX : (int)(at - now);
  if (job.phase != IDLE && job.kept != job.reported && (wait < 0 || wait > LOG_NOTICE_MS)) wait = LOG_NOTICE_MS;
  return wait;
}

/*
 * `supervisor give-back`, in a container of its own: of a job that was killed with its slot, the workspace of strategy
 * `copy` still belongs to the job's user, and a daemon without root could not remove it.
 */
static void give_back(void) {
  umask(022);
  if (stat(CONTROL, &control_owner) < 0) die(CONTROL);
  give_workspace(control_owner.st_uid, control_owner.st_gid);
}

static void start(void) {
  if (getpid() != 1) {
    fprintf(stderr, "hearth supervisor: it must be PID 1 of its container\n");
    exit(64);
  }
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  umask(022);
  if (chdir(CONTROL) < 0 || stat(".", &control_owner) < 0) die(CONTROL);
  ctl_fd = open("ctl", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  done_fd = open("done", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (ctl_fd < 0 || done_fd < 0) die("control pipes");
  for (int i = 0; i < RLIM_NLIMITS; i++) getrlimit(i, &limits_at_start[i]);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal_fd = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signal_fd < 0) die("signalfd");
  publish("up", "1\n");
  notify("up\n");
}

int main(int count, char **words) {
  if (count > 2 && strcmp(words[1], "hold") == 0) hold(words + 2);
  if (count == 2 && strcmp(words[1], "give-back") == 0) {
    give_back();
    return 0;
  }
  start();
  for (;;) {
    struct pollfd fds[] = {{.fd = ctl_fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}, {.fd = job.pipe_read, .events = POLLIN}};
    poll(fds, 3, next_timeout(now_ms()));
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof info) > 0) continue;
    int at_end = job.pipe_read >= 0 ? drain() : 0;
    int alone = reap();
    int64_t now = now_ms();
    if (job.phase == IN_STEP && job.stop_at && now >= job.stop_at) stop("timeout", job.grace_ms);
    if (job.phase != IDLE && job.kill_at && now >= job.kill_at) {
      kill(-1, SIGKILL);
      job.kill_at = 0;
    }
    if (job.phase == ENDING && alone && (at_end || drain())) finish_end();
    else if (job.phase == ENDING && !alone) kill(-1, SIGKILL);
    if (fds[0].revents & POLLIN) read_control();
    if (job.phase != IDLE) notice_log(now);
  }
}
