#!/bin/bash
# Exit code 0 when llama-server answers 200 at /health: its model is loaded and it takes requests. 1 for anything else.
trap '' PIPE
exec 3<>"/dev/tcp/127.0.0.1/${LLAMA_ARG_PORT:-8080}" || exit 1
printf 'GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3 || exit 1
read -r -t 4 _ status _ <&3
[ "$status" = 200 ]
