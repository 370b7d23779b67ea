/* What the daemon asks for with a step; part of supervisor.c. protocol.md describes the file. */
#include "control-files.h"

#define MAX_STRINGS 4096

struct request {
  int64_t timeout_ms, grace_ms;
  uint64_t cap;
  uid_t uid;
  gid_t gid;
  int give;
  const char *cwd, *banner, *script;
  char *command;                     /* words that end in 0x1f each but the last; empty = bash or sh */
  size_t file_count;
  char *const *files;                /* name and text in turn */
  char *const *env;
};

/* NUL-terminated strings in fixed order, then the environment. Returns 0 when the file is not of this form. */
static int read_request(long n, long k, struct request *request) {
  static char *strings[MAX_STRINGS + 1];
  static char *text;
  free(text);
  text = NULL;
  int fd = open(path_of("jobs/%ld/%ld/req", n, k), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  struct stat st;
  if (fstat(fd, &st) < 0 || st.st_size < 2 || st.st_size > (64 << 20)) return close(fd), 0;
  size_t size = (size_t)st.st_size, have = 0;
  text = malloc(size);
  if (!text) die("request");
  ssize_t got;
  while (have < size && (got = read(fd, text + have, size - have)) > 0) have += (size_t)got;
  close(fd);
  if (have != size || text[size - 1] != '\0') return 0;
  size_t count = 0;
  for (char *at = text; at < text + size; at += strlen(at) + 1) {
    if (count == MAX_STRINGS) return 0;
    strings[count++] = at;
  }
  strings[count] = NULL;
  if (count < 12 || strcmp(strings[0], "hearth-step-3") != 0) return 0;
  size_t file_count = strtoul(strings[11], NULL, 10);
  if (file_count > (count - 12) / 2) return 0;
  *request = (struct request){
      .timeout_ms = atoll(strings[1]), .grace_ms = atoll(strings[2]), .cap = strtoull(strings[3], NULL, 10),
      .uid = (uid_t)atol(strings[4]), .gid = (gid_t)atol(strings[5]), .give = atoi(strings[6]),
      .cwd = strings[7], .banner = strings[8], .script = strings[9], .command = strings[10],
      .file_count = file_count, .files = strings + 12, .env = strings + 12 + 2 * file_count};
  return 1;
}
