/** What jobs leave behind in their slot, counted: the job after fifty careless ones finds nothing of theirs. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openExecutorRig, type ExecutorRig } from '../support/executor-rig.ts';

const exec = promisify(execFile);
const JOBS = 50;
let rig: ExecutorRig;

beforeAll(async () => {
  rig = await openExecutorRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

/** Everything that outlives a careless script, from a daemon that ignores signals to System V semaphores. */
const careless = `
cat >/tmp/leak.pl <<'PERL'
use Socket;
use POSIX ();
$SIG{TERM} = $SIG{HUP} = $SIG{INT} = 'IGNORE';
socket(my $tcp, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
setsockopt($tcp, SOL_SOCKET, SO_REUSEADDR, 1);
bind($tcp, sockaddr_in(7777, INADDR_ANY)) or die "the port of the job before is held: $!";
listen($tcp, 5) or die;
socket(my $unix, PF_UNIX, SOCK_STREAM, 0) or die;
bind($unix, pack('Sx a*', AF_UNIX, 'leak')) or bind($unix, pack('S a*', AF_UNIX, "\\0leak")) or die "the socket of the job before is held: $!";
listen($unix, 5) or die;
for (1 .. 3) { my $child = fork(); POSIX::_exit(0) if $child == 0; }
defined shmget(4242, 4096, 01666) or die "shmget: $!";
defined semget(4243, 1, 01666) or die "semget: $!";
defined msgget(4244, 01666) or die "msgget: $!";
open(my $mark, '>', '/tmp/ready'); close $mark;
sleep 1000;
PERL
(setsid perl /tmp/leak.pl &)
until test -e /tmp/ready; do sleep 0.01; done
(setsid bash -c 'trap "" TERM HUP; exec -a leaked-daemon sleep 1000' &)
nohup sleep 1000 >/dev/null 2>&1 &
sleep 1000 &
mkfifo /tmp/fifo; mkdir -p /dev/shm/leak; head -c 100000 /dev/zero >/dev/shm/leak/memory
touch /dev/mqueue/leak; touch /work/leak /root/.leak-of-a-T1-slot; ln -sf /etc /tmp/link
(while :; do echo noise; sleep 0.2; done) &
echo done
`;

const census = `
echo "processes: $(for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done | grep -cE '[s]leep|[p]erl|[l]eaked|[n]oise')"
echo "zombies: $(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z ')"
echo "tcp: $(awk '$4 == "0A"' /proc/net/tcp /proc/net/tcp6 | wc -l)"
echo "unix: $(grep -c leak /proc/net/unix)"
for kind in shm sem msg; do echo "$kind: $(($(wc -l </proc/sysvipc/$kind) - 1))"; done
echo "memory: $(ls -A /dev/shm | wc -l)"
echo "queues: $(ls -A /dev/mqueue | wc -l)"
echo "tmp: $(ls -A /tmp | wc -l)"
echo "workspace: $(ls -A /work | tr '\\n' ' ')"
`;

it(`finds none of the processes, ports, sockets, memory and files of ${JOBS} careless jobs before it`, async () => {
  for (let count = 0; count < JOBS; count++) {
    const { finish, log } = await rig.execute(rig.claim(careless));
    expect(finish.outcome, log).toMatchObject({ result: 'success' });
  }
  const { log } = await rig.execute(rig.claim(census));
  expect(log.split('\n').filter((line) => line.includes(':'))).toEqual([
    'processes: 0',
    'zombies: 0',
    'tcp: 0',
    'unix: 0',
    'shm: 0',
    'sem: 0',
    'msg: 0',
    'memory: 0',
    'queues: 0',
    'tmp: 0',
    'workspace: .git deps.lock hello.txt ',
  ]);
  // All of them ran in one slot: that is what makes the census mean something.
  expect(rig.open.pool.ids()).toHaveLength(1);
  const { stdout } = await exec('ps', ['-eo', 'args']);
  expect(stdout).not.toContain('leaked-daemon');
  expect(rig.errors).toEqual([]);
}, 180_000);
