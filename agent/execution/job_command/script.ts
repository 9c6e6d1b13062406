/** A dollar sign before a brace of the shell. */
const D = "$";

/**
 * The `windlass` command of a job: a script for any POSIX shell, because images have no Node. It
 * writes to the files of the job itself. For everything else it leaves a request in their folder and
 * reads the answer of the agent from a named pipe.
 */
export const JOB_COMMAND = String.raw`#!/bin/sh
usage() {
	cat <<'END'
The windlass command in a job:

  windlass output NAME=VALUE            an output of the job and of this step
  windlass env NAME=VALUE               a variable of the steps that follow
  windlass path FOLDER                  a folder before those of the PATH, for the steps that follow
  windlass summary TEXT|-               adds Markdown to the summary of the job
  windlass mask VALUE|-                 hides a value in the log from now on
  windlass annotate [--level error|warning|notice] [--file FILE] [--line N] [--title TITLE] TEXT|-
  windlass artifact upload PATTERN...   saves files of the workspace now
  windlass artifact download JOB [--into FOLDER] [PATTERN...]
  windlass pipeline upload FILE|-       adds the jobs of a pipeline to this run

- stands for the standard input.
END
}
fail() { echo "windlass: $*" >&2; exit 2; }
folder=$WINDLASS_FILES
[ -n "$folder" ] || fail "this command works only in the steps of a job."
newline='
'

# Writes a name with a value to a file of the job.
set_value() {
	case $2 in *=*) ;; *) fail "write NAME=VALUE, not $2." ;; esac
	name=$(printf %s "$2" | sed '1s/=.*//;q'); value=$(printf %s. "$2"); value=${D}{value%.}; value=${D}{value#*=}
	case $value in
		*"$newline"*) end=END_$$_$(date +%s); printf '%s<<%s\n%s\n%s\n' "$name" "$end" "$value" "$end" >> "$1" ;;
		*) printf '%s=%s\n' "$name" "$value" >> "$1" ;;
	esac
}

# The text of an argument; of - the standard input.
text_of() { if [ "$1" = - ]; then cat; else printf '%s\n' "$1"; fi; }

# Sends a request, which it reads, to the agent and prints the answer.
ask() {
	umask 0
	request=$folder/ask.$$.$(date +%s)
	mkfifo -m 666 "$request.answer" || exit 1
	cat > "$request.part" && mv "$request.part" "$request.request" || exit 1
	(exec cat "$request.answer" > "$request.text") &
	reading=$!
	# The agent takes a request away at once. Files of a Docker daemon on another machine do not reach it.
	(sleep 30; [ ! -e "$request.request" ] || kill $reading) > /dev/null 2>&1 &
	waiting=$!
	wait $reading || echo "1${D}{newline}The agent of this job does not answer." > "$request.text"
	kill $waiting 2> /dev/null
	read -r code < "$request.text"
	if [ "$code" = 0 ]; then sed 1d "$request.text"; else sed 1d "$request.text" >&2; fi
	rm -f "$request.answer" "$request.text" "$request.request"
	exit "$code"
}

case "$1 $2" in
	"output "*) [ $# -eq 2 ] || fail "write: windlass output NAME=VALUE"; set_value "$CI_OUTPUT" "$2" ;;
	"env "*) [ $# -eq 2 ] || fail "write: windlass env NAME=VALUE"; set_value "$CI_ENV" "$2" ;;
	"path "*) [ $# -eq 2 ] || fail "write: windlass path FOLDER"; printf '%s\n' "$2" >> "$CI_PATH" ;;
	"summary "*) [ $# -eq 2 ] || fail "write: windlass summary TEXT, or - for the standard input"; text_of "$2" >> "$CI_SUMMARY" ;;
	"mask "*)
		[ $# -eq 2 ] || fail "write: windlass mask VALUE, or - for the standard input"
		{ printf 'mask\n\n'; text_of "$2"; } | ask ;;
	"annotate "*)
		shift; fields=
		while [ $# -gt 1 ]; do
			case $1 in
				--level | --file | --line | --title)
					case $2 in *"$newline"*) fail "the value of $1 has one line." ;; esac
					fields=$fields${D}{1#--}=$2$newline; shift 2 ;;
				*) fail "unknown option $1. The options are --level, --file, --line and --title." ;;
			esac
		done
		[ $# -eq 1 ] || fail "write: windlass annotate [options] TEXT, or - for the standard input"
		{ printf 'annotate\n%s\n' "$fields"; text_of "$1"; } | ask ;;
	"artifact upload")
		shift 2; [ $# -gt 0 ] || fail "write: windlass artifact upload PATTERN..."
		{ printf 'artifact upload\n\n'; printf '%s\n' "$@"; } | ask ;;
	"artifact download")
		shift 2; [ $# -gt 0 ] || fail "write: windlass artifact download JOB [--into FOLDER] [PATTERN...]"
		fields=job=$1$newline; shift
		if [ "$1" = --into ]; then fields=${D}{fields}into=$2$newline; shift 2 || fail "--into needs a folder."; fi
		{ printf 'artifact download\n%s\n' "$fields"; [ $# -eq 0 ] || printf '%s\n' "$@"; } | ask ;;
	"pipeline upload")
		[ $# -eq 3 ] || fail "write: windlass pipeline upload FILE, or - for the standard input"
		if [ "$3" = - ]; then { printf 'pipeline upload\n\n'; cat; } | ask
		else [ -r "$3" ] || fail "the file $3 is not readable."; { printf 'pipeline upload\n\n'; cat "$3"; } | ask; fi ;;
	"help "* | "--help "* | "-h "*) usage ;;
	*) usage >&2; [ -z "$1" ] || fail "unknown command $1 $2"; exit 2 ;;
esac
`;
