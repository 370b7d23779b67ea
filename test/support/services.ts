/** Small programs that stand in for databases in tests of services; the test image has Perl and no network tools. */

/** Answers every connection on the port with one line, after a delay. */
export function lineServer(port: number, line: string, delaySeconds = 0): readonly string[] {
  const script = [
    'use IO::Socket::INET;',
    `sleep ${delaySeconds}; $| = 1; print "starting ${line}\\n";`,
    `my $s = IO::Socket::INET->new(LocalPort => ${port}, Listen => 9, ReuseAddr => 1) or die "no port: $!";`,
    `print "ready for ${line}\\n"; while (my $c = $s->accept) { print $c "${line}\\n"; close $c; }`,
  ].join(' ');
  return ['perl', '-e', script];
}

/** Shell: prints what a server says, or why it said nothing, within four seconds. */
export function ask(host: string, port: number): string {
  const script =
    'my $t = time; my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1], Timeout => 4);' +
    ' print "$ARGV[0]: ", ($s ? scalar(<$s>) : "$@"), (time - $t > 2 ? " slowly" : ""), "\\n"';
  return `perl -MIO::Socket::INET -e '${script}' ${host} ${port}`;
}

/** For `health.command`: succeeds when the port of the service itself answers. */
export function portCheck(port: number): string {
  return `perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => "127.0.0.1:${port}", Timeout => 1)'`;
}
