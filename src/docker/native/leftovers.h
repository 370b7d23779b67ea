/* What a job leaves behind in its slot and no process holds; part of supervisor.c. */
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  (void)st, (void)kind;
  if (ftw->level > 0) remove(path);
  return 0;
}

static void empty(const char *directory) {
  nftw(directory, remove_entry, 64, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void remove_object(const char *kind, int id) {
  if (strcmp(kind, "shm") == 0) shmctl(id, IPC_RMID, NULL);
  else if (strcmp(kind, "sem") == 0) semctl(id, 0, IPC_RMID);
  else msgctl(id, IPC_RMID, NULL);
}

/* Memory, semaphores and queues of System V live on without a process. Only their creator may remove them, and without a
   capability PID 1 has to become that user for a moment. Lines are `key id … cuid …`, with a heading that says which is which. */
static void remove_ipc_of(const char *kind) {
  char path[32], line[512];
  snprintf(path, sizeof path, "/proc/sysvipc/%s", kind);
  FILE *list = fopen(path, "re");
  if (!list) return;
  int creator_column = -1;
  while (fgets(line, sizeof line, list)) {
    int column = 0, id = -1;
    long creator = -1;
    char *rest = line, *word;
    while ((word = strsep(&rest, " \n"))) {
      if (!*word) continue;
      if (strcmp(word, "cuid") == 0) creator_column = column;
      if (column == 1) id = atoi(word);
      if (column == creator_column) creator = atol(word);
      column++;
    }
    if (id < 0 || creator < 0 || column < 2) continue;
    remove_object(kind, id);
    if (creator != 0 && seteuid((uid_t)creator) == 0) {
      remove_object(kind, id);
      if (seteuid(0) < 0) die("seteuid");
    }
  }
  fclose(list);
}

static void remove_ipc(void) {
  remove_ipc_of("shm");
  remove_ipc_of("sem");
  remove_ipc_of("msg");
}
