#!/bin/sh
# Writes again what the official CloudEvents SDKs make of request.json: posts into ../http, Kafka records beside this folder.
# Needs Node, Python 3, Go, a JDK from 17 with Maven, and the registries of their packages. Usage: capture.sh [JAVASCRIPT|PYTHON|GO|JAVA in lower case]...
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
port=18099
trap 'kill "$recorder" 2>/dev/null; rm -rf "$work"' EXIT
cp -r "$here/." "$work"
mkdir -p "$here/../http"
"$here/../../../../node_modules/.bin/buf" convert "$here/../../../../proto" --type automation.v1.RunRequested \
  --from "$here/request.json#format=json" --to "$work/request.binpb"
node "$here/record-posts.mjs" "$here/../http" $port >"$work/recorder" &
recorder=$!
until grep -q ready "$work/recorder"; do kill -0 $recorder; done
for sdk in ${*:-javascript python go java}; do
  set -- "http://127.0.0.1:$port" "$here/request.json" "$work/request.binpb" "$here/.."
  cd "$work/$sdk"
  case $sdk in
  javascript) npm install --silent --no-audit --no-fund && node capture.mjs "$1" "$2" "$3" ;;
  python) python3 -m venv env && env/bin/pip install -q -r requirements.txt && env/bin/python capture.py "$1" "$2" "$3" ;;
  go) go run . "$@" ;;
  java) mvn -q -B compile exec:java -Dexec.args="$*" ;;
  esac
done
