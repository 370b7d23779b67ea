# Runs as a job. Says one line per assertion: "ok NAME" or "FAIL NAME: what was seen". Variables: PORT and HOST (a server of the
# host), NEIGHBOUR (a container beside this one that answers on port 7777), MARK (name of a file in the workspace of another job).
set +e

ok() { echo "ok $1"; }
fail() { echo "FAIL $1: $(echo "$2" | head -c 200 | tr '\n' ' ')"; }
# The command must succeed.
holds() { local name=$1 said; shift; said=$("$@" 2>&1) && ok "$name" || fail "$name" "$said"; }
# The command must fail.
refused() { local name=$1 said; shift; said=$("$@" 2>&1) && fail "$name" "it worked: $said" || ok "$name"; }
is() { [ "$2" = "$3" ] && ok "$1" || fail "$1" "$2 instead of $3"; }
status() { sed -n "s/^$1:[[:space:]]*//p" /proc/self/status; }
# The kernel or its filter must refuse the call: number on amd64, number on arm64, arguments.
call() {
  local name=$1 amd64=$2 arm64=$3 number; shift 3
  case $(uname -m) in x86_64) number=$amd64 ;; aarch64) number=$arm64 ;; *) fail "$name" "unknown machine"; return ;; esac
  local said
  said=$(perl -e 'my ($n, @a) = @ARGV; @a = map { /^-?\d+$/ ? $_ + 0 : $_ } @a; my $r = syscall($n + 0, @a);
    print $r == -1 ? "errno " . ($! + 0) : "returned $r";' "$number" "$@")
  # EPERM, EACCES, ENOSYS
  case $said in "errno 1" | "errno 13" | "errno 38") ok "$name" ;; *) fail "$name" "$said" ;; esac
}
reach() { perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1], Timeout => 2) or die "$@\n"' "$1" "$2"; }
at_once() {
  local name=$1 before=$(date +%s%N) said; shift
  said=$(reach "$@" 2>&1) && { fail "$name" 'it was reached'; return; }
  [ $((($(date +%s%N) - before) / 1000000)) -lt 1500 ] && ok "$name" || fail "$name" "refused only after long: $said"
}
none_of() { local path; for path in "$@"; do [ ! -e "$path" ] || { echo "$path"; return 1; }; done; }
empty_or_absent() { [ -z "$(ls -A "$1" 2>/dev/null)" ]; }
nothing_in() { [ "$(head -c 16 "$1" 2>/dev/null | wc -c)" = 0 ]; }

# Rights of a process.
EXPECTED=00000000000000fb
is 'effective capabilities are the seven of sandbox.ts' "$(status CapEff)" $EXPECTED
is 'permitted capabilities are the same' "$(status CapPrm)" $EXPECTED
is 'bounding capabilities are the same' "$(status CapBnd)" $EXPECTED
is 'no capability is inherited' "$(status CapInh)" 0000000000000000
is 'no capability is ambient' "$(status CapAmb)" 0000000000000000
is 'no new privileges' "$(status NoNewPrivs)" 1
is 'a seccomp filter is in force' "$(status Seccomp)" 2
call 'a capability cannot be regained' 126 91 "$(printf '\x22\x05\x08\x20\0\0\0\0')" "$(printf '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff')"

# Set-uid programs.
cp /usr/bin/id /tmp/suid && chmod 4755 /tmp/suid && cp /usr/bin/id /work/suid && chmod 4755 /work/suid
as_nobody() { perl -e '$( = $) = "65534 65534"; $< = $> = 65534; exec @ARGV' "$@"; }
is 'a set-uid program in /tmp gains nothing' "$(as_nobody /tmp/suid -u)" 65534
is 'a set-uid program in /work gains nothing' "$(as_nobody /work/suid -u)" 65534
is "a set-uid program of the image gains nothing" "$(as_nobody sh -c 'echo | su root -c "id -u" 2>/dev/null || id -u')" 65534

# Mounts and namespaces.
refused 'cannot mount a tmpfs' mount -t tmpfs none /mnt
refused 'cannot bind a folder' mount --bind / /mnt
refused 'cannot unmount the workspace' umount /work
refused 'cannot unmount it lazily' umount -l /work
refused 'cannot mount /proc/sys anew for writing' mount -o remount,rw,bind /proc/sys
refused 'cannot mount a cgroup hierarchy' mount -t cgroup -o rdma cgroup /mnt
refused 'cannot mount debugfs' mount -t debugfs none /mnt
refused 'cannot make a mount namespace' unshare -m true
refused 'cannot make a user namespace' unshare -U true
refused 'cannot make a network namespace' unshare -n true
refused 'cannot make a namespace inside a user namespace' unshare -Urmn true
refused 'cannot enter the mounts of PID 1' nsenter -t 1 -m true
refused 'chroot is refused' chroot / /bin/true
call 'pivot_root is refused' 155 41 /tmp /tmp
call 'fsopen is refused' 430 430 tmpfs 0
call 'open_by_handle_at is refused' 304 265 0 "$(printf '\0\0\0\0\0\0\0\0')" 0
refused 'no device of blocks can be made' mknod /tmp/sda b 8 0
refused 'no device of characters can be made' mknod /tmp/mem c 1 1
is 'there are only harmless devices' "$(ls /dev | grep -v '^core$' | tr '\n' ' ')" 'fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero '
is 'no device of blocks is there' "$(find /dev -type b | wc -l)" 0

# Files of the host, of Hearth and of other jobs.
holds 'no socket of the engine' none_of /var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock
refused 'no socket of the engine among the mounts' grep -E 'docker\.sock|containerd\.sock' /proc/self/mountinfo
is 'the control folder is empty' "$(ls -A /.hearth/control | wc -l)" 0
lowers() { sed -n 's/.* - overlay hearth .*lowerdir[+]*=\([^,]*\).*/\1/p' /proc/self/mountinfo | tr ':' '\n'; }
upper() { sed -n 's/.* - overlay hearth .*upperdir=\([^,]*\).*/\1/p' /proc/self/mountinfo; }
holds 'the workspace is an overlay' test -n "$(upper)"
holds 'the layers below the workspace cannot be reached' none_of $(lowers)
holds 'the scratch of the workspace cannot be reached' none_of "$(upper)"
is 'the workspace of another job cannot be seen' "$(find / -xdev -name "$MARK" 2>/dev/null | wc -l)" 0
is 'nor through any process' "$(ls -d /proc/[0-9]*/root/work/"$MARK" 2>/dev/null | wc -l)" 0
refused 'the supervisor cannot be changed' sh -c 'echo x >> /.hearth/supervisor'
refused 'the supervisor cannot be removed' rm -f /.hearth/supervisor
refused 'no hard link leads out of the workspace' ln /etc/passwd /work/link
refused 'the environment names no secret' sh -c 'env | grep -iE "^[^=]*(SECRET|TOKEN|PASSWORD)[^=]*="'

# PID 1 and other processes.
refused 'the environment of PID 1 cannot be read' cat /proc/1/environ
refused 'nor its memory' sh -c 'exec 3</proc/1/mem'
refused 'nor its map' cat /proc/1/maps
refused 'nor its folder' ls /proc/1/cwd/
refused 'nor its files' sh -c 'readlink /proc/1/fd/* || cat /proc/1/fd/0'
refused 'nor its root' ls /proc/1/root/
refused 'nor its namespaces' readlink /proc/1/ns/mnt
call 'PID 1 cannot be traced' 101 117 16 1 0 0
call 'its memory cannot be read by a call' 310 270 1 0 0 0 0 0
kill -9 1; kill -STOP 1; kill -TERM 1; sleep 0.2
is 'PID 1 cannot be killed or stopped' "$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' /proc/1/status)" S
is 'no process of the host is seen' "$(cat /proc/[0-9]*/comm | grep -cE 'dockerd|containerd|node|init|systemd')" 0
is 'nor one of another job' "$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -c "other-job[-]$MARK")" 0
refused 'it cannot protect itself from running out of memory' sh -c 'echo -900 > /proc/self/oom_score_adj'

# The kernel.
for path in kernel/hostname kernel/core_pattern kernel/modprobe vm/drop_caches net/ipv4/ip_forward; do
  refused "cannot write /proc/sys/$path" sh -c "cat /proc/sys/$path > /proc/sys/$path"
done
refused 'cannot write /proc/sysrq-trigger' sh -c 'echo h > /proc/sysrq-trigger'
refused 'cannot write /proc/irq' sh -c 'echo 1 > /proc/irq/default_smp_affinity'
holds '/proc/kcore gives nothing' nothing_in /proc/kcore
holds '/proc/keys gives nothing' nothing_in /proc/keys
holds '/proc/timer_list gives nothing' nothing_in /proc/timer_list
holds '/sys/firmware gives nothing' empty_or_absent /sys/firmware
refused 'cannot write /sys' test -w /sys/kernel
groups() { [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] && echo /sys/fs/cgroup || ls -d /sys/fs/cgroup/*/; }
writable_group() { local group; for group in $(groups); do mkdir "$group/x" && return 0; done; return 1; }
refused 'cannot make a cgroup' writable_group
refused 'cannot change a limit of its cgroup' sh -c 'for f in /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max; do test -e $f && echo max > $f && exit 0; done; exit 1'
refused 'no release agent can be set' sh -c 'for f in /sys/fs/cgroup/*/release_agent; do test -e $f && echo /x > $f && exit 0; done; exit 1'
is 'the number of processes is limited' "$(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null | head -1)" 4096
call 'no module can be loaded' 175 105 0 0 0
call 'nor from a file' 313 273 0 0 0
call 'no other kernel can be loaded' 246 104 0 0 0 0
call 'the machine cannot be rebooted' 169 142 0 0 0 0
call 'no swap can be turned on' 167 224 /tmp/x 0
call 'the host name cannot be changed' 170 161 x 1
call 'the clock cannot be set' 227 112 0 0
call 'nor by the old call' 164 170 0 0
call 'the log of the kernel cannot be read' 103 116 3 0 0
call 'keyctl is refused' 250 219 0 0 0 0 0
call 'add_key is refused' 248 217 user x y 1 -3
call 'bpf is refused' 321 280 0 0 0
call 'perf_event_open is refused' 298 241 0 0 -1 -1 0
call 'userfaultfd is refused' 323 282 0
call 'fanotify_init is refused' 300 262 0 0
call 'quotactl is refused' 179 60 0 0 0 0
call 'process accounting is refused' 163 89 0
call 'setns is refused' 308 268 0 0

# The network.
call 'no raw socket' 41 198 2 3 1
call 'no packet socket' 41 198 17 3 768
refused 'no route can be read or changed by a raw ping' sh -c 'ping -c1 -W1 169.254.169.254'
at_once 'cloud metadata is refused at once' 169.254.169.254 80
at_once 'metadata of another cloud, too' 100.100.100.200 80
at_once 'a private network (10/8) is refused at once' 10.1.2.3 80
at_once 'a private network (172.16/12) is refused at once' 172.20.1.2 80
at_once 'a private network (192.168/16) is refused at once' 192.168.1.1 80
at_once 'the gateway, which is the host, is refused at once' "$(perl -ne 'print join ".", reverse map { hex } $1 =~ /../g if /^\S+\s+00000000\s+(\S+)/' /proc/net/route)" "$PORT"
at_once 'the host by its own address is refused at once' "$HOST" "$PORT"
at_once 'a container beside it is refused at once' "$NEIGHBOUR" 7777
holds 'names are still found' getent hosts registry.npmjs.org
