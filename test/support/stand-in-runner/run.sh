#!/bin/bash
# A runner as GitHub's own image has it, seen from outside: it takes its login from --jitconfig or from the environment, comes
# online, does one job, ends; it ends on TERM and INT when it has none. Behind it is a stand-in of GitHub (actions-github.ts).
set -u
login=${ACTIONS_RUNNER_INPUT_JITCONFIG:-}
unset ACTIONS_RUNNER_INPUT_JITCONFIG
if [ "${1:-}" = --jitconfig ]; then login=$2; fi
if ! read -r host port secret < <(echo "$login" | base64 -d; echo); then
  echo 'An error occurred: Not configured. Run config.(sh/cmd) to configure the runner.' >&2
  exit 1
fi

ask() {
  exec 3<> "/dev/tcp/$host/$port" || return 1
  printf 'POST /_runner/%s/%s HTTP/1.0\r\nContent-Length: 0\r\n\r\n' "$secret" "$1" >&3
  sed '1,/^\r*$/d' <&3
  exec 3>&-
}

has_job=no
trap 'if [ $has_job = no ]; then echo "Exiting..."; exit 0; fi' INT TERM
echo 'Listening for Jobs'
while :; do
  answer=$(ask poll) || { sleep 0.5; continue; }
  case $answer in
    gone*) echo 'The runner registration has been deleted from the server'; exit 0 ;;
    job*)
      has_job=yes
      read -r _ seconds fate <<< "$answer"
      echo "Running job for $seconds s as $(id -un) on $(uname -m)"
      sleep "$seconds" &
      wait $!
      if [ "$fate" = crash ]; then echo 'Segmentation fault' >&2; exit 139; fi
      ask done > /dev/null
      echo 'Job completed'
      exit 0
      ;;
    *) sleep 0.3 & wait $! ;;
  esac
done
